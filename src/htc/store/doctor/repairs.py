"""Repairs that lose nothing, do not block readers or writers for long, and may be repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from htc.errors import StoreError
from htc.store.catalogue import Index
from htc.store.doctor.finding import Fix

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from htc.store.database import Database

__all__ = [
    "add_foreign_key",
    "analyze",
    "create_again",
    "create_index",
    "rebuild_index",
    "refresh_view",
    "replace_index",
    "vacuum",
    "validate_constraint",
]

PATIENCE: Final = "30s"
"""How long a repair queues for a lock, or waits for the end of old transactions, before it gives up."""

_BUILT: Final = "__htc_new"
"""Ends the name of an index while its replacement is being built."""


def create_index(database: Database, name: str, index: Index) -> Fix:
    """Make an index that is missing."""

    def apply() -> str:
        with _working(database) as connection:
            _build(connection, name, _concurrently(index, name))
        return f"index {name} was made"

    return Fix(f"make the index {name}, without blocking writers", apply)


def create_again(database: Database, name: str, statements: Sequence[str]) -> Fix:
    """Make a view or trigger that is missing, as its revision does; neither holds rows of its own."""

    def apply() -> str:
        with database.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))
        return f"{name} was made again"

    return Fix(f"make {name} again", apply)


def rebuild_index(database: Database, name: str) -> Fix:
    """Finish an index that a failed CONCURRENTLY left half-built."""

    def apply() -> str:
        with _working(database) as connection:
            quoted = _quoted(connection, name)
            try:
                connection.execute(text(f"REINDEX INDEX CONCURRENTLY {quoted}"))
            except BaseException:
                # A rebuilding that fails leaves its own half-built copy behind.
                with suppress(Exception):
                    _drop_if_invalid(connection, f"{name}_ccnew")
                raise
        return f"index {name} was rebuilt"

    return Fix(f"rebuild the index {name}, without blocking writers", apply)


def replace_index(database: Database, name: str, index: Index) -> Fix:
    """Put an index of the right definition in the place of one of another."""

    def apply() -> str:
        built = name[: 63 - len(_BUILT)] + _BUILT
        with _working(database) as connection:
            _build(connection, built, _concurrently(index, built))
        # Readers and writers wait for the moment of this, not for the building.
        with database.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
            connection.execute(text(f"DROP INDEX {_quoted(connection, name)}"))
            connection.execute(
                text(f"ALTER INDEX {_quoted(connection, built)} RENAME TO {_quoted(connection, name)}")
            )
        return f"index {name} was replaced"

    return Fix(f"replace the index {name} by one of the right definition", apply)


def add_foreign_key(database: Database, table: str, name: str, definition: str) -> Fix:
    """Put back a foreign key that is missing; it binds new rows first, and the old ones once checked."""

    def apply() -> str:
        not_valid = definition if definition.endswith("NOT VALID") else f"{definition} NOT VALID"
        with database.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
            statement = (
                f"ALTER TABLE {_quoted(connection, table)}"
                f" ADD CONSTRAINT {_quoted(connection, name)} {not_valid}"
            )
            connection.execute(text(statement.replace(":", "\\:")))
        validate_constraint(database, table, name).apply()
        return f"foreign key {name} of {table} is back and holds for every row"

    return Fix(f"put back the foreign key {name} of {table}; new rows obey it at once", apply)


def validate_constraint(database: Database, table: str, name: str) -> Fix:
    """Check the rows that were there before a NOT VALID constraint."""

    def apply() -> str:
        with database.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
            connection.execute(
                text(
                    f"ALTER TABLE {_quoted(connection, table)}"
                    f" VALIDATE CONSTRAINT {_quoted(connection, name)}"
                )
            )
        return f"constraint {name} holds for every row of {table}"

    return Fix(f"check the old rows of {table} against {name}", apply)


def refresh_view(database: Database) -> Fix:
    """Recompute the ranking by formula."""

    def apply() -> str:
        from htc.store.rankings import refresh_rankings

        refresh_rankings(database)
        return "the ranking by formula was refreshed"

    return Fix("refresh the ranking by formula", apply)


def vacuum(database: Database, table: str) -> Fix:
    """Give the room of deleted rows back to the table, and renew the planner's statistics."""

    def apply() -> str:
        with _working(database) as connection:
            connection.execute(text(f"VACUUM (ANALYZE) {_quoted(connection, table)}"))
        return f"{table} was vacuumed and analysed"

    return Fix(f"vacuum {table}", apply)


def analyze(database: Database, table: str) -> Fix:
    """Renew the planner's statistics."""

    def apply() -> str:
        with _working(database) as connection:
            connection.execute(text(f"ANALYZE {_quoted(connection, table)}"))
        return f"{table} was analysed"

    return Fix(f"analyse {table}", apply)


@contextmanager
def _working(database: Database) -> Iterator[Connection]:
    """A connection without a transaction, as CONCURRENTLY and VACUUM want it."""
    with database.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        # The settings would stay with the connection when it goes back to the pool.
        connection.detach()
        connection.execute(text(f"SET lock_timeout = '{PATIENCE}'"))
        yield connection


def _build(connection: Connection, name: str, statement: str) -> None:
    _drop_if_invalid(connection, name)
    try:
        connection.execute(text(statement))
    except BaseException:
        with suppress(Exception):
            _drop_if_invalid(connection, name)
        raise
    if _is_invalid(connection, name):
        raise StoreError(f"the index {name} could not be made", hint="see the server's log")


def _concurrently(index: Index, name: str) -> str:
    """The statement that makes the index under a name without blocking."""
    start, _, end = index.definition.partition(" ON ")
    how = "CREATE UNIQUE INDEX" if start.startswith("CREATE UNIQUE") else "CREATE INDEX"
    escaped = name.replace('"', '""')
    # A colon and a word would be taken for a parameter.
    return f'{how} CONCURRENTLY IF NOT EXISTS "{escaped}" ON {end}'.replace(":", "\\:")


def _drop_if_invalid(connection: Connection, name: str) -> None:
    if _is_invalid(connection, name):
        connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {_quoted(connection, name)}"))


def _is_invalid(connection: Connection, name: str) -> bool:
    found = connection.execute(
        text(
            "SELECT count(*) FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid"
            " WHERE c.relname = :name AND pg_table_is_visible(c.oid) AND NOT x.indisvalid"
        ),
        {"name": name},
    )
    return bool(found.scalar_one())


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)
