"""The findings log on disk: one line a finding, appended and synced, so that it survives what it tells of.

    HTC_HOME/findings.jsonl      the newest entries
    HTC_HOME/findings.1.jsonl    those before, when the first file grew large
    HTC_HOME/findings.lock       held while a process appends

Besides entries there are lines that say which reports a database has received. A line that was torn by a
crash is passed over.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from htc.store.embedded.locks import exclusive

__all__ = ["Entry", "Journal"]

LIMIT_BYTES: Final = 4_000_000
_LOCK_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One finding as it is kept."""

    entry_id: str
    report_id: str
    """Shared by all findings of one run."""
    number: int
    """Counts the entries of one origin: F-1, F-2, ..."""
    origin: str
    """Which HTC_HOME wrote it."""
    position: int
    """Within the report, from 1."""
    command: str
    database: str
    """Folder or URL without password."""
    check_id: str
    hypothesis: str
    test: str
    result: str
    verdict: str
    action: str
    details: dict[str, Any] = field(default_factory=dict)
    program_version: str
    recorded_by: str
    recorded_at: str
    """ISO 8601, UTC."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


_TEXTS: Final = {f.name for f in fields(Entry)} - {"number", "position", "details"}


@dataclass(frozen=True, slots=True)
class _Content:
    entries: list[Entry]
    sent: set[str]


class Journal:
    """The log of one HTC_HOME."""

    def __init__(self, home: Path) -> None:
        """Nothing is touched yet."""
        self.path = home / "findings.jsonl"
        self._older = home / "findings.1.jsonl"
        self._lock = home / "findings.lock"

    def append(self, entries: Iterable[dict[str, Any]]) -> list[Entry]:
        """Number the entries, write them, and return when they are on the disk.

        Args:
            entries: fields of entries without number and origin.

        Raises:
            OSError: the journal cannot be written.
            DatabaseUnavailableError: another process holds it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with exclusive(self._lock, _LOCK_TIMEOUT_S):
            number, origin = self._last()
            self._rotate()
            made = [
                Entry(**entry, number=number + i, origin=origin) for i, entry in enumerate(entries, start=1)
            ]
            self._write([entry.as_dict() for entry in made])
        return made

    def mark_sent(self, report_ids: Iterable[str]) -> None:
        """Remember that the database of these reports has them. Same errors as :meth:`append`."""
        with exclusive(self._lock, _LOCK_TIMEOUT_S):
            self._write([{"sent": sorted(report_ids)}])

    def entries(self) -> list[Entry]:
        """Everything that can be read, oldest first; nothing where there is no journal.

        Raises:
            OSError: there is one and it cannot be read.
        """
        return self._content().entries

    def unsent(self, database: str) -> list[Entry]:
        """Entries about a database that it has not received. Raises OSError."""
        content = self._content()
        return [e for e in content.entries if e.database == database and e.report_id not in content.sent]

    def _content(self) -> _Content:
        content = _Content([], set())
        for path in (self._older, self.path):
            try:
                lines = path.read_bytes().splitlines()
            except FileNotFoundError:
                continue
            for line in lines:
                _take(line, content)
        return content

    def _last(self) -> tuple[int, str]:
        """The last number given, and the origin; a new one where there is none."""
        try:
            mine = self._content().entries
        except OSError:
            mine = []
        if mine:
            return max(e.number for e in mine if e.origin == mine[-1].origin), mine[-1].origin
        return 0, new_origin()

    def _rotate(self) -> None:
        if self.path.exists() and self.path.stat().st_size > LIMIT_BYTES:
            self.path.replace(self._older)

    def _write(self, lines: list[dict[str, Any]]) -> None:
        data = "".join(json.dumps(line, ensure_ascii=False, default=str) + "\n" for line in lines)
        fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                data = "\n" + data  # the last writer died in the middle of a line
            view = memoryview(data.encode("utf-8", "replace"))
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)


def new_origin() -> str:
    """A name for an HTC_HOME: readable, and unlike any other."""
    return f"{socket.gethostname().split('.')[0][:30] or 'host'}-{secrets.token_hex(2)}"


def _take(line: bytes, content: _Content) -> None:
    try:
        found = json.loads(line)
        if "sent" in found:
            content.sent.update(map(str, found["sent"]))
            return
        entry = Entry(**found)
    except (ValueError, TypeError):
        return
    if all(isinstance(getattr(entry, name), str) for name in _TEXTS) and isinstance(entry.number, int):
        content.entries.append(entry)
