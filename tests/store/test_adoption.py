"""Databases of the earlier deployment, in the states it really left them: adopted with every row."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from htc.errors import SchemaError, StoreError
from htc.store import catalogue, findings, schema
from htc.store.adoption import adopt, plan
from htc.store.schema import HEAD, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from htc.store.database import Database

TELEMETRY = """
CREATE TABLE test_telemetry (
    id VARCHAR(16) NOT NULL, test_name VARCHAR(500) NOT NULL, test_file VARCHAR(500),
    duration_ms FLOAT, passed BOOLEAN, error_message TEXT, commit_sha VARCHAR(40), branch VARCHAR(200),
    changed_files JSON, lines_added INTEGER, lines_deleted INTEGER, files_changed INTEGER,
    complexity_delta FLOAT, recent_failure_rate FLOAT, avg_duration FLOAT, days_since_last_change FLOAT,
    created_at TIMESTAMP WITHOUT TIME ZONE, PRIMARY KEY (id));
CREATE INDEX idx_test_telemetry_name_created ON test_telemetry (test_name, created_at);
CREATE INDEX idx_test_telemetry_commit ON test_telemetry (commit_sha);
CREATE INDEX idx_test_telemetry_passed_created ON test_telemetry (passed, created_at);
"""

BETE = """
CREATE TABLE bete_runs (
    id UUID NOT NULL, tc_kelvin DOUBLE PRECISION, structure_formula VARCHAR(255), structure_json JSON,
    alpha2f_omega DOUBLE PRECISION[], alpha2f_alpha2f DOUBLE PRECISION[], lambda_ep DOUBLE PRECISION,
    omega_log DOUBLE PRECISION, mu_star DOUBLE PRECISION, input_hash VARCHAR(128),
    run_type VARCHAR(20) DEFAULT 'single', parent_batch_id UUID, created_at TIMESTAMP,
    created_by VARCHAR(255), PRIMARY KEY (id));
CREATE INDEX idx_bete_tc_desc ON bete_runs (tc_kelvin DESC);
CREATE INDEX idx_bete_created ON bete_runs (created_at DESC);
CREATE INDEX idx_bete_formula ON bete_runs (structure_formula);
CREATE MATERIALIZED VIEW top_superconductors AS
    SELECT structure_formula, avg(tc_kelvin) AS avg_tc, count(*) AS prediction_count,
           max(created_at) AS last_prediction
    FROM bete_runs WHERE tc_kelvin > 1.0 GROUP BY structure_formula;
CREATE UNIQUE INDEX idx_top_superconductors_formula ON top_superconductors (structure_formula);
CREATE INDEX idx_top_superconductors_avg_tc ON top_superconductors (avg_tc DESC);
"""

PREDICTIONS = """
CREATE TABLE htc_predictions (
    id VARCHAR NOT NULL, composition VARCHAR, reduced_formula VARCHAR, structure_info JSON,
    tc_predicted FLOAT, tc_lower_95ci FLOAT, tc_upper_95ci FLOAT, tc_uncertainty FLOAT,
    pressure_required_gpa FLOAT, pressure_uncertainty_gpa FLOAT DEFAULT 0.0, lambda_ep FLOAT, omega_log FLOAT,
    mu_star FLOAT DEFAULT 0.13, xi_parameter FLOAT, phonon_stable VARCHAR, thermo_stable VARCHAR,
    "hull_distance_eV" FLOAT, imaginary_modes_count INTEGER,
    prediction_method VARCHAR DEFAULT 'McMillan-Allen-Dynes', confidence_level VARCHAR,
    extrapolation_warning VARCHAR, experiment_id VARCHAR, created_by VARCHAR, created_at TIMESTAMP,
    CONSTRAINT htc_predictions_pkey PRIMARY KEY (id));
CREATE INDEX ix_htc_predictions_composition ON htc_predictions (composition);
"""

# The same table as an earlier model declared it: other types, stricter, without its index.
PREDICTIONS_VARIANT = """
CREATE TABLE htc_predictions (
    id TEXT NOT NULL, composition TEXT NOT NULL, reduced_formula TEXT, structure_info JSONB,
    tc_predicted NUMERIC(12, 6) NOT NULL, tc_lower_95ci REAL, tc_upper_95ci REAL, tc_uncertainty FLOAT,
    pressure_required_gpa FLOAT, pressure_uncertainty_gpa FLOAT, lambda_ep FLOAT, omega_log FLOAT,
    mu_star FLOAT DEFAULT 0.1, xi_parameter FLOAT, phonon_stable BOOLEAN, thermo_stable INTEGER,
    "hull_distance_eV" FLOAT, imaginary_modes_count BIGINT, prediction_method VARCHAR(100),
    confidence_level VARCHAR(20), extrapolation_warning VARCHAR(10), experiment_id UUID, created_by TEXT,
    created_at TIMESTAMPTZ DEFAULT now(), remark TEXT NOT NULL, CONSTRAINT pk_predictions PRIMARY KEY (id));
