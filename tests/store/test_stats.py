"""The figures on both servers: each made to happen, then looked for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from htc.errors import DatabaseUnavailableError
from htc.settings import Settings
from htc.store import Database, refresh_rankings, save
from htc.store.schema import HEAD, REVISIONS, downgrade
from htc.store.stats import DatabaseStats, IndexStats, TableStats, attention, stats
from htc.store.stats.statements import shortened
from htc.store.tables import metadata

MANY = 20_000


def execute(database: Database, *statements: str) -> None:
    """Run statements in a session that leaves: then it hands in its counts, which else may wait for 10 s."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    database.engine.dispose()


def kinds(found: DatabaseStats, **options: Any) -> dict[str, str]:
    return {note.subject: note.kind for note in attention(found, **options)}


def eventually(look: Callable[[], bool]) -> None:
    """Counts arrive a moment after the statement."""
    for _ in range(200):
        if look():
            return
        time.sleep(0.05)
    pytest.fail("it did not come to pass")


def table(database: Database, name: str) -> TableStats:
    return next(table for table in stats(database).tables if table.name == name)


def index(database: Database, name: str) -> IndexStats:
    return next(index for index in stats(database).indexes if index.name == name)


@pytest.fixture
def others(database: Database) -> None:
    """Somebody else's table in the same schema, with rows and long values; autovacuum leaves it alone."""
    execute(
        database,
        "CREATE TABLE others (id int PRIMARY KEY, word text, essay text) WITH (autovacuum_enabled = false)",
        "ALTER TABLE others ALTER COLUMN essay SET STORAGE EXTERNAL",
        f"INSERT INTO others SELECT i, 'w' || i, CASE WHEN i < 10 THEN repeat('x', 10000) END"
        f" FROM generate_series(1, {MANY}) i",
    )


def test_a_fresh_database_is_known_whole(database: Database) -> None:
    found = stats(database, slow=0)
    assert found.unknown == {}
    assert found.revision == HEAD
    assert int(found.server_version.split(".")[0]) == database.server_version // 10_000
    assert {t.name for t in found.tables} == {*metadata.tables, "alembic_version"}
    assert [v.name for v in found.views] == ["top_superconductors"]
    assert found.size_bytes is not None
    assert found.wal_bytes is not None
    assert found.size_bytes > sum(t.total_bytes or 0 for t in found.tables) > 0
    expected = {str(i.name) for t in metadata.tables.values() for i in t.indexes}
    assert expected <= {i.name for i in found.indexes}
    assert all(i.is_ours and i.is_valid for i in found.indexes if i.table != "alembic_version")
    assert attention(found) == ()


def test_the_record_is_json_ready_and_complete(database: Database, make_prediction: Any) -> None:
    save(database, [make_prediction(i) for i in range(3)], created_by="me")
    found = stats(database)
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert told["taken_at"].endswith("+00:00")
    assert told["tables"][0]["name"] == found.tables[0].name
    assert set(told) >= {
        "tables",
        "indexes",
        "views",
        "connections",
        "pool",
        "activity",
        "unknown",
        "attention",
    }


def test_sizes_are_the_servers_own(database: Database, others: None) -> None:
    found = table(database, "others")
    with database.connect() as connection:
        total, main, toast, indexes = connection.execute(
            sa.text(
                "SELECT pg_total_relation_size(oid), pg_relation_size(oid),"
                " pg_total_relation_size(reltoastrelid), pg_indexes_size(oid)"
                " FROM pg_class WHERE relname = 'others'"
            )
        ).one()
    assert (found.total_bytes, found.toast_bytes, found.indexes_bytes) == (total, toast, indexes)
    assert found.toast_bytes is not None
    assert found.toast_bytes > 9 * 10_000
    assert found.heap_bytes is not None
    assert found.heap_bytes >= main
    assert found.heap_bytes + toast + indexes == total


