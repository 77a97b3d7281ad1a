"""How a test looks at a database: it reads only, waits for nobody, and is over soon."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import CursorResult, exc, text

from htc.errors import SchemaError
from htc.store.doctor.check import Check
from htc.store.doctor.finding import Finding
from htc.store.faults import translate

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from htc.store.database import Database

__all__ = ["LOCK_TIMEOUT_MS", "STATEMENT_TIMEOUT_MS", "DatabaseCheck", "Opened", "examination"]

STATEMENT_TIMEOUT_MS: Final = 2_000
LOCK_TIMEOUT_MS: Final = 500
"""Printing a view's body waits for locks on its tables, and a migration that hangs holds such locks."""

DatabaseCheck = Callable[["Connection", "Database"], list[Finding]]


@dataclass(frozen=True, slots=True)
class Opened:
    """The database under examination."""

    connection: Connection
    database: Database

    def rows(self, statement: str, **values: object) -> CursorResult[*tuple[Any, ...]]:
        """Run a query."""
        return self.connection.execute(text(statement), values)

    def value(self, statement: str, **values: object) -> Any:
        """The one value that a query gives."""
        return self.rows(statement, **values).scalar_one()


Look = Callable[[Check, Opened], list[Finding]]


def examination(check_id: str, hypothesis: str, test: str) -> Callable[[Look], DatabaseCheck]:
    """Make a test of an open database from a function that looks.

    It runs in a read-only savepoint with short timeouts, so that neither what it does nor what it fails at
    reaches the tests after it. A test that is refused or runs out of time is skipped and says so.

    Raises:
        StoreError: (the test) the connection was lost: there is nothing left to test.
    """
    check = Check(check_id, hypothesis, test)

    def wrap(look: Look) -> DatabaseCheck:
        @functools.wraps(look)
        def examine(connection: Connection, database: Database) -> list[Finding]:
            try:
                return _read_only(look, check, Opened(connection, database))
            except SchemaError as error:
                return [check.skipped(str(error))]
            except exc.DBAPIError as error:
                if error.connection_invalidated:
                    raise translate(error, database.where) from error
                return [_not_examined(check, error, database.where)]

        return examine

    return wrap


def _read_only(look: Look, check: Check, opened: Opened) -> list[Finding]:
    connection = opened.connection
    # The end of a savepoint takes these settings back; SET LOCAL alone would keep them for the transaction.
    with connection.begin_nested() as savepoint:
        try:
            opened.rows("SET LOCAL transaction_read_only = on")
            opened.rows(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
            opened.rows(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
            return look(check, opened)
        finally:
            if not connection.invalidated:
                savepoint.rollback()


def _not_examined(check: Check, error: exc.DBAPIError, where: str) -> Finding:
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate == "55P03":
        return check.warning(
            f"not examined: a lock was not free within {LOCK_TIMEOUT_MS} ms",
            "see the finding on locks: it names the session that holds it",
        )
    if sqlstate == "57014":
        return check.skipped(f"not examined within {STATEMENT_TIMEOUT_MS / 1000:g} s")
    trouble = translate(error, where)
    return check.skipped(f"not examined: {trouble.what}" + (f" ({trouble.hint})" if trouble.hint else ""))
