"""Counts of requests in a file that all processes of a machine map into memory.

`limits` brings counts in the memory of one process, which would multiply every limit by the number of
workers, and counts in Redis, memcached or MongoDB, which would be one more server to run. The database could
count as well, at the price of a write for each request. A table of fixed size in shared memory costs some
microseconds, survives a worker, and forgets by itself.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from limits.storage import MemoryStorage, Storage
from limits.storage.base import SlidingWindowCounterSupport

__all__ = ["SharedCounts", "shared_counts"]

_log = logging.getLogger(__name__)

_MAGIC: Final = b"htc-counts-1\0\0\0\0"
_SLOT: Final = struct.Struct("<16sdII")
"""Digest of the key, start of its window (Unix time, s), requests in this window and in the one before."""
_SLOTS: Final = 1 << 15
_PROBES: Final = 8
_BYTES: Final = len(_MAGIC) + _SLOTS * _SLOT.size
_MOST: Final = 2**32 - 1
_TRIES: Final = 200


def shared_counts(path: Path) -> SharedCounts | MemoryStorage:
    """The counts in a file; where it cannot be used, in the memory of this process, with a warning."""
    try:
        return SharedCounts(path)
    except OSError as error:
        _log.warning(
            "%s cannot be used (%s): each process counts its requests by itself, so that rate limits are as"
            " many times higher as there are processes",
            path,
            error.strerror or error,
        )
        return MemoryStorage()


class SharedCounts(Storage, SlidingWindowCounterSupport):
    """A storage of the `limits` library for its sliding window counter.

    A hash table of 32 768 slots, 1 MiB. Where eight neighbouring slots are all taken, the key that was quiet
    for longest gives way: somebody is counted from zero again, nobody is refused for another's requests.

    Raises:
        OSError: the file cannot be made or mapped, or belongs to somebody else.
    """

    STORAGE_SCHEME = ["htc+shared"]  # noqa: RUF012  # declared by the library without ClassVar

    def __init__(self, path: Path) -> None:
        """Map the file, which is made where there is none."""
        super().__init__()
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(path, flags, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            if os.fstat(self._file).st_size != _BYTES or os.pread(self._file, len(_MAGIC), 0) != _MAGIC:
                os.ftruncate(self._file, 0)
                os.ftruncate(self._file, _BYTES)
                os.pwrite(self._file, _MAGIC, 0)
            self._table = mmap.mmap(self._file, _BYTES)
            fcntl.flock(self._file, fcntl.LOCK_UN)
        except BaseException:
            os.close(self._file)
            raise

    def close(self) -> None:
        """Let go of the file; the counts stay for the other processes."""
        if not self._table.closed:
            self._table.close()
            os.close(self._file)

    # -- the sliding window counter

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count ``amount`` requests, unless that makes more than ``limit`` in the last ``expiry`` seconds."""
        if amount > limit:
            return False
        now = time.time()
        with self._locked():
            at, digest, start, current, previous = self._find(key, expiry, now)
            if previous * _share(now - start, expiry) + current + amount > limit:
                return False
            _SLOT.pack_into(self._table, at, digest, start, min(current + amount, _MOST), previous)
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Requests in the window before, s until they count no more, and the same of this window."""
        now = time.time()
        with self._locked():
            _, _, start, current, previous = self._find(key, expiry, now)
        elapsed = now - start
        return previous, max(0.0, expiry - elapsed), current, max(0.0, 2 * expiry - elapsed)

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget what was counted."""
        with self._locked():
            at, *_ = self._find(key, expiry, time.time())
            _SLOT.pack_into(self._table, at, b"", 0.0, 0, 0)

    # -- the rest of what a storage has to have

    @property
    def base_exceptions(self) -> type[Exception]:
        """What may go wrong below."""
        return OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, whatever the limit; how many there are in this window."""
        now = time.time()
        with self._locked():
            at, digest, start, current, previous = self._find(key, expiry, now)
            current = min(current + amount, _MOST)
            _SLOT.pack_into(self._table, at, digest, start, current, previous)
        return current

    def get(self, key: str) -> int:
        """Not for windows of unknown length."""
        raise NotImplementedError

    def get_expiry(self, key: str) -> float:
        """Not for windows of unknown length."""
        raise NotImplementedError

    def check(self) -> bool:
        """Whether it can be used."""
        return not self._table.closed

    def reset(self) -> int | None:
        """Forget everything."""
        with self._locked():
            self._table[len(_MAGIC) :] = bytes(_BYTES - len(_MAGIC))
        return None

    def clear(self, key: str) -> None:
        """Not for windows of unknown length."""
        raise NotImplementedError

    # -- the table

    def _find(self, key: str, expiry: int, now: float) -> tuple[int, bytes, float, int, int]:
        """Place of a key's slot and what it holds at this moment; a slot that is free for it otherwise."""
        digest = hashlib.blake2b(f"{key}/{expiry}".encode(), digest_size=16).digest()
        home = int.from_bytes(digest[:4], "little")
        quietest, since = 0, float("inf")
        for step in range(_PROBES):
            at = len(_MAGIC) + (home + step) % _SLOTS * _SLOT.size
            found, start, current, previous = _SLOT.unpack_from(self._table, at)
            if found == digest:
                return at, digest, *_rolled(start, current, previous, expiry, now)
            if start < since:
                quietest, since = at, start
        return quietest, digest, now, 0, 0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the table, if that can be had at once: a count may get lost, a request never waits."""
        held = False
        for _ in range(_TRIES):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = True
                break
            except BlockingIOError:
                continue
        try:
            yield
        finally:
            if held:
                fcntl.flock(self._file, fcntl.LOCK_UN)


def _rolled(start: float, current: int, previous: int, expiry: int, now: float) -> tuple[float, int, int]:
    """The windows of a slot moved on to the one that ``now`` lies in."""
    elapsed = now - start
    if 0.0 <= elapsed < expiry:
        return start, current, previous
    if expiry <= elapsed < 2 * expiry:
        return start + expiry, 0, current
    # Long ago, or a clock that was set back.
    return now, 0, 0


def _share(elapsed: float, expiry: int) -> float:
    """How much of the window before still lies within the last ``expiry`` seconds."""
    return max(0.0, 1.0 - elapsed / expiry)