def test_rows_dead_rows_and_vacuum(database: Database, others: None) -> None:
    eventually(lambda: table(database, "others").rows == MANY)
    execute(database, "ANALYZE others", "DELETE FROM others WHERE mod(id, 10) >= 4")
    eventually(lambda: table(database, "others").dead_rows >= MANY // 2)
    found = stats(database)
    (seen,) = (t for t in found.tables if t.name == "others")
    assert seen.dead_share == pytest.approx(0.6, abs=0.05)
    assert seen.rows == pytest.approx(0.4 * MANY, rel=0.1)
    assert seen.last_analyze is not None
    assert seen.last_vacuum is None
    assert kinds(found)["others"] == "dead-rows"

    execute(database, "VACUUM others")
    eventually(lambda: table(database, "others").dead_rows == 0)
    found = stats(database)
    assert next(t for t in found.tables if t.name == "others").last_vacuum is not None
    assert "others" not in kinds(found)


def test_scans_are_counted_and_an_unused_index_is_named(database: Database, others: None) -> None:
    execute(
        database,
        "CREATE INDEX others_word ON others (word)",
        "CREATE INDEX others_long ON others (length(essay))",
    )
    before = index(database, "others_word")
    assert (before.scans, before.is_unused, before.is_ours, before.last_used) == (0, True, False, None)
    execute(
        database,
        "SET enable_seqscan = off; SET enable_bitmapscan = off;"
        " SELECT id FROM others WHERE word = 'w77'; RESET ALL",
    )
    eventually(lambda: index(database, "others_word").scans > 0)
    used = index(database, "others_word")
    assert used.is_unused is False
    assert used.entries_read >= 1
    assert (used.last_used is not None) == (database.server_version >= 160_000)
    assert table(database, "others").index_scans >= 1

    found = stats(database)
    notes = {note.subject: note for note in attention(found, large_index_bytes=1)}
    assert notes["others_long"].kind == "unused-index"
    assert "DROP INDEX" in notes["others_long"].action
    assert "others_word" not in notes
    assert "others_pkey" not in notes, "it keeps the rows unique, used or not"
    assert "leave it" in notes["ix_htc_predictions_pressure"].action
    assert kinds(found) == {}, "small ones cost nothing"


def test_an_index_whose_build_failed(database: Database, others: None) -> None:
    execute(database, "INSERT INTO others VALUES (0, 'w1')")
    with pytest.raises(sa.exc.IntegrityError):
        execute(database, "CREATE UNIQUE INDEX CONCURRENTLY others_once ON others (word)")
    found = stats(database)
    assert kinds(found) == {"others_once": "invalid-index"}


def test_a_view_that_is_behind(database: Database, make_prediction: Any) -> None:
    refresh_rankings(database)
    save(database, [make_prediction(i) for i in range(4)], created_by="me")
    (view,) = stats(database).views
    assert (view.newer_rows, view.is_populated, view.rows) == (4, True, 0)
    assert view.age_s is not None
    assert view.refresh_s is not None
    assert view.lag_s is not None
    assert 0 < view.lag_s <= view.age_s
    assert attention(stats(database)) == ()

    execute(
        database,
        "UPDATE ranking_refreshes SET started_at = started_at - interval '3 h',"
        " finished_at = finished_at - interval '3 h', covers_until = covers_until - interval '3 h'",
        "UPDATE bete_runs SET created_at = created_at - interval '2 h'",
    )
    found = stats(database)
    assert kinds(found) == {"top_superconductors": "stale-view"}
    assert found.views[0].lag_s == pytest.approx(7200, abs=600)

    refresh_rankings(database)
    found = stats(database)
    assert (found.views[0].newer_rows, found.views[0].lag_s, found.views[0].rows) == (0, 0.0, 1)
    assert attention(found) == ()


def test_a_view_that_was_never_filled(database: Database) -> None:
    execute(database, "REFRESH MATERIALIZED VIEW top_superconductors WITH NO DATA")
    assert kinds(stats(database)) == {"top_superconductors": "unfilled-view"}


def test_sessions_and_the_oldest_transaction(database: Database) -> None:
    assert stats(database).oldest_transaction is None
    with database.engine.connect() as idle, database.engine.connect() as second:
        pid = idle.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        second.execute(sa.text("SELECT 1"))
        found = stats(database)
        assert found.connections is not None
        assert found.connections.by_state == {"active": 1, "idle in transaction": 2}
        assert (found.connections.here, found.connections.waiting_for_locks) == (3, 0)
        assert found.connections.server >= 3
        assert found.connections.limit > found.connections.reserved > 0
        idle_s = found.connections.longest_idle_in_transaction_s
        assert idle_s is not None
        assert found.oldest_transaction is not None
        assert found.oldest_transaction.pid == pid
        assert found.oldest_transaction.state == "idle in transaction"
        assert found.oldest_transaction.age_s >= idle_s >= 0
        assert found.oldest_transaction.application == "htc"


def test_the_pool_of_this_process(database: Database) -> None:
    held = [database.engine.connect() for _ in range(4)]
    pool = stats(database).pool
    assert pool is not None
    assert (pool.checked_out, pool.capacity, pool.is_exhausted) == (4, 15, False)
    held += [database.engine.connect() for _ in range(3)]
    for connection in held:
        connection.close()
    pool = stats(database).pool
    assert pool is not None
    assert (pool.checked_out, pool.idle, pool.overflow) == (0, 5, 0)


def test_counters(database: Database) -> None:
    before = stats(database).activity
    assert before is not None
    with database.engine.connect() as connection:
        connection.execute(sa.text("SET LOCAL work_mem = '64kB'"))
        connection.execute(sa.text("SELECT i FROM generate_series(1, 200000) i ORDER BY i DESC")).fetchall()
        connection.rollback()

    def counted() -> bool:
        now = stats(database).activity
        assert now is not None
        return now.temp_files > before.temp_files and now.rollbacks > before.rollbacks

    database.engine.dispose()
    eventually(counted)
    now = stats(database).activity
    assert now is not None
    assert now.temp_bytes > 1_000_000
    assert now.cache_hit_ratio is not None
    assert 0 < now.cache_hit_ratio <= 1


def test_a_locked_table_delays_nobody(database: Database, others: None) -> None:
    with database.engine.connect() as holder:
        holder.execute(sa.text("LOCK TABLE others IN ACCESS EXCLUSIVE MODE"))
        found = stats(database, slow=0)
        assert found.unknown == {}
        (seen,) = (t for t in found.tables if t.name == "others")
        assert (seen.total_bytes, seen.heap_bytes) == (None, None)
        assert next(i for i in found.indexes if i.name == "others_pkey").bytes is None
        assert next(t for t in found.tables if t.name == "runs").total_bytes is not None

        def wait_for_it() -> None:
            with database.connect() as reader:
                reader.execute(sa.text("SELECT count(*) FROM others"))

        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        eventually(lambda: (c := stats(database).connections) is not None and c.waiting_for_locks == 1)
        holder.rollback()
        waiting.join()
    assert table(database, "others").total_bytes is not None


def test_a_user_with_no_rights_learns_what_he_may_not_see(database: Database) -> None:
    role = f"little_{database.engine.url.database}"
    execute(database, f"CREATE ROLE {role} NOLOGIN", f"GRANT USAGE ON SCHEMA public TO {role}")
    try:
        with database.engine.connect() as hidden:
            hidden.execute(sa.text("SELECT 1"))
            # The role for the session, as a login of its own would have it; peer lets only one user in.
            url = database.engine.url.update_query_dict({"options": f"-c role={role}"})
            with Database.connect_to(url, ensure_schema=False) as little:
                found = stats(little, slow=3)
    finally:
        execute(database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert found.unknown["wal_bytes"] == "not permitted"
    assert found.unknown["views.refreshes"] == "not permitted"
    assert found.unknown["revision"] == "not permitted"
    assert "pg_stat_statements" in found.unknown["slow_statements"]
    assert {t.name for t in found.tables} >= set(metadata.tables)
    assert found.size_bytes is not None
    assert found.activity is not None
    assert found.slots == ()
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize("revision", [None, *REVISIONS[:-1]])
def test_every_revision_can_be_looked_at(server: Any, revision: str | None) -> None:
    if revision is None:
        with server.empty() as database:
            found = stats(database)
            assert (found.tables, found.indexes, found.views, found.revision) == ((), (), (), None)
            assert set(found.unknown) <= {"slow_statements"}
        return
    with server.migrated() as database:
        downgrade(database, revision)
        found = stats(database)
        assert found.revision == revision
        assert set(found.unknown) <= {"slow_statements"}
        assert [v.name for v in found.views] == ([] if revision == REVISIONS[0] else ["top_superconductors"])
        if revision in REVISIONS[1:3]:
            assert (found.views[0].age_s, found.views[0].newer_rows) == (None, None)


def test_without_time_everything_is_unknown_and_said_to_be(database: Database) -> None:
    found = stats(database, budget_s=0.0)
    assert found.tables == ()
    assert {"tables", "indexes", "size_bytes", "connections"} <= set(found.unknown)
    assert set(found.unknown.values()) == {"there was no time left"}


def test_a_connection_that_is_cut_is_an_error(database: Database) -> None:
    def cut(*_: Any) -> None:
        with database.engine.connect() as other:
            other.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
            other.rollback()

    done = []

    def before(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "pg_stat_user_indexes" in statement and not done:
            done.append(1)
            cut()

    sa.event.listen(database.engine, "before_cursor_execute", before)
    with pytest.raises(DatabaseUnavailableError):
        stats(database)
    assert done
    assert stats(database).tables


def test_statements_where_nobody_counts_them(database: Database) -> None:
    found = stats(database)
    assert found.slow_statements == ()
    assert "shared_preload_libraries" in found.unknown["slow_statements"]
    available = sa.text("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_stat_statements'")
    with database.connect() as connection:
        if not connection.execute(available).scalar_one():
            pytest.skip("this server came without its contrib modules")
    # Made in the database, but the library is not loaded.
    execute(database, "CREATE EXTENSION pg_stat_statements")
    assert "not loaded" in stats(database).unknown["slow_statements"]


def test_statements_where_they_are_counted(home: Path) -> None:
    # As docs/howto/monitoring.md says.
    conf = home / "postgres" / "postgresql.htc.conf"
    conf.write_text("shared_preload_libraries = pg_stat_statements\n")
    with Database.open(Settings(home=home)) as database:
        assert "CREATE EXTENSION" in stats(database).unknown["slow_statements"]
        assert "shared_preload_libraries" not in stats(database).unknown["slow_statements"]
        execute(
            database,
            "CREATE SCHEMA elsewhere",
            "CREATE EXTENSION pg_stat_statements SCHEMA elsewhere",
            *["SELECT count(*) FROM generate_series(1, 300000) -- the slow one"] * 3,
        )
        found = stats(database, slow=3)
        assert "slow_statements" not in found.unknown
        assert len(found.slow_statements) == 3
        (slow,) = (s for s in stats(database, slow=50).slow_statements if "generate_series" in s.query)
        assert slow.query == "SELECT count(*) FROM generate_series($1, $2)"
        assert (slow.calls, slow.rows) == (3, 3)
        assert slow.mean_ms <= slow.max_ms <= slow.total_ms
        assert slow.total_ms == pytest.approx(3 * slow.mean_ms)
        totals = [s.total_ms for s in stats(database, slow=50).slow_statements]
        assert totals == sorted(totals, reverse=True)


def test_a_statement_is_shortened() -> None:
    assert shortened("SELECT 1 -- why\n  /* for\n fun */ , 2") == "SELECT 1 , 2"
    assert len(shortened("SELECT " + "x" * 1000)) == 160
