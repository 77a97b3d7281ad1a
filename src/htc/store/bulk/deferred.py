"""Indexes and foreign keys that wait until the rows are in.

Building an index over finished rows is cheaper than keeping it while they come. Nothing is written down
about what was taken away: what a revision consists of is known, so whatever is missing is made again, by the
load that took it away or, when that was killed, by the next one, or by ``htc db doctor --fix``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from htc.errors import StoreError
from htc.store.catalogue import Difference, differences, expected, read
from htc.store.faults import store_errors
from htc.store.locks import BULK_LOCK
from htc.store.schema import HEAD

if TYPE_CHECKING:
    from htc.store.bulk.rules import Rules
    from htc.store.bulk.target import Target
    from htc.store.database import Database

__all__ = ["DEFER_FROM", "is_empty", "missing", "only_one", "put_back", "take_away"]

DEFER_FROM: Final = 200_000
"""Rows from which building indexes at the end is worth the trouble."""

_PATIENCE: Final = "5s"
_BUILDERS: Final = 2


def is_empty(connection: Connection, table: str) -> bool:
    """Whether a table has no row."""
    return not connection.execute(text(f"SELECT EXISTS (SELECT FROM {table})")).scalar_one()  # noqa: S608 - one of our tables


@contextmanager
def only_one(database: Database) -> Iterator[bool]:
    """Whether this load is the one that may change indexes, as long as the context is open."""
    with database.connect() as connection:
        mine = bool(connection.execute(text(f"SELECT pg_try_advisory_lock({BULK_LOCK})")).scalar_one())
        connection.commit()
        try:
            yield mine
        finally:
            if mine:
                with suppress(Exception):  # a lost connection has lost its lock too
                    connection.execute(text(f"SELECT pg_advisory_unlock({BULK_LOCK})"))
                    connection.commit()


def take_away(database: Database, target: Target, rules: Rules) -> bool:
    """Drop the secondary indexes of an empty table, and foreign keys that would be checked row by row.

    Returns:
        Whether it was done: not when the table has rows, or belongs to another role.
    """
    table = expected(HEAD).tables[target.name]
    names = [name for name, index in table.indexes.items() if not index.unique]
    foreign = [name for name, rule in table.constraints.items() if rule.definition.startswith("FOREIGN KEY")]
    try:
        with database.engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}'"))
            connection.execute(text(f"LOCK TABLE {target.name} IN ACCESS EXCLUSIVE MODE"))
            if not is_empty(connection, target.name):
                return False
            for name in names:
                connection.execute(text(f'DROP INDEX IF EXISTS "{name}"'))
            if not rules.may_skip_triggers:
                for name in foreign:
                    connection.execute(text(f'ALTER TABLE {target.name} DROP CONSTRAINT IF EXISTS "{name}"'))
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", "") == "42501":
            return False
        with store_errors(database.where):
            raise
    except Exception as error:
        if getattr(getattr(error, "orig", None), "sqlstate", "") == "55P03":  # somebody works with the table
            return False
        with store_errors(database.where):
            raise
    return True


def missing(database: Database, table: str) -> list[Difference]:
    """Indexes and foreign keys that this revision has and the table lacks, or has not checked."""
    with database.connect() as connection:
        found = differences(expected(HEAD), read(connection))
    return [
        d
        for d in found
        if d.parent == table
        and (
            (d.kind == "index" and d.change == "missing")
            or (
                d.kind == "constraint"
                and d.change in {"missing", "invalid"}
                and d.name in expected(HEAD).tables[table].constraints
                and "FOREIGN KEY" in (d.expected or d.found or "")
            )
        )
    ]


def put_back(
    database: Database, table: str, tell: Callable[[str, int, int], None] | None = None
) -> list[str]:
    """Make what is missing, two at a time; readers go on, writers of the table wait.

    Returns:
        Names of what was made.

    Raises:
        StoreError: the server refused, e.g. because a row refers to a parent that is gone.
    """
    lacking = missing(database, table)
    indexes = [d for d in lacking if d.kind == "index"]
    foreign = [d for d in lacking if d.kind == "constraint"]
    total, done = len(lacking), 0
    if not lacking:
        return []
    # The costly ones first, so that both builders end at about the same time.
    indexes.sort(key=lambda d: (" WHERE " in (d.expected or ""), d.name))
    with ThreadPoolExecutor(_BUILDERS) as pool:
        jobs = [pool.submit(_run, database, _statements(d)) for d in indexes]
        for job in jobs:
            job.result()
            done += 1
            if tell:
                tell("building indexes", done, total)
    for d in foreign:
        _run(database, _statements(d))
        done += 1
        if tell:
            tell("checking references", done, total)
    return [d.name for d in lacking]


def _statements(d: Difference) -> Sequence[str]:
    if d.kind == "index":
        return [d.expected or ""]
    table, name = d.parent, d.name
    validate = f'ALTER TABLE {table} VALIDATE CONSTRAINT "{name}"'
    if d.change == "invalid":
        return [validate]
    # In two steps: the first locks only for a moment, the second reads the table beside writers.
    return [f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {d.expected} NOT VALID', validate]


def _run(database: Database, statements: Sequence[str]) -> None:
    for statement in statements:
        try:
            with database.begin() as connection:
                connection.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
                # Two builders already use the cores; parallel workers would only wait for each other.
                connection.execute(text("SET LOCAL max_parallel_maintenance_workers = 0"))
                connection.execute(text(statement.replace(":", "\\:")))
        except StoreError as error:
            if "already exists" in error.what:
                continue  # another program was faster
            raise