CREATE INDEX ix_htc_predictions_reduced_formula ON htc_predictions (reduced_formula);
CREATE INDEX my_own_index ON htc_predictions (remark);
"""

BETE_VARIANT = """
CREATE TABLE bete_runs (
    id VARCHAR(36) NOT NULL PRIMARY KEY, tc_kelvin FLOAT NOT NULL, structure_formula TEXT,
    structure_json TEXT, alpha2f_omega JSONB,
    alpha2f_alpha2f JSON, lambda_ep FLOAT, omega_log FLOAT, mu_star FLOAT,
    input_hash VARCHAR(64), parent_batch_id VARCHAR(64), created_at TIMESTAMPTZ, created_by VARCHAR(255));
"""

TELEMETRY_VARIANT = """
CREATE TABLE test_telemetry (
    id VARCHAR(16) NOT NULL PRIMARY KEY, test_name TEXT, test_file TEXT, duration_ms NUMERIC,
    passed VARCHAR(5),
    error_message TEXT, commit_sha VARCHAR(40), branch VARCHAR(200), changed_files JSONB, lines_added BIGINT,
    lines_deleted INTEGER, files_changed INTEGER, created_at TIMESTAMPTZ);
CREATE INDEX idx_test_telemetry_name_created ON test_telemetry (created_at, test_name);
"""

STAMP = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);"


def stamp(revision: str) -> str:
    return f"{STAMP} INSERT INTO alembic_version VALUES ('{revision}');"


def uid(number: int) -> str:
    return str(uuid.UUID(int=number))


def run(database: Database, script: str) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(script)


def insert(database: Database, table: str, *rows: dict[str, Any]) -> None:
    with database.begin() as connection:
        for row in rows:
            names = ", ".join(f'"{name}"' for name in row)
            values = ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)


def query(database: Database, statement: str) -> list[dict[str, Any]]:
    with database.connect() as connection:
        return [dict(row) for row in connection.execute(text(statement)).mappings()]


WHOLE = {
    "id": uid(1),
    "composition": "Mg1 B2",
    "reduced_formula": "MgB2",
    "structure_info": json.dumps({"spacegroup": 191}),
    "tc_predicted": 39.0,
    "tc_lower_95ci": 35.0,
    "tc_upper_95ci": 43.0,
    "lambda_ep": 0.7,
    "mu_star": 0.12,
    "phonon_stable": "true",
    "extrapolation_warning": "false",
    "experiment_id": uid(5),
    "created_by": "somebody",
    "created_at": datetime(2025, 3, 1, 12),
}
DIRTY = (
    {"id": "only-an-id"},
    WHOLE | {"id": "odd", "phonon_stable": "perhaps", "thermo_stable": " True ", "experiment_id": "screen 1"},
    WHOLE | {"id": "upside-down", "tc_lower_95ci": 50.0, "confidence_level": "sure"},
    WHOLE | {"id": "nan", "tc_predicted": float("nan"), "omega_log": float("inf"), "lambda_ep": -0.2},
)
BETE_ROWS = (
    {
        "id": uid(11),
        "tc_kelvin": 9.2,
        "structure_formula": "Nb",
        "structure_json": '{"b": 1,  "a": [1, null]}',
        "alpha2f_omega": [1.0, 2.5],
        "alpha2f_alpha2f": [0.1, 0.2],
        "input_hash": "same",
        "parent_batch_id": uid(7),
        "created_at": datetime(2025, 3, 2),
    },
    {"id": uid(12), "tc_kelvin": 9.4, "structure_formula": "Nb", "input_hash": "same"},
    {"id": uid(13), "tc_kelvin": float("nan"), "input_hash": "other"},
    {"id": uid(14), "tc_kelvin": None},
)


def fill(database: Database, *, tables: str = "tbp") -> None:
    """Rows, dirty ones too, into the tables named by their first letters."""
    if "t" in tables:
        insert(
            database,
            "test_telemetry",
            {"id": "a", "test_name": "test_x", "passed": True, "created_at": datetime(2025, 1, 1)},
        )
    if "b" in tables:
        insert(database, "bete_runs", *BETE_ROWS)
    if "p" in tables:
        insert(database, "htc_predictions", WHOLE, *DIRTY)


def rows_are_there(database: Database, *, tables: str = "tbp") -> None:
    """What ``fill`` wrote can be read in the old shape."""
    predictions = query(database, "SELECT * FROM htc_predictions_v003 ORDER BY id")
    found = {row["id"]: row for row in predictions}
    expected = [WHOLE, *DIRTY] if "p" in tables else []
    assert len(found) == len(expected)
    for row in expected:
        wanted = dict(row)
        if row["id"] == "odd":
            wanted["thermo_stable"] = "true"
        if "structure_info" in wanted:
            wanted["structure_info"] = json.loads(str(wanted["structure_info"]))
        assert repr({k: found[str(row["id"])][k] for k in wanted}) == repr(wanted)
    bete = query(database, "SELECT * FROM bete_runs ORDER BY id")
    assert [str(r["id"]) for r in bete] == ([r["id"] for r in BETE_ROWS] if "b" in tables else [])
    if "b" in tables:
        assert bete[0]["alpha2f_omega"] == [1.0, 2.5]
        assert {r["input_hash"] for r in bete} == {"same", f"same#{uid(12)}", "other", None}
    telemetry = query(database, "SELECT id, test_name FROM test_telemetry")
    assert telemetry == ([{"id": "a", "test_name": "test_x"}] if "t" in tables else [])


def is_sound(database: Database) -> None:
    with database.connect() as connection:
        assert standing(connection).revisions == (HEAD,)
        differences = catalogue.differences(catalogue.expected(HEAD), catalogue.read(connection))
    assert [d.in_words() for d in differences] == []


# state -> script, tables with rows, what the hypothesis says, what a plain upgrade says
STATES: dict[str, tuple[str, str, str, str | None]] = {
    "clean at 003": (
        TELEMETRY + BETE + PREDICTIONS + stamp("003_htc_predictions"),
        "tbp",
        "a database of an earlier deployment at 003_htc_predictions",
        None,
    ),
    "stamped 001, orphan with rows": (
        TELEMETRY + PREDICTIONS + stamp("001_test_telemetry"),
        "tp",
        "a migration failed after it had made htc_predictions, and left the stamp at 001_test_telemetry",
        "already has htc_predictions",
    ),
    "stamped 001, empty orphan": (
        TELEMETRY + PREDICTIONS + stamp("001_test_telemetry"),
        "t",
        "a migration failed after it had made htc_predictions, and left the stamp at 001_test_telemetry",
        "already has htc_predictions",
    ),
    "stamped 001, two orphans": (
        TELEMETRY + BETE + PREDICTIONS + stamp("001_test_telemetry"),
        "tbp",
        "a migration failed after it had made bete_runs and htc_predictions",
        "already has bete_runs and htc_predictions",
    ),
    "no alembic_version": (
        TELEMETRY + BETE + PREDICTIONS,
        "tbp",
        "left test_telemetry, bete_runs, htc_predictions without a stamp",
        "no revision stamp",
    ),
    "empty alembic_version, only predictions": (
        PREDICTIONS + STAMP,
        "p",
        "left htc_predictions without a stamp",
        "no revision stamp",
    ),
    "an earlier name of 001": (
        TELEMETRY + stamp("001_add_test_telemetry"),
        "t",
        "001_add_test_telemetry is an earlier name of 001_test_telemetry",
        "'001_add_test_telemetry', which this program does not know",
    ),
    "an earlier name of 001 and orphans": (
        TELEMETRY + BETE + PREDICTIONS + stamp("001_add_test_telemetry"),
        "tbp",
        "001_add_test_telemetry is an earlier name of 001_test_telemetry",
        "'001_add_test_telemetry', which this program does not know",
    ),
    "two stamps": (
        TELEMETRY
        + BETE
        + PREDICTIONS
        + stamp("001_add_test_telemetry")
        + "INSERT INTO alembic_version VALUES ('003_htc_predictions');",
        "tbp",
        "several programs stamped it",
        "several revision stamps",
    ),
    "stamped 003, a table is gone": (
        TELEMETRY + PREDICTIONS + stamp("003_htc_predictions"),
        "tp",
        "bete_runs was dropped or never made",
        "lacks bete_runs",
    ),
    "stamped ahead of its tables": (
        TELEMETRY + BETE + PREDICTIONS + stamp(HEAD),
        "tbp",
        f"the stamp is {HEAD}, but",
        "lacks",
    ),
    "003 without its view and indexes": (
        TELEMETRY
        + BETE
        + PREDICTIONS
        + stamp("003_htc_predictions")
        + "DROP MATERIALIZED VIEW top_superconductors;"
        "DROP INDEX idx_bete_tc_desc, idx_test_telemetry_commit;"
        "CREATE INDEX idx_bete_tc_desc ON bete_runs (tc_kelvin);"
        "CREATE INDEX ix_htc_predictions_reduced_formula ON htc_predictions (reduced_formula);",
        "tbp",
        "a database of an earlier deployment at 003_htc_predictions",
        "something of this name|tables are not those",
    ),
}


@pytest.fixture
def one_database(embedded_server: Any) -> Iterator[Database]:
    """An empty database, for what does not depend on the server's version."""
    with embedded_server.empty() as database:
        yield database


