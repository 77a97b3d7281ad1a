"""Making a backup."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from sqlalchemy import text

from htc.errors import InputError, NotFoundError, StorageError, StoreError
from htc.store.backup.archive import Manifest, manifest_path, read_archive, sha256_of
from htc.store.backup.contents import Contents, read_contents
from htc.store.backup.programs import ClientPrograms, programs_for_dump, target_of
from htc.store.backup.verify import size_of, verify
from htc.store.database import Database
from htc.store.embedded import EmbeddedServer
from htc.store.embedded.diagnosis import NO_ROOM, from_os_error
from htc.store.embedded.locks import is_free, try_lock
from htc.store.schema import standing
from htc.version import __version__

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from htc.settings import Settings
    from htc.store.backup.contents import Progress

__all__ = ["Backup", "back_up", "dump"]

_POLL_S: Final = 0.3
_PARTIAL: Final = ".htc-partial"


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup."""

    file: Path
    manifest: Manifest


def back_up(
    settings: Settings, file: Path | None = None, *, check: bool = True, tell: Progress | None = None
) -> Backup:
    """Write the whole database into one file, restore that file elsewhere, compare, and only then name it.

    A file of the given name is therefore always a whole backup, and one that was seen to work unless
    ``check`` was False. Reading and writing go on meanwhile; the backup is of the moment it began.

    Args:
        settings: name the database.
        file: where to; HTC_HOME/backups/htc-TIME.dump when None.
        check: restore it into a temporary database and compare rows, tables, views, indexes, constraints.
        tell: see :data:`~htc.store.backup.contents.Progress`.

    Raises:
        InputError: the file exists.
        NotFoundError: there is no database yet.
        StorageError: no room or not writable; or the backup does not bring back what was there.
        StoreError: the database cannot be read, or the backup not be tried out.
    """
    if settings.database_url is None and EmbeddedServer(settings.home).status().state == "absent":
        raise NotFoundError(
            "there is no database yet, so there is nothing to back up",
            where=str(EmbeddedServer(settings.home).data),
            hint="set HTC_HOME or HTC_DATABASE_URL if it is elsewhere",
        )
    moment = datetime.now(UTC)
    if file is None:
        folder = settings.home / "backups"
        with _as_ours(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"htc-{moment:%Y%m%dT%H%M%SZ}.dump"
    file = file.expanduser().absolute()
    _refuse_existing(file)
    with Database.open(settings, ensure_schema=False) as database, _unnamed(file) as partial:
        size = size_of(database)
        programs = programs_for_dump(database.server_version // 10_000)
        _refuse_strange(database)
        contents = dump(database, partial, programs, tell)
        # A database that a newer htc made is as worthy of a backup; that htc can restore it.
        archive = read_archive(partial, of_any_revision=True)
        verified_on = verify(archive, contents, database, settings.home, size, tell) if check else None
        with _as_ours(file.parent):
            manifest = Manifest(
                sha256=sha256_of(
                    partial, lambda done, whole: tell("checksum", done, whole) if tell else None
                ),
                size_bytes=partial.stat().st_size,
                database_bytes=size,
                created_at=moment.isoformat(timespec="seconds"),
                where=database.where,
                program_version=__version__,
                dumped_by=programs.major,
                verified_on=verified_on,
                grantees=_grantees(database),
                contents=contents,
            )
            _write(manifest_path(file), json.dumps(manifest.as_dict(), indent=2, ensure_ascii=False) + "\n")
            # A link, unlike a rename, never replaces what somebody else made meanwhile.
            os.link(partial, file)
            _sync(file.parent)
    return Backup(file, manifest)


def dump(database: Database, file: Path, programs: ClientPrograms, tell: Progress | None = None) -> Contents:
    """Write an archive and say what it holds: both of the same moment.

    Args:
        database: any; others may write to it meanwhile.
        file: exists and is empty, or is replaced.
        programs: at least of the server's major version.
        tell: see :data:`~htc.store.backup.contents.Progress`.

    Raises:
        StorageError: no room for the file.
        StoreError: the database cannot be read.
    """
    with database.connect() as plain:
        connection = plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        contents = read_contents(connection, tell)
        target = target_of(database)
        command = [
            programs / "pg_dump",
            "--format=custom",
            "--no-password",
            f"--snapshot={snapshot}",
            f"--file={file}",
            f"--dbname={target.conninfo}",
        ]
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                command,
                env=target.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
            try:
                _wait(process, connection, contents, tell)
            finally:
                process.kill()
                process.wait()
            if process.returncode != 0:
                raise _dump_failed(said, database, file)
    return contents


def _wait(
    process: subprocess.Popen[bytes], connection: Connection, contents: Contents, tell: Progress | None
) -> None:
    seen: dict[int, int] = {}
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_S)
            break
        # The open transaction keeps the snapshot alive; what it asks of progress is always current.
        now = connection.execute(
            text("SELECT relid, tuples_processed FROM pg_stat_progress_copy WHERE command = 'COPY TO'")
        )
        for relation, rows in now:
            seen[relation] = max(rows, seen.get(relation, 0))
        if tell:
            tell("writing rows", min(sum(seen.values()), contents.rows), contents.rows)
    if tell:
        tell("writing rows", contents.rows, contents.rows)


def _dump_failed(said: IO[bytes], database: Database, file: Path) -> StoreError:
    said.seek(0)
    words = said.read().decode(errors="replace")
    complaint = next(
        (line.partition("error: ")[2] for line in words.splitlines() if "error: " in line), words.strip()
    )
    if NO_ROOM.search(words):
        return StorageError(
            f"no room for the backup: {complaint}",
            where=str(file.parent),
            hint="free some room, or name a file on a larger disk; nothing was left behind",
        )
    hint = "nothing was left behind"
    if "permission denied for" in words:
        hint = (
            "a backup is of the whole database: the user of HTC_DATABASE_URL must be allowed to read all of "
            "it (GRANT pg_read_all_data)"
        )
    return StoreError(f"pg_dump failed: {complaint or 'it said nothing'}", where=database.where, hint=hint)


def _grantees(database: Database) -> tuple[str, ...]:
    """Roles that privileges are granted to or set by; PostgreSQL's own are on every server."""
    query = """
        SELECT DISTINCT pg_get_userbyid(role) FROM (
            SELECT (aclexplode(relacl)).grantee AS role FROM pg_class WHERE oid >= 16384
            UNION ALL SELECT (aclexplode(proacl)).grantee FROM pg_proc WHERE oid >= 16384
            UNION ALL SELECT (aclexplode(typacl)).grantee FROM pg_type WHERE oid >= 16384
            UNION ALL SELECT (aclexplode(attacl)).grantee FROM pg_attribute WHERE attrelid >= 16384
            UNION ALL SELECT (aclexplode(nspacl)).grantee FROM pg_namespace
            WHERE oid >= 16384 OR nspname = 'public'
            UNION ALL SELECT (aclexplode(defaclacl)).grantee FROM pg_default_acl
            UNION ALL SELECT defaclrole FROM pg_default_acl
        ) AS granted
        WHERE role <> 0 AND pg_get_userbyid(role) NOT LIKE 'pg\\_%'
        ORDER BY 1
    """
    with database.connect() as connection:
        return tuple(connection.execute(text(query)).scalars())


def _refuse_strange(database: Database) -> None:
    with database.connect() as connection:
        found = standing(connection)
    if not found.tables:
        raise NotFoundError(
            "the database holds no table of htc, so there is nothing to back up",
            where=database.where,
            hint="set HTC_HOME or HTC_DATABASE_URL if it is elsewhere",
        )


def _refuse_existing(file: Path) -> None:
    for path in (file, manifest_path(file)):
        if path.exists() or path.is_symlink():
            raise InputError("the file exists already", where=str(path), hint="name another one")


@contextmanager
def _unnamed(file: Path) -> Iterator[Path]:
    """An empty private file beside ``file``, gone at the end under this name.

    Its maker holds a lock on it; those whose maker was killed are removed first.
    """
    with _as_ours(file.parent):
        for leftover in file.parent.glob(f".*{_PARTIAL}"):
            with suppress(PermissionError):  # another user's
                if is_free(leftover):
                    leftover.unlink(missing_ok=True)
        fd, name = tempfile.mkstemp(prefix=f".{file.name[:100]}-", suffix=_PARTIAL, dir=file.parent)
    try:
        try_lock(fd)
        yield Path(name)
    finally:
        os.close(fd)
        Path(name).unlink(missing_ok=True)


def _write(path: Path, content: str) -> None:
    fd, name = tempfile.mkstemp(prefix=f".{path.name[:100]}-", dir=path.parent)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as sink:
            sink.write(content)
            sink.flush()
            os.fsync(sink.fileno())
        Path(name).rename(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _as_ours(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StorageError("there is no such folder", where=str(folder), hint="make it first") from error
    except OSError as error:
        raise from_os_error(error, "the backup", folder) from error
