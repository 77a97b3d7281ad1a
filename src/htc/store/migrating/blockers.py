"""Who stands in the way of a migration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from htc.store.schema import MIGRATION_LOCK

__all__ = ["Blocker", "blockers", "in_words", "migrators"]

_SHOWN: Final = 100
"""Characters of a statement that are shown."""

_SELECT: Final = """
    SELECT a.pid, coalesce(a.usename, a.backend_type) AS usename, a.application_name, a.state, a.backend_type,
           extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.query_start))::float8 AS seconds,
           left(regexp_replace(a.query, '\\s+', ' ', 'g'), :shown) AS statement,
           array_agg(DISTINCT {what}) AS tables
    FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE l.granted AND l.pid <> pg_backend_pid() AND {condition}
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    GROUP BY 1, 2, 3, 4, 5, 6, 7
    ORDER BY 6 DESC NULLS LAST, 1
"""


_PREPARED: Final = """
    SELECT p.gid, p.owner, extract(epoch FROM clock_timestamp() - p.prepared)::float8,
           array_agg(DISTINCT l.relation::regclass::text)
    FROM pg_prepared_xacts AS p JOIN pg_locks AS l
         ON l.pid IS NULL AND split_part(l.virtualtransaction, '/', 2) = p.transaction::text
    WHERE p.database = current_database() AND {condition}
    GROUP BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A session, or a prepared transaction, that holds a lock we need."""

    pid: int | None
    """None: a prepared transaction, which belongs to no session."""
    user: str
    application: str
    state: str
    seconds: float
    """Age of its transaction."""
    statement: str
    """The statement it runs or ran last; for a prepared transaction its name."""
    tables: tuple[str, ...]
    is_autovacuum: bool = False

    def __str__(self) -> str:
        """One line for people."""
        if self.pid is None:
            return (
                f"prepared transaction {self.statement!r} of {self.user}, {_age(self.seconds)} old,"
                f" on {', '.join(self.tables)}"
            )
        who = f"pid {self.pid}, user {self.user}" + (f" ({self.application})" if self.application else "")
        what = f": {self.statement}" if self.statement else ""
        return f"{who}, {self.state or 'working'} for {_age(self.seconds)}, on {', '.join(self.tables)}{what}"


def blockers(connection: Connection, tables: Iterable[str]) -> list[Blocker]:
    """Sessions and prepared transactions that hold a lock on one of ``tables``, longest first."""
    names = list(tables)
    condition = (
        "l.relation IN (SELECT c.oid FROM pg_class c WHERE c.relname = ANY (:names)"
        " AND pg_table_is_visible(c.oid))"
    )
    found = _sessions(connection, "l.relation::regclass::text", condition, names=names)
    prepared = connection.execute(text(_PREPARED.format(condition=condition)), {"names": names})
    return found + [
        Blocker(
            pid=None,
            user=row[1],
            application="",
            state="prepared",
            seconds=row[2],
            statement=row[0],
            tables=tuple(row[3]),
        )
        for row in prepared
    ]


def migrators(connection: Connection) -> list[Blocker]:
    """Sessions that hold the migration lock of this database."""
    # A 64-bit key is kept as two halves, with objsubid 1.
    condition = (
        "l.locktype = 'advisory' AND l.objsubid = 1 AND l.classid::bigint = CAST(:key AS bigint) >> 32"
        " AND l.objid::bigint = CAST(:key AS bigint) & 4294967295"
    )
    return _sessions(connection, "'the migration lock'::text", condition, key=MIGRATION_LOCK)


def in_words(found: list[Blocker]) -> str:
    """All of them in one line."""
    return "; ".join(map(str, found)) if found else "someone who is gone by now"


def _sessions(connection: Connection, what: str, condition: str, **values: object) -> list[Blocker]:
    statement = text(_SELECT.format(what=what, condition=condition))
    return [
        Blocker(
            pid=row.pid,
            user=row.usename or "unknown",
            application=row.application_name or "",
            state=row.state or "",
            seconds=row.seconds or 0.0,
            statement=row.statement or "",
            tables=tuple(row.tables),
            is_autovacuum=row.backend_type == "autovacuum worker",
        )
        for row in connection.execute(statement, values | {"shown": _SHOWN})
    ]


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
