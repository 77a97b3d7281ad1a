"""Whether vacuum and analyse keep up, and whether the files are sound."""

from __future__ import annotations

from typing import Final

from rich.filesize import decimal

from htc.store.doctor import repairs
from htc.store.doctor.check import Check
from htc.store.doctor.examination import Opened, examination
from htc.store.doctor.finding import Finding

__all__ = ["check_bloat", "check_checksums", "check_statistics", "check_transaction_ids"]

DEAD_SHARE_WARNS: Final = 0.2
DEAD_ROWS_MATTER: Final = 10_000

UNKNOWN_ROWS_MATTER: Final = 10_000
CHANGED_SHARE_WARNS: Final = 0.5

LATE_FREEZE: Final = 1.5
"""Beyond this multiple of the age at which autovacuum freezes by itself, it is not keeping up."""

LAST_TRANSACTIONS: Final = 1_000_000_000
"""PostgreSQL stops taking writes at about 2.1e9; from half of it on there is no time to lose."""


@examination(
    "health.bloat",
    "tables are full of dead rows",
    "live and dead rows, and the last vacuum, read from the statistics",
)
def check_bloat(check: Check, opened: Opened) -> list[Finding]:
    """Tables where many rows are dead; the numbers are the server's estimates."""
    found = opened.rows(
        """
        SELECT c.relname, s.n_live_tup AS live, s.n_dead_tup AS dead, pg_table_size(c.oid) AS size,
               greatest(s.last_vacuum, s.last_autovacuum) AS vacuumed,
               'autovacuum_enabled=false' = ANY (c.reloptions) AS is_off
        FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
        WHERE pg_table_is_visible(c.oid) AND s.n_dead_tup >= :matter
          AND s.n_dead_tup >= :share * (s.n_live_tup + s.n_dead_tup)
        ORDER BY s.n_dead_tup DESC
        """,
        matter=DEAD_ROWS_MATTER,
        share=DEAD_SHARE_WARNS,
    ).all()
    return [
        check.warning(
            f"{row.dead} of {row.live + row.dead} rows of {row.relname} ({decimal(row.size)}) are dead;"
            f" last vacuum: {row.vacuumed.isoformat(timespec='minutes') if row.vacuumed else 'not known'}"
            + ("; autovacuum is switched off for it" if row.is_off else ""),
            f"VACUUM (ANALYZE) {row.relname}; if it stays so, see the findings on old transactions"
            + (f", and ALTER TABLE {row.relname} RESET (autovacuum_enabled)" if row.is_off else ""),
            fix=repairs.vacuum(opened.database, row.relname),
            table=row.relname,
            live_rows=row.live,
            dead_rows=row.dead,
        )
        for row in found
    ] or [check.ok("dead rows are few")]


@examination(
    "health.statistics",
    "the planner knows nothing of a large table, or what was true long ago",
    "last analyse and rows changed since it read from the statistics",
)
def check_statistics(check: Check, opened: Opened) -> list[Finding]:
    """Large tables that were never analysed, or have changed much since."""
    found = opened.rows(
        """
        SELECT c.relname, s.n_live_tup AS live, s.n_mod_since_analyze AS changed,
               NOT EXISTS (SELECT FROM pg_stats p
                           WHERE p.schemaname = s.schemaname AND p.tablename = s.relname) AS unknown
        FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
        WHERE pg_table_is_visible(c.oid) AND s.n_live_tup >= :matter
          AND (s.n_mod_since_analyze >= :share * s.n_live_tup
               OR coalesce(s.last_analyze, s.last_autoanalyze) IS NULL)
        ORDER BY s.n_live_tup DESC
        """,
        matter=UNKNOWN_ROWS_MATTER,
        share=CHANGED_SHARE_WARNS,
    ).all()
    findings = []
    for row in found:
        if row.unknown:
            result = f"{row.relname} has about {row.live} rows and was never analysed: plans are guesses"
        elif row.changed >= CHANGED_SHARE_WARNS * row.live:
            result = (
                f"{row.changed} rows of {row.relname} (about {row.live}) changed since it was last analysed"
            )
        else:
            continue
        findings.append(
            check.warning(
                result,
                f"ANALYZE {row.relname}; autovacuum does so within minutes unless it is switched off",
                fix=repairs.analyze(opened.database, row.relname),
                table=row.relname,
                rows=row.live,
                changed=row.changed,
            )
        )
    return findings or [check.ok("the planner knows the large tables")]


@examination(
    "health.transaction_ids",
    "the server runs out of transaction ids and stops taking writes",
    "age of the oldest transaction and multixact ids of each database against the freeze limits",
)
def check_transaction_ids(check: Check, opened: Opened) -> list[Finding]:
    """Age of the oldest unfrozen rows against ``autovacuum_freeze_max_age``."""
    row = opened.rows(
        """
        SELECT datname, age(datfrozenxid) AS xids, mxid_age(datminmxid) AS multixacts,
               current_setting('autovacuum_freeze_max_age')::bigint AS xid_limit,
               current_setting('autovacuum_multixact_freeze_max_age')::bigint AS multixact_limit
        FROM pg_database ORDER BY greatest(age(datfrozenxid), mxid_age(datminmxid)) DESC LIMIT 1
        """
    ).one()
    facts = dict(row._mapping)
    result = (
        f"oldest in database {row.datname}: {row.xids:,} transactions (frozen from {row.xid_limit:,} on),"
        f" {row.multixacts:,} multixacts (from {row.multixact_limit:,} on)"
    )
    action = f"VACUUM (FREEZE) in database {row.datname}; first end old and prepared transactions"
    if max(row.xids, row.multixacts) >= LAST_TRANSACTIONS:
        return [check.failure(f"{result}; writes stop at 2.1e9", action, **facts)]
    if row.xids >= LATE_FREEZE * row.xid_limit or row.multixacts >= LATE_FREEZE * row.multixact_limit:
        return [check.warning(f"{result}; autovacuum does not keep up", action, **facts)]
    return [check.ok(result, **facts)]


@examination(
    "health.checksums",
    "the disk has damaged the database's files",
    "checksum failures of all databases read from pg_stat_database",
)
def check_checksums(check: Check, opened: Opened) -> list[Finding]:
    """Pages whose checksum was found wrong since the statistics began."""
    if opened.value("SHOW data_checksums") != "on":
        return [check.ok("pages carry no checksums on this server: damage would go unseen", enabled=False)]
    found = opened.rows(
        "SELECT coalesce(datname, 'shared tables') AS name, checksum_failures AS failures,"
        " checksum_last_failure AS last FROM pg_stat_database WHERE checksum_failures > 0 ORDER BY 2 DESC"
    ).all()
    return [
        check.failure(
            f"{row.failures} damaged pages were read in {row.name},"
            f" the last {row.last.isoformat(timespec='minutes')}",
            "stop writing; check disk and memory; restore a backup from before onto sound hardware",
            enabled=True,
            database=row.name,
            failures=row.failures,
        )
        for row in found
    ] or [check.ok("no damaged page was ever read", enabled=True)]
