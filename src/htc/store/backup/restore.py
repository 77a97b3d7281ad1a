"""Bringing a backup back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from htc.errors import SchemaError, StorageError
from htc.store.backup.archive import Archive, Manifest, read_archive, read_manifest, sha256_of
from htc.store.backup.contents import Contents, differences, is_empty, read_contents
from htc.store.backup.loading import load
from htc.store.backup.scratch import beside
from htc.store.backup.verify import check_room
from htc.store.database import Database

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store.backup.contents import Progress

__all__ = ["Restored", "restore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore brought back."""

    file: Path
    where: str
    revision: str | None
    rows: dict[str, int]
    """Rows by table."""
    compared: bool
    """Whether a manifest lay beside the file, with which everything was compared."""
    with_grants: bool
    """Whether what was granted to other roles is granted again."""
    kept_as: str | None
    """Name of the database that was replaced, None when the backup went into an empty one."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self) | {"file": str(self.file)}


def restore(
    settings: Settings, file: Path, *, replace: bool = False, tell: Progress | None = None
) -> Restored:
    """Fill the database of the settings from a backup: all of it, or nothing.

    Args:
        settings: name the database. The embedded one is made when there is none.
        file: what :func:`~htc.store.backup.back_up` wrote, or another pg_dump in custom format.
        replace: the database holds something. The backup is restored into a new one beside it and compared;
            then both are renamed in one transaction, and the old one stays under the name that is returned.
        tell: see :data:`~htc.store.backup.contents.Progress`.

    Raises:
        InputError: the file is not a backup of htc.
        StorageError: the file is damaged, or there is no room; or it was made without verification and does
            not hold what its manifest says, which shows only when an empty database has been filled with it.
        SchemaError: it is of a revision unknown to this program; or the database is not empty.
        StoreError: the server refused. The database is as it was.
    """
    file = file.expanduser().absolute()
    archive = read_archive(file)
    manifest = read_manifest(file)
    if manifest is not None:
        _check_file(file, manifest, tell)
    with Database.open(settings, ensure_schema=False) as database:
        if database.embedded is not None:
            # Of a plain pg_dump nothing better is known than its own, compressed, size.
            check_room(settings.home, manifest.database_bytes if manifest else file.stat().st_size)
        grants = manifest is not None and _roles_exist(database, manifest)
        if replace:
            return _beside(archive, manifest, database, grants, tell)
        with database.connect() as connection:
            empty = is_empty(connection)
        if not empty:
            raise SchemaError(
                "the database is not empty; nothing was changed",
                where=database.where,
                hint="`htc db restore --replace` puts the backup in its place and keeps what is there "
                "under another name",
            )
        load(archive, database, with_grants=grants, rows=_rows(manifest), tell=tell)
        try:
            contents = _compared(archive, manifest, database, tell)
        except StorageError as error:
            error.hint = "it is in the database now; replace it by an earlier backup with --replace"
            raise
        return _told(archive, manifest, database, contents, grants, None)


def _beside(
    archive: Archive, manifest: Manifest | None, database: Database, grants: bool, tell: Progress | None
) -> Restored:
    with beside(database) as databases, databases.scratch("restoring") as new:
        load(archive, new, with_grants=grants, rows=_rows(manifest), tell=tell)
        contents = _compared(archive, manifest, new, tell)
        kept = databases.swap_in(new)
    return _told(archive, manifest, database, contents, grants, kept)


def _compared(
    archive: Archive, manifest: Manifest | None, database: Database, tell: Progress | None
) -> Contents:
    with database.connect() as connection:
        contents = read_contents(connection, tell)
    if manifest is not None:
        wrong = differences(manifest.contents, contents)
        if wrong:
            raise StorageError(
                "what came back is not what its manifest says: " + "; ".join(wrong[:5]),
                where=str(archive.file),
                hint="try an earlier backup",
            )
    with database.connect() as plain:
        # A restored database has no statistics: without them the first queries go the long way.
        plain.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM (ANALYZE)"))
    return contents


def _told(
    archive: Archive,
    manifest: Manifest | None,
    database: Database,
    contents: Contents,
    grants: bool,
    kept: str | None,
) -> Restored:
    return Restored(
        file=archive.file,
        where=database.where,
        revision=contents.revision,
        rows={name: table.rows for name, table in contents.tables.items()},
        compared=manifest is not None,
        with_grants=grants,
        kept_as=kept,
    )


def _check_file(file: Path, manifest: Manifest, tell: Progress | None) -> None:
    size = file.stat().st_size
    if size != manifest.size_bytes:
        raise StorageError(
            f"the backup is {'cut off' if size < manifest.size_bytes else 'not the file it was'}: "
            f"{size} bytes, it had {manifest.size_bytes}",
            where=str(file),
            hint="take another copy of it, or an earlier backup; the database is as it was",
        )
    digest = sha256_of(file, lambda done, whole: tell("checksum", done, whole) if tell else None)
    if digest != manifest.sha256:
        raise StorageError(
            "the backup is damaged: its SHA-256 is not the one in its manifest",
            where=str(file),
            hint="take another copy of it, or an earlier backup; the database is as it was",
        )


def _rows(manifest: Manifest | None) -> int | None:
    return manifest.contents.rows if manifest else None


def _roles_exist(database: Database, manifest: Manifest) -> bool:
    with database.connect() as connection:
        there = set(
            connection.execute(
                text("SELECT rolname FROM pg_roles WHERE rolname = ANY (:names)"),
                {"names": list(manifest.grantees)},
            ).scalars()
        )
    return there == set(manifest.grantees)
