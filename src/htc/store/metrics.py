"""The statistics of the database for Prometheus: one look serves several scrapes, and none waits for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from htc.store.stats import DatabaseStats, Pool, look_at, pool_of
from htc.store.tables import metadata, top_superconductors

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["DatabaseCollector", "families"]

FRESH_FOR_S: Final = 5.0
"""A scrape within this time of the look before gets the same figures."""

PATIENCE_S: Final = 5.0
"""A scrape that got no figures by then says that the database is down. Prometheus gives up after 10 s."""

_BUDGET_S: Final = 2.5
_CONNECT_TIMEOUT_S: Final = 2

_OURS: Final = frozenset(metadata.tables) | {"alembic_version", top_superconductors.name}
"""Other people's tables are not for us to watch, and staging tables come and go under names of their own."""


class DatabaseCollector(Collector):
    """Collects the metrics ``htc_db_...`` of one database.

    Args:
        database: an open database. Its pool is watched, not used: a scrape must work when that is exhausted.
        fresh_for_s: how long one look at the database serves, s.
        patience_s: how long a scrape waits for a look, s.
        process: label ``pid`` of the pool, where several processes answer scrapes in turn.
    """

    def __init__(
        self,
        database: Database,
        *,
        fresh_for_s: float = FRESH_FOR_S,
        patience_s: float = PATIENCE_S,
        process: str | None = None,
    ) -> None:
        """Look at nothing yet."""
        self._database = database
        self._process = process
        self._fresh_for_s = fresh_for_s
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._look: Future[tuple[DatabaseStats, float]] | None = None
        self._began = 0.0
        # A connection for each look and none between them. One that hangs must not be handed out again.
        url = database.engine.url
        options = {"application_name": "htc metrics"}
        self._engine = create_engine(
            url.difference_update_query(["connect_timeout"]),
            poolclass=NullPool,
            connect_args={
                "connect_timeout": str(_CONNECT_TIMEOUT_S),
                "tcp_user_timeout": str(int(1000 * patience_s)),
                **{name: value for name, value in options.items() if name not in url.query},
            },
        )

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not look at the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics; those of a database that does not answer are ``htc_db_up 0`` and the pool."""
        look = self._current()
        found: DatabaseStats | None = None
        seconds = 0.0
        try:
            found, seconds = look.result(timeout=self._patience_s)
        except (NotYet, SQLAlchemyError, OSError):
            # Why it does not answer is for `htc db doctor` to find out; here it only counts.
            found = None
        up = GaugeMetricFamily("htc_db_up", "Whether the database answered the last look (1) or not (0).")
        up.add_metric([], float(found is not None))
        yield up
        yield from _pool(pool_of(self._database.engine), self._process)
        if found is not None:
            yield _gauge(
                "htc_db_look_duration_seconds", "How long the last look at the database took.", seconds
            )
            yield from families(found)

    def close(self) -> None:
        """Wait a moment for a look that is under way; it uses the server that is about to be left."""
        with self._lock:
            look = self._look
        if look is not None:
            try:
                look.result(timeout=self._patience_s)
            except (NotYet, SQLAlchemyError, OSError):
                return

    def _current(self) -> Future[tuple[DatabaseStats, float]]:
        """The look that is under way, or a recent one, or a new one. There is never more than one thread."""
        with self._lock:
            now = time.monotonic()
            look = self._look
            if look is not None and (not look.done() or now - self._began < self._fresh_for_s):
                return look
            self._look = look = Future()
            self._began = now
            threading.Thread(target=self._fill, args=(look,), name="htc-metrics", daemon=True).start()
            return look

    def _fill(self, look: Future[tuple[DatabaseStats, float]]) -> None:
        began = time.monotonic()
        try:
            with self._engine.connect() as connection:
                found = look_at(connection, where=self._database.where, budget_s=_BUDGET_S)
            look.set_result((found, time.monotonic() - began))
        except BaseException as error:  # noqa: BLE001 - whoever waits for the look gets it
            look.set_exception(error)


def families(found: DatabaseStats) -> Iterator[Metric]:
    """The metrics of what was found. What is not known has no sample; ``htc_db_part_known`` says so."""
    info = GaugeMetricFamily(
        "htc_db_info", "Server version and revision of the schema.", labels=["server_version", "revision"]
    )
    info.add_metric([found.server_version, found.revision or ""], 1.0)
    yield info
    yield _gauge(
        "htc_db_look_timestamp_seconds", "When these figures were taken.", found.taken_at.timestamp()
    )
    known = GaugeMetricFamily(
        "htc_db_part_known",
        "Whether a part of the statistics could be read (1) or was not permitted or not in time (0).",
        labels=["part"],
    )
    for part in _PARTS:
        known.add_metric([part], float(part not in found.unknown))
    yield known
    if found.size_bytes is not None:
        yield _gauge("htc_db_size_bytes", "Size of the database on disk.", found.size_bytes)
    if found.wal_bytes is not None:
        yield _gauge("htc_db_wal_bytes", "Size of the server's write-ahead log on disk.", found.wal_bytes)
    yield from _tables(found)
    yield from _indexes(found)
    yield from _views(found)
    yield from _sessions(found)
    yield from _counters(found)
    yield from _slots(found)
    yield from _jobs(found)


_PARTS: Final = (
    "revision",
    "size_bytes",
    "tables",
    "indexes",
    "views",
    "views.refreshes",
    "connections",
    "activity",
    "oldest_transaction",
    "wal_bytes",
    "slots",
    "jobs",
)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _tables(found: DatabaseStats) -> Iterator[Metric]:
    rows = GaugeMetricFamily(
        "htc_db_table_rows", "Live rows, as the server estimates them.", labels=["table"]
    )
    dead = GaugeMetricFamily(
        "htc_db_table_dead_rows", "Dead rows, as the server estimates them.", labels=["table"]
    )
    size = GaugeMetricFamily(
        "htc_db_table_bytes",
        "Size on disk: rows (heap), long values (toast), indexes.",
        labels=["table", "part"],
    )
    scans = CounterMetricFamily(
        "htc_db_table_scans",
        "Scans of a table from end to end or through an index.",
        labels=["table", "kind"],
    )
    vacuum = GaugeMetricFamily(
        "htc_db_table_last_vacuum_timestamp_seconds", "Last vacuum; absent: none is known.", labels=["table"]
    )
    analyze = GaugeMetricFamily(
        "htc_db_table_last_analyze_timestamp_seconds",
        "Last analyze; absent: none is known.",
        labels=["table"],
    )
    for table in found.tables:
        if table.name not in _OURS:
            continue
        rows.add_metric([table.name], table.rows)
        dead.add_metric([table.name], table.dead_rows)
        parts = {"heap": table.heap_bytes, "toast": table.toast_bytes, "indexes": table.indexes_bytes}
        for part, value in parts.items():
            if value is not None:
                size.add_metric([table.name, part], value)
        scans.add_metric([table.name, "sequential"], table.sequential_scans)
        scans.add_metric([table.name, "index"], table.index_scans)
        for family, at in ((vacuum, table.last_vacuum), (analyze, table.last_analyze)):
            if at is not None:
                family.add_metric([table.name], at.timestamp())
    yield from (rows, dead, size, scans, vacuum, analyze)


def _indexes(found: DatabaseStats) -> Iterator[Metric]:
    labels = ["table", "index"]
    size = GaugeMetricFamily("htc_db_index_bytes", "Size of an index on disk.", labels=labels)
    scans = CounterMetricFamily("htc_db_index_scans", "Scans of an index.", labels=labels)
    read = CounterMetricFamily(
        "htc_db_index_entries_read", "Entries that scans read of an index.", labels=labels
    )
    for index in found.indexes:
        if index.table not in _OURS:
            continue
        if index.bytes is not None:
            size.add_metric([index.table, index.name], index.bytes)
        scans.add_metric([index.table, index.name], index.scans)
        read.add_metric([index.table, index.name], index.entries_read)
    yield from (size, scans, read)


def _views(found: DatabaseStats) -> Iterator[Metric]:
    texts = {
        "htc_db_view_populated": "Whether a materialized view was ever filled.",
        "htc_db_view_rows": "Rows of a materialized view at its last refresh.",
        "htc_db_view_bytes": "Size of a materialized view with its indexes.",
        "htc_db_view_age_seconds": "Time since the last refresh of a materialized view began.",
        "htc_db_view_refresh_duration_seconds": "How long the last refresh took.",
        "htc_db_view_newer_rows": "Rows stored since the last refresh, not shown by the view; up to 10000.",
        "htc_db_view_lag_seconds": "Age of the oldest row that the view does not show; 0: it shows all.",
    }
    made = {name: GaugeMetricFamily(name, text, labels=["view"]) for name, text in texts.items()}
    for view in found.views:
        if view.name not in _OURS:
            continue
        values = (
            float(view.is_populated),
            view.rows,
            view.bytes,
            view.age_s,
            view.refresh_s,
            view.newer_rows,
            view.lag_s,
        )
        for family, value in zip(made.values(), values, strict=True):
            if value is not None:
                family.add_metric([view.name], value)
    yield from made.values()


def _pool(pool: Pool | None, process: str | None) -> Iterator[Metric]:
    if pool is None:
        return
    names, values = ([], []) if process is None else (["pid"], [process])
    states = GaugeMetricFamily(
        "htc_db_pool_connections",
        "Connections that this process keeps, in use or idle.",
        labels=["state", *names],
    )
    states.add_metric(["checked_out", *values], pool.checked_out)
    states.add_metric(["idle", *values], pool.idle)
    yield states
    if pool.capacity is not None:
        most = GaugeMetricFamily(
            "htc_db_pool_max_connections", "Connections that this process may keep at most.", labels=names
        )
        most.add_metric(values, pool.capacity)
        yield most


def _sessions(found: DatabaseStats) -> Iterator[Metric]:
    sessions = found.connections
    if sessions is not None:
        states = GaugeMetricFamily(
            "htc_db_connections", "Client connections to this database by state.", labels=["state"]
        )
        for state, count in sessions.by_state.items():
            states.add_metric([state.replace(" ", "_")], count)
        yield states
        yield _gauge("htc_db_server_connections", "Client connections to the whole server.", sessions.server)
        yield _gauge(
            "htc_db_server_max_connections",
            "Client connections that the server allows ordinary users.",
            sessions.limit - sessions.reserved,
        )
        yield _gauge("htc_db_lock_waiters", "Connections that wait for a lock.", sessions.waiting_for_locks)
        yield _gauge(
            "htc_db_idle_in_transaction_seconds",
            "How long a connection has been idle inside its transaction, the longest; 0: none is.",
            sessions.longest_idle_in_transaction_s or 0.0,
        )
    if "oldest_transaction" not in found.unknown:
        oldest = found.oldest_transaction
        yield _gauge(
            "htc_db_oldest_transaction_age_seconds",
            "Age of the transaction open longest; 0: none is open.",
            oldest.age_s if oldest is not None else 0.0,
        )


def _counters(found: DatabaseStats) -> Iterator[Metric]:
    counted = found.activity
    if counted is None:
        return
    transactions = CounterMetricFamily("htc_db_transactions", "Transactions by their end.", labels=["end"])
    transactions.add_metric(["commit"], counted.commits)
    transactions.add_metric(["rollback"], counted.rollbacks)
    yield transactions
    blocks = CounterMetricFamily(
        "htc_db_blocks_read",
        "Blocks read, from shared_buffers (cache) or from outside (disk).",
        labels=["source"],
    )
    blocks.add_metric(["cache"], counted.blocks_from_cache)
    blocks.add_metric(["disk"], counted.blocks_from_disk)
    yield blocks
    yield CounterMetricFamily("htc_db_deadlocks", "Deadlocks.", value=counted.deadlocks)
    yield CounterMetricFamily(
        "htc_db_temporary_files", "Temporary files of queries that did not fit into memory.",
        value=counted.temp_files,
    )  # fmt: skip
    yield CounterMetricFamily(
        "htc_db_temporary_file_bytes", "Bytes written to temporary files.", value=counted.temp_bytes
    )


def _slots(found: DatabaseStats) -> Iterator[Metric]:
    active = GaugeMetricFamily(
        "htc_db_replication_slot_active", "Whether a replication slot is in use.", labels=["slot"]
    )
    held = GaugeMetricFamily(
        "htc_db_replication_slot_held_bytes", "Log that the server keeps for a replication slot.",
        labels=["slot"],
    )  # fmt: skip
    for slot in found.slots:
        active.add_metric([slot.name], float(slot.is_active))
        held.add_metric([slot.name], slot.held_bytes)
    yield from (active, held)


_KINDS: Final = ("screen", "optimize", "validate")
_STATES: Final = ("queued", "running", "finished", "failed", "cancelled")


def _jobs(found: DatabaseStats) -> Iterator[Metric]:
    queue = found.jobs
    if queue is None:
        return
    counted = dict.fromkeys(((kind, state) for kind in _KINDS for state in _STATES), 0)
    counted |= {(kind, state): count for kind, state, count in queue.jobs}
    jobs = GaugeMetricFamily("htc_jobs", "Jobs in the database by kind and state.", labels=["kind", "state"])
    for labels, count in counted.items():
        jobs.add_metric(labels, count)
    yield jobs
    yield _gauge(
        "htc_jobs_oldest_queued_seconds",
        "How long the job has waited that waited longest; 0: none waits.",
        queue.oldest_queued_s,
    )
    yield _gauge(
        "htc_jobs_expired_leases",
        "Jobs whose worker was lost and that no other has taken over yet.",
        queue.expired_leases,
    )
    yield _gauge("htc_job_workers", "Worker processes that wait for jobs or work on one.", queue.workers)
    yield CounterMetricFamily(
        "htc_job_repeated_attempts",
        "How often a job was begun again after its worker was lost or gave it back.",
        value=queue.repeated_attempts,
    )
    yield CounterMetricFamily(
        "htc_job_failed_items", "Items of jobs that could not be done.", value=queue.failed_items
    )
