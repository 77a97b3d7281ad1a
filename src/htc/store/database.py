"""A connection to the one database, embedded or the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError

from htc.errors import DatabaseUnavailableError, SchemaError, SettingsError
from htc.store.faults import store_errors
from htc.store.jsontext import dumps

if TYPE_CHECKING:
    from types import TracebackType

    from htc.settings import Settings
    from htc.store.embedded import EmbeddedServer, Lease

__all__ = ["MINIMUM_MAJOR", "Database", "redacted", "url_of", "user_url"]

MINIMUM_MAJOR: Final = 15
_CONNECT_TIMEOUT_S = 10


def user_url(raw: str) -> URL:
    """The SQLAlchemy URL for HTC_DATABASE_URL, with the psycopg driver filled in.

    Raises:
        SettingsError: it is not the URL of a PostgreSQL database.
    """
    if not raw.strip():
        raise SettingsError(
            "set but empty",
            where="HTC_DATABASE_URL",
            hint="unset it to use the embedded database; where a secret fills it, that secret is missing",
        )
    try:
        url = make_url(raw.strip())
    except (ArgumentError, ValueError) as error:
        # The text itself stays out of the message: it may hold a password.
        raise SettingsError(
            "not a database URL",
            where="HTC_DATABASE_URL",
            hint="it looks like postgresql+psycopg://user:password@host:5432/name",
        ) from error
    if url.drivername not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise SettingsError(
            f"{url.drivername} databases are not supported",
            where="HTC_DATABASE_URL",
            hint="use a PostgreSQL 15+ server: postgresql+psycopg://user@host/name",
        )
    return url.set(drivername="postgresql+psycopg")


def url_of(settings: Settings) -> URL | None:
    """The URL of the settings with its password filled in, or None where the embedded database is meant.

    Raises:
        SettingsError: it cannot be used, or there is none and the embedded database is not wanted.
    """
    if settings.database_url is None:
        if not settings.embedded_database:
            raise SettingsError(
                "not set, and the embedded database is not wanted here",
                where="HTC_DATABASE_URL",
                hint="set it to a PostgreSQL 15+ server; HTC_EMBEDDED_DATABASE=true allows the embedded one",
            )
        return None
    url = user_url(settings.database_url.get_secret_value())
    if settings.database_password is not None and url.password is None and "password" not in url.query:
        return url.set(password=settings.database_password.get_secret_value())
    return url


def redacted(url: URL) -> str:
    """The URL without any password, for people and logs."""
    hidden = url.difference_update_query(["password", "sslpassword"])
    return hidden.render_as_string(hide_password=True)


class Database:
    """An open database. Use as a context manager, or call :meth:`close`.

    Safe to share between threads; not across ``fork``.
    """

    def __init__(self, engine: Engine, *, lease: Lease | None = None) -> None:
        """Use :meth:`open` or :meth:`connect_to`."""
        self.engine = engine
        self._lease = lease
        self.server_version = 0
        """``server_version_num`` of the server, e.g. 180006."""

    @classmethod
    def open(cls, settings: Settings | None = None, *, ensure_schema: bool = True) -> Database:
        """Open the database of the settings; the embedded server is started when needed.

        Args:
            settings: those of the process when None.
            ensure_schema: bring the schema to this program's revision, see :func:`htc.store.schema.ensure`.

        Raises:
            DatabaseUnavailableError: no server, no login, a server older than 15.
            SchemaError: the schema does not fit this program.
            StorageError: no room, no permission, damaged files.
            SettingsError: HTC_DATABASE_URL cannot be used.
        """
        if settings is None:
            from htc.settings import get_settings

            settings = get_settings()
        if (url := url_of(settings)) is not None:
            return cls.connect_to(url, ensure_schema=ensure_schema)
        from htc.store.embedded import EmbeddedServer

        lease = EmbeddedServer(settings.home).acquire()
        return cls._opened(cls(_engine(embedded_url(lease)), lease=lease), ensure_schema)

    @classmethod
    def connect_to(cls, url: URL, *, ensure_schema: bool = True) -> Database:
        """Open the database at a URL. Same errors as :meth:`open`."""
        return cls._opened(cls(_engine(url)), ensure_schema)

    @classmethod
    def _opened(cls, database: Database, ensure_schema: bool) -> Database:
        try:
            database._greet()
            if ensure_schema:
                from htc.store import schema

                schema.ensure(database)
        except BaseException:
            database.close()
            raise
        return database

    @property
    def embedded(self) -> EmbeddedServer | None:
        """The embedded server, or None on a server of the user's."""
        return self._lease.server if self._lease else None

    @property
    def where(self) -> str:
        """Where the data lies, for people: a folder, or a URL without its password."""
        return str(self._lease.server.data) if self._lease else redacted(self.engine.url)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection for reading; anything not committed is rolled back at the end.

        Raises:
            StoreError: whatever the driver has to complain about.
        """
        with self.errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A connection in a transaction that is committed at the end, or rolled back on any error.

        Raises:
            StoreError: whatever the driver has to complain about.
        """
        with self.errors(), self.engine.begin() as connection:
            yield connection

    def recover(self) -> None:
        """Start the embedded server again if it died; nothing on a server of the user's.

        Raises:
            StoreError: it cannot be started.
        """
        if self._lease is not None:
            self._lease.revive()

    def close(self) -> None:
        """Close all connections; the last user of the embedded server stops it."""
        self.engine.dispose()
        if self._lease is not None:
            self._lease.close()

    def __enter__(self) -> Database:
        """The open database."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Translate what the driver raises inside; where the embedded server stopped, its log says why.

        Raises:
            StoreError: the translation.
        """
        try:
            with store_errors(self.where):
                yield
        except DatabaseUnavailableError as error:
            # A server that stopped itself tells its clients only that they are cut off; its log says why.
            known = self._lease.diagnosis() if self._lease else None
            if known is not None:
                raise known from error
            if self._lease is None:
                raise
            raise DatabaseUnavailableError(
                "the embedded database server stopped while it was in use",
                where=self.where,
                hint="what was stored before is safe; run the command again, it starts the server anew",
            ) from error

    def _greet(self) -> None:
        with self.connect() as connection:
            self.server_version = int(connection.execute(text("SHOW server_version_num")).scalar_one())
        major = self.server_version // 10_000
        if major < MINIMUM_MAJOR:
            raise SchemaError(
                f"the server is PostgreSQL {major}; {MINIMUM_MAJOR} or newer is needed",
                where=self.where,
                hint="upgrade the server, or unset HTC_DATABASE_URL to use the embedded one",
            )


def embedded_url(lease: Lease, database: str | None = None) -> URL:
    """URL of a database on the embedded server."""
    from htc.store.embedded import DATABASE, PORT, ROLE

    return URL.create(
        "postgresql+psycopg",
        username=ROLE,
        database=database or DATABASE,
        query={"host": str(lease.socket_dir), "port": str(PORT)},
    )


def _engine(url: URL) -> Engine:
    defaults = {"connect_timeout": str(_CONNECT_TIMEOUT_S), "application_name": "htc"}
    missing = {name: value for name, value in defaults.items() if name not in url.query}
    return create_engine(
        url, pool_pre_ping=True, pool_timeout=30, json_serializer=dumps, connect_args=missing
    )
