"""All figures in one look: each part by itself, so that one that is refused takes no other with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Connection, Engine, exc, text
from sqlalchemy.pool import QueuePool

from htc.store.faults import translate
from htc.store.schema import standing
from htc.store.stats import jobs, relations, server
from htc.store.stats.facts import DatabaseStats, Pool
from htc.store.stats.statements import NotCounted, slow_statements

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["look_at", "pool_of", "stats"]

LOCK_TIMEOUT_MS: Final = 500
BUDGET_S: Final = 10.0

T = TypeVar("T")


def stats(database: Database, *, slow: int = 10, budget_s: float = BUDGET_S) -> DatabaseStats:
    """What the server's statistics say about the database. Reads only, and works at every revision.

    What the user may not see, or what is not answered in time, is named in ``unknown``.

    Args:
        database: an open database.
        slow: how many slow statements; 0 does not ask for them.
        budget_s: when so many seconds are over, the rest is left out.

    Raises:
        StoreError: the database does not answer, or the connection was lost.
    """
    # Before we take a connection ourselves.
    pool = pool_of(database.engine)
    with database.connect() as connection:
        return look_at(
            connection,
            where=database.where,
            pool=pool,
            slow=slow,
            budget_s=budget_s,
            embedded=database.embedded is not None,
        )


def look_at(
    connection: Connection,
    *,
    where: str,
    pool: Pool | None = None,
    slow: int = 0,
    budget_s: float = BUDGET_S,
    embedded: bool = False,
) -> DatabaseStats:
    """The figures, on a connection of the caller's. See :func:`stats`.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the connection was lost.
    """
    ask = _Asking(connection, time.monotonic() + budget_s)
    version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
    major = version // 10_000
    found = DatabaseStats(
        where=where,
        taken_at=datetime.now(UTC),
        server_version=f"{major}.{version % 10_000}",
        revision=ask("revision", lambda c: ", ".join(standing(c).revisions) or None, None),
        size_bytes=ask("size_bytes", server.size, None),
        tables=ask("tables", lambda c: relations.tables(c, major), ()),
        indexes=ask("indexes", lambda c: relations.indexes(c, major), ()),
        views=ask("views", relations.views, ()),
        connections=ask("connections", server.connections, None),
        pool=pool,
        activity=ask("activity", server.activity, None),
        oldest_transaction=ask("oldest_transaction", server.oldest_transaction, None),
        wal_bytes=ask("wal_bytes", server.wal_size, None),
        slots=ask("slots", server.slots, ()),
        jobs=ask("jobs", jobs.queue, None),
        slow_statements=ask(
            "slow_statements", lambda c: slow_statements(c, slow, embedded=embedded) if slow else (), ()
        ),
    )
    refreshed: dict[str, Any] = {}
    if any(view.name == relations.RANKING for view in found.views):
        refreshed = ask("views.refreshes", relations.refreshed, {})
    return replace(
        found,
        views=tuple(
            replace(view, **refreshed) if view.name == relations.RANKING else view for view in found.views
        ),
        unknown=ask.unknown,
    )


def pool_of(engine: Engine) -> Pool | None:
    """The connections that an engine keeps, or None for one that keeps none."""
    pool = engine.pool
    if not isinstance(pool, QueuePool):
        return None
    # SQLAlchemy tells the overflow in use, but has no name for its limit.
    limit = int(pool._max_overflow)
    checked_out, idle = pool.checkedout(), pool.checkedin()
    return Pool(
        size=pool.size(),
        max_overflow=limit,
        checked_out=checked_out,
        idle=idle,
        overflow=max(0, checked_out + idle - pool.size()),
    )


class _Asking:
    """Asks for one part after the other, and notes why one stays unknown."""

    def __init__(self, connection: Connection, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self.unknown: dict[str, str] = {}

    def __call__(self, part: str, look: Callable[[Connection], T], otherwise: T) -> T:
        left_ms = int(1000 * (self._deadline - time.monotonic()))
        if left_ms <= 0:
            self.unknown[part] = "there was no time left"
            return otherwise
        try:
            return self._read_only(look, left_ms)
        except NotCounted as reason:
            self.unknown[part] = str(reason)
        except exc.DBAPIError as error:
            if error.connection_invalidated:
                raise
            self.unknown[part] = _reason(error)
        return otherwise

    def _read_only(self, look: Callable[[Connection], T], left_ms: int) -> T:
        connection = self._connection
        # The end of a savepoint takes these settings back, and whatever failed within it.
        with connection.begin_nested() as savepoint:
            try:
                connection.execute(text("SET LOCAL transaction_read_only = on"))
                connection.execute(text(f"SET LOCAL statement_timeout = {left_ms}"))
                connection.execute(text(f"SET LOCAL lock_timeout = {min(LOCK_TIMEOUT_MS, left_ms)}"))
                return look(connection)
            finally:
                if not connection.invalidated:
                    savepoint.rollback()


def _reason(error: exc.DBAPIError) -> str:
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate == "42501":
        return "not permitted"
    if sqlstate == "57014":
        return "not answered in time"
    if sqlstate == "55P03":
        return "not examined: a lock was not free"
    return translate(error).what
