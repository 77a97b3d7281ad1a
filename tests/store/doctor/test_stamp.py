"""The stamp against the tables, in each state that an earlier deployment was found in."""

from __future__ import annotations

from typing import Any

import pytest

from htc.errors import SchemaError
from htc.store import schema
from htc.store.doctor.stamp import check_orphans, check_stamp
from htc.store.schema import HEAD, REVISIONS

HTC_PREDICTIONS = "CREATE TABLE htc_predictions (id varchar PRIMARY KEY, composition varchar)"


def test_a_current_database(database: Any, ask: Any) -> None:
    assert [f.verdict for f in ask(check_stamp, database)] == ["ok"]
    assert [f.verdict for f in ask(check_orphans, database)] == ["ok"]


def test_an_empty_database_is_no_trouble(empty_database: Any, only: Any) -> None:
    found = only(check_stamp, empty_database)
    assert (found.check_id, found.verdict) == ("schema.stamp", "note")
    assert "the database is empty" in found.result


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_behind(empty_database: Any, to: Any, only: Any, ask: Any, revision: str) -> None:
    to(empty_database, revision)
    found = only(check_stamp, empty_database)
    assert found.verdict == "warning"
    assert found.details["outstanding"] == list(REVISIONS[REVISIONS.index(revision) + 1 :])
    assert "`htc db upgrade`" in found.action
    assert [f.verdict for f in ask(check_orphans, empty_database)] == ["ok"]


@pytest.mark.parametrize(
    ("statement", "words"),
    [("DROP TABLE alembic_version", "no table alembic_version"), ("DELETE FROM alembic_version", "is empty")],
)
def test_no_stamp(empty_database: Any, to: Any, run: Any, only: Any, statement: str, words: str) -> None:
    to(empty_database, "003_htc_predictions")
    run(empty_database, statement)
    found = only(check_stamp, empty_database)
    assert found.verdict == "failure"
    assert words in found.result
    assert found.details["fits"] == "003_htc_predictions"
    assert "htc db adopt" in found.action


def test_a_stamp_without_tables(empty_database: Any, run: Any, only: Any) -> None:
    run(
        empty_database,
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('003_htc_predictions')",
    )
    found = only(check_stamp, empty_database)
    assert found.verdict == "failure"
    assert "there is no table of HTC" in found.result


def test_the_name_that_a_previous_deployment_used(empty_database: Any, to: Any, run: Any, only: Any) -> None:
    to(empty_database, "001_test_telemetry")
    run(empty_database, "UPDATE alembic_version SET version_num = '001_add_test_telemetry'")
    found = only(check_stamp, empty_database)
    assert found.verdict == "failure"
    assert "perhaps an earlier name of 001_test_telemetry" in found.result
    assert "the tables are those of 001_test_telemetry" in found.result
    assert "htc db adopt" in found.action
    assert only(check_orphans, empty_database).verdict == "skipped"


def test_a_newer_program_was_here(database: Any, run: Any, only: Any) -> None:
    run(database, "UPDATE alembic_version SET version_num = '099_from_the_future'")
    found = only(check_stamp, database)
    assert found.verdict == "failure"
    assert "a newer htc made it" in found.result
    assert found.action.startswith("update htc")


def test_another_programs_stamp(database: Any, run: Any, only: Any) -> None:
    run(database, "UPDATE alembic_version SET version_num = '8f3a91c0d2e4'")
    found = only(check_stamp, database)
    assert found.verdict == "failure"
    assert "or another program made it" in found.result
    assert "a schema of its own" in found.action


def test_several_stamps(database: Any, run: Any, only: Any) -> None:
    run(database, "INSERT INTO alembic_version VALUES ('003_htc_predictions')")
    found = only(check_stamp, database)
    assert found.verdict == "failure"
    assert "2 rows" in found.result
    assert f"the tables are those of {HEAD}" in found.result


