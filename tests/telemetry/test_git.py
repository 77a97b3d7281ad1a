"""What is changed, in repositories of every shape."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from htc.telemetry import git
from htc.telemetry.git import code_state, last_changes


@pytest.fixture
def repository(make_project: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = make_project()
    made.init()
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    return made


def changed(project: Any, base: str | None = None) -> tuple[str, ...] | None:
    return code_state(project.folder, base).changed_files


def test_no_repository(tmp_path: Path) -> None:
    state = code_state(tmp_path)
    assert (state.commit_sha, state.branch, state.changed_files, state.complexity_delta()) == (None,) * 4
    assert "not a git repository" in (state.note or "")
    assert last_changes(tmp_path, "HEAD", ["a.py"]) == {}


def test_a_repository_without_a_commit(repository: Any) -> None:
    repository.write(a="x = 1\n")
    state = code_state(repository.folder)
    assert (state.commit_sha, state.branch) == (None, "main")
    assert state.changed_files == (".gitignore", "a.py")


def test_on_the_default_branch_changed_is_the_last_commit_until_something_is_uncommitted(
    repository: Any,
) -> None:
    repository.write(a="x = 1\n", b="if 1:\n    x = 1\n")
    first = repository.commit()
    state = code_state(repository.folder)
    assert (state.commit_sha, state.branch, state.note) == (first, "main", None)
    assert state.changed_files == (".gitignore", "a.py", "b.py")
    assert (state.lines_added, state.lines_deleted, state.complexity_delta()) == (4, 0, 1.0)

    repository.write(a="y = 1\nz = 2\n")
    second = repository.commit()
    state = code_state(repository.folder)
    assert (state.commit_sha, state.base, state.changed_files) == (second, first, ("a.py",))
    assert (state.lines_added, state.lines_deleted, state.uncommitted) == (2, 1, frozenset())

    repository.write(b="", new="for i in ():\n    pass")
    state = code_state(repository.folder)
    assert (state.base, state.changed_files) == (second, ("b.py", "new.py"))
    assert (state.lines_added, state.lines_deleted, state.complexity_delta()) == (2, 2, 0.0)
    assert state.uncommitted == {"b.py", "new.py"}


def test_on_another_branch_changed_is_all_since_it_left(repository: Any) -> None:
    repository.write(a="1\n", b="1\n", c="1\n")
    base = repository.commit()
    repository.git("checkout", "-q", "-b", "feature/x")
    repository.write(a="2\n")
    repository.commit()
    repository.git("mv", "b.py", "d.py")
    repository.commit()
    repository.git("checkout", "-q", "main")
    repository.write(c="2\n")
    repository.commit()
    repository.git("checkout", "-q", "feature/x")
    repository.write(e="1\n")
    state = code_state(repository.folder)
    assert (state.branch, state.base) == ("feature/x", base)
    assert state.changed_files == ("a.py", "b.py", "d.py", "e.py")
    assert (state.lines_added, state.lines_deleted) == (2, 1)  # a rename adds nothing
    assert state.uncommitted == {"e.py"}
    assert changed(repository, "HEAD") == ("e.py",)
    assert changed(repository, "HEAD~1") == ("b.py", "d.py", "e.py")


def test_detached_and_unknown(repository: Any) -> None:
    repository.write(a="1\n")
    first = repository.commit()
    repository.write(a="2\n")
    repository.commit()
    repository.git("checkout", "-q", "--detach", first)
    state = code_state(repository.folder)
    assert (state.commit_sha, state.branch) == (first, None)
    state = code_state(repository.folder, "no-such-revision")
    assert (state.commit_sha, state.changed_files) == (first, None)
    assert state.note == "git knows no common ancestor with no-such-revision"


def test_a_clone_is_compared_with_what_it_was_cloned_from(repository: Any, make_project: Any) -> None:
    repository.write(a="1\n", b="1\n")
    repository.commit()
    repository.write(b="2\n")
    repository.commit()
    clone = make_project("clone")
    clone.git("clone", "-q", str(repository.folder), ".")
    clone.write(a="2\n")
    clone.commit()
    clone.write(a="3\n")
    clone.commit()
    assert changed(clone) == ("a.py",)
    assert code_state(clone.folder).base == repository.git("rev-parse", "HEAD")

    shallow = make_project("shallow")
    shallow.git("clone", "-q", "--depth", "1", repository.folder.as_uri(), ".")
    state = code_state(shallow.folder)
    assert state.commit_sha == repository.git("rev-parse", "HEAD")
    assert state.changed_files is None
    assert "shallow" in (state.note or "")
    shallow.write(a="2\n")
    assert changed(shallow) == ("a.py",)


def test_paths_are_as_pytest_sees_them_from_a_folder_of_the_repository(repository: Any) -> None:
    repository.write(part__tests__test_a="1\n", other="1\n")
    commit = repository.commit()
    folder = repository.folder / "part"
    assert code_state(folder).changed_files == ("../.gitignore", "../other.py", "tests/test_a.py")
    assert set(last_changes(folder, commit, ["tests/test_a.py", "../other.py"])) == {"tests/test_a.py"}
    repository.write(part__new="1\n")
    assert code_state(folder).changed_files == ("new.py",)


def test_a_hook_of_another_repository_does_not_mislead(
    repository: Any, make_project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.write(a="1\n")
    commit = repository.commit()
    other = make_project("other")
    other.init()
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git/index"))
    assert code_state(repository.folder).commit_sha == commit
    assert set(last_changes(repository.folder, commit, ["a.py"])) == {"a.py"}


def test_names_of_every_kind(repository: Any) -> None:
    names = ["a b.py", "é.py", "[x]*?.py", "-x.py"]
    for name in names:
        (repository.folder / name).write_text("x = 1\n")
    commit = repository.commit()
    state = code_state(repository.folder)
    assert set(state.changed_files or ()) == {".gitignore", *names}
    assert state.complexity_delta() == 0.0
    assert set(last_changes(repository.folder, commit, names)) == set(names)


def test_last_changes_are_the_last_commits_of_each(repository: Any) -> None:
    for day, name in enumerate(["a", "b", "a", "c"]):
        repository.write(**{name: f"{day}\n"})
        repository.git("add", "-A")
        date = f"2026-01-0{day + 1}T00:00:00Z"
        repository.git("commit", "-q", "-m", "x", GIT_COMMITTER_DATE=date)
    start = 1767225600.0  # 2026-01-01
    asked = ["a.py", "b.py", "c.py", "never.py", ""]
    found = {"a.py": start + 2 * 86400, "b.py": start + 86400, "c.py": start + 3 * 86400}
    assert last_changes(repository.folder, "HEAD", asked) == found
    many = [*asked, *(f"x{i}.py" for i in range(200))]
    assert last_changes(repository.folder, "HEAD", many) == found


def test_python_that_does_not_parse_has_no_complexity(repository: Any) -> None:
    repository.write(a="x = 1\n")
    repository.commit()
    repository.write(a="def (:\n")
    state = code_state(repository.folder)
    assert (state.changed_files, state.lines_added, state.complexity_delta()) == (("a.py",), 1, None)


def test_a_git_that_hangs_is_given_up(
    repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin/git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=":")
    monkeypatch.setattr(git, "PATIENCE_S", 0.2)
    began = time.monotonic()
    assert "was not done" in (code_state(repository.folder).note or "")
    assert last_changes(repository.folder, "HEAD", ["a.py"]) == {}
    assert time.monotonic() - began < 50.0  # it would sleep for two minutes
