"""Sessions, transactions, counters, log: what the server does beside keeping tables."""

from __future__ import annotations

from datetime import UTC

from sqlalchemy import Connection, text

from htc.store.stats.facts import Activity, Connections, OldestTransaction, Slot

__all__ = ["activity", "connections", "oldest_transaction", "size", "slots", "wal_size"]


def size(connection: Connection) -> int:
    """Bytes of this database on disk."""
    return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


def connections(connection: Connection) -> Connections:
    """Sessions of clients by what they do."""
    # For a role that may not see other users' sessions, state and backend_type of these are NULL.
    rows = connection.execute(
        text(
            """
            SELECT datname = current_database() AS is_here, coalesce(state, 'hidden') AS state,
                   count(*) AS sessions,
                   count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting,
                   max(extract(epoch FROM clock_timestamp() - state_change))::float8 AS longest
            FROM pg_stat_activity
            WHERE usesysid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
              AND datname IS NOT NULL
            GROUP BY 1, 2 ORDER BY 2
            """
        )
    ).all()
    limits = connection.execute(
        text(
            "SELECT current_setting('max_connections')::int AS limit,"
            " current_setting('superuser_reserved_connections')::int"
            " + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved"
        )
    ).one()
    here = [row for row in rows if row.is_here]
    idle = [row.longest for row in here if row.state.startswith("idle in transaction")]
    return Connections(
        by_state={row.state: row.sessions for row in here},
        here=sum(row.sessions for row in here),
        server=sum(row.sessions for row in rows),
        limit=limits.limit,
        reserved=limits.reserved,
        waiting_for_locks=sum(row.waiting for row in here),
        longest_idle_in_transaction_s=max(idle, default=None),
    )


def activity(connection: Connection) -> Activity:
    """The counters of this database."""
    # After a crash the counters begin anew; of the times only that of the background writer shows it.
    row = connection.execute(
        text(
            """
            SELECT d.*, greatest(d.stats_reset, b.stats_reset) AS since
            FROM pg_stat_database d, pg_stat_bgwriter b WHERE d.datname = current_database()
            """
        )
    ).one()
    blocks = row.blks_hit + row.blks_read
    return Activity(
        commits=row.xact_commit,
        rollbacks=row.xact_rollback,
        deadlocks=row.deadlocks,
        temp_files=row.temp_files,
        temp_bytes=row.temp_bytes,
        blocks_from_cache=row.blks_hit,
        blocks_from_disk=row.blks_read,
        cache_hit_ratio=row.blks_hit / blocks if blocks else None,
        since=row.since.astimezone(UTC) if row.since else None,
    )


def oldest_transaction(connection: Connection) -> OldestTransaction | None:
    """The transaction of this database that has been open longest, ours left out."""
    row = connection.execute(
        text(
            """
            SELECT extract(epoch FROM clock_timestamp() - began)::float8 AS age, pid, state, application
            FROM (
                SELECT xact_start AS began, pid, coalesce(state, 'hidden') AS state,
                       coalesce(application_name, '') AS application
                FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                      AND xact_start IS NOT NULL AND backend_type = 'client backend'
                UNION ALL
                SELECT prepared, NULL, 'prepared', gid FROM pg_prepared_xacts
                WHERE database = current_database()
            ) AS open
            ORDER BY began LIMIT 1
            """
        )
    ).one_or_none()
    if row is None:
        return None
    return OldestTransaction(
        age_s=max(row.age, 0.0), pid=row.pid, state=row.state, application=row.application
    )


def wal_size(connection: Connection) -> int:
    """Bytes of the server's write-ahead log on disk."""
    return int(
        connection.execute(text("SELECT coalesce(sum(size), 0)::bigint FROM pg_ls_waldir()")).scalar_one()
    )


def slots(connection: Connection) -> tuple[Slot, ...]:
    """The server's replication slots."""
    rows = connection.execute(
        text(
            """
            SELECT slot_name, slot_type, active, wal_status,
                   pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                                        ELSE pg_current_wal_lsn() END, restart_lsn)::bigint AS held
            FROM pg_replication_slots ORDER BY slot_name
            """
        )
    )
    return tuple(
        Slot(
            name=row.slot_name,
            type=row.slot_type,
            is_active=row.active,
            held_bytes=max(row.held or 0, 0),
            status=row.wal_status,
        )
        for row in rows
    )
