"""Every error of the driver leaves the store as one of ours, in words a person can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from sqlalchemy import exc

from htc.errors import DatabaseUnavailableError, InputError, SchemaError, StorageError, StoreError

__all__ = ["store_errors", "translate"]

_CONNECTING: Final[tuple[tuple[str, str, str], ...]] = (
    # pattern of libpq's or the server's message, what is wrong, what to do
    (
        r"invalid port number|invalid \w+ value: |invalid connection option|invalid uri query parameter|"
        r"invalid integer value .* for connection option|bad value for connect_timeout",
        "the database's address has a part that cannot be used",
        "check host, port and options in HTC_DATABASE_URL",
    ),
    (
        r"could not translate host name|name or service not known|nodename nor servname|"
        r"failed to resolve host|temporary failure in name resolution",
        "the database's host name is not known",
        "check the host in HTC_DATABASE_URL and this machine's name resolution",
    ),
    (
        r"connection refused",
        "nothing listens at the database's host and port",
        "check host and port in HTC_DATABASE_URL, and that the server (or its proxy) runs",
    ),
    (
        r"password authentication failed|no password supplied",
        "the database does not accept this user and password",
        "check user and password in HTC_DATABASE_URL",
    ),
    (
        r'role ".*" does not exist',
        "the database does not know this user",
        "check the user in HTC_DATABASE_URL, or create the role",
    ),
    (
        r'database ".*" does not exist',
        "the server has no database of this name",
        "check the name at the end of HTC_DATABASE_URL, or create it with `createdb`",
    ),
    (
        r"no pg_hba.conf entry|peer authentication failed|ident authentication failed",
        "the server does not let this user in from here",
        "its pg_hba.conf must have a line for this user, database and address",
    ),
    (
        r"no such file or directory",
        "there is no database socket at this path",
        "check host= in HTC_DATABASE_URL, and that the server (or its proxy) runs",
    ),
    (
        r"timeout expired|timed out|connection timeout",
        "the database does not answer in time",
        "check the host, and that no firewall stands between",
    ),
    (
        r"\bssl\b|\btls\b|certificate",
        "no secure connection to the database could be made",
        "check sslmode and the certificates named in HTC_DATABASE_URL",
    ),
)

_BY_SQLSTATE: Final[dict[str, tuple[type[StoreError], str, str]]] = {
    # longest matching prefix of the SQLSTATE
    "53100": (StorageError, "the database's disk is full", "free some room on it, then try again"),
    "53300": (
        DatabaseUnavailableError,
        "the database has no free connection left",
        "close other programs that use it, or raise its max_connections",
    ),
    "53": (StorageError, "the database is out of a resource", "see the server's log"),
    "58": (StorageError, "the database cannot read or write its files", "see the server's log"),
    "XX001": (StorageError, "the database's files are damaged", "restore them from a backup"),
    "XX002": (StorageError, "an index of the database is damaged", "rebuild it with REINDEX"),
    "25006": (
        StorageError,
        "the database is read-only",
        "connect to the primary server, not to a standby",
    ),
    "42501": (
        StorageError,
        "the database user may not do this",
        "grant it the privilege, or use another user in HTC_DATABASE_URL",
    ),
    "42P01": (SchemaError, "a table is missing", "`htc db status` shows the revision"),
    "42703": (SchemaError, "a column is missing", "`htc db status` shows the revision"),
    "57014": (StoreError, "the statement was cancelled", "try again"),
    "57P": (DatabaseUnavailableError, "the database server is going down or coming up", "try again"),
    "08": (DatabaseUnavailableError, "the connection to the database was lost", "try again"),
    "28": (
        DatabaseUnavailableError,
        "the database does not accept this login",
        "check user and password in HTC_DATABASE_URL",
    ),
    "3D000": (
        DatabaseUnavailableError,
        "the server has no database of this name",
        "check the name at the end of HTC_DATABASE_URL, or create it with `createdb`",
    ),
    "40": (StoreError, "another transaction was in the way", "try again"),
    "23": (StoreError, "the database's rules refuse this row", ""),
    "22": (StoreError, "a value does not fit its column", ""),
}


_DAMAGE: Final = re.compile(
    r"contains (?:invalid data|incorrect checksum)|could not (?:open|read) file|invalid page", re.IGNORECASE
)


_NUL: Final = re.compile(r"NUL \(0x00\)|\\u0000 cannot be converted")
"""Of the driver for text, and of the server for JSON."""


@contextmanager
def store_errors(where: str | None = None) -> Iterator[None]:
    """Raise the driver's errors as StoreErrors; ours pass untouched.

    Text that PostgreSQL cannot hold is the caller's fault, an InputError.
    """
    try:
        yield
    except UnicodeEncodeError as error:
        raise InputError("a text holds half of a surrogate pair, which cannot be stored") from error
    except (exc.SQLAlchemyError, psycopg.Error) as error:
        original = getattr(error, "orig", None) or error
        if isinstance(original, psycopg.DataError) and _NUL.search(str(original)):
            raise InputError("a text holds a NUL character, which cannot be stored") from error
        raise translate(error, where) from error


def translate(error: exc.SQLAlchemyError | psycopg.Error, where: str | None = None) -> StoreError:
    """The StoreError that says what ``error`` means. It never contains a password."""
    original = getattr(error, "orig", None) or error
    message = _first_line(str(original))
    sqlstate = getattr(original, "sqlstate", None)
    if isinstance(error, exc.TimeoutError):
        return DatabaseUnavailableError(
            "every connection of this process is busy", where=where, hint="try again, or use fewer threads"
        )
    if sqlstate is not None:
        # Messages of a refused login carry a SQLSTATE only on some paths: look at the words first.
        if sqlstate[:2] in {"28", "3D"} and (known := _connecting(str(original))):
            return DatabaseUnavailableError(f"{known[0]} ({message})", where=where, hint=known[1])
        for length in (5, 3, 2):
            if (entry := _BY_SQLSTATE.get(sqlstate[:length])) is not None:
                kind, what, hint = entry
                return kind(f"{what}: {message}", where=where, hint=hint or None)
        return StoreError(f"the database refused: {message}", where=where)
    if isinstance(original, psycopg.ProgrammingError) and (known := _connecting(str(original))):
        return DatabaseUnavailableError(f"{known[0]} ({message})", where=where, hint=known[1])
    if isinstance(original, psycopg.OperationalError | psycopg.InterfaceError):
        if _DAMAGE.search(str(original)):
            return StorageError(
                f"the database's files are damaged ({message})",
                where=where,
                hint="restore them from a backup",
            )
        known = _connecting(str(original))
        if known:
            return DatabaseUnavailableError(f"{known[0]} ({message})", where=where, hint=known[1])
        return DatabaseUnavailableError(
            f"the connection to the database was lost: {message}",
            where=where,
            hint="what was committed is safe; run the command again to go on from there",
        )
    return StoreError(f"the database could not be used: {message}", where=where)


def _connecting(text: str) -> tuple[str, str] | None:
    for pattern, what, hint in _CONNECTING:
        if re.search(pattern, text, re.IGNORECASE):
            return what, hint
    return None


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")