@pytest.mark.parametrize("state", STATES)
def test_every_state_is_adopted_with_every_row(empty_database: Database, state: str) -> None:
    script, filled, hypothesis, refusal = STATES[state]
    run(empty_database, script)
    fill(empty_database, tables=filled)
    if refusal is not None:
        with pytest.raises(SchemaError, match=refusal) as caught:
            schema.upgrade(empty_database)
        assert "htc db adopt" in str(caught.value.hint)

    shown = plan(empty_database)
    assert hypothesis in shown.hypothesis
    assert shown.refusals == ()
    assert shown.steps()[-1] == f"run {HEAD}"
    outcome = adopt(empty_database, shown=shown)

    assert outcome.after == HEAD
    is_sound(empty_database)
    rows_are_there(empty_database, tables=filled)
    assert not plan(empty_database).is_needed
    assert adopt(empty_database).applied == ()


def test_other_types_take_the_types_of_003(empty_database: Database) -> None:
    run(empty_database, TELEMETRY_VARIANT + BETE_VARIANT + PREDICTIONS_VARIANT)
    insert(
        empty_database,
        "test_telemetry",
        {"id": "a", "test_name": "x", "duration_ms": "0.1", "passed": "True", "lines_added": 7},
        {
            "id": "b",
            "test_name": None,
            "changed_files": '["a.py"]',
            "created_at": datetime(2025, 1, 1, tzinfo=UTC),
        },
    )
    insert(
        empty_database,
        "bete_runs",
        {
            "id": uid(1).upper(),
            "tc_kelvin": 1.5,
            "structure_formula": "x" * 300,
            "structure_json": '{"a":  1}',
            "alpha2f_omega": "[1, 2.5e0, null]",
            "alpha2f_alpha2f": "null",
            "parent_batch_id": "batch of March",
            "created_at": datetime(2025, 3, 1, 12, tzinfo=UTC),
        },
    )
    insert(
        empty_database,
        "htc_predictions",
        {
            "id": "p",
            "composition": "Nb",
            "tc_predicted": "9.250001",
            "tc_lower_95ci": 0.1,
            "phonon_stable": True,
            "thermo_stable": 0,
            "structure_info": '{"a": 1}',
            "imaginary_modes_count": 3,
            "experiment_id": uid(3),
            "created_at": datetime(2025, 3, 1, 12, tzinfo=UTC),
            "remark": "mine",
        },
    )

    notes = plan(empty_database).notes
    adopt(empty_database)

    assert any(note.startswith("bete_runs.structure_formula stays text: 1 values") for note in notes)
    assert any(note.startswith("htc_predictions.remark") for note in notes)
    (row,) = query(empty_database, "SELECT * FROM htc_predictions_v003")
    assert row["tc_predicted"] == 9.250001
    assert abs(row["tc_lower_95ci"] - 0.1) < 1e-8
    assert (row["phonon_stable"], row["thermo_stable"], row["imaginary_modes_count"]) == ("true", "false", 3)
    assert row["experiment_id"] == uid(3)
    assert row["created_at"] == datetime(2025, 3, 1, 12)
    assert query(empty_database, "SELECT remark FROM htc_predictions") == [{"remark": "mine"}]
    (bete,) = query(empty_database, "SELECT * FROM bete_runs")
    assert str(bete["id"]) == uid(1)
    assert bete["alpha2f_omega"] == [1.0, 2.5, None]
    assert bete["alpha2f_alpha2f"] is None
    assert bete["parent_batch_id"] == "batch of March"
    assert bete["structure_formula"] == "x" * 300
    assert bete["run_type"] is None  # no value is invented for a column that was missing
    telemetry = query(empty_database, "SELECT * FROM test_telemetry ORDER BY id")
    assert (telemetry[0]["duration_ms"], telemetry[0]["passed"], telemetry[0]["lines_added"]) == (
        0.1,
        True,
        7,
    )
    assert telemetry[1]["changed_files"] == ["a.py"]
    insert(empty_database, "test_telemetry", {"id": "c", "test_name": "y"})
    with empty_database.connect() as connection:
        found = catalogue.differences(catalogue.expected(HEAD), catalogue.read(connection))
    assert not [d.in_words() for d in found if d.essential]
    assert {d.label for d in found if d.change != "extra" and d.kind == "column"} == {
        "bete_runs.structure_formula",
        "test_telemetry.test_name",
    }


