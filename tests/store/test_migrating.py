"""Migrations that are killed, crowded, refused or taken back: the old state or the new, nothing between."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from htc.errors import SchemaError, StorageError, StoreError
from htc.settings import Settings
from htc.store import catalogue, findings, migrating, tables
from htc.store.database import Database
from htc.store.embedded import process
from htc.store.migrating import Step
from htc.store.schema import HEAD, MIGRATION_LOCK, REVISIONS, standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

OLD = "003_htc_predictions"

LINT = Path(__file__).parents[2] / "scripts" / "squawk.py"

EVERY_STATEMENT = bool(os.environ.get("EVERY_STATEMENT"))
"""Kill migrators at every statement instead of at a sample."""

# A process that forks migrators as it is told by lines, so that none costs a start of Python. A migrator
# kills itself, or the server, instead of sending statement number `kill_at` after its preflight; a commit
# counts too.
MIGRATORS = """
import json, os, signal, sys
import alembic.command, alembic.runtime.migration, psycopg
from sqlalchemy import event
from htc.errors import HTCError
from htc.store import catalogue, migrating
from htc.store.database import Database, user_url

def warm_up(url):
    with Database.connect_to(user_url(url), ensure_schema=False) as database:
        migrating.upgrade(database, dry_run=True)

def migrate(url, kill_at, victim):
    database = Database.connect_to(user_url(url), ensure_schema=False)
    sent = locks = 0

    def count(connection, cursor=None, statement="", *_):
        nonlocal sent, locks
        locks += "pg_try_advisory" in statement
        sent += locks > 1
        if sent == kill_at:
            os.kill(victim or os.getpid(), signal.SIGKILL)

    event.listen(database.engine, "before_cursor_execute", count)
    event.listen(database.engine, "commit", count)
    try:
        done = migrating.upgrade(database)
    except HTCError as error:
        return {"error": type(error).__name__, "what": error.what}
    return {"sent": sent, "applied": len(done.applied)}

def start(go, **job):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(go, 1)
        os.write(write, json.dumps(migrate(**job)).encode())
        os._exit(0)
    os.close(write)
    return child, read

for line in sys.stdin:
    job = json.loads(line)
    times = job.pop("times")
    if warm_up:
        warm_up(job["url"])  # what is imported and read once is there in every child
        warm_up = None
    go, gate = os.pipe()
    started = [start(go, **job) for _ in range(times)]
    os.write(gate, b"g" * times)
    answers = []
    for child, read in started:
        _, status = os.waitpid(child, 0)
        with os.fdopen(read) as said:
            answers.append(json.loads(said.read() or "{}") | {"signal": os.WTERMSIG(status)})
    os.close(go)
    os.close(gate)
    print(json.dumps(answers), flush=True)
