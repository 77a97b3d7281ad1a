"""A database that has the right schema and is unwell all the same: each trouble made for real."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from htc.errors import StoreError
from htc.settings import Settings
from htc.store.database import Database
from htc.store.doctor import activity, headroom, index_use, upkeep
from htc.store.doctor.activity import (
    check_idle_transactions,
    check_locks,
    check_long_transactions,
    check_prepared_transactions,
)
from htc.store.doctor.freshness import check_freshness
from htc.store.doctor.headroom import check_connections, check_disk, check_sequences, check_slots
from htc.store.doctor.index_use import check_foreign_keys, check_scans, check_unused_indexes
from htc.store.doctor.schema_checks import SCHEMA_CHECKS
from htc.store.doctor.upkeep import check_bloat, check_checksums, check_statistics, check_transaction_ids
from htc.store.embedded import EmbeddedServer

ZERO = timedelta(0)
FLUSH = "SELECT pg_stat_force_next_flush()"
MANY_ROWS = (
    "ALTER TABLE test_telemetry SET (autovacuum_enabled = false)",
    "INSERT INTO test_telemetry (id, test_name, duration_ms)"
    " SELECT n, 'test_x', n FROM generate_series(1, 30000) n",
)


def verdicts(found: list[Any]) -> list[str]:
    return [f.verdict for f in found]


def test_a_fresh_database_is_well_and_nothing_is_written(database: Any) -> None:
    with database.connect() as connection:
        found = [f for check in SCHEMA_CHECKS for f in check(connection, database)]
        wrote = connection.execute(text("SELECT pg_current_xact_id_if_assigned()")).scalar_one()
    assert [(f.check_id, f.result) for f in found if f.verdict in {"warning", "failure"}] == []
    assert wrote is None
    assert len({f.check_id for f in found}) == len(SCHEMA_CHECKS)


def test_a_role_that_may_see_little_gets_an_answer_to_everything(database: Any, run: Any) -> None:
    run(database, "DROP ROLE IF EXISTS htc_nobody", "CREATE ROLE htc_nobody")
    try:
        with database.connect() as connection:
            connection.execute(text("SET ROLE htc_nobody"))
            found = [f for check in SCHEMA_CHECKS for f in check(connection, database)]
        stamp = next(f for f in found if f.check_id == "schema.stamp")
        assert stamp.verdict == "skipped"
        assert "may not do this" in stamp.result
        assert "pg_monitor" in next(f for f in found if f.check_id == "health.transactions").result
    finally:
        run(database, "DROP ROLE htc_nobody")


# the ranking


def store_a_row(run: Any, database: Any, age: str = "0 s") -> None:
    run(
        database,
        "INSERT INTO bete_runs (id, structure_formula, tc_kelvin, input_hash, created_by, created_at)"
        f" VALUES (gen_random_uuid(), 'Nb', 9, gen_random_uuid(), 'me', now() - interval '{age}')",
    )


def test_a_row_stored_just_now_waits_for_the_end_of_its_run(database: Any, run: Any, only: Any) -> None:
    store_a_row(run, database)
    found = only(check_freshness, database)
    assert (found.check_id, found.verdict) == ("health.view", "note")
    assert "which it does not show: 1" in found.result


def test_a_row_that_waits_too_long(database: Any, run: Any, only: Any, ask: Any) -> None:
    run(
        database,
        "UPDATE ranking_refreshes SET started_at = now() - interval '3 hours',"
        " covers_until = now() - interval '3 hours'",
    )
    store_a_row(run, database, "2 hours")
    found = only(check_freshness, database)
    assert found.verdict == "warning"
    assert "refreshed 3 h ago" in found.result
    assert "the oldest 2 h old" in found.result
    found.fix.apply()
    assert verdicts(ask(check_freshness, database)) == ["ok"]


def test_a_ranking_that_was_never_filled(database: Any, run: Any, only: Any, ask: Any) -> None:
    run(database, "REFRESH MATERIALIZED VIEW top_superconductors WITH NO DATA")
    found = only(check_freshness, database)
    assert found.verdict == "failure"
    assert "never filled" in found.result
    found.fix.apply()
    assert verdicts(ask(check_freshness, database)) == ["ok"]


def test_before_004_nothing_is_known_of_refreshes(empty_database: Any, to: Any, only: Any) -> None:
    assert only(check_freshness, empty_database).verdict == "skipped"
    to(empty_database, "003_htc_predictions")
    assert only(check_freshness, empty_database).verdict == "skipped"


# who waits for whom


@contextmanager
def waiting(database: Database, *statements: str) -> Iterator[None]:
    """Sessions that wait, one behind the other, until the block ends."""

    def wait(statement: str) -> None:
        with database.engine.connect() as connection, suppress(SQLAlchemyError):
            connection.execute(text("SET LOCAL lock_timeout = '60s'"))
            connection.execute(text(statement))

    threads = []
    for statement in statements:
        threads.append(threading.Thread(target=wait, args=(statement,)))
        threads[-1].start()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with database.connect() as connection:
                queued = connection.execute(
                    text("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
                ).scalar_one()
            if queued == len(threads):
                break
            time.sleep(0.02)
    yield
    for thread in threads:
        thread.join()


def test_a_lock_and_all_who_wait_for_it(database: Any, only: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.connect() as holder:
        holder.execute(text("LOCK TABLE htc_predictions IN SHARE MODE"))
        pid = holder.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with waiting(
            database,
            "ALTER TABLE htc_predictions ADD COLUMN x int",
            "SELECT count(*) FROM htc_predictions",  # behind the ALTER
        ):
            found = only(check_locks, database)
            monkeypatch.setattr(activity, "WAIT_WARNS", ZERO)
            longer = only(check_locks, database)
            monkeypatch.setattr(activity, "WAIT_FAILS", ZERO)
            too_long = only(check_locks, database)
            holder.rollback()
    assert (found.check_id, found.verdict) == ("health.locks", "note")
    assert f"pid {pid}, user " in found.result
    assert "(htc)" in found.result
    assert "idle in transaction" in found.result
    assert "blocks 2" in found.result
    assert "ALTER TABLE htc_predictions" in found.result
    assert found.details["blocker"]["pid"] == pid
    assert len(found.details["blocked"]) == 2
    assert longer.verdict == "warning"
    assert f"pg_terminate_backend({pid})" in longer.action
    assert too_long.verdict == "failure"


def test_nobody_waits(database: Any, ask: Any) -> None:
    assert verdicts(ask(check_locks, database)) == ["ok"]


def test_a_transaction_held_open_idly(
    database: Any, only: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.connect() as idle:
        idle.execute(text("SELECT count(*) FROM runs"))
        assert verdicts(ask(check_idle_transactions, database)) == ["ok"]  # not for long yet
        monkeypatch.setattr(activity, "IDLE_WARNS", ZERO)
        found = only(check_idle_transactions, database)
    assert found.verdict == "warning"
    assert "SELECT count(*) FROM runs" in found.result
    assert "commit or roll back there" in found.action


def test_an_old_transaction_that_holds_back_vacuum(
    database: Any, only: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.connect() as old:
        old.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        old.execute(text("SELECT count(*) FROM runs"))
        assert verdicts(ask(check_long_transactions, database)) == ["ok"]
        monkeypatch.setattr(activity, "LONG_WARNS", ZERO)
        found = only(check_long_transactions, database)
    assert found.verdict == "warning"
    assert "no row that died since can be removed" in found.result


# servers of a test's own, where settings of the whole server are needed


@pytest.fixture
def private(home: Path) -> Callable[[], Database]:
    """Open this test's own embedded server."""
    return lambda: Database.open(Settings(home=home, database_url=None), ensure_schema=False)


