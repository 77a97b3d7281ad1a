"""What the server's statistics say about the database: sizes, use, freshness, connections, slow statements.

>>> found = stats(database)                                               # doctest: +SKIP
>>> [(table.name, table.rows, table.total_bytes) for table in found.tables]  # doctest: +SKIP
"""

from htc.store.stats.attention import Note, attention
from htc.store.stats.collect import look_at, pool_of, stats
from htc.store.stats.facts import (
    Activity,
    Connections,
    DatabaseStats,
    IndexStats,
    OldestTransaction,
    Pool,
    Slot,
    Statement,
    TableStats,
    ViewStats,
)

__all__ = [
    "Activity",
    "Connections",
    "DatabaseStats",
    "IndexStats",
    "Note",
    "OldestTransaction",
    "Pool",
    "Slot",
    "Statement",
    "TableStats",
    "ViewStats",
    "attention",
    "look_at",
    "pool_of",
    "stats",
]