@pytest.mark.parametrize(
    ("script", "table", "reason"),
    [
        ("CREATE TABLE bete_runs (id UUID PRIMARY KEY, distance FLOAT);", "bete_runs", "1 of the 14 columns"),
        (
            BETE.replace("lambda_ep DOUBLE PRECISION", "lambda_ep TIMESTAMP"),
            "bete_runs",
            "column lambda_ep is time",
        ),
        (
            BETE_VARIANT + "INSERT INTO bete_runs (id, tc_kelvin) VALUES ('run-1', 1);",
            "bete_runs",
            r"column id is character varying.* 1 values are no UUIDs",
        ),
        (
            PREDICTIONS.replace("CONSTRAINT htc_predictions_pkey PRIMARY KEY (id)", "CHECK (true)")
            + "INSERT INTO htc_predictions (id) VALUES ('a'), ('a');",
            "htc_predictions",
            "1 values are there twice",
        ),
        (
            PREDICTIONS.replace("experiment_id VARCHAR", "experiment_id VARCHAR, provenance TEXT"),
            "htc_predictions",
            "column provenance .* a later revision needs",
        ),
        ("CREATE TABLE runs (id INTEGER PRIMARY KEY, lap INTERVAL);", "runs", "a later revision makes"),
        ("CREATE TABLE top_superconductors (id INTEGER);", "top_superconductors", "it is a table"),
        ("CREATE VIEW htc_predictions AS SELECT 1 AS id;", "htc_predictions", "it is a view"),
    ],
)
def test_tables_of_others_are_refused_or_set_aside(
    one_database: Database, script: str, table: str, reason: str
) -> None:
    run(one_database, TELEMETRY + stamp("001_test_telemetry") + script)
    fill(one_database, tables="t")
    with pytest.raises(SchemaError, match=reason) as caught:
        adopt(one_database)
    assert f"--set-aside {table}" in str(caught.value.hint)
    with one_database.connect() as connection:
        assert standing(connection).revisions == ("001_test_telemetry",)

    content = query(one_database, f"SELECT * FROM {table}")
    adopt(one_database, [table])

    is_ours = {d.in_words() for d in _differences(one_database) if d.change != "extra"}
    assert is_ours == set()
    rows_are_there(one_database, tables="t")
    assert query(one_database, f"SELECT * FROM {table}_before_htc") == content
    with pytest.raises(SchemaError, match="nothing called"):
        adopt(one_database, ["no_such_table"])