def test_a_forgotten_prepared_transaction(
    private: Any, run: Any, only: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with private() as database:
        assert verdicts(ask(check_prepared_transactions, database)) == ["ok"]
        run(database, "ALTER SYSTEM SET max_prepared_transactions = 4")
    with private() as database:
        run(database, "BEGIN", "LOCK TABLE runs IN SHARE MODE", "PREPARE TRANSACTION 'it''s mine'")
        found = only(check_prepared_transactions, database)
        assert found.verdict == "note"
        assert "ROLLBACK PREPARED 'it''s mine'" in found.action
        monkeypatch.setattr(activity, "PREPARED_WARNS", ZERO)
        assert only(check_prepared_transactions, database).verdict == "warning"
        with waiting(database, "INSERT INTO runs (id, kind, created_by) VALUES ('x', 'x', 'x')"):
            locks = only(check_locks, database)
            run(database, "ROLLBACK PREPARED 'it''s mine'")
        assert "a prepared transaction blocks 1" in locks.result


def test_a_damaged_page(private: Any, home: Path, run: Any, only: Any, ask: Any) -> None:
    with private() as database:
        assert verdicts(ask(check_checksums, database)) == ["ok"]
        run(database, *MANY_ROWS, "CHECKPOINT")
        with database.connect() as connection:
            path = connection.execute(text("SELECT pg_relation_filepath('test_telemetry')")).scalar_one()
    EmbeddedServer(home).stop(force=True)
    with (home / "postgres" / "data" / path).open("r+b") as file:
        file.seek(8192 + 5000)
        file.write(b"\xff" * 100)
    with private() as database:
        with pytest.raises(StoreError), database.connect() as connection:
            connection.execute(text("SELECT sum(duration_ms) FROM test_telemetry"))
        found = only(check_checksums, database)
    assert found.verdict == "failure"
    assert "damaged pages were read in htc" in found.result
    assert "restore a backup" in found.action


def test_the_disk_under_the_embedded_server(
    tmpfs: Any, only: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmpfs("size=120m")
    with Database.open(Settings(home=folder, database_url=None)) as database:
        found = only(check_disk, database)  # less than 200 MB, whatever the share
        assert found.verdict == "failure"
        assert f"free under {folder}" in found.result
        monkeypatch.setattr(headroom, "DISK_FAILS_BYTES", 0)
        assert verdicts(ask(check_disk, database)) == ["ok"]
        monkeypatch.setattr(headroom, "DISK_WARNS_SHARE", 0.99)
        assert only(check_disk, database).verdict == "warning"


def test_the_disk_of_a_server_on_this_machine(database: Any, ask: Any) -> None:
    (found,) = ask(check_disk, database)
    assert found.verdict != "skipped"
    assert "free" in found.details


def test_a_disk_that_is_not_ours_to_see(database: Any, only: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headroom, "_data_folder", lambda _: None)
    assert only(check_disk, database).verdict == "skipped"


# upkeep


def test_dead_rows_and_the_vacuum_that_removes_them(database: Any, run: Any, only: Any, ask: Any) -> None:
    run(database, *MANY_ROWS, "DELETE FROM test_telemetry WHERE duration_ms > 10000", FLUSH)
    found = only(check_bloat, database)
    assert (found.check_id, found.verdict) == ("health.bloat", "warning")
    assert "20000 of 30000 rows of test_telemetry" in found.result
    assert "autovacuum is switched off for it" in found.result
    assert "RESET (autovacuum_enabled)" in found.action
    assert "vacuumed" in found.fix.apply()
    assert verdicts(ask(check_bloat, database)) == ["ok"]


def test_a_large_table_that_the_planner_does_not_know(database: Any, run: Any, only: Any, ask: Any) -> None:
    run(database, *MANY_ROWS, FLUSH)
    found = only(check_statistics, database)
    assert (found.check_id, found.verdict) == ("health.statistics", "warning")
    assert "was never analysed" in found.result
    found.fix.apply()
    assert verdicts(ask(check_statistics, database)) == ["ok"]
    run(database, "UPDATE test_telemetry SET passed = true", FLUSH)
    assert "30000 rows of test_telemetry" in only(check_statistics, database).result


def test_transaction_ids(database: Any, only: Any, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdicts(ask(check_transaction_ids, database)) == ["ok"]
    monkeypatch.setattr(upkeep, "LATE_FREEZE", 0)
    late = only(check_transaction_ids, database)
    assert late.verdict == "warning"
    assert "autovacuum does not keep up" in late.result
    monkeypatch.setattr(upkeep, "LAST_TRANSACTIONS", 0)
    assert only(check_transaction_ids, database).verdict == "failure"


# indexes


def test_index_use_needs_time_to_be_known(database: Any, only: Any) -> None:
    found = only(check_unused_indexes, database)
    assert found.verdict == "skipped"
    assert "min only" in found.result


def test_unused_indexes_of_ours_and_of_the_users(
    database: Any, run: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(database, "CREATE INDEX mine ON runs (label)")
    monkeypatch.setattr(index_use, "KNOWN_FOR", ZERO)
    assert verdicts(ask(check_unused_indexes, database)) == ["ok"]  # small
    monkeypatch.setattr(index_use, "LARGE_INDEX_BYTES", 0)
    found = {f.details["index"]: f for f in ask(check_unused_indexes, database)}
    assert found["mine"].verdict == "note"
    assert 'DROP INDEX CONCURRENTLY "mine"' in found["mine"].action
    assert found["ix_runs_created_at"].action.startswith("leave it")
    assert "runs_pkey" not in found


def test_a_table_that_is_read_whole_again_and_again(
    database: Any, run: Any, only: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = ["SELECT sum(duration_ms) FROM test_telemetry"] * 60
    run(database, *MANY_ROWS, *reads, FLUSH)
    assert verdicts(ask(check_scans, database)) == ["ok"]  # 30,000 rows are soon read
    monkeypatch.setattr(index_use, "LARGE_TABLE_ROWS", 10_000)
    found = only(check_scans, database)
    assert (found.check_id, found.verdict) == ("health.scans", "warning")
    assert "test_telemetry (about 30000 rows) was read from end to end" in found.result


def test_foreign_keys_want_an_index(
    database: Any, run: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mine() -> list[Any]:
        return [f for f in ask(check_foreign_keys, database) if f.details.get("table") == "mine"]

    run(database, "CREATE TABLE mine (run varchar REFERENCES runs (id), kind varchar)")
    (small,) = mine()
    assert small.verdict == "note"
    run(database, "INSERT INTO mine SELECT NULL FROM generate_series(1, 100)", "ANALYZE mine")
    monkeypatch.setattr(index_use, "LARGE_TABLE_ROWS", 100)
    (large,) = mine()
    assert large.verdict == "warning"
    assert "CREATE INDEX CONCURRENTLY ON mine (run)" in large.action
    run(
        database,
        "CREATE INDEX second ON mine (kind, run)",
        "CREATE INDEX partly ON mine (run) WHERE kind = 'x'",
    )
    assert len(mine()) == 1  # neither finds a run's rows
    run(database, "CREATE INDEX given ON mine (run) WHERE run IS NOT NULL")
    assert mine() == []


# headroom


@pytest.mark.parametrize(("value", "verdict"), [(1_700_000_000, "warning"), (2_100_000_000, "failure")])
def test_a_sequence_near_its_end(database: Any, run: Any, only: Any, value: int, verdict: str) -> None:
    run(database, "CREATE TABLE mine (id serial)", f"SELECT setval('mine_id_seq', {value})")
    found = only(check_sequences, database)
    assert (found.check_id, found.verdict) == ("health.sequences", verdict)
    assert f"mine_id_seq of mine.id (integer) stands at {value}" in found.result
    assert "TYPE bigint" in found.action


def test_a_sequence_that_outgrows_its_column(database: Any, run: Any, only: Any) -> None:
    run(
        database,
        "CREATE TABLE mine (id smallint)",
        "CREATE SEQUENCE numbers OWNED BY mine.id",
        "SELECT setval('numbers', 32000)",
    )
    assert "98% of 32767" in only(check_sequences, database).result


def test_a_sequence_of_ours(database: Any, run: Any, only: Any) -> None:
    run(database, f"SELECT setval(pg_get_serial_sequence('findings', 'id'), {2**63 - 10})")
    found = only(check_sequences, database)
    assert found.verdict == "failure"
    assert "RESTART" in found.action


def test_connections_run_out(database: Any, run: Any, only: Any, ask: Any) -> None:
    assert verdicts(ask(check_connections, database)) == ["ok"]
    name = database.engine.url.database
    run(database, f"ALTER DATABASE {name} CONNECTION LIMIT 6")
    with database.connect(), database.connect(), database.connect(), database.connect():
        found = only(check_connections, database)
        assert found.verdict == "warning"
        assert "5 of the 6 connections of this database" in found.result
        with database.connect():
            assert only(check_connections, database).verdict == "failure"


def test_a_replication_slot_that_nobody_reads(
    database: Any, run: Any, only: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.connect() as connection:
        if connection.execute(text("SHOW wal_level")).scalar_one() == "minimal":
            pytest.skip("this server keeps no log for replicas")
    assert verdicts(ask(check_slots, database)) == ["ok"]
    run(database, "SELECT pg_create_physical_replication_slot('htc_gone', true)")
    try:
        found = only(check_slots, database)
        assert found.verdict == "note"
        assert "htc_gone (physical, not in use)" in found.result
        monkeypatch.setattr(headroom, "WAL_HELD_WARNS", 0)
        warned = only(check_slots, database)
        assert warned.verdict == "warning"
        assert "pg_drop_replication_slot('htc_gone')" in warned.action
    finally:
        run(database, "SELECT pg_drop_replication_slot('htc_gone')")
