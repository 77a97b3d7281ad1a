"""Databases beside the real one: made for a purpose, dropped afterwards, swapped in by renaming."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from htc.errors import DatabaseUnavailableError, StoreError
from htc.store.database import Database
from htc.store.faults import store_errors
from htc.store.locks import BACKUP_LOCK

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["Beside", "beside"]

_NAME_LIMIT: Final = 63
_PARTING_S: Final = 2.0
"""How long a connection that was closed here may still be listed there."""

_MAINTENANCE: Final = "postgres"


class Beside:
    """The right to make, drop and rename databases of a server, which one backup or restore has at a time."""

    def __init__(self, database: Database, admin: Connection) -> None:
        """From :func:`beside`."""
        self._database = database
        self._admin = admin
        self._name = str(database.engine.url.database)

    @contextmanager
    def scratch(self, purpose: str) -> Iterator[Database]:
        """A new empty database, set up as the real one is; dropped at the end if it still has its name.

        Args:
            purpose: becomes part of its name; a leftover of the same purpose is dropped first.
        """
        name = _name(self._name, purpose)
        self._drop(name)
        self._run(f"CREATE DATABASE {self._quoted(name)} TEMPLATE template0{self._locale()}")
        made = Database.connect_to(self._database.engine.url.set(database=name), ensure_schema=False)
        try:
            yield made
        finally:
            made.close()
            # A server that is gone has its own error on the way; the next backup or restore drops it then.
            with suppress(StoreError):
                self._drop(name)

    def swap_in(self, new: Database) -> str:
        """Give ``new`` the real one's name, and the real one a name that tells when; both at once or neither.

        Returns:
            The name under which the old database is kept.

        Raises:
            DatabaseUnavailableError: somebody is connected to the old one; nothing was renamed.
        """
        kept = _name(self._name, "before_" + datetime.now(UTC).strftime("%Y%m%d_%H%M%S"))
        new_name = str(new.engine.url.database)
        new.engine.dispose()
        self._database.engine.dispose()
        with store_errors(self._database.where):
            in_use = self._others()
            if in_use:
                raise DatabaseUnavailableError(
                    f"{in_use} other connection{'s use' if in_use > 1 else ' uses'} the database, "
                    "so it cannot be replaced",
                    where=self._database.where,
                    hint="stop what is connected (the service, other htc commands, psql) and try again; "
                    "nothing was changed",
                )
            self._run("BEGIN")
            try:
                self._run(f"ALTER DATABASE {self._quoted(self._name)} RENAME TO {self._quoted(kept)}")
                self._run(f"ALTER DATABASE {self._quoted(new_name)} RENAME TO {self._quoted(self._name)}")
                self._run("COMMIT")
            except BaseException:
                self._run("ROLLBACK")
                raise
        return kept

    def _others(self) -> int:
        """How many are connected to the real database, after our own connections had time to go."""
        query = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND backend_type = 'client backend'"
        )
        deadline = time.monotonic() + _PARTING_S
        while True:
            count = int(self._admin.execute(query, {"name": self._name}).scalar_one())
            if count == 0 or time.monotonic() > deadline:
                return count
            time.sleep(0.05)

    def _locale(self) -> str:
        """Encoding and collation of the real database: sorting must not change with a restore."""
        row = self._admin.execute(
            text(
                "SELECT pg_encoding_to_char(encoding) AS encoding, datlocprovider::text AS provider,"
                " datcollate, datctype, to_jsonb(d) AS all_of_it FROM pg_database d WHERE datname = :name"
            ),
            {"name": self._name},
        ).one()
        # The column was renamed in 17.
        locale = row.all_of_it.get("datlocale") or row.all_of_it.get("daticulocale")
        words = (
            f" ENCODING '{row.encoding}' LC_COLLATE {_text(row.datcollate)} LC_CTYPE {_text(row.datctype)}"
        )
        if row.provider == "i":
            words += f" LOCALE_PROVIDER icu ICU_LOCALE {_text(locale)}"
        elif row.provider == "b":
            words += f" LOCALE_PROVIDER builtin BUILTIN_LOCALE {_text(locale)}"
        else:
            words += " LOCALE_PROVIDER libc"
        return words

    def _drop(self, name: str) -> None:
        self._run(f"DROP DATABASE IF EXISTS {self._quoted(name)} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        with store_errors(self._database.where):
            self._admin.exec_driver_sql(statement)

    def _quoted(self, name: str) -> str:
        # exec_driver_sql formats with %.
        return self._database.engine.dialect.identifier_preparer.quote_identifier(name)


@contextmanager
def beside(database: Database) -> Iterator[Beside]:
    """Take the lock of one backup or restore at a time, in the server's maintenance database.

    Raises:
        StoreError: another backup or restore is at work, or there is no way into the maintenance database.
    """
    try:
        maintenance = Database.connect_to(database.engine.url.set(database=_MAINTENANCE), ensure_schema=False)
    except StoreError as error:
        raise type(error)(
            f"the server's database {_MAINTENANCE!r} is needed to make and rename databases: {error.what}",
            where=database.where,
            hint=error.hint,
        ) from error
    with maintenance, maintenance.connect() as plain:
        admin = plain.execution_options(isolation_level="AUTOCOMMIT")
        if not admin.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": BACKUP_LOCK}).scalar_one():
            raise DatabaseUnavailableError(
                "another backup or restore is at work on this server",
                where=database.where,
                hint="wait for it to finish, then try again",
            )
        yield Beside(database, admin)


def _name(real: str, suffix: str) -> str:
    tail = f"_{suffix}"
    return real.encode()[: _NAME_LIMIT - len(tail)].decode(errors="ignore") + tail


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
