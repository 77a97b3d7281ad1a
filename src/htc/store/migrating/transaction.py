"""One transaction for a migration: the migration lock, the tables, and patience that ends.

A migration that waits for a table makes every later reader of it wait too. So it waits briefly, gives
everything back, says who is in the way, and tries again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import Connection, text

from htc.errors import StoreError
from htc.store.migrating.blockers import Blocker, blockers, in_words, migrators
from htc.store.migrating.chain import LOCK_TIMEOUT_MS
from htc.store.migrating.outcome import Step, Tell
from htc.store.schema import MIGRATION_LOCK

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["PATIENCE_S", "quoted", "transaction", "under_lock"]

PATIENCE_S: Final = 60.0
"""How long an upgrade tries to get its locks before it gives up, by default."""

_MIGRATOR_PATIENCE_S: Final = 3600.0
"""Another migrator is doing our work: waiting for it blocks nobody."""

_PAUSE_S: Final = (0.1, 1.0)
_AUTOVACUUM_TIMEOUT_MS: Final = 3000
"""Above deadlock_timeout: only then does PostgreSQL send an autovacuum away for whoever waits."""

_LOCK_NOT_AVAILABLE: Final = "55P03"
_DEADLOCK: Final = "40P01"

Result = TypeVar("Result")


def transaction(
    database: Database,
    work: Callable[[Connection], Result],
    *,
    tables: Callable[[Connection], Iterable[str]],
    tell: Tell,
    patience_s: float = PATIENCE_S,
    commit: bool = True,
) -> Result:
    """``work`` in one transaction under the migration lock, with ``tables`` locked against everyone.

    Args:
        database: an open database.
        work: what is done; it runs anew after each failure to get a lock.
        tables: which tables and materialized views it will change, asked under the migration lock.
        tell: hears of every wait.
        patience_s: seconds until it gives up.
        commit: False rolls everything back at the end.

    Raises:
        StoreError: the locks could not be had in time, with who holds them; or whatever ``work`` met.
    """
    deadline = time.monotonic() + patience_s
    attempt = 0
    while True:
        attempt += 1
        wanted: list[str] = []
        with database.connect() as connection:
            try:
                _take_migration_lock(connection, tell, database.where)
                wanted = list(tables(connection))
                if wanted:
                    _lock(connection, wanted)
                    tell(Step("locked", f"to ourselves: {', '.join(wanted)}"))
                result = work(connection)
                if commit:
                    connection.commit()
                else:
                    connection.rollback()
            except Exception as error:
                if _state(error) not in {_LOCK_NOT_AVAILABLE, _DEADLOCK}:
                    raise
                connection.rollback()
                holding = blockers(connection, wanted)
                connection.rollback()
            else:
                return result
            if time.monotonic() > deadline:
                raise _in_the_way(holding, patience_s, database.where)
            tell(Step("waiting", f"attempt {attempt}, in the way: {in_words(holding)}"))
            _send_autovacuum_away(connection, holding)
        time.sleep(random.uniform(*_PAUSE_S))  # noqa: S311 - only to not fall into step with others


@contextmanager
def under_lock(database: Database, tell: Tell) -> Iterator[Connection]:
    """A connection for looking while no other migrator works; nothing is kept.

    Raises:
        StoreError: another migrator does not come to an end.
    """
    with database.connect() as connection:
        _take_migration_lock(connection, tell, database.where)
        yield connection


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _lock(connection: Connection, names: Iterable[str]) -> None:
    """Everything at once, at the beginning: no lock is asked for while readers already wait for us."""
    found = connection.execute(
        text(
            "SELECT relname, nspname, relkind::text FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relname = ANY (:names) AND pg_table_is_visible(pg_class.oid) ORDER BY 1"
        ),
        {"names": list(names)},
    ).all()
    for name, schema, kind in found:
        if kind == "m":
            # LOCK TABLE takes no materialized views; this locks like it and changes nothing.
            connection.exec_driver_sql(f"ALTER MATERIALIZED VIEW {quoted(name)} SET SCHEMA {quoted(schema)}")
    tables = [quoted(name) for name, _, kind in found if kind in {"r", "p"}]
    if tables:
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(tables)}")


def _take_migration_lock(connection: Connection, tell: Tell, where: str) -> None:
    deadline = time.monotonic() + _MIGRATOR_PATIENCE_S
    told = False
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms'")
    while not connection.execute(
        text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK}
    ).scalar_one():
        if not told:
            tell(Step("waiting", f"another migrator is at work: {in_words(migrators(connection))}"))
            told = True
        if time.monotonic() > deadline:
            raise StoreError(
                f"another migrator has been at work for an hour: {in_words(migrators(connection))}",
                where=where,
                hint="look whether it still lives; it holds a lock that ends with its connection",
            )
        time.sleep(0.1)


def _send_autovacuum_away(connection: Connection, holding: list[Blocker]) -> None:
    """Wait alone for what an autovacuum holds; nothing is held meanwhile, so no deadlock can come of it."""
    names = {table for blocker in holding if blocker.is_autovacuum for table in blocker.tables}
    for name in sorted(names):
        try:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_AUTOVACUUM_TIMEOUT_MS}ms'")
            # regclass has written the name as SQL wants it.
            connection.exec_driver_sql(f"LOCK TABLE {name} IN SHARE UPDATE EXCLUSIVE MODE")
        except Exception as error:
            if _state(error) != _LOCK_NOT_AVAILABLE:
                raise
        finally:
            connection.rollback()


def _state(error: BaseException | None) -> str | None:
    """SQLSTATE of an error of the driver, however deep it lies."""
    while error is not None:
        original = getattr(error, "orig", error)
        state = getattr(original, "sqlstate", None)
        if state is not None:
            return str(state)
        error = error.__cause__
    return None


def _in_the_way(holding: list[Blocker], patience_s: float, where: str) -> StoreError:
    pids = [blocker.pid for blocker in holding if blocker.pid is not None]
    ends = [f"SELECT pg_terminate_backend({pid})" for pid in pids]
    ends += [f"ROLLBACK PREPARED '{b.statement}'" for b in holding if b.pid is None]
    end = f"end what is in the way (`{'; '.join(ends)}`), or let it finish" if ends else "try again"
    return StoreError(
        f"the tables could not be had to ourselves within {patience_s:.0f} s; nothing was changed."
        f" In the way: {in_words(holding)}",
        where=where,
        hint=f"{end}; `--wait SECONDS` waits longer",
    )