def _differences(database: Database) -> list[catalogue.Difference]:
    with database.connect() as connection:
        return catalogue.differences(catalogue.expected(HEAD), catalogue.read(connection))


def test_a_newer_program_is_left_alone(one_database: Database) -> None:
    schema.upgrade(one_database)
    run(one_database, "UPDATE alembic_version SET version_num = '099_from_the_future'")
    with pytest.raises(SchemaError, match="099_from_the_future") as caught:
        adopt(one_database)
    assert "update htc" in str(caught.value.hint)


@pytest.mark.parametrize(
    "lost", ["UPDATE alembic_version SET version_num = '003_htc_predictions'", "DROP TABLE alembic_version"]
)
def test_a_current_database_that_lost_its_stamp_gets_it_back(database: Database, lost: str) -> None:
    run(database, lost)
    assert "only the stamp is wrong" in plan(database).hypothesis
    assert adopt(database).applied == ()
    is_sound(database)


@pytest.mark.parametrize(
    ("script", "lost", "hint"),
    [
        (
            "ALTER TABLE runs DROP COLUMN program_version",
            "column runs.program_version is missing",
            'put it back without its values: ALTER TABLE runs ADD COLUMN "program_version"',
        ),
        ("DROP TABLE models CASCADE", "table models is missing", "restore a backup"),
        (
            "ALTER TABLE bete_runs DROP COLUMN mu_star CASCADE",
            "column bete_runs.mu_star is missing",
            "restore",
        ),
    ],
)
def test_a_current_database_that_lost_a_part_is_no_earlier_deployment(
    database: Database, script: str, lost: str, hint: str
) -> None:
    run(database, script)
    for attempt in (plan, adopt):
        with pytest.raises(SchemaError, match=lost) as caught:
            attempt(database)
        assert hint in str(caught.value.hint)
        assert "set-aside" not in str(caught.value.hint)


