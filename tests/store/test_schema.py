"""The chain of revisions: what it makes, and that nothing is lost on the way."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from htc.errors import SchemaError, StoreError
from htc.store import migrating, schema, tables
from htc.store.database import Database
from htc.store.migrating.chain import config
from htc.store.schema import HEAD, REVISIONS, standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

COLUMNS_003 = {
    "id": "VARCHAR",
    "composition": "VARCHAR",
    "reduced_formula": "VARCHAR",
    "structure_info": "JSON",
    "tc_predicted": "DOUBLE PRECISION",
    "tc_lower_95ci": "DOUBLE PRECISION",
    "tc_upper_95ci": "DOUBLE PRECISION",
    "tc_uncertainty": "DOUBLE PRECISION",
    "pressure_required_gpa": "DOUBLE PRECISION",
    "pressure_uncertainty_gpa": "DOUBLE PRECISION",
    "lambda_ep": "DOUBLE PRECISION",
    "omega_log": "DOUBLE PRECISION",
    "mu_star": "DOUBLE PRECISION",
    "xi_parameter": "DOUBLE PRECISION",
    "phonon_stable": "VARCHAR",
    "thermo_stable": "VARCHAR",
    "hull_distance_eV": "DOUBLE PRECISION",
    "imaginary_modes_count": "INTEGER",
    "prediction_method": "VARCHAR",
    "confidence_level": "VARCHAR",
    "extrapolation_warning": "VARCHAR",
    "experiment_id": "VARCHAR",
    "created_by": "VARCHAR",
    "created_at": "TIMESTAMP",
}


TABLES_OF_006 = {
    "htc_predictions": (
        "omega_2_uncertainty",
        "tc_experiment",
        "tc_experiment_lower_95ci",
        "tc_experiment_upper_95ci",
        "model_tier",
        "phonon_verdict",
        "lowest_frequency_thz",
        "hull_competitors",
        "stability_potential",
    ),
    "bete_runs": ("spectrum_origin",),
}


def to(database: Database, revision: str) -> None:
    """Bring an empty database to a revision."""
    migrating.upgrade(database, target=revision)


def rows(connection: Connection, query: str) -> Sequence[dict[str, Any]]:
    return [dict(row) for row in connection.execute(text(query)).mappings()]


def fill_003(database: Database) -> dict[str, Any]:
    """Rows of the old shape: a whole one, an empty one, dirty ones; returns what 003 reads."""
    whole = {
        "id": str(uuid.uuid4()),
        "composition": "Mg1 B2",
        "reduced_formula": "MgB2",
        "structure_info": json.dumps({"spacegroup": 191}),
        "tc_predicted": 39.0,
        "tc_lower_95ci": 35.0,
        "tc_upper_95ci": 43.0,
        "tc_uncertainty": 2.0,
        "pressure_required_gpa": 0.0,
        "pressure_uncertainty_gpa": 0.0,
        "lambda_ep": 0.7,
        "omega_log": 700.0,
        "mu_star": 0.13,
        "xi_parameter": 0.41,
        "phonon_stable": "true",
        "thermo_stable": "false",
        "hull_distance_eV": 0.01,
        "imaginary_modes_count": 0,
        "prediction_method": "McMillan-Allen-Dynes",
        "confidence_level": "high",
        "extrapolation_warning": "false",
        "experiment_id": "screen-2025-01",
        "created_by": "somebody",
        "created_at": datetime(2025, 3, 1, 12, 0, 0),
    }
    dirty = [
        {"id": "only-an-id"},
        whole
        | {"id": "odd-booleans", "phonon_stable": "perhaps", "thermo_stable": "True", "experiment_id": None},
        whole | {"id": "upside-down", "tc_lower_95ci": 50.0, "tc_upper_95ci": 10.0},
        whole | {"id": "negative", "tc_predicted": -4.0, "lambda_ep": -0.2, "confidence_level": "sure"},
        whole | {"id": "not-a-number", "tc_predicted": float("nan"), "omega_log": float("inf")},
    ]
    with database.begin() as connection:
        for row in [whole, *dirty]:
            names = ", ".join(f'"{name}"' for name in row)
            values = ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO htc_predictions ({names}) VALUES ({values})"), row)
        for number in range(3):
            connection.execute(
                text(
                    "INSERT INTO bete_runs"
                    " (id, tc_kelvin, structure_formula, input_hash, parent_batch_id, created_at)"
                    " VALUES (:id, :tc, 'Nb', 'same-hash', :batch, :at)"
                ),
                {
                    "id": str(uuid.uuid4()),
                    "tc": 9.0 + number,
                    "batch": str(uuid.UUID(int=7)),
                    "at": datetime(2025, 3, 1 + number, 12),
                },
            )
        connection.execute(
            text("INSERT INTO bete_runs (id, tc_kelvin) VALUES (:id, NULL)"), {"id": str(uuid.uuid4())}
        )
        connection.execute(
            text(
                "INSERT INTO test_telemetry (id, test_name, created_at) VALUES ('a', 'test_x', '2025-01-01')"
            )
        )
    with database.connect() as connection:
        return {
            "predictions": rows(connection, "SELECT * FROM htc_predictions ORDER BY id"),
            "bete": rows(connection, "SELECT * FROM bete_runs ORDER BY id"),
            "telemetry": rows(connection, "SELECT * FROM test_telemetry ORDER BY id"),
        }


def test_the_chain_is_linear_and_named_as_its_files() -> None:
    scripts = ScriptDirectory.from_config(config())
    found = [script.revision for script in scripts.walk_revisions()][::-1]
    assert tuple(found) == REVISIONS
    assert scripts.get_heads() == [HEAD]
    for script in scripts.walk_revisions():
        assert Path(script.path).stem == script.revision
        assert len(script.revision) <= 32  # alembic_version.version_num


def test_tables_and_migrations_agree(database: Database) -> None:
    def named_by_us(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name != "alembic_version"

    with database.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": True, "include_name": named_by_us},
        )
        assert compare_metadata(context, tables.metadata) == []


def test_003_is_as_deployed(empty_database: Database) -> None:
    to(empty_database, "003_htc_predictions")
    inspector = inspect(empty_database.engine)
    found = {c["name"]: str(c["type"]) for c in inspector.get_columns("htc_predictions")}
    assert found == COLUMNS_003
    assert inspector.get_pk_constraint("htc_predictions")["name"] == "htc_predictions_pkey"
    assert [i["name"] for i in inspector.get_indexes("htc_predictions")] == ["ix_htc_predictions_composition"]
    assert len(inspector.get_columns("bete_runs")) == 14
    assert {i["name"] for i in inspector.get_indexes("bete_runs")} == {
        "idx_bete_tc_desc",
        "idx_bete_created",
        "idx_bete_formula",
    }
    assert len(inspector.get_columns("test_telemetry")) == 17
    with empty_database.connect() as connection:
        definitions = connection.execute(
            text("SELECT indexdef FROM pg_indexes WHERE tablename IN ('bete_runs', 'top_superconductors')")
        ).scalars()
        joined = "\n".join(definitions)
    assert "(tc_kelvin DESC)" in joined
    assert "(created_at DESC)" in joined
    assert "UNIQUE INDEX idx_top_superconductors_formula" in joined
    assert "(avg_tc DESC)" in joined


def test_a_database_at_003_goes_forward_without_losing_a_row(empty_database: Database) -> None:
    to(empty_database, "003_htc_predictions")
    before = fill_003(empty_database)

    assert schema.upgrade(empty_database).revision == "003_htc_predictions"

    with empty_database.connect() as connection:
        old_view = rows(connection, "SELECT * FROM htc_predictions_v003 ORDER BY id")
        now = {row["id"]: row for row in rows(connection, "SELECT * FROM htc_predictions")}
        bete = rows(connection, "SELECT * FROM bete_runs ORDER BY created_at NULLS LAST")
        run_ids = set(connection.execute(text("SELECT id FROM runs WHERE kind = 'legacy'")).scalars())
        ranking = rows(connection, "SELECT * FROM top_superconductors")
        refreshed = connection.execute(
            text("SELECT row_count FROM ranking_refreshes ORDER BY id DESC LIMIT 1")
        ).scalar_one()
    expected = [dict(row) for row in before["predictions"]]
    for row in expected:
        if row["thermo_stable"] == "True":
            row["thermo_stable"] = "true"
    # repr, because NaN is unequal to itself
    assert repr(old_view) == repr(expected)
    assert now["odd-booleans"]["phonon_stable"] is None
    assert now["odd-booleans"]["thermo_stable"] is True
    assert now["odd-booleans"]["provenance"] == {"before_004": {"phonon_stable": "perhaps"}}
    assert now["upside-down"]["legacy_defects"] == ["interval_ordered"]
    assert set(now["negative"]["legacy_defects"]) == {
        "tc_valid",
        "lambda_valid",
        "confidence_known",
        "interval_ordered",
    }
    assert {"tc_valid", "omega_valid"} <= set(now["not-a-number"]["legacy_defects"])
    assert "composition_given" in now["only-an-id"]["legacy_defects"]
    whole = next(row for row in now.values() if len(row["id"]) == 36)
    assert whole["legacy_defects"] == []
    assert whole["created_at"] == datetime(2025, 3, 1, 12, tzinfo=UTC)
    assert whole["experiment_id"] == "screen-2025-01"
    assert run_ids == {"screen-2025-01", str(uuid.UUID(int=7))}
    assert len(bete) == 4
    assert [row["input_hash"] for row in bete[:3]] == [
        f"same-hash#{bete[0]['id']}",
        f"same-hash#{bete[1]['id']}",
        "same-hash",
    ]
    assert [(r["structure_formula"], r["avg_tc"], r["prediction_count"]) for r in ranking] == [
        ("Nb", 10.0, 3)
    ]
    assert refreshed == 1

    with empty_database.begin() as connection:  # old rows may be updated in spite of their defects
        connection.execute(text("UPDATE htc_predictions SET created_by = 'x' WHERE id = 'upside-down'"))


def test_003_and_back_keeps_every_row_and_column(empty_database: Database) -> None:
    to(empty_database, "003_htc_predictions")
    before = fill_003(empty_database)
    schema.upgrade(empty_database)
    schema.downgrade(empty_database, "003_htc_predictions")
    with empty_database.connect() as connection:
        assert standing(connection).revision == "003_htc_predictions"
        predictions = rows(connection, "SELECT * FROM htc_predictions ORDER BY id")
        bete = rows(connection, "SELECT * FROM bete_runs ORDER BY id")
        telemetry = rows(connection, "SELECT * FROM test_telemetry")
    for row in before["predictions"]:
        if row["thermo_stable"] == "True":
            row["thermo_stable"] = "true"
    assert repr(predictions) == repr(before["predictions"])
    assert bete == before["bete"]
    assert telemetry == before["telemetry"]
    schema.upgrade(empty_database)
    schema.downgrade(empty_database, "001_test_telemetry")


def test_the_view_of_the_old_shape_has_the_old_columns(database: Database) -> None:
    found = {c["name"]: str(c["type"]) for c in inspect(database.engine).get_columns("htc_predictions_v003")}
    assert found == COLUMNS_003


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("tc_predicted", "-1"),
        ("tc_predicted", "'NaN'"),
        ("tc_predicted", "'Infinity'"),
        ("tc_predicted", "NULL"),
        ("tc_upper_95ci", "1"),
        ("tc_lower_95ci", "NULL"),
        ("lambda_ep", "-0.1"),
        ("confidence_level", "'certain'"),
        ("composition", "''"),
        ("created_at", "NULL"),
        ("experiment_id", "'no such run'"),
        ("xi_parameter", "1.5"),
        ("applicable", "false"),
        ("omega_2_uncertainty", "'NaN'"),
        ("tc_experiment", "-1"),
        ("tc_experiment_upper_95ci", "12"),
        ("tc_experiment_upper_95ci, tc_experiment_lower_95ci, tc_experiment", "8, 1, 9"),
        ("tc_experiment_upper_95ci, tc_experiment_lower_95ci, tc_experiment", "'Infinity', 1, 9"),
        ("tc_experiment_upper_95ci, tc_experiment_lower_95ci", "8, 1"),
        ("model_tier", "'better'"),
        ("phonon_verdict", "'perhaps'"),
        ("phonon_verdict", "'stable'"),
        ("phonon_verdict, phonon_stable", "'undecided', true"),
        ("phonon_verdict, phonon_stable", "'unstable', true"),
        ("lowest_frequency_thz", "'-Infinity'"),
        ("lowest_frequency_thz", "'NaN'"),
        ("hull_competitors", "-1"),
        ("stability_potential", "''"),
    ],
)
def test_new_rows_are_bound_by_every_rule(database: Database, column: str, value: str) -> None:
    good = {
        "id": "'x'",
        "composition": "'Nb'",
        "reduced_formula": "'Nb'",
        "tc_predicted": "9.2",
        "tc_lower_95ci": "8",
        "tc_upper_95ci": "10",
        "extrapolation_warning": "false",
        "created_by": "'me'",
    }

    def insert(values: dict[str, str]) -> None:
        with database.begin() as connection:
            connection.execute(
                text(
                    f"INSERT INTO htc_predictions ({', '.join(values)}) VALUES ({', '.join(values.values())})"
                )
            )

    with pytest.raises(StoreError, match="rules refuse"):
        insert(good | {column: value})
    insert(good)


@pytest.mark.parametrize(
    ("origin", "omega", "refused"),
    [
        ("NULL", "NULL", False),
        ("NULL", "'{1}'", False),  # a row older than 006
        ("'measured'", "'{1}'", False),
        ("'surrogate'", "'{1}'", False),
        ("'guessed'", "'{1}'", True),
        ("'measured'", "NULL", True),
    ],
)
def test_a_spectrum_has_a_known_origin(database: Database, origin: str, omega: str, refused: bool) -> None:
    statement = text(
        "INSERT INTO bete_runs (id, tc_kelvin, structure_formula, created_by, input_hash, alpha2f_omega,"
        " alpha2f_alpha2f, spectrum_origin)"
        f" VALUES (gen_random_uuid(), 9, 'Nb', 'me', 'h', {omega}, {omega}, {origin})"
    )
    with (
        pytest.raises(StoreError, match="rules refuse") if refused else contextlib.nullcontext(),
        database.begin() as connection,
    ):
        connection.execute(statement)


def test_006_rewrites_no_table_and_no_index(empty_database: Database) -> None:
    to(empty_database, "003_htc_predictions")
    fill_003(empty_database)
    schema.upgrade(empty_database, target="005_structures_findings")
    query = """
        SELECT c.relname, pg_relation_filenode(c.oid), pg_relation_size(c.oid), c.reltoastrelid
        FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
        WHERE coalesce(i.indrelid, c.oid) IN ('htc_predictions'::regclass, 'bete_runs'::regclass) ORDER BY 1
    """
    views = """
        SELECT table_name, column_name, data_type FROM information_schema.columns
        WHERE table_name IN ('htc_predictions_v003', 'bete_runs_v003') ORDER BY 1, ordinal_position
    """
    with empty_database.connect() as connection:
        files, shapes = rows(connection, query), rows(connection, views)
        before = {name: rows(connection, f"SELECT * FROM {name} ORDER BY id") for name in TABLES_OF_006}
    assert len(files) > 20
    schema.upgrade(empty_database, target="006_model_tiers")
    with empty_database.connect() as connection:
        assert rows(connection, query) == files
        assert rows(connection, views) == shapes
        for name, new in TABLES_OF_006.items():
            after = rows(connection, f"SELECT * FROM {name} ORDER BY id")
            assert {row[column] for row in after for column in new} == {None}
            assert repr([{k: v for k, v in row.items() if k not in new} for row in after]) == repr(
                before[name]
            )


def test_an_empty_database_of_the_users_is_filled(empty_database: Database) -> None:
    schema.ensure(empty_database)
    with empty_database.connect() as connection:
        assert standing(connection).is_current


def test_a_users_database_that_is_behind_is_left_alone(empty_database: Database) -> None:
    to(empty_database, "003_htc_predictions")
    with pytest.raises(SchemaError, match="stands at revision 003_htc_predictions") as caught:
        schema.ensure(empty_database)
    assert "htc db upgrade" in str(caught.value.hint)
    with empty_database.connect() as connection:
        assert standing(connection).revision == "003_htc_predictions"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE alembic_version SET version_num = '099_from_the_future'", "does not know"),
        ("DELETE FROM alembic_version", "no revision stamp"),
        ("INSERT INTO alembic_version VALUES ('001_test_telemetry')", "several revision stamps"),
    ],
)
def test_strange_stamps_are_refused(database: Database, statement: str, message: str) -> None:
    with database.begin() as connection:
        connection.execute(text(statement))
    for action in (schema.ensure, schema.upgrade):
        with pytest.raises(SchemaError, match=message):
            action(database)


def test_a_failing_migration_changes_nothing(empty_database: Database) -> None:
    to(empty_database, "003_htc_predictions")
    with empty_database.begin() as connection:
        connection.execute(text("CREATE TABLE runs (id INTEGER)"))  # in the way of 004
    with pytest.raises(SchemaError, match="makes runs, but something of this name is already there"):
        schema.upgrade(empty_database)
    with empty_database.connect() as connection:
        assert standing(connection).revision == "003_htc_predictions"
        assert len(inspect(connection).get_columns("htc_predictions")) == 24
        assert connection.execute(text("SELECT count(*) FROM top_superconductors")).scalar_one() == 0


def test_four_migrating_threads_and_processes_at_once(empty_database: Database) -> None:
    url = empty_database.engine.url.render_as_string(hide_password=False)
    code = "import sys; from htc.store.database import *; Database.connect_to(user_url(sys.argv[1])).close()"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    with ThreadPoolExecutor(4) as threads:
        opened = [threads.submit(Database.connect_to, empty_database.engine.url) for _ in range(4)]
    for future in opened:
        future.result().close()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    with empty_database.connect() as connection:
        assert standing(connection).is_current


@pytest.mark.parametrize("start", [None, "003_htc_predictions"])
def test_the_printed_sql_does_the_same(empty_database: Database, start: str | None) -> None:
    if start:
        to(empty_database, start)
        fill_003(empty_database)
    script = schema.upgrade_sql(start)
    assert "pg_advisory_xact_lock" in script
    with empty_database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(script.replace("%", "%%"))
    test_tables_and_migrations_agree(empty_database)
    with empty_database.connect() as connection:
        assert standing(connection).is_current


def test_programs_that_know_only_the_installed_files_find_the_migrations() -> None:
    # The chain travels inside the package: nothing is read from the working directory.
    code = "from htc.store import schema; print(schema.upgrade_sql()[:5])"
    done = subprocess.run([sys.executable, "-c", code], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "BEGIN"
