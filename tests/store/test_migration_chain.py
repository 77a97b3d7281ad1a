"""The chain of migrations is whole; broken ones are told apart. No database is needed for any of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from htc.errors import SchemaError
from htc.store.doctor.finding import Finding
from htc.store.doctor.migration_files import check_migration_files
from htc.store.doctor.schema_checks import MIGRATION_FILE_CHECKS
from htc.store.migrating import chain, upgrade_sql
from htc.store.schema import REVISIONS

CHAIN = ("001_first", "002_second", "003_third")


def write(
    folder: Path, name: str, revision: str | None = None, down: str | None = None, body: str = ""
) -> Path:
    file = folder / f"{name}.py"
    file.write_text(
        body
        or f'"""A step."""\n\nrevision = {revision or name!r}\ndown_revision = {down!r}\n'
        "branch_labels = None\ndepends_on = None\n\n\ndef upgrade() -> None:\n    pass\n\n\n"
        "def downgrade() -> None:\n    pass\n"
    )
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole chain of three."""
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "__init__.py").touch()
    for name, down in zip(CHAIN, (None, *CHAIN), strict=False):
        write(versions, name, down=down)
    return versions


def failures(folder: Path) -> list[Finding]:
    return [f for f in check_migration_files(folder, CHAIN) if f.verdict == "failure"]


def test_the_programs_own_chain_is_whole() -> None:
    found = [finding for check in MIGRATION_FILE_CHECKS for finding in check()]
    assert [(f.result, f.action) for f in found if f.verdict != "ok"] == []
    assert {f.check_id for f in found} == {
        "migrations.files",
        "migrations.ids",
        "migrations.links",
        "migrations.chain",
        "migrations.alembic",
        "migrations.options",
        "migrations.statements",
    }
    assert any(f.result == " -> ".join(REVISIONS) for f in found)


def test_a_whole_chain_has_nothing_to_find(folder: Path) -> None:
    assert [f.verdict for f in check_migration_files(folder, CHAIN)] == ["ok"] * 5


def test_a_file_name_taken_for_a_revision_id_is_named_with_the_right_one(folder: Path) -> None:
    (folder / "001_first.py").unlink()
    write(folder, "001_add_first", "001_first")
    broken = write(folder, "002_second", down="001_add_first")
    found = {f.check_id: f for f in failures(folder)}
    link = found["migrations.links"]
    assert f'{broken}:4: it says down_revision = "001_add_first"' in link.result
    assert "it is the name of a file, whose id is '001_first'" in link.result
    assert link.action == 'write down_revision = "001_first"'
    assert "rename the file to 001_first.py" in found["migrations.ids"].action


def test_an_id_changed_in_a_file_that_the_program_knows_is_put_back(folder: Path) -> None:
    write(folder, "002_second", "002_other", "001_first")
    found = next(f for f in failures(folder) if f.check_id == "migrations.ids")
    assert found.action.startswith('write revision = "002_second"')


def test_a_file_is_not_to_take_the_name_of_another(folder: Path) -> None:
    write(folder, "004_copy", "003_third", "002_second")
    found = [f.action for f in failures(folder) if f.check_id == "migrations.ids"]
    assert not any("rename" in action for action in found)
    assert any(a.startswith('write revision = "004_copy"') for a in found)
    assert any(a.startswith("004_copy.py: write its own name as id") for a in found)


def test_statements_of_a_broken_chain_are_refused_in_the_doctors_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "003_third", down="002_secnod")
    monkeypatch.setattr(chain, "check_migration_files", lambda: check_migration_files(folder, CHAIN))
    with pytest.raises(SchemaError, match="no revision has this id") as caught:
        upgrade_sql(None)
    assert caught.value.hint == 'write down_revision = "002_second"'


def test_a_misspelt_down_revision_is_answered_with_the_nearest_id(folder: Path) -> None:
    write(folder, "003_third", down="002_secnod")
    link = next(f for f in failures(folder) if f.check_id == "migrations.links")
    assert link.action == 'write down_revision = "002_second"'


