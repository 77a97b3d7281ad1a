"""The statements that take the most time, where pg_stat_statements counts them."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import Connection, exc, text

from htc.store.stats.facts import Statement

__all__ = ["NotCounted", "shortened", "slow_statements"]

_WIDTH: Final = 160
_COMMENT: Final = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_NAME: Final = "pg_stat_statements"

_LOADING: Final = {
    True: f"`{_NAME}` is not loaded: write `shared_preload_libraries = {_NAME}` into postgresql.htc.conf in"
    " HTC_HOME/postgres, then `htc db stop`",
    False: f"{_NAME} is not loaded: add it to shared_preload_libraries of the server and restart that"
    " (Cloud SQL has it loaded)",
}
_CREATING: Final = f"`htc db psql -- -c 'CREATE EXTENSION {_NAME}'`"


class NotCounted(Exception):  # noqa: N818 - not an error: it says how to switch the counting on
    """Nobody counts statements here; the message says how that is changed."""


def slow_statements(connection: Connection, most: int, *, embedded: bool) -> tuple[Statement, ...]:
    """The kinds of statement of this database that took the most time altogether.

    Args:
        connection: an open connection.
        most: how many.
        embedded: whether the server is HTC's own: it decides how the extension is switched on.

    Raises:
        NotCounted: the extension is not there; the message says what to do.
    """
    schema = connection.execute(
        text(
            "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
            " WHERE e.extname = :name"
        ),
        {"name": _NAME},
    ).scalar_one_or_none()
    if schema is None:
        # The list of loaded libraries is not for everybody to see, but the settings of a loaded one are.
        loaded = connection.execute(
            text("SELECT current_setting('pg_stat_statements.max', true)")
        ).scalar_one()
        how = f"{_LOADING[embedded]}, then {_CREATING}" if loaded is None else f"switch it on: {_CREATING}"
        raise NotCounted(how)
    try:
        rows = connection.execute(
            text(
                f"""
                SELECT queryid, min(query) AS query, sum(calls)::bigint AS calls, sum(rows)::bigint AS rows,
                       max(max_exec_time) AS max_ms, sum(total_exec_time) AS total_ms
                FROM {schema}.{_NAME}
                WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                GROUP BY queryid ORDER BY total_ms DESC LIMIT :most
                """  # noqa: S608 - the extension's schema, quoted by the server
            ),
            {"most": most},
        ).all()
    except exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == "55000":
            raise NotCounted(_LOADING[embedded]) from error
        raise
    return tuple(
        Statement(
            query=shortened(row.query or ""),
            query_id=str(row.queryid),
            calls=row.calls,
            rows=row.rows,
            mean_ms=row.total_ms / row.calls if row.calls else 0.0,
            max_ms=row.max_ms,
            total_ms=row.total_ms,
        )
        for row in rows
    )


def shortened(query: str, width: int = _WIDTH) -> str:
    """A statement on one line without its comments, cut at ``width`` characters."""
    flat = " ".join(_COMMENT.sub(" ", query).split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"
