"""What went wrong, for people: from exceptions and from the output of PostgreSQL's programs."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from htc.errors import DatabaseUnavailableError, StorageError, StoreError
from htc.store.embedded.identity import NAMESPACE_HINT

__all__ = ["NO_ROOM", "from_os_error", "from_output", "known_trouble", "last_complaint"]

NO_ROOM = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)
_NOT_WRITABLE = re.compile(r"Permission denied|Read-only file system|Operation not permitted", re.IGNORECASE)
_NAMESPACE = re.compile(r"^unshare: ", re.MULTILINE)
_COMPLAINT = re.compile(r"\b(?:FATAL|PANIC|initdb: error):\s*(.*)")
_TEMPORARY = re.compile(r"starting up|shutting down|in recovery mode|administrator command")
_DAMAGE = re.compile(
    r"invalid checkpoint record|could not locate a valid checkpoint|is not a valid data directory|"
    r"incorrect checksum|could not (?:open|read) (?:file|directory) \"(?:global|base|pg_)|"
    r"contains (?:invalid data|incorrect checksum)|"
    r"database files are incompatible|control file|missing required|invalid page|"
    r"lock file \"postmaster.pid\" is empty|bogus data",
    re.IGNORECASE,
)

ROOM_HINT = "free some room, or set HTC_HOME to a folder on a larger disk; nothing stored earlier is lost"
WRITE_HINT = "make the folder writable for you, or set HTC_HOME to another folder"


def from_os_error(error: OSError, doing: str, path: Path) -> StoreError:
    """Our error for a failed file operation of our own."""
    where = str(error.filename or path)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageError(f"no room on the disk for {doing}", where=where, hint=ROOM_HINT)
    if error.errno in {errno.EEXIST, errno.ENOTDIR}:
        return StorageError(
            f"a file stands where a folder is needed for {doing}", where=where, hint=WRITE_HINT
        )
    return StorageError(f"cannot write for {doing}: {error.strerror}", where=where, hint=WRITE_HINT)


def last_complaint(output: str) -> str | None:
    """The last FATAL or PANIC message of a log, else its last line."""
    # What clients are told meanwhile is not the cause.
    complaints = [c for c in _COMPLAINT.findall(output) if not _TEMPORARY.search(c)]
    if complaints:
        return str(complaints[-1]).strip()
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1].strip() if lines else None


def known_trouble(output: str, doing: str, folder: Path, log: Path) -> StoreError | None:
    """Our error where a program's output tells of one of the troubles we know, else None."""
    where = str(folder)
    if _NAMESPACE.search(output):
        return DatabaseUnavailableError(
            "PostgreSQL does not run as root, and this system does not allow the user namespace "
            "that would show it another user",
            hint=NAMESPACE_HINT,
        )
    if NO_ROOM.search(output):
        return StorageError(f"no room on the disk for {doing}", where=where, hint=ROOM_HINT)
    if _DAMAGE.search(output):
        return StorageError(
            f"the database's files are damaged: {last_complaint(output)}",
            where=where,
            hint="restore the folder from a backup, or move it aside and start with an empty database; "
            f"the whole message is in {log}",
        )
    if _NOT_WRITABLE.search(output):
        return StorageError(
            f"not permitted while {doing}: {last_complaint(output)}", where=where, hint=WRITE_HINT
        )
    return None


def from_output(output: str, doing: str, folder: Path, log: Path) -> StoreError:
    """Our error for a PostgreSQL program that failed while ``doing`` something, from what it printed."""
    known = known_trouble(output, doing, folder, log)
    if known is not None:
        return known
    complaint = last_complaint(output) or "it said nothing"
    return DatabaseUnavailableError(f"{doing} failed: {complaint}", where=str(folder), hint=f"see {log}")