def test_a_down_revision_like_no_id_gets_no_guess(folder: Path) -> None:
    write(folder, "003_third", down="8f3a")
    link = next(f for f in failures(folder) if f.check_id == "migrations.links")
    assert link.details["nearest"] is None
    assert "the revision before it" in link.action


def test_a_doubled_id_names_both_files(folder: Path) -> None:
    write(folder, "003_again", "003_third", "002_second")
    doubled = next(f for f in failures(folder) if f.check_id == "migrations.ids")
    assert "003_third.py:3" in doubled.result
    assert "003_again.py:3" in doubled.result
    assert "2 files have the id '003_third'" in doubled.result


@pytest.mark.parametrize(
    ("name", "down", "words"),
    [
        ("004_branch", "002_second", ["2 revisions have none after them", "2 files say down_revision"]),
        ("004_base", None, ["2 files say down_revision = None"]),
        ("004_next", "003_third", ["files the program does not know: 004_next"]),
    ],
)
def test_branches_bases_and_unknown_files(
    folder: Path, name: str, down: str | None, words: list[str]
) -> None:
    write(folder, name, down=down)
    found = [f.result for f in failures(folder) if f.check_id == "migrations.chain"]
    for word in words:
        assert any(word in result for result in found), found


def test_a_missing_file_is_missed(folder: Path) -> None:
    (folder / "003_third.py").unlink()
    (found,) = failures(folder)
    assert found.result == "without a file: 003_third"


def test_a_circle_is_no_chain(folder: Path) -> None:
    write(folder, "002_second", down="003_third")
    found = " ".join(f.result for f in failures(folder))
    assert "2 revisions" not in found
    assert "1 files" not in found
    assert "never reached" in found or "none after them" in found


def test_another_order_than_the_programs(folder: Path) -> None:
    found = check_migration_files(folder, ("001_first", "003_third", "002_second"))
    chain = next(f for f in found if f.check_id == "migrations.chain")
    assert chain.verdict == "failure"
    assert "the files say 001_first -> 002_second -> 003_third" in chain.result


def test_ids_that_alembic_version_cannot_hold(folder: Path) -> None:
    long = "004_" + "x" * 29
    write(folder, long, down="003_third")
    found = next(f for f in failures(folder) if f.check_id == "migrations.ids")
    assert "33 characters" in found.result
    assert "holds 1 to 32" in found.result


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('revision = "003_third"\ndown_revision = (\n', "003_third.py:2: Python cannot read it"),
        ('down_revision = "002_second"\n', "it says no revision"),
        ('revision = "003_third"\n', "it says no down_revision"),
        (
            'revision = "003" + "_third"\ndown_revision = "002_second"\n',
            "it says revision = '003' + '_third'",
        ),
        (
            'revision = "003_third"\ndown_revision = ("001_first", "002_second")\n',
            ":2: it says down_revision = (",
        ),
        ('revision = "003_third"\ndown_revision = "002_second"\n', "it has no function upgrade()"),
        (
            'revision = "003_third"\ndown_revision = "002_second"\ndepends_on = "001_first"\n',
            ":3: it says depends_on = '001_first'",
        ),
        ("\x00", "Python cannot read it"),
    ],
)
def test_files_that_cannot_be_used(folder: Path, body: str, words: str) -> None:
    write(folder, "003_third", body=body)
    found = [f for f in failures(folder) if f.check_id == "migrations.files"]
    assert any(words in f.result for f in found), [f.result for f in found]


def test_annotated_assignments_count(folder: Path) -> None:
    body = 'revision: str = "003_third"\ndown_revision: str | None = "002_second"\n'
    body += "def upgrade(): ...\ndef downgrade(): ...\n"
    write(folder, "003_third", body=body)
    assert failures(folder) == []


def test_code_that_fails_when_it_is_loaded_is_told_by_alembics_part(folder: Path) -> None:
    (folder / "003_third.py").write_text((folder / "003_third.py").read_text() + "\nimport no_such_package\n")
    (found,) = failures(folder)
    assert found.check_id == "migrations.alembic"
    assert "no_such_package" in found.result


def test_no_folder(tmp_path: Path) -> None:
    (found,) = check_migration_files(tmp_path / "nowhere", CHAIN)
    assert found.verdict == "failure"
