"""Tables, indexes and materialized views. Nothing here waits for a lock or reads a table whole."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, text

from htc.store.calendar import in_calendar
from htc.store.stats.facts import IndexStats, TableStats, ViewStats
from htc.store.tables import metadata

__all__ = ["COUNTED_ROWS", "indexes", "refreshed", "tables", "views"]

COUNTED_ROWS: Final = 10_000
"""Rows that a view does not show are counted up to here."""

_LAST_SCANS_FROM: Final = 16
"""Major version that began to note when a table or an index was last scanned."""

RANKING: Final = "top_superconductors"
_OUR_INDEXES: Final = frozenset(
    {str(index.name) for table in metadata.tables.values() for index in table.indexes}
    | {"idx_top_superconductors_formula", "idx_top_superconductors_avg_tc"}
)

# The size functions open what they measure. Whoever has it locked, or waits to, would make us wait as well.
_LOCKED: Final = """
locked AS MATERIALIZED (
    SELECT relation FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock' AND pid IS DISTINCT FROM pg_backend_pid()
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""


def tables(connection: Connection, major: int) -> tuple[TableStats, ...]:
    """The visible tables, the largest first."""
    last = ("s.last_seq_scan", "s.last_idx_scan") if major >= _LAST_SCANS_FROM else ("NULL", "NULL")
    rows = connection.execute(
        text(
            f"""
            WITH {_LOCKED}, seen AS (
                SELECT c.oid, c.relname, c.reltuples, c.reltoastrelid,
                       EXISTS (SELECT FROM locked WHERE relation IN (c.oid, c.reltoastrelid)) AS is_locked
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND pg_table_is_visible(c.oid)
                  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            ), sized AS (
                SELECT seen.*,
                       CASE WHEN NOT is_locked THEN pg_table_size(oid) END AS own,
                       CASE WHEN NOT is_locked
                            THEN coalesce(pg_total_relation_size(nullif(reltoastrelid, 0)), 0) END AS toast,
                       CASE WHEN NOT is_locked THEN pg_indexes_size(oid) END AS indexes
                FROM seen
            )
            SELECT sized.relname, reltuples::bigint AS planned, n_live_tup AS live, n_dead_tup AS dead,
                   own, toast, indexes, seq_scan, coalesce(idx_scan, 0) AS idx_scan,
                   {last[0]}::timestamptz AS last_seq, {last[1]}::timestamptz AS last_idx,
                   greatest(last_vacuum, last_autovacuum) AS vacuumed,
                   greatest(last_analyze, last_autoanalyze) AS analyzed, n_mod_since_analyze AS changed
            FROM sized JOIN pg_stat_user_tables s ON s.relid = sized.oid
            ORDER BY own + indexes DESC NULLS LAST, sized.relname
            """  # noqa: S608 - text of this file
        )
    )
    return tuple(_table(row) for row in rows)


def _table(row: Any) -> TableStats:
    # Statistics are lost in a crash; what the last vacuum or analyse noted is not.
    live = row.live if row.live or row.dead else max(row.planned, 0)
    known = row.own is not None and row.toast is not None and row.indexes is not None
    return TableStats(
        name=row.relname,
        rows=live,
        dead_rows=row.dead,
        dead_share=row.dead / (live + row.dead) if live + row.dead else None,
        total_bytes=row.own + row.indexes if known else None,
        heap_bytes=row.own - row.toast if known else None,
        toast_bytes=row.toast if known else None,
        indexes_bytes=row.indexes if known else None,
        sequential_scans=row.seq_scan,
        index_scans=row.idx_scan,
        last_sequential_scan=_utc(row.last_seq),
        last_index_scan=_utc(row.last_idx),
        last_vacuum=_utc(row.vacuumed),
        last_analyze=_utc(row.analyzed),
        changed_since_analyze=row.changed,
    )


def indexes(connection: Connection, major: int) -> tuple[IndexStats, ...]:
    """The indexes of the visible tables and materialized views, the largest first."""
    last = "s.last_idx_scan" if major >= _LAST_SCANS_FROM else "NULL"
    rows = connection.execute(
        text(
            f"""
            WITH {_LOCKED}
            SELECT s.indexrelname AS name, s.relname AS parent, s.idx_scan AS scans, s.idx_tup_read AS read,
                   s.idx_tup_fetch AS fetched, {last}::timestamptz AS used,
                   x.indisunique OR x.indisexclusion AS is_unique, x.indisvalid AS is_valid,
                   CASE WHEN NOT EXISTS (SELECT FROM locked WHERE relation IN (s.indexrelid, s.relid))
                        THEN pg_relation_size(s.indexrelid) END AS size
            FROM pg_stat_user_indexes s JOIN pg_index x ON x.indexrelid = s.indexrelid
            JOIN pg_class c ON c.oid = s.relid
            WHERE pg_table_is_visible(s.relid) AND c.relpersistence <> 't'
            ORDER BY size DESC NULLS LAST, s.relname, s.indexrelname
            """  # noqa: S608 - text of this file
        )
    )
    return tuple(
        IndexStats(
            name=row.name,
            table=row.parent,
            bytes=row.size,
            scans=row.scans,
            entries_read=row.read,
            rows_fetched=row.fetched,
            last_used=_utc(row.used),
            is_unique=row.is_unique,
            is_valid=row.is_valid,
            is_ours=row.name in _OUR_INDEXES or (row.parent in metadata.tables and row.is_unique),
            is_unused=row.scans == 0 and not row.is_unique,
        )
        for row in rows
    )


def views(connection: Connection) -> tuple[ViewStats, ...]:
    """The visible materialized views, without what the refresh log knows of them."""
    rows = connection.execute(
        text(
            f"""
            WITH {_LOCKED}
            SELECT c.relname AS name, c.relispopulated AS populated, c.reltuples::bigint AS rows,
                   CASE WHEN NOT EXISTS (SELECT FROM locked WHERE relation = c.oid)
                        THEN pg_total_relation_size(c.oid) END AS size
            FROM pg_class c WHERE c.relkind = 'm' AND pg_table_is_visible(c.oid) ORDER BY c.relname
            """  # noqa: S608 - text of this file
        )
    )
    return tuple(
        ViewStats(
            name=row.name,
            is_populated=row.populated,
            rows=row.rows if row.rows >= 0 else None,
            bytes=row.size,
        )
        for row in rows
    )


def refreshed(connection: Connection, view: str = RANKING) -> dict[str, Any]:
    """What the refresh log says of a view: the fields of :class:`ViewStats` that it knows.

    Empty before revision 004, which brought the log, and for a view that it does not know.
    """
    if connection.execute(text("SELECT to_regclass('ranking_refreshes')")).scalar_one() is None:
        return {}
    last = connection.execute(
        text(
            """
            SELECT started_at, covers_until, row_count,
                   extract(epoch FROM finished_at - started_at)::float8 AS took,
                   extract(epoch FROM clock_timestamp() - started_at)::float8 AS age
            FROM ranking_refreshes WHERE view_name = :view ORDER BY started_at DESC LIMIT 1
            """
        ),
        {"view": view},
    ).one_or_none()
    if last is None:
        return {}
    newer = connection.execute(
        text(
            f"""
            SELECT count(*) AS stored,
                   coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS lag
            FROM (
                SELECT created_at FROM bete_runs
                WHERE created_at >= :since AND {in_calendar("created_at")} ORDER BY created_at LIMIT :most
            ) AS newer
            """  # noqa: S608 - own text
        ),
        {"since": last.covers_until, "most": COUNTED_ROWS},
    ).one()
    return {
        "rows": last.row_count,
        "refreshed_at": _utc(last.started_at),
        "age_s": last.age,
        "refresh_s": last.took,
        "newer_rows": newer.stored,
        "lag_s": max(newer.lag, 0.0),
    }


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)
