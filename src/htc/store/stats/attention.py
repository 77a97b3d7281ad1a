"""Which of the figures deserve a look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from htc.store.stats.facts import DatabaseStats

__all__ = [
    "DEAD_ROWS_MATTER",
    "DEAD_SHARE",
    "IDLE_IN_TRANSACTION_S",
    "LARGE_INDEX_BYTES",
    "OLD_TRANSACTION_S",
    "STALE_VIEW_S",
    "Note",
    "attention",
]

DEAD_SHARE: Final = 0.2
DEAD_ROWS_MATTER: Final = 10_000
"""Below, a table is small enough that dead rows cost nothing."""

LARGE_INDEX_BYTES: Final = 64 * 1024 * 1024
STALE_VIEW_S: Final = 3600.0
"""A run refreshes the ranking at its end; a row that waits longer belongs to a run that did not get there."""

CONNECTIONS_SHARE: Final = 0.8
IDLE_IN_TRANSACTION_S: Final = 300.0
OLD_TRANSACTION_S: Final = 3600.0
HELD_WAL_BYTES: Final = 1024**3


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a look."""

    kind: str
    """Stable name, e.g. ``"unused-index"``."""
    subject: str
    """The table, index, view or slot."""
    text: str
    action: str


def attention(found: DatabaseStats, *, large_index_bytes: int = LARGE_INDEX_BYTES) -> tuple[Note, ...]:
    """What deserves a look, the more urgent first.

    Args:
        found: the figures.
        large_index_bytes: from this size on an unused index is worth a word.
    """
    return (
        *_crowding(found),
        *_transactions(found),
        *_views(found),
        *_tables(found),
        *_slots(found),
        *_indexes(found, large_index_bytes),
    )


def _crowding(found: DatabaseStats) -> Iterator[Note]:
    pool, connections = found.pool, found.connections
    if pool is not None and pool.is_exhausted:
        yield Note(
            "pool-exhausted",
            "pool",
            f"all {pool.capacity} connections of this process are in use",
            "use fewer threads, or find what keeps them; the next caller waits",
        )
    if connections is not None:
        usable = connections.limit - connections.reserved
        if connections.server >= CONNECTIONS_SHARE * usable:
            yield Note(
                "connections",
                "server",
                f"{connections.server} of the server's {usable} connections are in use",
                "close programs that hold idle ones, lower their pools, or raise max_connections",
            )


def _transactions(found: DatabaseStats) -> Iterator[Note]:
    connections, oldest = found.connections, found.oldest_transaction
    idle = connections.longest_idle_in_transaction_s if connections is not None else None
    if idle is not None and idle >= IDLE_IN_TRANSACTION_S:
        yield Note(
            "idle-in-transaction",
            "server",
            f"a session has been idle inside its transaction for {idle / 60:.0f} min",
            "it holds locks and dead rows: end it in its program, or see `htc db doctor`",
        )
    if oldest is not None and oldest.age_s >= OLD_TRANSACTION_S:
        who = f"of process {oldest.pid}" if oldest.pid is not None else "that was prepared"
        yield Note(
            "old-transaction",
            oldest.application or "server",
            f"a transaction {who} has been open for {oldest.age_s / 3600:.1f} h",
            "no row that died since can be cleaned up: finish it, or see `htc db doctor`",
        )


def _views(found: DatabaseStats) -> Iterator[Note]:
    for view in found.views:
        if not view.is_populated:
            yield Note(
                "unfilled-view",
                view.name,
                f"{view.name} was never filled: nothing can be read from it",
                "`htc db doctor --fix` refreshes it",
            )
        elif view.newer_rows and view.lag_s is not None and view.lag_s >= STALE_VIEW_S:
            yield Note(
                "stale-view",
                view.name,
                f"{view.name} does not show {view.newer_rows} rows,"
                f" the oldest stored {view.lag_s / 3600:.1f} h ago",
                "`htc db doctor --fix` refreshes it; the next run does so at its end as well",
            )


def _tables(found: DatabaseStats) -> Iterator[Note]:
    for table in found.tables:
        if (
            table.dead_rows >= DEAD_ROWS_MATTER
            and table.dead_share is not None
            and table.dead_share > DEAD_SHARE
        ):
            yield Note(
                "dead-rows",
                table.name,
                f"{table.dead_share:.0%} of the rows of {table.name} are dead ({table.dead_rows:,})",
                f"VACUUM (ANALYZE) {table.name}; if it stays so, look for old transactions",
            )


def _slots(found: DatabaseStats) -> Iterator[Note]:
    for slot in found.slots:
        if slot.held_bytes >= HELD_WAL_BYTES and not slot.is_active:
            yield Note(
                "held-log",
                slot.name,
                f"replication slot {slot.name}, not in use, keeps {slot.held_bytes / 1024**3:.1f} GiB of log",
                f"if its replica is gone for good: select pg_drop_replication_slot('{slot.name}')",
            )


def _indexes(found: DatabaseStats, large: int) -> Iterator[Note]:
    since = found.activity.since if found.activity is not None else None
    for index in found.indexes:
        if not index.is_valid:
            yield Note(
                "invalid-index",
                index.name,
                f"{index.name} of {index.table} is not valid: its build failed or is still at work",
                f"if nobody builds it now: REINDEX INDEX CONCURRENTLY {index.name}",
            )
        elif index.is_unused and index.bytes is not None and index.bytes >= large:
            when = f" since {since:%Y-%m-%d %H:%M} UTC" if since else ""
            yield Note(
                "unused-index",
                index.name,
                f"{index.name} of {index.table}, {index.bytes / 1024**2:.0f} MiB, was not used{when}",
                "leave it: a command or filter of HTC that nobody used yet needs it"
                if index.is_ours
                else f"if replicas do not need it either: DROP INDEX CONCURRENTLY {index.name}",
            )
