"""A whole database as a folder with a Parquet file for each table, and back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from htc.errors import InputError, StorageError
from htc.store.bulk.export import ExportReport, export_table
from htc.store.bulk.load import LoadReport, Progress, load
from htc.store.bulk.target import INTERCHANGE, target
from htc.store.bulk.writing import Conflict
from htc.store.schema import HEAD
from htc.version import __version__

if TYPE_CHECKING:
    from psycopg import Connection

    from htc.store.database import Database

__all__ = ["MANIFEST", "export_everything", "load_everything"]

MANIFEST: Final = "manifest.json"


def export_everything(
    database: Database, folder: Path, *, compression: str | None = None, progress: Progress | None = None
) -> list[ExportReport]:
    """Write every table as it is at one moment, rows that were set aside included.

    The findings log and the notes of refreshes stay behind: they are about this one database.

    Args:
        database: an open database.
        folder: made new, complete or not at all; it must not exist, or be empty.
        compression: of the Parquet files.
        progress: told about the rows of each table.

    Raises:
        InputError: the folder holds something.
        StorageError: it cannot be written.
        StoreError: the database refused.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("there is something here already", where=str(folder), hint="name a new folder")
    reports: list[ExportReport] = []
    with _new_folder(folder) as unfinished, database.begin() as connection:
        own = cast("Connection[Any]", connection.connection.driver_connection)
        own.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for name in INTERCHANGE:
            file = unfinished / f"{name}.parquet"
            report = export_table(own, file, target(name), compression=compression, progress=progress)
            reports.append(
                ExportReport(folder / file.name, name, report.rows, report.size_bytes, report.seconds)
            )
        document = {
            "revision": HEAD,
            "program_version": __version__,
            "written_at": datetime.now(UTC).isoformat(),
            "rows": {report.table: report.rows for report in reports},
        }
        (unfinished / MANIFEST).write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return reports


def load_everything(
    database: Database,
    folder: Path,
    *,
    on_conflict: Conflict = "skip",
    rejects: Path | None = None,
    created_by: str = "htc",
    dry_run: bool = False,
    progress: Progress | None = None,
) -> list[LoadReport]:
    """Load what :func:`export_everything` wrote, each table after those that it refers to.

    Args:
        database: an open database, empty or not.
        folder: with a file for some of the tables, named as they are.
        on_conflict: see :func:`~htc.store.bulk.load.load`, as are the others.
        rejects: a folder for the rows that cannot be stored, one file a table.
        created_by: for files without that column, and for runs and models that rows name and nobody knows. An
            empty value stays empty.
        dry_run: find out and keep nothing. Parents that come with the same folder count as missing.
        progress: told about the rows.

    Raises:
        InputError: there is no such folder, nothing of ours in it, or it is of a newer program.
        StoreError: the database refused; tables before are loaded.
    """
    files = [(name, folder / f"{name}.parquet") for name in INTERCHANGE]
    files = [(name, file) for name, file in files if file.is_file()]
    if not files:
        raise InputError(
            "no table's file is in this folder",
            where=str(folder),
            hint="`htc export --everything` writes them",
        )
    _check_manifest(folder)
    if rejects is not None:
        rejects.mkdir(parents=True, exist_ok=True)
    return [
        load(
            database,
            file,
            table=name,
            on_conflict=on_conflict,
            rejects=None if rejects is None else rejects / f"{name}.rejects.jsonl",
            created_by=created_by,
            dry_run=dry_run,
            verbatim=True,
            progress=progress,
        )
        for name, file in files
    ]


def _check_manifest(folder: Path) -> None:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return
    try:
        revision = str(json.loads(manifest.read_text("utf-8"))["revision"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError("the manifest cannot be read", where=str(manifest)) from error
    # Revisions begin with their number; columns of later ones would be unknown here.
    if revision[:3] > HEAD[:3]:
        raise InputError(
            f"the folder was written at revision {revision}, this program knows {HEAD}",
            where=str(folder),
            hint="update htc",
        )


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        unfinished.mkdir(parents=True)
        try:
            yield unfinished
            if folder.exists():
                folder.rmdir()  # empty, as was seen before
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"the folder cannot be written: {error.strerror or error}", where=str(folder)
        ) from error
