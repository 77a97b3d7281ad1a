"""Advisory file locks (flock): the kernel drops them with their holder, however it died."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from htc.errors import DatabaseUnavailableError

__all__ = ["exclusive", "is_free", "open_lock", "try_lock"]

POLL_S = 0.01


def open_lock(path: Path) -> int:
    """Open (create) a lock file and return its descriptor; the caller closes it."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(fd: int, *, shared: bool = False, patience_s: float = 0.0) -> bool:
    """Take the lock; a lock already held on ``fd`` is converted.

    Args:
        fd: from :func:`open_lock`.
        shared: several may hold it so at a time.
        patience_s: how long to wait for others. :func:`is_free` holds locks for a moment, so a caller
            for whom only lasting holders count waits a little longer than a moment.

    Returns:
        Whether it was taken.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)
        else:
            return True


def is_free(path: Path, *, of_exclusive: bool = False) -> bool:
    """Whether nobody holds the lock, or nobody holds it alone (``of_exclusive``)."""
    if not path.exists():
        return True
    fd = open_lock(path)
    try:
        return try_lock(fd, shared=of_exclusive)
    finally:
        os.close(fd)


@contextmanager
def exclusive(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock alone.

    Raises:
        DatabaseUnavailableError: another process held it for longer than ``timeout_s``.
    """
    fd = open_lock(path)
    try:
        if not try_lock(fd, patience_s=timeout_s):
            raise DatabaseUnavailableError(
                f"another process has been starting or stopping the database for {timeout_s:.0f} s",
                where=str(path),
                hint="look for a stopped htc process (`fuser` names it) and end it, then try again",
            )
        yield
    finally:
        os.close(fd)
