"""Options that the installed SQLAlchemy refuses or drops are found before an upgrade meets them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from htc.store.doctor.migration_files import VERSIONS
from htc.store.doctor.migration_statements import check_migration_statements
from htc.store.doctor.schema_checks import MIGRATION_FILE_CHECKS


def test_our_own_revisions_write_out() -> None:
    assert [(f.check_id, f.verdict) for f in check_migration_statements()] == [
        ("migrations.options", "ok"),
        ("migrations.statements", "ok"),
    ]
    assert check_migration_statements in MIGRATION_FILE_CHECKS


@pytest.mark.parametrize(
    ("option", "check_id", "said"),
    [
        ('postgresql_nonsense="x"', "migrations.options", "'postgresql_nonsense' is not known"),
        ("nulls_last=True", "migrations.options", "'nulls_last' is not known"),
        ('where="tc_kelvin > 1"', "migrations.statements", "TypeError"),
        ("postgresql_using=sa.nothing()", "migrations.statements", "AttributeError"),
    ],
)
def test_a_bad_index_option_is_told_by_file_and_line(
    tmp_path: Path, option: str, check_id: str, said: str
) -> None:
    folder = tmp_path / "versions"
    shutil.copytree(VERSIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "002_bete_runs.py"
    good = '["structure_formula"])'
    content = file.read_text()
    assert content.count(good) == 1
    file.write_text(content.replace(good, f'["structure_formula"], {option})'))
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if option in text)
    bad = {f.check_id: f for f in check_migration_statements(folder) if f.verdict == "failure"}
    assert said in bad[check_id].result
    assert (
        f"002_bete_runs.py, {'upgrade() at ' if 'statements' in check_id else ''}line {line}"
        in bad[check_id].result
    )


def test_a_revision_that_cannot_be_loaded_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "001_x.py").write_text("import a_package_nobody_has\n")
    (tmp_path / "002_y.py").write_text("def upgrade(:\n")
    statements = check_migration_statements(tmp_path)[1]
    assert statements.verdict == "failure"
    assert "001_x.py: ModuleNotFoundError" in statements.result
    assert "002_y.py: SyntaxError" in statements.result
