"""Indexes that serve nobody, and tables that want one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from rich.filesize import decimal

from htc.store.catalogue import expected
from htc.store.doctor.check import Check, age_in_words
from htc.store.doctor.examination import Opened, examination
from htc.store.doctor.finding import Finding
from htc.store.schema import HEAD

__all__ = ["check_foreign_keys", "check_scans", "check_unused_indexes"]

LARGE_INDEX_BYTES: Final = 64 * 1024 * 1024
KNOWN_FOR: Final = timedelta(days=7)
"""Statistics of fewer days say nothing about an index that a weekly report needs."""

LARGE_TABLE_ROWS: Final = 100_000
MANY_SCANS: Final = 50
WHOLE_TABLE_SHARE: Final = 0.5
"""A scan that reads more of the table than this would hardly use an index."""


@examination(
    "health.unused_indexes",
    "large indexes cost every write and serve no query",
    f"indexes above {decimal(LARGE_INDEX_BYTES)} looked for that were not scanned for"
    f" {KNOWN_FOR.days} days and more",
)
def check_unused_indexes(check: Check, opened: Opened) -> list[Finding]:
    """Large indexes without a scan, where the statistics are old enough to tell."""
    # A crash discards all statistics and dates those of the archiver anew; a clean restart keeps them.
    age: timedelta = opened.value(
        "SELECT clock_timestamp() - greatest(d.stats_reset, a.stats_reset)"
        " FROM pg_stat_database d, pg_stat_archiver a WHERE d.datname = current_database()"
    )
    if age < KNOWN_FOR:
        return [
            check.skipped(f"index use is known for {age_in_words(age)} only", known_for_s=age.total_seconds())
        ]
    found = opened.rows(
        """
        SELECT s.indexrelname AS name, s.relname AS parent, pg_relation_size(s.indexrelid) AS size
        FROM pg_stat_user_indexes s JOIN pg_index x ON x.indexrelid = s.indexrelid
        WHERE s.idx_scan = 0 AND NOT x.indisunique AND pg_table_is_visible(s.relid)
          AND pg_relation_size(s.indexrelid) >= :large
        ORDER BY 3 DESC
        """,
        large=LARGE_INDEX_BYTES,
    ).all()
    made = expected(HEAD)
    ours = {name for relation in made.tables.values() for name in relation.indexes}
    ours |= {name for view in made.views.values() for name in view.indexes}
    return [
        check.note(
            f"index {row.name} of {row.parent} ({decimal(row.size)}) was not used for {age_in_words(age)}",
            "leave it: a command or filter of HTC that nobody used yet needs it"
            if row.name in ours
            else f'if replicas do not need it either: DROP INDEX CONCURRENTLY "{row.name}"',
            index=row.name,
            table=row.parent,
            bytes=row.size,
            ours=row.name in ours,
        )
        for row in found
    ] or [check.ok(f"every large index was used in the last {age_in_words(age)}")]


@examination(
    "health.scans",
    "queries read a large table from end to end",
    f"sequential scans of tables above {LARGE_TABLE_ROWS:,} rows read from the statistics",
)
def check_scans(check: Check, opened: Opened) -> list[Finding]:
    """Large tables that are often read whole."""
    found = opened.rows(
        """
        SELECT s.relname AS name, s.n_live_tup AS live, s.seq_scan AS scans,
               coalesce(s.idx_scan, 0) AS by_index
        FROM pg_stat_user_tables s
        WHERE pg_table_is_visible(s.relid) AND s.n_live_tup >= :large AND s.seq_scan >= :many
          AND s.seq_tup_read >= :share * s.seq_scan * s.n_live_tup
        ORDER BY s.seq_tup_read DESC
        """,
        large=LARGE_TABLE_ROWS,
        many=MANY_SCANS,
        share=WHOLE_TABLE_SHARE,
    ).all()
    return [
        check.warning(
            f"{row.name} (about {row.live} rows) was read from end to end about {row.scans} times,"
            f" through an index {row.by_index} times",
            "see the findings on indexes; a query of your own may want an index of its own",
            table=row.name,
            rows=row.live,
            sequential_scans=row.scans,
            index_scans=row.by_index,
        )
        for row in found
    ] or [check.ok("no large table is read from end to end again and again")]


@examination(
    "health.foreign_keys",
    "a foreign key has no index: deleting what it refers to reads the whole table",
    "columns of each foreign key looked for at the front of a usable index",
)
def check_foreign_keys(check: Check, opened: Opened) -> list[Finding]:
    """Foreign keys whose columns lead no index."""
    found = opened.rows(
        """
        SELECT k.conname AS name, c.relname AS parent, k.confrelid::regclass::text AS target,
               c.reltuples AS live,
               (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY n)
                FROM unnest(k.conkey) WITH ORDINALITY AS u (number, n)
                JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number) AS columns
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        WHERE k.contype = 'f' AND pg_table_is_visible(c.oid) AND k.conparentid = 0
          AND NOT EXISTS (
              SELECT FROM pg_index x
              WHERE x.indrelid = k.conrelid AND x.indisvalid
                -- equal keys find their rows through an index that leaves only NULLs out
                AND (x.indpred IS NULL OR pg_get_expr(x.indpred, x.indrelid) ~ '^\\(?\\w+ IS NOT NULL\\)?$')
                AND (x.indkey::smallint[])[0 : cardinality(k.conkey) - 1] @> k.conkey)
        ORDER BY c.reltuples DESC, 1
        """
    ).all()

    findings = []
    on_purpose = []
    for row in found:
        table = expected(HEAD).tables.get(row.parent)
        if table is not None and row.name in table.constraints:
            on_purpose.append(f"{row.name} (HTC never deletes from {row.target})")
            continue
        result = f"foreign key {row.name} of {row.parent} ({row.columns}) has no index"
        action = f"CREATE INDEX CONCURRENTLY ON {row.parent} ({row.columns})"
        facts: dict[str, Any] = {
            "constraint": row.name,
            "table": row.parent,
            "columns": row.columns,
            "rows": int(row.live),
        }
        if row.live < LARGE_TABLE_ROWS:
            small = check.note(f"{result}; the table is small", f"none now; once it grows: {action}", **facts)
            findings.append(small)
        else:
            reads = f"deleting from {row.target} reads about {row.live:.0f} rows"
            findings.append(check.warning(f"{result}: {reads}", action, **facts))
    but = f", but on purpose {', '.join(on_purpose)}" if on_purpose else ""
    return findings or [check.ok(f"every foreign key has an index{but}")]
