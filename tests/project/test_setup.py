"""Setting up, and what must not be in any tracked file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("demo", "test", "lint", "serve", "bench", "clean", "help")

# A python that makes environments whose python and pip only note what they were asked. An environment works
# while it holds the file `complete`, which installing makes; one that was `spoilt` needs --force-reinstall.
STUB = """#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
case "$*" in
  *"-m venv"*)
    for target in "$@"; do :; done
    mkdir -p "$target/bin"; cp "$0" "$target/bin/python"; echo "venv" >>"$LOG";;
  *"-m pip --version"*) [ ! -e "$here/no-pip" ];;
  *"-m pip install"*)
    echo "$*" >>"$LOG"
    [ -e "$here/fails" ] && exit 7
    case "$*" in *--force-reinstall*) rm -f "$here/spoilt";; esac
    [ -e "$here/spoilt" ] || touch "$here/complete";;
  *"import htc"*) [ -e "$here/complete" ];;
  *version_info*) echo "${STUB_VERSION:-3.12.1}"; exit "${STUB_UNFIT:-0}";;
esac
"""


class Project:
    """A project of stubs around the real ``scripts/venv``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / ".venv"
        self.log = folder / "log"
        (folder / "scripts").mkdir()
        shutil.copy(ROOT / "scripts/venv", folder / "scripts/venv")
        (folder / "requirements").mkdir()
        for name in ("base", "dev"):
            (folder / f"requirements/{name}.txt").write_text(f"{name}==1\n")
        (folder / "pyproject.toml").write_text("[project]\n")
        (folder / "hatch_build.py").write_text("")
        self.compiled = folder / "src/htc/theory/eliashberg/native/kernel.c"
        self.compiled.parent.mkdir(parents=True)
        self.compiled.write_text("/* version 1 */\n")
        (folder / "stub").mkdir()
        self.python = folder / "stub/python"
        self.python.write_text(STUB)
        self.python.chmod(0o755)

    def make(self, requirements: str = "base", **environment: str) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        command = ["scripts/venv", str(self.python), ".venv", f"requirements/{requirements}.txt", "--quiet"]
        return subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"LOG": str(self.log)} | environment,
        )

    def did(self) -> list[str]:
        """Which steps the last call took, in order."""
        kinds = ("--force-reinstall", "--no-deps", "--require-hashes", "venv")
        return [next(k for k in kinds if k in line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


NEW = ["venv", "--require-hashes", "--no-deps"]
AGAIN = ["--require-hashes", "--no-deps"]


def test_a_finished_environment_is_trusted(project: Project) -> None:
    assert project.make().returncode == 0
    assert project.did() == NEW
    assert project.make().returncode == 0
    assert project.did() == []


def spoil(project: Project, name: str) -> None:
    (project.venv / name).touch()


MENDED: dict[str, tuple[Callable[[Project], object], list[str]]] = {
    "no python": (lambda p: (p.venv / "bin/python").unlink(), NEW),
    "python that does not run": (lambda p: (p.venv / "bin/python").write_text("#!/no/such/thing\n"), NEW),
    "half made": (lambda p: (shutil.rmtree(p.venv), p.venv.mkdir()), NEW),
    "a file in its place": (lambda p: (shutil.rmtree(p.venv), p.venv.write_text("")), NEW),
    "a dangling link": (lambda p: (shutil.rmtree(p.venv), p.venv.symlink_to("gone")), NEW),
    "no pip": (lambda p: (spoil(p, "no-pip"), (p.venv / "complete").unlink()), NEW),
    "packages gone": (lambda p: (p.venv / "complete").unlink(), AGAIN),
    "files of packages gone": (
        lambda p: ((p.venv / "complete").unlink(), spoil(p, "spoilt")),
        [*AGAIN, "--force-reinstall", "--no-deps"],
    ),
    "no stamp: stopped half way": (lambda p: (p.venv / ".htc-base.txt").unlink(), AGAIN),
    "other pins": (lambda p: (p.folder / "requirements/base.txt").write_text("base==2\n"), AGAIN),
    "other project file": (lambda p: (p.folder / "pyproject.toml").write_text("[tool]\n"), AGAIN),
    "another source to compile": (lambda p: p.compiled.write_text("/* version 2 */\n"), AGAIN),
}


@pytest.mark.parametrize("kind", MENDED)
def test_a_broken_environment_is_mended(project: Project, kind: str) -> None:
    break_it, steps = MENDED[kind]
    project.make()
    break_it(project)
    done = project.make()
    assert done.returncode == 0, done.stderr
    assert project.did() == steps
    assert project.make().returncode == 0
    assert project.did() == []


def test_an_environment_of_another_python_is_made_anew(project: Project) -> None:
    project.make()
    done = project.make(STUB_VERSION="3.13.0")
    assert done.returncode == 0
    # The stub answers with one version for both, so it is the stamp that tells.
    assert project.did() == AGAIN


def test_the_larger_set_serves_the_smaller_one(project: Project) -> None:
    project.make("dev")
    assert project.make("base").returncode == 0
    assert project.did() == []
    shutil.rmtree(project.venv)
    project.make("base")
    project.make("dev")
    assert project.did() == AGAIN


def test_an_installation_that_failed_leaves_no_stamp(project: Project) -> None:
    project.make()
    spoil(project, "fails")
    (project.folder / "requirements/base.txt").write_text("base==2\n")
    assert project.make().returncode != 0
    assert not list(project.venv.glob(".htc-*"))
    (project.venv / "fails").unlink()
    assert project.make().returncode == 0
    assert project.did() == AGAIN


def test_an_unfit_python_is_named(project: Project) -> None:
    done = project.make(STUB_VERSION="3.9.2", STUB_UNFIT="1")
    assert done.returncode == 1
    assert "needs Python 3.11 to 3.14" in done.stderr
    assert "3.9.2" in done.stderr
    assert not project.venv.exists()
    project.python.unlink()
    done = project.make()
    assert done.returncode == 1
    assert "not there" in done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_lists_what_can_be_done() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    for arguments in ([], ["help"]):
        said = subprocess.run(
            ["make", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, env=environment
        )
        for target in TARGETS:
            assert re.search(rf"^  make {target}\s+\S", said.stdout, re.MULTILINE), target


def tracked() -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


# Written in parts, so that this file does not hold what it looks for.
FORBIDDEN = {
    "address of a package index": re.compile(
        r"--(?:extra-)?index-url[ =]+\S|https?://[^\s\"')]*/simple\b|files\.python" + r"hosted\.org",
        re.IGNORECASE,
    ),
    "path of somebody's machine": re.compile(r"(?<![\w.~/-])/(?:home|Users|work|root)/[\w.-]+"),
    "private key": re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_holds(what: str) -> None:
    found = []
    for path in tracked():
        content = path.read_bytes()
        if b"\0" in content[:8000]:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
            if FORBIDDEN[what].search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert not found, "\n".join(found)


def test_every_pin_has_a_hash_and_no_index() -> None:
    for name in ("base", "dev"):
        text = (ROOT / f"requirements/{name}.txt").read_text()
        assert "index" not in text
        assert "://" not in text
        entries = re.split(r"\n(?=\S)", text.strip())
        pins = [entry for entry in entries if not entry.startswith("#")]
        assert len(pins) > 20
        for entry in pins:
            assert re.match(r"[\w.\[\]-]+==", entry), entry
            assert "--hash=sha256:" in entry, entry


def test_tests_run_on_the_declared_python() -> None:
    assert (3, 11) <= sys.version_info[:2] <= (3, 14)