"""


class Migrators:
    """The forking process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", MIGRATORS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(
        self, database: Database, kill_at: int | None = None, victim: int | None = None
    ) -> dict[str, Any]:
        """One migrator; what became of it."""
        (answer,) = self.start_many(database, 1, kill_at, victim)
        return answer

    def start_many(
        self, database: Database, times: int, kill_at: int | None = None, victim: int | None = None
    ) -> list[dict[str, Any]]:
        """Several migrators that begin at once."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        job = {"url": url_of(database), "kill_at": kill_at, "victim": victim, "times": times}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        answers: list[dict[str, Any]] = json.loads(self.process.stdout.readline())
        return answers


@pytest.fixture(scope="module")
def migrators() -> Iterator[Migrators]:
    made = Migrators()
    yield made
    with contextlib.suppress(BrokenPipeError):
        made.process.communicate()


def url_of(database: Database) -> str:
    return database.engine.url.render_as_string(hide_password=False)


def fill_003(database: Database) -> None:
    """Rows of the old shape, dirty ones too."""
    with database.begin() as connection:
        connection.exec_driver_sql(
            """
            INSERT INTO htc_predictions (id, composition, reduced_formula, tc_predicted, lambda_ep,
                                         phonon_stable, extrapolation_warning, experiment_id, created_at,
                                         structure_info)
            SELECT 'p' || n, 'Mg1 B2', 'MgB2', n, CASE WHEN n % 5 = 0 THEN 'NaN'::float8 ELSE 0.7 END,
                   CASE n % 3 WHEN 0 THEN 'true' WHEN 1 THEN 'False' ELSE 'perhaps' END, 'false',
                   'screen-' || n % 2, timestamp '2025-03-01 12:00' + n * interval '1 hour', '{"a": 1}'
            FROM generate_series(1, 40) AS n;
            INSERT INTO bete_runs (id, tc_kelvin, structure_formula, input_hash, parent_batch_id, created_at)
            SELECT lpad(to_hex(n), 32, '0')::uuid, n, 'Nb', 'hash-' || n % 7, lpad('7', 32, '0')::uuid,
                   timestamp '2025-03-01 12:00' + n * interval '1 hour'
            FROM generate_series(1, 20) AS n;
            INSERT INTO test_telemetry (id, test_name, passed) SELECT 't' || n, 'test_x', n %% 2 = 0
            FROM generate_series(1, 10) AS n;
            """.replace("% ", "%% ").replace("%%%", "%%")
        )


def at_003(database: Database) -> Database:
    migrating.upgrade(database, target=OLD)
    fill_003(database)
    return database


def state(connection: Connection) -> str:
    """Stamp, schema and every row, as one text."""
    found = standing(connection)
    content = {
        name: connection.execute(
            text(f"SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM {name} AS t")
        ).one()
        for name in sorted(found.tables)
    }
    return repr((found.revisions, sorted(found.tables), content, catalogue.read(connection)))


_TRACES = """
    SELECT (SELECT sum(hashtextextended(ROW(oid, relname, relfilenode, relkind)::text, 0)) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace),
           (SELECT sum(hashtextextended(ROW(attrelid, attname, atttypid, attnum, attnotnull)::text, 0))
            FROM pg_attribute),
           (SELECT sum(hashtextextended(ROW(oid, conname, conrelid)::text, 0)) FROM pg_constraint),
           (SELECT sum(hashtextextended(ROW(oid, proname, prosrc)::text, 0)) FROM pg_proc)
