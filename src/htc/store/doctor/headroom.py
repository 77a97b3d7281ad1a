"""How much is left: of sequences, connections, the disk, and what replication holds back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from rich.filesize import decimal

from htc.store.doctor.check import Check
from htc.store.doctor.examination import Opened, examination
from htc.store.doctor.finding import Finding

__all__ = ["check_connections", "check_disk", "check_sequences", "check_slots"]

SEQUENCE_WARNS: Final = 0.75
SEQUENCE_FAILS: Final = 0.95

CONNECTIONS_WARN: Final = 0.8
CONNECTIONS_FAIL: Final = 0.95

DISK_WARNS_SHARE: Final = 0.1
DISK_WARNS_BYTES: Final = 5 * 1024**3
"""Below a tenth *and* below this much: a tenth of a large disk is room enough."""
DISK_FAILS_BYTES: Final = 200 * 1024**2

WAL_HELD_WARNS: Final = 1024**3


@examination(
    "health.sequences",
    "the numbers of a table run out",
    "last value of each sequence against its own limit and that of its column's type",
)
def check_sequences(check: Check, opened: Opened) -> list[Finding]:
    """Sequences near their end, or that of the column they fill."""
    found = opened.rows(
        """
        SELECT s.sequencename AS name, s.last_value AS last, t.relname AS parent, a.attname AS column,
               format_type(a.atttypid, NULL) AS type,
               least(s.max_value, CASE format_type(a.atttypid, NULL)
                                  WHEN 'smallint' THEN 32767 WHEN 'integer' THEN 2147483647
                                  ELSE s.max_value END) AS highest
        FROM pg_sequences s
        JOIN pg_class q ON q.relname = s.sequencename AND q.relnamespace = s.schemaname::regnamespace
        LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = q.oid
             AND d.deptype IN ('a', 'i') AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
        LEFT JOIN pg_class t ON t.oid = d.refobjid
        LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE pg_table_is_visible(q.oid) AND s.increment_by > 0 AND NOT s.cycle
        ORDER BY 1
        """
    ).all()
    findings = []
    for row in found:
        used = (row.last or 0) / row.highest
        if used < SEQUENCE_WARNS:
            continue
        of = f" of {row.parent}.{row.column} ({row.type})" if row.parent else ""
        result = f"sequence {row.name}{of} stands at {row.last}, {used:.0%} of {row.highest}"
        action = (
            f"ALTER TABLE {row.parent} ALTER COLUMN {row.column} TYPE bigint and"
            f" ALTER SEQUENCE {row.name} AS bigint (rewrites the table)"
            if row.parent and row.type != "bigint"
            else f"find out what drew so many; ALTER SEQUENCE {row.name} RESTART if the first ones are free"
        )
        tell = check.failure if used >= SEQUENCE_FAILS else check.warning
        findings.append(tell(result, action, sequence=row.name, last=row.last, highest=row.highest))
    return findings or [check.ok(f"{len(found)} sequences, none beyond {SEQUENCE_WARNS:.0%}")]


@examination(
    "health.connections",
    "there is no connection left for the next program",
    "client connections counted against the limits of server, database and role",
)
def check_connections(check: Check, opened: Opened) -> list[Finding]:
    """Connections in use against each limit that applies to us."""
    row = opened.rows(
        """
        SELECT (SELECT count(*) FROM pg_stat_activity
                -- hidden from roles that may not see whose sessions these are
                WHERE datname IS NOT NULL
                  AND coalesce(backend_type, 'client backend') = 'client backend') AS server,
               current_setting('max_connections')::int
               - current_setting('superuser_reserved_connections')::int
               - coalesce(current_setting('reserved_connections', true), '0')::int AS server_limit,
               (SELECT numbackends FROM pg_stat_database WHERE datname = current_database()) AS database,
               (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_limit,
               (SELECT count(*) FROM pg_stat_activity
                WHERE usename = current_user AND backend_type = 'client backend') AS role,
               (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit
        """
    ).one()
    limits = {
        "the server": (row.server, row.server_limit),
        "this database": (row.database, row.database_limit),
        "this user": (row.role, row.role_limit),
    }
    findings = []
    # -1: no limit
    for what, (used, limit) in limits.items():
        if limit < 0 or used < CONNECTIONS_WARN * limit:
            continue
        tell = check.failure if used >= CONNECTIONS_FAIL * limit else check.warning
        findings.append(
            tell(
                f"{used} of the {limit} connections of {what} are in use",
                "close programs that hold idle ones, lower their pools, or raise the limit",
                used=used,
                limit=limit,
            )
        )
    return findings or [check.ok(f"{row.server} of {row.server_limit} connections are in use")]


@examination(
    "health.disk",
    "the disk under the database is nearly full",
    "free room of the file system under the data directory, where it is this machine's",
)
def check_disk(check: Check, opened: Opened) -> list[Finding]:
    """Room left under the data directory, of the embedded server or one on this machine."""
    folder = _data_folder(opened)
    if folder is None:
        return [check.skipped("the data directory is not on this machine, or not ours to see")]
    try:
        disk = shutil.disk_usage(folder)
    except OSError as error:
        return [check.skipped(f"the file system under {folder} cannot be asked: {error.strerror}")]
    size = opened.value("SELECT pg_database_size(current_database())")
    result = f"{decimal(disk.free)} of {decimal(disk.total)} are free under {folder}"
    result += f"; the database has {decimal(size)}"
    facts = {"folder": str(folder), "free": disk.free, "total": disk.total, "database": size}
    if disk.free < DISK_FAILS_BYTES:
        return [
            check.failure(
                f"{result}: writes will fail soon", "free some room now, or move the database", **facts
            )
        ]
    if disk.free < min(DISK_WARNS_BYTES, DISK_WARNS_SHARE * disk.total):
        return [check.warning(result, "free some room: backups and new indexes need it too", **facts)]
    return [check.ok(result, **facts)]


def _data_folder(opened: Opened) -> Path | None:
    server = opened.database.embedded
    if server is not None:
        return server.data
    host = opened.connection.engine.url.query.get("host", "")
    is_local = isinstance(host, str) and host.startswith("/") and not host.startswith("/cloudsql/")
    if not is_local:
        return None
    # NULL for roles that may not read it.
    shown = opened.value(
        "SELECT setting FROM (SELECT 1) AS one LEFT JOIN pg_settings ON name = 'data_directory'"
    )
    folder = Path(shown) if shown else None
    return folder if folder is not None and folder.exists() else None


@examination(
    "health.slots",
    "a replica that is gone makes the server keep its log until the disk is full",
    "replication slots and the log they hold back read",
)
def check_slots(check: Check, opened: Opened) -> list[Finding]:
    """Replication slots that hold WAL back."""
    found = opened.rows(
        """
        SELECT slot_name AS name, slot_type AS type, active, wal_status AS status,
               pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                                    ELSE pg_current_wal_lsn() END, restart_lsn)::bigint AS held
        FROM pg_replication_slots ORDER BY 1
        """
    ).all()
    findings = []
    for row in found:
        held = row.held or 0
        state = "in use" if row.active else "not in use"
        result = f"replication slot {row.name} ({row.type}, {state}) holds {decimal(held)} of log back"
        action = f"if its replica is gone for good: select pg_drop_replication_slot('{row.name}')"
        facts = {"slot": row.name, "active": row.active, "held": held, "status": row.status}
        if row.status in {"unreserved", "lost"}:
            findings.append(check.failure(f"{result}; its status is {row.status}", action, **facts))
        elif held >= WAL_HELD_WARNS:
            findings.append(check.warning(result, action, **facts))
        elif not row.active:
            findings.append(check.note(result, action, **facts))
    return findings or [check.ok(f"{len(found)} replication slots, none holds log back")]
