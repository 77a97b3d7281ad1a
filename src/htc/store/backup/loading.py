"""From an archive into an empty database: all of it, or nothing.

``pg_restore`` writes the script and ``psql`` runs it, with the transaction's BEGIN and COMMIT sent from here:
the COMMIT only after ``pg_restore`` has said that it read the file to its end. On a server of its own version
``pg_restore --single-transaction`` alone would do; an older server does not know every setting that its
script begins with, so those lines are left out on the way.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

from sqlalchemy import text

from htc.errors import DatabaseUnavailableError, StorageError, StoreError
from htc.store.backup.programs import target_of
from htc.store.embedded.diagnosis import NO_ROOM, ROOM_HINT

if TYPE_CHECKING:
    from htc.store.backup.archive import Archive
    from htc.store.backup.contents import Progress
    from htc.store.database import Database

__all__ = ["load"]

_BLOCK: Final = 1 << 18
_SETTING: Final = re.compile(rb"SET (\w+) = ")
_ALWAYS: Final = ("--no-owner", "--no-tablespaces", "--no-subscriptions")


def load(
    archive: Archive,
    database: Database,
    *,
    with_grants: bool = False,
    rows: int | None = None,
    tell: Progress | None = None,
    doing: str = "restoring rows",
) -> None:
    """Fill an empty database from an archive in one transaction.

    Args:
        archive: what :func:`~htc.store.backup.archive.read_archive` accepted.
        database: without any table; it is as before when an error is raised.
        with_grants: also grant what was granted; the roles must exist.
        rows: how many there are, for ``tell``.
        tell: told ``(doing, rows done, rows)``.
        doing: its first argument.

    Raises:
        StorageError: the archive is damaged, or there is no room.
        StoreError: the server refused.
    """
    options = _ALWAYS if with_grants else (*_ALWAYS, "--no-privileges")
    with database.connect() as connection:
        known = frozenset(
            name.encode() for name in connection.execute(text("SELECT name FROM pg_settings")).scalars()
        )
    target = target_of(database)
    command = [archive.programs / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", target.conninfo]
    with tempfile.TemporaryFile() as said, archive.script(*options) as script:
        psql = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=target.environment
        )
        assert psql.stdin is not None  # noqa: S101 - for the type checker
        try:
            with suppress(BrokenPipeError):  # psql says why
                psql.stdin.write(b"BEGIN;\n")
                _copy_header(script.source, psql.stdin, known)
                _copy_rest(script.source, psql.stdin, doing, rows, tell)
                script.finish()
                # Settings of the script, search_path among them, end with its session.
                psql.stdin.write(b"COMMIT;\n")
                psql.stdin.close()
            if psql.wait() != 0:
                raise _refused(said, database)
        finally:
            # Without its COMMIT the server takes everything back.
            psql.kill()
            psql.wait()
            with suppress(BrokenPipeError):
                psql.stdin.close()


def _copy_header(source: IO[bytes], sink: IO[bytes], known: frozenset[bytes]) -> None:
    for line in source:
        setting = _SETTING.match(line)
        if setting is None or setting.group(1) in known:
            sink.write(line)
        if line.startswith(b"-- Name:"):
            return


def _copy_rest(
    source: IO[bytes], sink: IO[bytes], doing: str, rows: int | None, tell: Progress | None
) -> None:
    done = 0
    while block := source.read(_BLOCK):
        sink.write(block)
        if tell and rows:
            done = min(rows, done + block.count(b"\n"))
            tell(doing, done, rows)
    if tell and rows:
        tell(doing, rows, rows)


def _refused(said: IO[bytes], database: Database) -> StoreError:
    said.seek(0)
    words = said.read().decode(errors="replace")
    complaint = next(
        (
            part
            for line in words.splitlines()
            if (part := re.split(r"\b(?:ERROR|FATAL|PANIC|error):\s*", line, maxsplit=1)[1:])
        ),
        [words.strip() or "psql said nothing"],
    )[0]
    if NO_ROOM.search(words):
        return StorageError(
            f"no room for the restored rows: {complaint}", where=database.where, hint=ROOM_HINT
        )
    if re.search(r"connection to server|server closed the connection|terminating connection", words):
        return DatabaseUnavailableError(
            f"the connection to the database was lost while restoring: {complaint}",
            where=database.where,
            hint="nothing of the backup was kept; run the command again",
        )
    hint = "nothing of the backup was kept"
    if "extension" in complaint and "not available" in complaint:
        hint += "; install the extension on the server first"
    return StoreError(f"the server refuses the backup: {complaint}", where=database.where, hint=hint)
