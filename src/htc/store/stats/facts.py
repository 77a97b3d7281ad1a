"""The figures, as plain records. Sizes in bytes, durations in s unless the name says ms, times in UTC."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

__all__ = [
    "Activity",
    "Connections",
    "DatabaseStats",
    "IndexStats",
    "JobQueue",
    "OldestTransaction",
    "Pool",
    "Slot",
    "Statement",
    "TableStats",
    "ViewStats",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStats:
    """A table. Rows are the server's estimates; sizes are None while somebody holds it locked."""

    name: str
    rows: int
    dead_rows: int
    dead_share: float | None
    """Dead rows over all rows; None for a table without any."""
    total_bytes: int | None
    heap_bytes: int | None
    toast_bytes: int | None
    """Long values, kept apart from the rows."""
    indexes_bytes: int | None
    sequential_scans: int
    index_scans: int
    last_sequential_scan: datetime | None
    """None: never, or PostgreSQL 15, which does not note it."""
    last_index_scan: datetime | None
    last_vacuum: datetime | None
    """By hand or by autovacuum, whichever was later."""
    last_analyze: datetime | None
    changed_since_analyze: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexStats:
    """An index of a table or of a materialized view."""

    name: str
    table: str
    bytes: int | None
    """None while somebody holds it locked."""
    scans: int
    entries_read: int
    rows_fetched: int
    last_used: datetime | None
    """None: never, or PostgreSQL 15, which does not note it."""
    is_unique: bool
    is_valid: bool
    """False: left by an index build that failed, or one that is still at work."""
    is_ours: bool
    """HTC's schema has it: some command or filter needs it, whether or not it was used yet."""
    is_unused: bool
    """Not scanned since the statistics began, and not there to keep rows unique."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewStats:
    """A materialized view. What the refresh log does not know is None."""

    name: str
    is_populated: bool
    rows: int | None
    bytes: int | None
    refreshed_at: datetime | None = None
    age_s: float | None = None
    """Since its last refresh began."""
    refresh_s: float | None = None
    """How long the last refresh took."""
    newer_rows: int | None = None
    """Rows stored since, which it does not show; counted up to 10,000."""
    lag_s: float | None = None
    """Age of the oldest of these; 0 when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """Client connections, this one included."""

    by_state: dict[str, int]
    """Those to this database. ``hidden``: sessions of other users whose state we may not see."""
    here: int
    server: int
    """Those to any database of the server."""
    limit: int
    """``max_connections``."""
    reserved: int
    """How many of them are kept for superusers and reserved roles."""
    waiting_for_locks: int
    longest_idle_in_transaction_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The connections that this process keeps."""

    size: int
    max_overflow: int
    """How many more it may open for a while; -1: any number."""
    checked_out: int
    idle: int
    overflow: int
    """Connections open beyond ``size``."""

    @property
    def capacity(self) -> int | None:
        """The most connections it may have; None: no limit."""
        return None if self.max_overflow < 0 else self.size + self.max_overflow

    @property
    def is_exhausted(self) -> bool:
        """Whether the next caller has to wait."""
        return self.capacity is not None and self.checked_out >= self.capacity


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Counters of this database since ``since``."""

    commits: int
    rollbacks: int
    deadlocks: int
    temp_files: int
    temp_bytes: int
    blocks_from_cache: int
    blocks_from_disk: int
    """Read from outside shared_buffers; the operating system may have had them in memory."""
    cache_hit_ratio: float | None
    """None before the first block was read."""
    since: datetime | None
    """When the counters were last set to zero; None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldestTransaction:
    """The open transaction that began first. While it is open, no row that died since can be cleaned up."""

    age_s: float
    pid: int | None
    """None for a prepared transaction, which belongs to no session."""
    state: str
    application: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A replication slot."""

    name: str
    type: str
    is_active: bool
    held_bytes: int
    """Log that the server keeps for it."""
    status: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A kind of statement, its constants replaced by ``$1``, ``$2``, ..."""

    query: str
    """Shortened, on one line."""
    query_id: str
    calls: int
    rows: int
    mean_ms: float
    max_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQueue:
    """The queue of jobs."""

    jobs: tuple[tuple[str, str, int], ...]
    """Kind, state and how many, for those that there are."""
    oldest_queued_s: float
    """How long the job has waited that waited longest; 0: none waits."""
    expired_leases: int
    """Jobs whose worker was lost and that nobody has taken over yet."""
    repeated_attempts: int
    """How often a job was begun again, over all jobs."""
    failed_items: int
    """Items of all jobs that could not be done."""
    workers: int
    """Worker processes that wait for jobs or work on one, as far as we may see other sessions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStats:
    """What :func:`htc.store.stats.stats` found.

    A part that could not be found is None or empty, and ``unknown`` says why.
    """

    where: str
    taken_at: datetime
    server_version: str
    revision: str | None
    size_bytes: int | None = None
    tables: tuple[TableStats, ...] = ()
    indexes: tuple[IndexStats, ...] = ()
    views: tuple[ViewStats, ...] = ()
    connections: Connections | None = None
    pool: Pool | None = None
    activity: Activity | None = None
    oldest_transaction: OldestTransaction | None = None
    """None when no transaction is open but ours."""
    wal_bytes: int | None = None
    slots: tuple[Slot, ...] = ()
    jobs: JobQueue | None = None
    """None at a revision without a queue."""
    slow_statements: tuple[Statement, ...] = ()
    """Those that took the most time altogether, the worst first."""
    unknown: dict[str, str] = field(default_factory=dict)
    """Name of a part -> why it is not known."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, with what :func:`htc.store.stats.attention` makes of it."""
        from htc.store.stats.attention import attention

        out: dict[str, Any] = _plain(asdict(self))
        out["attention"] = [asdict(note) for note in attention(self)]
        return out


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
