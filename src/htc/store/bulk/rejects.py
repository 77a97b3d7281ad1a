"""The rows that cannot be stored: counted by reason, and written down with what they hold."""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from htc.errors import StorageError
from htc.store.bulk.sources import Refused

__all__ = ["Rejects"]


class Rejects:
    """A file of JSON lines ``{"row": number, "reasons": [...], "data": {...}}``, made with the first row.

    Mended lines can be imported as they are. Safe to share between threads.
    """

    def __init__(self, path: Path | None) -> None:
        """Nothing is written yet; with None rows are only counted."""
        self.path = path
        self.count = 0
        self.reasons: Counter[str] = Counter()
        self._file: IO[str] | None = None
        self._lock = threading.Lock()

    def add(self, rows: Iterable[Refused]) -> None:
        """Note rows.

        Raises:
            StorageError: the file cannot be written.
        """
        with self._lock:
            for row in rows:
                self.count += 1
                self.reasons.update(row.reasons)
                if self.path is not None:
                    self._write(row)
            if self._file is not None:
                self._file.flush()

    def _write(self, row: Refused) -> None:
        assert self.path is not None  # noqa: S101 - asked by add
        document = {"row": row.number, "reasons": list(row.reasons), "data": row.data}
        try:
            if self._file is None:
                self._file = self.path.open("w", encoding="utf-8", errors="backslashreplace")
            self._file.write(json.dumps(document, ensure_ascii=False, default=_shown) + "\n")
        except OSError as error:
            raise StorageError(
                f"the rejects cannot be written: {error.strerror}", where=str(self.path)
            ) from error

    def __enter__(self) -> Rejects:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
