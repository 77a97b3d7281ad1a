"""Batches that are not in the database yet, a file each under ``HTC_HOME/telemetry``."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

__all__ = ["MAX_BYTES", "MAX_FILES", "keep", "locked", "refuse", "trim", "waiting"]

MAX_FILES: Final = 200
MAX_BYTES: Final = 100_000_000
"""Of all files together; beyond either the oldest go."""

_WAITING: Final = ".json"
_REFUSED: Final = ".refused"


def keep(folder: Path, name: str, document: bytes) -> Path:
    """Write a batch down; after a crash of the machine the file is whole or not there.

    Args:
        folder: made when it is not there.
        name: the same for the same batch, whoever keeps it; names sort by age.
        document: the batch.

    Raises:
        OSError: no room, not writable.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{name}{_WAITING}"
    part = folder / f"{name}-{uuid.uuid4().hex[:8]}.part"
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return path


def waiting(folder: Path) -> list[Path]:
    """Batches that wait, oldest first."""
    return sorted(folder.glob(f"*{_WAITING}")) if folder.is_dir() else []


def refuse(path: Path) -> None:
    """Put a batch aside that the database will not take whenever it is tried; it stays for people to see."""
    path.replace(path.with_suffix(_REFUSED))


def trim(folder: Path) -> int:
    """Drop the oldest files beyond the bounds. Returns how many were dropped."""
    sizes: list[tuple[str, Path, int]] = []
    for path in [*waiting(folder), *folder.glob(f"*{_REFUSED}"), *folder.glob("*.part")]:
        with suppress(FileNotFoundError):  # delivered in this moment
            sizes.append((path.name, path, path.stat().st_size))
    room, dropped = MAX_BYTES, 0
    for number, (_, path, size) in enumerate(sorted(sizes, reverse=True)):
        room -= size
        # The newest stays however large it is.
        if number and (number >= MAX_FILES or room < 0):
            path.unlink(missing_ok=True)
            dropped += 1
    return dropped


@contextmanager
def locked(path: Path, patience_s: float = 0.0) -> Iterator[bool]:
    """Hold a batch while it is delivered; gives whether it is there and ours, and not another process's."""
    from htc.store.embedded.locks import try_lock

    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        # Who held it before may have delivered it.
        yield try_lock(fd, patience_s=patience_s) and path.exists()
    finally:
        os.close(fd)
