"""Each way in which a schema can differ from its revision, and the repairs that lose nothing."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from htc.errors import StoreError
from htc.store.catalogue import differences, expected, read
from htc.store.doctor.drift import (
    DRIFT_CHECKS,
    check_constraints,
    check_extras,
    check_indexes,
    check_tables,
    check_views,
)
from htc.store.schema import HEAD, REVISIONS

RANKING = "ix_htc_predictions_ranking"


def nothing_differs(database: Any) -> bool:
    with database.connect() as connection:
        return differences(expected(HEAD), read(connection)) == []


@pytest.mark.parametrize("revision", REVISIONS)
def test_no_drift_at_any_revision(empty_database: Any, to: Any, ask: Any, revision: str) -> None:
    to(empty_database, revision)
    for check in DRIFT_CHECKS:
        assert [(f.verdict, f.result) for f in ask(check, empty_database) if f.verdict != "ok"] == []


def test_nothing_to_compare(empty_database: Any, only: Any) -> None:
    for check in DRIFT_CHECKS:
        assert only(check, empty_database).verdict == "skipped"


@pytest.mark.parametrize(
    ("statement", "verdict", "words", "action"),
    [
        (
            "ALTER TABLE test_telemetry DROP COLUMN branch",
            "failure",
            "column test_telemetry.branch is missing",
            "backup",
        ),
        (
            "ALTER TABLE test_telemetry ALTER COLUMN lines_added TYPE text",
            "failure",
            "type is text, should be integer",
            "backup",
        ),
        (
            "ALTER TABLE test_telemetry ALTER COLUMN branch TYPE varchar(100)",
            "warning",
            "type is character varying(100), should be character varying(200)",
            "TYPE character varying(200)",
        ),
        (
            "ALTER TABLE test_telemetry ALTER COLUMN test_name DROP NOT NULL",
            "warning",
            "nullability is NULL, should be NOT NULL",
            "SET NOT NULL",
        ),
        (
            "ALTER TABLE htc_predictions ALTER COLUMN mu_star SET DEFAULT 0.1",
            "warning",
            "default is 0.1, should be '0.13'::double precision",
            "SET DEFAULT '0.13'::double precision",
        ),
    ],
)
def test_columns(
    database: Any, run: Any, only: Any, statement: str, verdict: str, words: str, action: str
) -> None:
    run(database, statement)
    found = only(check_tables, database)
    assert (found.check_id, found.verdict) == ("schema.tables", verdict)
    assert words in found.result
    assert action in found.action


def test_earlier_deployments_may_differ_in_form(empty_database: Any, to: Any, run: Any, only: Any) -> None:
    to(empty_database, "003_htc_predictions")
    run(empty_database, "ALTER TABLE htc_predictions ALTER COLUMN tc_predicted SET NOT NULL")
    found = only(check_tables, empty_database)
    assert found.verdict == "note"
    assert "brings it to one form" in found.action


def test_a_missing_rule(database: Any, run: Any, only: Any) -> None:
    run(database, "ALTER TABLE htc_predictions DROP CONSTRAINT ck_htc_predictions_tc_valid")
    found = only(check_constraints, database)
    assert found.verdict == "warning"
    assert "ck_htc_predictions_tc_valid of htc_predictions is missing" in found.result
    run(database, found.action.replace(":", "\\:").replace("\\:\\:", "::"))
    assert nothing_differs(database)


def test_a_missing_unique_rule_is_grave(database: Any, run: Any, only: Any) -> None:
    run(database, "ALTER TABLE findings DROP CONSTRAINT uq_findings_entry_id")
    assert only(check_constraints, database).verdict == "failure"


def test_a_rule_that_was_never_checked(database: Any, run: Any, only: Any) -> None:
    with database.begin() as connection:
        constraint = "ck_htc_predictions_mu_star_valid"
        definition = connection.execute(
            text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name"),
            {"name": constraint},
        ).scalar_one()
        connection.execute(text(f"ALTER TABLE htc_predictions DROP CONSTRAINT {constraint}"))
        connection.exec_driver_sql(
            f"ALTER TABLE htc_predictions ADD CONSTRAINT {constraint} {definition} NOT VALID"
        )
    found = only(check_constraints, database)
    assert found.verdict == "warning"
    assert "NOT VALID" in found.result
    assert "holds for every row" in found.fix.apply()
    assert nothing_differs(database)


def test_old_rows_that_break_a_rule_stop_its_validation(database: Any, run: Any, only: Any) -> None:
    run(
        database,
        "ALTER TABLE runs DROP CONSTRAINT ck_runs_kind_given",
        "INSERT INTO runs (id, kind, created_by) VALUES ('x', '', 'me')",
        "ALTER TABLE runs ADD CONSTRAINT ck_runs_kind_given CHECK (kind <> '') NOT VALID",
    )
    found = only(check_constraints, database)
    with pytest.raises(StoreError, match="rules refuse"):
        found.fix.apply()


FOREIGN_KEY = "fk_htc_predictions_experiment_id"


def test_a_missing_foreign_key_is_put_back(database: Any, run: Any, only: Any) -> None:
    run(database, f"ALTER TABLE htc_predictions DROP CONSTRAINT {FOREIGN_KEY}")
    found = only(check_constraints, database)
    assert found.verdict == "warning"
    assert f"constraint {FOREIGN_KEY} of htc_predictions is missing" in found.result
    assert "is back and holds for every row" in found.fix.apply()
    assert nothing_differs(database)


def test_a_foreign_key_that_was_broken_meanwhile_comes_back_for_new_rows(
    database: Any, run: Any, only: Any
) -> None:
    insert = (
        "INSERT INTO htc_predictions (id, composition, reduced_formula, tc_predicted, extrapolation_warning,"
        " created_by, experiment_id) VALUES ('{}', 'Nb', 'Nb', 9.0, false, 'me', 'nobody')"
    )
    run(database, f"ALTER TABLE htc_predictions DROP CONSTRAINT {FOREIGN_KEY}", insert.format(1))
    with pytest.raises(StoreError, match="rules refuse"):
        only(check_constraints, database).fix.apply()
    assert "NOT VALID" in only(check_constraints, database).result
    with pytest.raises(IntegrityError, match=FOREIGN_KEY):
        run(database, insert.format(2))


def test_a_missing_index_is_made_again(database: Any, run: Any, only: Any) -> None:
    run(database, f"DROP INDEX {RANKING}")
    found = only(check_indexes, database)
    assert (found.check_id, found.verdict) == ("schema.indexes", "warning")
    assert f"index {RANKING} of htc_predictions is missing" in found.result
    assert "was made" in found.fix.apply()
    assert nothing_differs(database)
    found.fix.apply()  # may be repeated


@pytest.mark.parametrize("columns", ["tc_predicted DESC, id", "tc_predicted DESC NULLS LAST"])
def test_an_index_of_another_order_is_replaced(database: Any, run: Any, only: Any, columns: str) -> None:
    run(database, f"DROP INDEX {RANKING}", f"CREATE INDEX {RANKING} ON htc_predictions ({columns})")
    found = only(check_indexes, database)
    assert found.verdict == "warning"
    assert f"is btree ({columns}), should be btree (tc_predicted DESC NULLS LAST, id)" in found.result
    found.fix.apply()
    assert nothing_differs(database)


def test_a_missing_index_of_the_view_stops_its_refresh(database: Any, run: Any, only: Any) -> None:
    run(database, "DROP INDEX idx_top_superconductors_formula")
    found = only(check_indexes, database)
    assert found.verdict == "failure"
    assert "cannot be refreshed CONCURRENTLY" in found.result
    found.fix.apply()
    assert nothing_differs(database)
    run(database, "DROP INDEX idx_top_superconductors_avg_tc")
    assert only(check_indexes, database).verdict == "warning"


def half_built(database: Any, run: Any, name: str) -> None:
    """Leave the index invalid as an interrupted CREATE INDEX CONCURRENTLY does."""
    create = expected(HEAD).tables["htc_predictions"].indexes[name].definition
    create = create.replace("INDEX", "INDEX CONCURRENTLY", 1)
    run(database, f"DROP INDEX IF EXISTS {name}")
    with database.connect() as holder:
        holder.execute(text("LOCK TABLE htc_predictions IN ROW EXCLUSIVE MODE"))

        def build() -> None:
            with database.engine.connect() as connection:
                free = connection.execution_options(isolation_level="AUTOCOMMIT")
                free.execute(text("SET lock_timeout = '200ms'"))
                with pytest.raises(SQLAlchemyError):
                    free.exec_driver_sql(create)
                connection.detach()

        thread = threading.Thread(target=build)
        thread.start()
        thread.join()


def test_a_half_built_index_is_rebuilt(database: Any, run: Any, only: Any) -> None:
    half_built(database, run, RANKING)
    found = only(check_indexes, database)
    assert found.verdict == "warning"
    assert f"index {RANKING} of htc_predictions is invalid" in found.result
    assert "rebuilt" in found.fix.apply()
    assert nothing_differs(database)


def test_a_half_built_unique_index_of_the_users_own(database: Any, run: Any, ask: Any) -> None:
    run(database, "INSERT INTO runs (id, kind, created_by) VALUES ('a', 'x', 'me'), ('b', 'x', 'me')")
    with pytest.raises(SQLAlchemyError, match="could not create unique index"):
        run(database, "CREATE UNIQUE INDEX CONCURRENTLY mine ON runs (kind)")
    (found,) = [f for f in ask(check_indexes, database) if f.verdict != "ok"]
    assert "index mine of runs is invalid" in found.result
    assert found.action == 'DROP INDEX CONCURRENTLY "mine"'
    assert found.fix is None  # what is not ours is not ours to drop


def test_a_rebuilding_that_fails_leaves_nothing_behind(database: Any, run: Any, only: Any) -> None:
    run(database, "DROP INDEX idx_top_superconductors_formula")
    run(
        database,
        "INSERT INTO bete_runs (id, structure_formula, tc_kelvin, input_hash, created_by)"
        " SELECT gen_random_uuid(), f, 5, f, 'me' FROM unnest(ARRAY['Nb', 'Pb']) f",
        "DROP MATERIALIZED VIEW top_superconductors",
        "CREATE MATERIALIZED VIEW top_superconductors AS SELECT 'Nb'::varchar AS structure_formula,"
        " 1.0::float8 AS avg_tc, 1::bigint AS prediction_count, now() AS last_prediction FROM bete_runs",
        "CREATE INDEX idx_top_superconductors_avg_tc ON top_superconductors (avg_tc DESC)",
    )
    found = only(check_indexes, database)
    with pytest.raises(StoreError):
        found.fix.apply()
    with database.connect() as connection:
        invalid = connection.execute(text("SELECT count(*) FROM pg_index WHERE NOT indisvalid")).scalar_one()
    assert invalid == 0


def test_a_view_with_another_body(database: Any, run: Any, only: Any) -> None:
    run(
        database,
        "DROP MATERIALIZED VIEW top_superconductors",
        "CREATE MATERIALIZED VIEW top_superconductors AS SELECT structure_formula, avg(tc_kelvin) AS avg_tc,"
        " count(*) AS prediction_count, max(created_at) AS last_prediction FROM bete_runs"
        " WHERE tc_kelvin > 10 GROUP BY structure_formula",
        "CREATE UNIQUE INDEX idx_top_superconductors_formula ON top_superconductors (structure_formula)",
        "CREATE INDEX idx_top_superconductors_avg_tc ON top_superconductors (avg_tc DESC)",
    )
    found = only(check_views, database)
    assert (found.check_id, found.verdict) == ("schema.views", "failure")
    assert "has another body" in found.result
    assert "tc_kelvin > 10::double precision" in found.result
    statements = found.action.partition("in one transaction: ")[2]
    run(database, *statements.split("; "))
    assert nothing_differs(database)


def test_a_missing_view_can_be_made_from_what_is_said(database: Any, run: Any, only: Any) -> None:
    run(database, "DROP VIEW htc_predictions_v003")
    found = only(check_views, database)
    assert found.verdict == "failure"
    assert "view htc_predictions_v003 is missing" in found.result
    run(database, found.action)
    assert nothing_differs(database)


def test_a_view_where_a_materialized_one_should_be(database: Any, run: Any, ask: Any) -> None:
    run(
        database,
        "DROP MATERIALIZED VIEW top_superconductors",
        "CREATE VIEW top_superconductors AS SELECT 1 AS x",
    )
    assert any(
        "kind is a view, should be a materialized view" in f.result for f in ask(check_views, database)
    )


def test_what_is_not_ours_is_a_note(database: Any, run: Any, only: Any, ask: Any) -> None:
    run(
        database,
        "CREATE TABLE experiments (id int)",
        "CREATE VIEW best AS SELECT id FROM htc_predictions",
        "ALTER TABLE htc_predictions ADD COLUMN remark text",
        "ALTER TABLE htc_predictions ADD CONSTRAINT short CHECK (length(remark) < 10) NOT VALID",
        "CREATE INDEX mine ON htc_predictions (family)",
    )
    found = only(check_extras, database)
    assert (found.check_id, found.verdict) == ("schema.extras", "note")
    for name in (
        "table experiments",
        "view best",
        "htc_predictions.remark",
        "constraint short",
        "index mine",
    ):
        assert name in found.result
    assert "can do that" in found.action
    for check in DRIFT_CHECKS[:-1]:
        assert [f.verdict for f in ask(check, database)] == ["ok"]


def test_a_column_that_refuses_every_row(database: Any, run: Any, only: Any) -> None:
    run(database, "ALTER TABLE runs ADD COLUMN project text NOT NULL")
    found = only(check_extras, database)
    assert found.verdict == "failure"
    assert "every new row of runs is refused" in found.result


def test_a_held_lock_does_not_hold_the_doctor(database: Any, ask: Any) -> None:
    with database.connect() as holder:
        holder.execute(text("LOCK TABLE bete_runs IN ACCESS EXCLUSIVE MODE"))
        found = ask(check_views, database)
    assert [f.verdict for f in found] == ["warning"]
    assert "a lock was not free" in found[0].result


def test_many_differences_are_counted(database: Any, run: Any, ask: Any) -> None:
    columns = [name for name in expected(HEAD).tables["htc_predictions"].columns if name != "id"]
    run(
        database,
        "ALTER TABLE htc_predictions " + ", ".join(f'DROP COLUMN "{c}" CASCADE' for c in columns),
    )
    found = ask(check_tables, database)
    assert len(found) == 26
    assert "more differences" in found[-1].result


@pytest.mark.parametrize(
    "statement",
    [
        "DROP VIEW htc_predictions_v003",
        "DROP VIEW bete_runs_v003",
        "DROP TRIGGER htc_predictions_elements ON htc_predictions",
    ],
)
def test_a_missing_view_or_trigger_is_made_again(
    database: Any, run: Any, only: Any, ask: Any, statement: str
) -> None:
    run(database, statement)
    found = only(check_views, database)
    assert found.fix is not None
    found.fix.apply()
    assert [f.verdict for f in ask(check_views, database)] == ["ok"]