"""


def traces(connection: Connection) -> str:
    """Stamp, schema down to object ids, and every row: equal only where nothing was done at all."""
    found = standing(connection)
    objects = connection.execute(text(_TRACES)).all()
    rows = [
        connection.execute(
            text(f"SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM {name} AS t")
        ).one()
        for name in sorted(found.tables)
    ]
    return repr((found.revisions, sorted(found.tables), objects, rows))


def wait_until_alone(connection: Connection) -> None:
    """No other session, so no lock of one: a server notices quickly that its client is gone."""
    deadline = time.monotonic() + 20
    query = text(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()) + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
    )
    while connection.execute(query).scalar_one():
        assert time.monotonic() < deadline, "a killed migrator left a session or a lock"
        time.sleep(0.005)


@pytest.mark.parametrize("start", ["empty", OLD])
def test_killed_at_any_statement_the_old_state_stays(server: Any, migrators: Migrators, start: str) -> None:
    with server.empty() as database:
        if start == OLD:
            at_003(database)
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            before = traces(connection)
            # All of them take minutes: EVERY_STATEMENT=1. The statements are the same on every server, most
            # of them from either start; each start has its own sample.
            step = 1 if EVERY_STATEMENT else 9 if server.name == "embedded" else 20
            kill_at = 1 if EVERY_STATEMENT or start == "empty" else 1 + step // 2
            while True:
                answer = migrators.start(database, kill_at)
                if answer["signal"] != signal.SIGKILL:
                    break
                wait_until_alone(connection)
                if standing(connection).is_current:
                    break  # killed between its commit and its last word: all of it is done
                assert traces(connection) == before, f"killed at statement {kill_at}"
                kill_at += step
            # Each migrator went further than the one killed before it; this one had committed.
            assert answer["signal"] == signal.SIGKILL or answer["sent"] < kill_at
            assert kill_at > 30
            assert standing(connection).is_current
            found = catalogue.differences(catalogue.expected(HEAD), catalogue.read(connection))
            assert found == []
            rows = connection.execute(text("SELECT count(*) FROM htc_predictions_v003")).scalar_one()
            assert rows == (40 if start == OLD else 0)


def test_a_server_killed_in_the_middle_comes_back_with_the_old_state(
    tmp_path: Path, migrators: Migrators
) -> None:
    settings = Settings(home=tmp_path)
    with Database.open(settings, ensure_schema=False) as database:
        at_003(database)
        with database.connect() as connection:
            before = state(connection)
        sent = None
        for kill_at in (25, 60):
            note = process.read_postmaster(tmp_path / "postgres/data")
            assert note is not None
            sent = migrators.start(database, kill_at, note.pid)
            assert sent["signal"] == 0
            assert sent["error"] == "DatabaseUnavailableError", sent
            database.engine.dispose()
            database.recover()
            with database.connect() as connection:
                assert state(connection) == before
    with Database.open(settings) as database, database.connect() as connection:
        assert standing(connection).is_current
    (entry,) = findings.read(settings).entries
    assert (entry.check_id, entry.verdict) == ("migrate.upgrade", "ok")
    assert f"{OLD} -> {HEAD}" in entry.result


@pytest.mark.parametrize("start", ["empty", OLD])
def test_four_migrators_at_once(server: Any, migrators: Migrators, start: str) -> None:
    for _ in range(3):
        with server.empty() as database:
            if start == OLD:
                at_003(database)
            answers = migrators.start_many(database, 4)
            assert [answer.get("what") for answer in answers] == [None] * 4
            expected = len(REVISIONS) - (3 if start == OLD else 0)
            assert sorted(answer["applied"] for answer in answers) == [0, 0, 0, expected]
            with database.connect() as connection:
                assert standing(connection).is_current
                assert catalogue.differences(catalogue.expected(HEAD), catalogue.read(connection)) == []


def test_every_step_is_told_and_a_dry_run_changes_nothing(empty_database: Database) -> None:
    database = at_003(empty_database)
    with database.connect() as connection:
        before = state(connection)
    told: list[Step] = []
    outcome = migrating.upgrade(database, tell=told.append, dry_run=True)
    assert outcome.dry_run
    assert [one.revision for one in outcome.applied] == list(REVISIONS[3:])
    assert all(one.seconds > 0 for one in outcome.applied)
    kinds = [step.kind for step in told]
    assert kinds[0] == "checked"
    assert kinds[-1] == "rolled back"
    assert [k for k in kinds if k not in {"checked", "note"}] == [
        "locked",
        *["ran"] * len(REVISIONS[3:]),
        "verified",
        "rolled back",
    ]
    assert any("SELECT 1" in step.text for step in told)
    assert any("all 70 rows are there" in step.text for step in told)
    with database.connect() as connection:
        assert state(connection) == before
    again = migrating.upgrade(database)
    assert [step.kind for step in again.steps][-1] == "committed"
    assert migrating.upgrade(database).applied == ()


def test_down_step_by_step_and_up_again(empty_database: Database) -> None:
    database = at_003(empty_database)
    shapes = {}
    with database.connect() as connection:
        shapes[OLD] = shape(connection)
    for revision in REVISIONS[3:]:
        migrating.upgrade(database, target=revision)
        with database.connect() as connection:
            shapes[revision] = shape(connection)
    for revision in REVISIONS[-2:1:-1]:
        migrating.downgrade(database, revision)
        with database.connect() as connection:
            now = shape(connection)
            assert differing(shapes[revision], now) == []
            assert catalogue.differences(catalogue.expected(revision), catalogue.read(connection)) == []
    for revision in REVISIONS[3:]:
        migrating.upgrade(database, target=revision)
        with database.connect() as connection:
            assert differing(shapes[revision], shape(connection)) == []
    assert migrating.downgrade(database, HEAD).applied == ()
    with pytest.raises(SchemaError, match="there is no revision"):
        migrating.downgrade(database, "base")
    migrating.downgrade(database, REVISIONS[0])
    with pytest.raises(SchemaError, match="which is before"):
        migrating.downgrade(database, OLD)


# What is written by the migrations themselves, at the time they run.
_OWN = {
    "runs": {"created_at"},
    "ranking_refreshes": None,
    "models": {"first_used_at"},
    "structures": {"created_at"},
}
# 004 turns 'False' into false, and back comes 'false'; equal hashes are told apart for good.
_SPELLING = {"htc_predictions": {"phonon_stable"}, "bete_runs": {"input_hash"}}


def shape(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, without what the migrations write themselves."""
    out = {}
    for name in sorted(standing(connection).tables):
        without = _OWN.get(name, set())
        if without is None:
            continue
        rows = connection.execute(text(f"SELECT * FROM {name}")).mappings()
        kept = [{k: repr(v) for k, v in row.items() if k not in without} for row in rows]
        out[name] = sorted(kept, key=lambda row: str(sorted(row.items())[0:4]) + str(row.get("id")))
    return out