def test_own_tables_of_a_later_revision_are_not_to_be_set_aside(database: Database) -> None:
    run(database, "ALTER TABLE runs DROP COLUMN settings CASCADE; DROP TABLE alembic_version")
    with pytest.raises(SchemaError, match="structures: it has the shape of HTC's own") as caught:
        adopt(database)
    assert "set-aside" not in str(caught.value.hint)
    assert "restore a backup" in str(caught.value.hint)


def test_a_dry_run_and_a_failure_change_nothing(one_database: Database) -> None:
    run(one_database, TELEMETRY + BETE + PREDICTIONS)
    fill(one_database)
    before = _everything(one_database)
    outcome = adopt(one_database, dry_run=True)
    assert outcome.dry_run
    assert [one.revision for one in outcome.applied][-1] == HEAD
    assert _everything(one_database) == before

    # A view of the user's, which PostgreSQL does not let columns be changed under.
    run(one_database, "CREATE VIEW mine AS SELECT created_at FROM htc_predictions")
    with pytest.raises(StoreError, match="nothing was changed"):
        adopt(one_database)
    run(one_database, "DROP VIEW mine")
    assert _everything(one_database) == before


def test_another_plan_than_the_one_agreed_to_is_not_carried_out(one_database: Database) -> None:
    run(one_database, TELEMETRY + BETE + PREDICTIONS)
    shown = plan(one_database)
    run(one_database, "DROP INDEX idx_bete_formula")
    with pytest.raises(SchemaError, match="has changed since"):
        adopt(one_database, shown=shown)


@pytest.mark.parametrize(
    ("when", "body"),
    [
        ("AFTER UPDATE ON {0} FOR EACH STATEMENT", "DELETE FROM {0} WHERE id = 'upside-down'; RETURN NULL"),
        ("BEFORE UPDATE ON {0} FOR EACH ROW", "NEW.lambda_ep := 1; RETURN NEW"),
    ],
    ids=["a row lost", "a value changed"],
)
def test_content_that_changes_on_the_way_stops_it(one_database: Database, when: str, body: str) -> None:
    table = "htc_predictions"
    run(one_database, TELEMETRY + BETE + PREDICTIONS)
    fill(one_database)
    run(
        one_database,
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {body.format(table)}; END $$;"
        f"CREATE TRIGGER meddle {when.format(table)} EXECUTE FUNCTION meddle()",
    )
    before = _everything(one_database)
    with pytest.raises(SchemaError, match="rows were not what they had been"):
        adopt(one_database)
    assert _everything(one_database) == before


def _everything(database: Database) -> str:
    with database.connect() as connection:
        tables = sorted(standing(connection).tables)
        content = [
            repr(connection.execute(text(f"SELECT t::text FROM {t} t ORDER BY 1")).all()) for t in tables
        ]
        return repr((standing(connection), catalogue.read(connection).tables, content))


def test_it_is_kept_in_the_findings_log(
    one_database: Database, tmp_path: Path, make_settings: Callable[..., Any]
) -> None:
    settings = make_settings(tmp_path)
    run(one_database, "CREATE TABLE bete_runs (id UUID PRIMARY KEY);" + TELEMETRY)
    with pytest.raises(SchemaError):
        adopt(one_database, settings=settings)
    adopt(one_database, ["bete_runs"], settings=settings)
    entries = findings.read(settings, one_database).entries
    assert [(e.check_id, e.verdict) for e in entries] == [
        ("migrate.adopt", "failure"),
        ("migrate.adopt", "ok"),
    ]
    assert "rename bete_runs to bete_runs_before_htc" in entries[1].test
    assert "without a stamp" in entries[1].hypothesis


@pytest.fixture
def make_settings() -> Callable[..., Any]:
    from htc.settings import Settings

    return lambda home: Settings(home=home)