def test_ahead_of_the_tables(empty_database: Any, to: Any, run: Any, only: Any) -> None:
    to(empty_database, "003_htc_predictions")
    run(empty_database, f"UPDATE alembic_version SET version_num = '{HEAD}'")
    found = only(check_stamp, empty_database)
    assert found.verdict == "failure"
    assert "the tables are those of 003_htc_predictions: the stamp is ahead" in found.result
    assert "htc db adopt" in found.action


def test_behind_tables_that_are_all_there(
    empty_database: Any, to: Any, run: Any, only: Any, ask: Any
) -> None:
    to(empty_database, "003_htc_predictions")
    run(empty_database, "UPDATE alembic_version SET version_num = '001_test_telemetry'")
    found = only(check_stamp, empty_database)
    assert found.verdict == "failure"
    assert "the tables are those of 003_htc_predictions: the stamp is behind" in found.result
    named = {f.details["relation"] for f in ask(check_orphans, empty_database)}
    assert named == {"bete_runs", "htc_predictions", "top_superconductors"}


@pytest.mark.parametrize(
    ("rows", "words"), [(0, ", empty"), (1, "with 1 row"), (7, "with 7 rows"), (1500, "at least 1000 rows")]
)
def test_an_orphan_of_a_failed_migration(
    empty_database: Any, to: Any, run: Any, only: Any, rows: int, words: str
) -> None:
    to(empty_database, "001_test_telemetry")
    run(
        empty_database,
        HTC_PREDICTIONS,
        f"INSERT INTO htc_predictions SELECT n, 'Nb' FROM generate_series(1, {rows}) n",
    )
    found = only(check_orphans, empty_database)
    assert (found.check_id, found.verdict) == ("schema.orphans", "failure")
    assert "there is the table htc_predictions of 003_htc_predictions" in found.result
    assert words in found.result
    assert "htc db adopt" in found.action
    assert ("do not drop it" in found.action) == (rows > 0)
    stamp = only(check_stamp, empty_database)
    assert stamp.verdict == "warning"
    assert "left behind first" in stamp.action


def test_an_orphan_without_any_stamp(empty_database: Any, run: Any, only: Any) -> None:
    run(empty_database, HTC_PREDICTIONS)
    found = only(check_stamp, empty_database)
    assert "the tables (htc_predictions) are those of no revision" in found.result
    assert "restore a backup" in found.action


def test_a_dropped_table_is_missed(database: Any, run: Any, only: Any) -> None:
    run(database, "DROP TABLE runs CASCADE")
    found = only(check_stamp, database)
    assert found.verdict == "failure"
    assert "table runs is missing" in found.result
    assert "ahead" not in found.result


def test_a_dropped_column_is_no_matter_for_adoption(database: Any, run: Any, only: Any) -> None:
    run(database, "ALTER TABLE runs DROP COLUMN program_version")
    found = only(check_stamp, database)
    assert found.verdict == "failure"
    assert "column runs.program_version is missing" in found.result
    assert "adopt" not in found.action
    assert 'ALTER TABLE runs ADD COLUMN "program_version"' in found.action


def test_tables_out_of_the_search_path_are_not_an_empty_database(
    empty_database: Any, to: Any, run: Any, only: Any
) -> None:
    to(empty_database, "003_htc_predictions")
    name = empty_database.engine.url.database
    run(empty_database, "CREATE SCHEMA mine", f"ALTER DATABASE {name} SET search_path = mine")
    empty_database.engine.dispose()
    found = only(check_stamp, empty_database)
    assert found.verdict == "warning"
    assert "the schema public of this database has" in found.result
    assert "search_path%3Dpublic" in found.action
    for attempt in (schema.ensure, schema.upgrade):
        with pytest.raises(SchemaError, match="schema mine has no tables of HTC, but the schema public"):
            attempt(empty_database)
    run(empty_database, "CREATE TABLE mine.alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    schema.upgrade(empty_database)
    with empty_database.connect() as connection:
        assert schema.standing(connection).is_current


def test_tables_of_the_users_own_count_for_nothing(empty_database: Any, run: Any, only: Any) -> None:
    run(empty_database, "CREATE TABLE experiments (id int)")
    assert only(check_stamp, empty_database).verdict == "note"