def differing(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> list[str]:
    out = []
    for name, rows in before.items():
        by_id = {row.get("id", row.get("hash")): row for row in after[name]}
        assert len(by_id) == len(rows)
        for row in rows:
            other = by_id[row.get("id", row.get("hash"))]
            out += [
                f"{name}.{key}: {value} became {other[key]}"
                for key, value in row.items()
                if other[key] != value
                and not (
                    key in _SPELLING.get(name, ())
                    and other[key].lower().split("#")[0].strip("'") == value.lower().split("#")[0].strip("'")
                )
                and key not in {"provenance"}
            ]
    return out


def test_a_downgrade_says_what_it_takes(database: Database, make_prediction: Callable[..., Any]) -> None:
    from htc.store import save, start_run

    run = start_run(database, "batch", created_by="me")
    save(database, [make_prediction(1), make_prediction(2)], run=run, created_by="me")
    lost = {(one.table, one.column): one for one in migrating.losses(database, OLD)}
    assert lost["runs", None].count == 1
    assert lost["htc_predictions", "input_hash"].count == 2
    assert lost["htc_predictions", "omega_2"].count == 2
    assert lost["htc_predictions", "reason"].count == 0
    assert lost["htc_predictions", "applicable"].count == 0  # every one has the default
    assert "2 values" in lost["htc_predictions", "omega_2"].in_words()
    assert ("htc_predictions", "tc_predicted") not in lost
    assert migrating.losses(database, HEAD) == ()


@contextlib.contextmanager
def holding(database: Database, statement: str) -> Iterator[int]:
    """Another session that holds what a statement locks; yields its pid."""
    with database.engine.connect() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        connection.execute(text(statement))
        yield pid
        connection.rollback()


def test_who_is_in_the_way_is_named(empty_database: Database) -> None:
    database = at_003(empty_database)
    told: list[Step] = []
    with (
        holding(database, "SELECT count(*) FROM htc_predictions") as pid,
        pytest.raises(
            StoreError, match=rf"pid {pid}, user htc \(htc\), idle in transaction for .*: SELECT count"
        ) as caught,
    ):
        migrating.upgrade(database, tell=told.append, patience_s=1.5)
    assert f"pg_terminate_backend({pid})" in str(caught.value.hint)
    assert "--wait" in str(caught.value.hint)
    assert any(step.kind == "waiting" and str(pid) in step.text for step in told)
    with database.connect() as connection:
        assert standing(connection).revision == OLD


def test_it_goes_on_when_the_way_is_free_and_readers_wait_briefly(empty_database: Database) -> None:
    database = at_003(empty_database)
    waited = threading.Event()
    read = []

    def tell(step: Step) -> None:
        if step.kind == "waiting":
            waited.set()

    def migrate() -> None:
        migrating.upgrade(database, tell=tell, patience_s=60)

    with holding(database, "SELECT count(*) FROM htc_predictions"):
        migrator = threading.Thread(target=migrate)
        migrator.start()
        assert waited.wait(30)
        # Between two attempts nobody queues behind the migrator.
        with database.begin() as connection:
            connection.exec_driver_sql("SET LOCAL statement_timeout = '20s'")
            read.append(connection.execute(text("SELECT count(*) FROM htc_predictions")).scalar_one())
    migrator.join(60)
    assert read == [40]
    with database.connect() as connection:
        assert standing(connection).is_current


def test_another_migrator_is_waited_for(empty_database: Database) -> None:
    told: list[Step] = []
    with empty_database.engine.connect() as other:
        other.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        pid = other.execute(text("SELECT pg_backend_pid()")).scalar_one()
        migrator = threading.Thread(target=lambda: migrating.upgrade(empty_database, tell=told.append))
        migrator.start()
        deadline = time.monotonic() + 30
        while not any(step.kind == "waiting" for step in told):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        other.rollback()
    migrator.join(60)
    (waiting,) = [step for step in told if step.kind == "waiting"]
    assert f"pid {pid}" in waiting.text
    assert told[-1].kind == "committed"


@pytest.mark.parametrize(
    ("script", "error", "message", "hint"),
    [
        (
            "CREATE TABLE runs (id INTEGER)",
            SchemaError,
            "the upgrade makes runs, but something of this name",
            "htc db adopt",
        ),
        (
            "CREATE INDEX ix_htc_predictions_reduced_formula ON htc_predictions (id)",
            SchemaError,
            "ix_htc_predictions_reduced_formula on htc_predictions",
            "htc db adopt",
        ),
        (
            "ALTER TABLE bete_runs DROP COLUMN mu_star",
            SchemaError,
            "column bete_runs.mu_star is missing",
            "htc db adopt",
        ),
        (
            "ALTER DATABASE {database} SET default_transaction_read_only = on",
            SchemaError,
            "read-only transactions",
            "RESET",
        ),
        (
            "CREATE VIEW mine AS SELECT created_at FROM htc_predictions",
            SchemaError,
            "views of yours read what the upgrade changes: mine on htc_predictions;.*nothing was changed",
            "drop them first: DROP VIEW mine; and make them again afterwards, with the rights you had granted"
            " on them: CREATE VIEW mine AS SELECT",
        ),
        (
            "CREATE VIEW first AS SELECT id, tc_kelvin, mu_star, input_hash FROM bete_runs;"
            'CREATE MATERIALIZED VIEW "The second" AS SELECT id FROM first;'
            'CREATE UNIQUE INDEX mine ON "The second" (id)',
            SchemaError,
            'first on bete_runs, "The second" on bete_runs',
            'DROP MATERIALIZED VIEW "The second"; DROP VIEW first; and make',
        ),
        (
            "CREATE VIEW mine AS SELECT avg_tc FROM top_superconductors",
            SchemaError,
            "mine on top_superconductors",
            "DROP VIEW mine",
        ),
        ("CREATE VIEW harmless AS SELECT id, tc_predicted FROM htc_predictions", StorageError, "", ""),
        ("ALTER DATABASE {database} SET search_path = nowhere, public", StorageError, "", ""),
    ],
    ids=[
        "a name",
        "an index",
        "a column",
        "read-only",
        "a view",
        "views of views",
        "a view of a view",
        "harmless",
        "search path",
    ],
)
def test_what_cannot_succeed_is_not_begun(
    server: Any, script: str, error: type[StoreError], message: str, hint: str
) -> None:
    with server.empty() as database:
        at_003(database)
        with database.begin() as connection:
            connection.exec_driver_sql(script.format(database=database.engine.url.database))
        database.engine.dispose()
        told: list[Step] = []
        if not message:  # nothing in the way; the first schema that exists is used
            migrating.upgrade(database)
            return
        with pytest.raises(error, match=message) as caught:
            migrating.upgrade(database, tell=told.append)
        assert hint in str(caught.value.hint or "")
        if "VIEW" in script:
            told_to_run = re.match(r"drop them first: (.*); and make .*?: (.*)$", str(caught.value.hint))
            assert told_to_run is not None
            drops, creates = told_to_run.groups()
            with database.begin() as connection:
                connection.exec_driver_sql(drops)
            migrating.upgrade(database)
            with database.begin() as connection:
                connection.exec_driver_sql(creates)
            return
        with database.connect() as connection:
            assert standing(connection).revision == OLD


def test_a_view_that_comes_in_between_is_named(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_003(empty_database)
    with empty_database.begin() as connection:
        connection.exec_driver_sql("CREATE VIEW mine AS SELECT created_at FROM htc_predictions")
    monkeypatch.setattr(migrating.dependents, "blocking", lambda *_: [])
    with pytest.raises(StoreError, match=r"nothing was changed.*mine on htc_predictions") as caught:
        migrating.upgrade(empty_database)
    assert "DROP VIEW mine" in str(caught.value.hint)


def test_a_user_without_the_right_is_told_whom_to_ask(server: Any) -> None:
    role = f"reader_{os.getpid()}"
    with server.empty() as database:
        at_003(database)
        with database.begin() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {role}")
            connection.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        try:
            with database.connect() as connection:
                owner = connection.execute(text("SELECT current_user")).scalar_one()
            _as_role(database, role)
            with pytest.raises(StorageError, match=f"{role} may not create tables in the schema public"):
                migrating.upgrade(database)
            _as_role(database, "none")
            with database.begin() as connection:
                connection.exec_driver_sql(f"GRANT CREATE ON SCHEMA public TO {role}")
            _as_role(database, role)
            with pytest.raises(StorageError, match=r"may not change alembic_version \(owner") as caught:
                migrating.upgrade(database)
            assert f"GRANT {owner} TO {role}" in str(caught.value.hint)
        finally:
            _as_role(database, "none")
            with database.begin() as connection:
                connection.exec_driver_sql(f"DROP OWNED BY {role}")
                connection.exec_driver_sql(f"DROP ROLE {role}")


def _as_role(database: Database, role: str) -> None:
    """Sessions of this database from now on act as a role."""
    from sqlalchemy import event

    database.engine.dispose()
    if hasattr(database, "_listener"):
        event.remove(database.engine, "connect", database._listener)

    def listener(connection: Any, _: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET ROLE {role}")
        connection.commit()

    database._listener = listener  # type: ignore[attr-defined]  # a note of this test's own
    event.listen(database.engine, "connect", listener)


def test_an_outcome_that_is_not_as_promised_is_rolled_back(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = at_003(empty_database)
    right = catalogue.expected(HEAD)
    with database.connect() as connection:
        before = state(connection)
    more = catalogue.Table({**right.tables["runs"].columns, "mascot": catalogue.Column("text", True, None)})
    wrong = catalogue.Catalogue({**right.tables, "runs": more}, right.views, right.routines)
    monkeypatch.setattr(
        catalogue, "expected", lambda r, real=catalogue.expected: wrong if r == HEAD else real(r)
    )
    with pytest.raises(
        SchemaError, match=r"not what it promises; nothing was changed: column runs\.mascot is missing"
    ):
        migrating.upgrade(database)
    with database.connect() as connection:
        assert state(connection) == before


@pytest.mark.parametrize("start", [None, *REVISIONS[:-1]])
def test_the_script_refuses_another_start(empty_database: Database, start: str | None) -> None:
    script = migrating.upgrade_sql(start)
    assert script.startswith("BEGIN;")
    assert script.rstrip().endswith("COMMIT;")
    lines = [line for line in script.splitlines() if line and not line.startswith("--")]
    assert "lock_timeout" in lines[1]
    assert str(MIGRATION_LOCK) in lines[2]
    migrating.upgrade(empty_database, target=REVISIONS[1] if start != REVISIONS[1] else REVISIONS[0])
    message = f"at revision {start}" if start else "without tables of HTC"
    with empty_database.engine.connect() as connection, pytest.raises(Exception, match=message):
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(script.replace("%", "%%"))
    with pytest.raises(SchemaError, match="lies before"):
        migrating.upgrade_sql(HEAD, OLD)


def test_every_table_and_index_compiles_without_a_warning() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for table in tables.metadata.sorted_tables:
            assert str(CreateTable(table).compile(dialect=dialect))
            for index in table.indexes:
                assert "INDEX" in str(CreateIndex(index).compile(dialect=dialect))


def test_migrations_use_no_index_option_that_a_version_might_not_know() -> None:
    # Indexes are plain SQL or take names and columns only: nothing that depends on SQLAlchemy's options.
    from htc.store.doctor.migration_files import VERSIONS

    for file in sorted(VERSIONS.glob("0*.py")):
        for call in re.findall(r"op\.create_index\((.*?)\)\n", file.read_text("utf-8"), re.DOTALL):
            assert "=" not in call, f"{file.name}: {call}"


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        (None, None),
        ("BEGIN; SET LOCAL lock_timeout = 1; DROP TABLE runs; COMMIT;", "ban-drop-table"),
        ("BEGIN; ALTER TABLE runs ADD COLUMN x INTEGER; COMMIT;", "require-lock-timeout"),
        (
            "BEGIN; SET LOCAL lock_timeout = 1; ALTER TABLE runs ALTER COLUMN x TYPE TEXT; COMMIT;",
            "changing-column",
        ),
    ],
    ids=["migrations", "drop", "no lock_timeout", "type"],
)
def test_squawk_lints_what_upgrade_prints(tmp_path: Path, script: str | None, rule: str | None) -> None:
    if not LINT.exists():
        pytest.skip("the checkout's scripts are not part of a source distribution")
    command = [sys.executable, str(LINT)]
    if script is not None:
        (tmp_path / "script.sql").write_text(script)
        command.append(str(tmp_path / "script.sql"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == (0 if rule is None else 1), done.stdout
    assert (rule or "") in done.stdout
