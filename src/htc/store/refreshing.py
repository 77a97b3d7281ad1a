"""The ranking by formula, a materialized view: computed anew after runs, and how fresh it is."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from htc.errors import SchemaError, StorageError, StoreError
from htc.store.calendar import in_calendar
from htc.store.locks import REFRESH_LOCK
from htc.store.refresh_rights import way_to_refresh
from htc.store.tables import bete_runs, ranking_refreshes, top_superconductors

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = [
    "NEWER_COUNTED",
    "Freshness",
    "RankingRefresher",
    "freshness",
    "is_populated",
    "read_freshness",
    "refresh_if_due",
    "refresh_rankings",
]

VIEW: Final = "top_superconductors"

INTERVAL_S: Final = 30.0
"""Least time between two refreshes that nobody asked for by name."""
REST: Final = 10.0
"""A view that took a second to compute is left alone for ten: it costs a tenth of a server at most."""
LONGEST_REST_S: Final = 600.0
"""But never longer than this."""
RETRY_S: Final = 60.0

NEWER_COUNTED: Final = 10_000
"""Up to this many newer rows are counted; a whole import would take its time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the ranking by formula is."""

    refreshed_at: datetime | None
    """When it was last computed; None: never."""
    newer_rows: int
    """Rows of bete_runs stored since, which it does not show; ``NEWER_COUNTED``: that many or more."""


def freshness(database: Database) -> Freshness:
    """How fresh the ranking by formula is."""
    with database.connect() as connection:
        return read_freshness(connection)


def refresh_rankings(database: Database) -> Freshness:
    """Recompute ``top_superconductors`` without blocking its readers, once after a run.

    Concurrent callers take turns; one that waited while another began a refresh after its call has nothing
    left to do.

    Raises:
        StoreError: the database refused.
    """
    with database.begin() as connection:
        asked = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(REFRESH_LOCK)))
        r = ranking_refreshes.c
        last = connection.execute(
            sa.select(sa.func.max(r.started_at)).where(r.view_name == VIEW)
        ).scalar_one()
        if last is None or last < asked:
            _refresh(connection)
        return read_freshness(connection)


def refresh_if_due(database: Database, interval_s: float = INTERVAL_S) -> float | None:
    """Recompute the ranking by formula unless that was done a moment ago, by this process or another.

    Args:
        database: an open database.
        interval_s: least time since the last refresh began, s. After one that took
            long, ten times as long, up to ten minutes.

    Returns:
        None when it shows every change made before the call, else the seconds until it is due.

    Raises:
        StoreError: the database refused.
    """
    with database.begin() as connection:
        asked = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        if not connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(REFRESH_LOCK))).scalar_one():
            # The refresh at work may have begun before our change.
            return interval_s
        r = ranking_refreshes.c
        last = connection.execute(
            sa.select(r.started_at, r.finished_at)
            .where(r.view_name == VIEW)
            .order_by(r.started_at.desc())
            .limit(1)
        ).one_or_none()
        if last is not None:
            took = (last.finished_at - last.started_at).total_seconds()
            since = (asked - last.started_at).total_seconds()
            wait = float(max(interval_s, min(REST * took, LONGEST_REST_S)) - since)
            if wait > 0.0:
                return wait
        _refresh(connection)
        return None


class RankingRefresher:
    """Refreshes the ranking by formula soon after changes, never more often than it can bear.

    Many processes may each have one: they keep the interval together.

    Args:
        database: an open database.
        interval_s: least time between two refreshes, s.
    """

    def __init__(self, database: Database, interval_s: float = INTERVAL_S) -> None:
        """Keep the database; nothing is due yet."""
        self._database = database
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._at_work = threading.Lock()
        self._due: threading.Timer | None = None
        self._closed = False

    def note_new_row(self) -> None:
        """Something was stored or set aside: refresh when the interval since the last refresh is over."""
        self._wait(0.0)

    def close(self) -> None:
        """Let a refresh at work end, and refresh now if a change waits for it; nothing is refreshed after."""
        with self._lock:
            timer, self._due = self._due, None
            self._closed = True
        if timer is not None:
            timer.cancel()
        with self._at_work:
            if timer is None:
                return
            try:
                refresh_rankings(self._database)
            except StoreError as error:
                _log.warning("the ranking by formula could not be refreshed: %s", error)

    def _wait(self, seconds: float) -> None:
        with self._lock:
            if self._due is None and not self._closed:
                self._due = threading.Timer(seconds, self._refresh)
                self._due.daemon = True
                self._due.start()

    def _refresh(self) -> None:
        with self._lock:
            if self._due is None:
                return
            # A change noted from here on asks for another refresh: this one may not see it.
            self._due = None
        with self._at_work:
            try:
                wait = refresh_if_due(self._database, self._interval_s)
            except StoreError as error:
                # The rows are stored; the ranking knows that it is behind.
                _log.warning("the ranking by formula could not be refreshed: %s", error)
                wait = max(RETRY_S, self._interval_s)
        if wait is not None:
            self._wait(wait)


def _refresh(connection: sa.Connection) -> None:
    started = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    # A transaction that writes right now is not in the view, though its created_at is earlier than now.
    oldest_writer = connection.execute(
        sa.text(
            "SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
        )
    ).scalar_one()
    # CONCURRENTLY needs a view that has been filled once.
    statement = way_to_refresh(connection, concurrently=is_populated(connection))
    if statement is None:
        raise StorageError(
            f"this user may not refresh {VIEW}",
            where=VIEW,
            hint="`htc db doctor` says what its owner has to grant",
        )
    connection.execute(sa.text(statement))
    count = connection.execute(sa.select(sa.func.count()).select_from(top_superconductors)).scalar_one()
    connection.execute(
        sa.insert(ranking_refreshes).values(
            view_name=VIEW,
            started_at=started,
            finished_at=sa.func.clock_timestamp(),
            covers_until=min(started, oldest_writer) if oldest_writer else started,
            row_count=count,
        )
    )


def is_populated(connection: sa.Connection) -> bool:
    """Whether the view was ever computed."""
    found = connection.execute(
        sa.text("SELECT relispopulated FROM pg_class WHERE oid = to_regclass(:view)"), {"view": VIEW}
    ).scalar_one_or_none()
    if found is None:
        raise SchemaError(
            f"the materialized view {VIEW} is missing", hint="`htc db status` shows the revision"
        )
    return bool(found)


def read_freshness(connection: sa.Connection) -> Freshness:
    """:func:`freshness`, on a connection."""
    r = ranking_refreshes.c
    last = connection.execute(
        sa.select(r.started_at, r.covers_until)
        .where(r.view_name == VIEW)
        .order_by(r.started_at.desc())
        .limit(1)
    ).one_or_none()
    # Times of an earlier version that nobody can read are newer than every refresh.
    newer = sa.select(sa.literal(1)).select_from(bete_runs).where(sa.text(in_calendar("created_at")))
    if last is not None:
        newer = newer.where(bete_runs.c.created_at >= last.covers_until)
    count = connection.execute(
        sa.select(sa.func.count()).select_from(newer.limit(NEWER_COUNTED).subquery())
    ).scalar_one()
    return Freshness(last.started_at.astimezone(UTC) if last else None, count)
