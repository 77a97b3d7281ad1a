"""The keys that were seen lately, so that a request does not cost a look into the database."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from anyio import CapacityLimiter, to_thread

from htc.errors import DatabaseUnavailableError
from htc.store.keys import AccessKey, find_key, looks_like_a_key

if TYPE_CHECKING:
    from htc.store import Database

__all__ = ["REVOKED_WITHIN_S", "Keyring"]

REVOKED_WITHIN_S: Final = 5.0
"""A key that is revoked, or made, is so everywhere after this many seconds."""

_REMEMBERED: Final = 10_000
_THREADS: Final = 4


class Keyring:
    """Looks access keys up, and remembers the answers for a few seconds.

    It belongs to one event loop. What it remembers are hashes, never the keys themselves.
    """

    def __init__(self) -> None:
        """Without a database; every key is refused with a 503 until :meth:`watch`."""
        self._database: Database | None = None
        self._known: OrderedDict[bytes, tuple[float, AccessKey | None]] = OrderedDict()
        self._asked: dict[bytes, asyncio.Task[AccessKey | None]] = {}
        # Threads of its own: the keys must be checked when those of the requests are all busy.
        self._threads = CapacityLimiter(_THREADS)

    def watch(self, database: Database) -> None:
        """Look keys up in this database from now on."""
        self._database = database

    async def find(self, text: str) -> AccessKey | None:
        """The key with this text, usable or not; None where there is none.

        Raises:
            StoreError: the database cannot be asked.
        """
        if not looks_like_a_key(text):
            return None
        name = hashlib.sha256(text.encode()).digest()
        known = self._known.get(name)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        # Requests that come at once with the same key ask once.
        task = self._asked.get(name)
        if task is None:
            task = asyncio.create_task(self._look_up(name, text))
            self._asked[name] = task
            task.add_done_callback(lambda done: self._forget(name, done))
        return await asyncio.shield(task)

    async def _look_up(self, name: bytes, text: str) -> AccessKey | None:
        if self._database is None:
            raise DatabaseUnavailableError("the database is not open yet", hint="ask again in a moment")
        key = await to_thread.run_sync(find_key, self._database, text, limiter=self._threads)
        self._known[name] = (time.monotonic() + REVOKED_WITHIN_S, key)
        self._known.move_to_end(name)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return key

    def _forget(self, name: bytes, done: asyncio.Task[AccessKey | None]) -> None:
        self._asked.pop(name, None)
        # Its error, if any, was raised to whoever waits; nobody may have.
        if not done.cancelled():
            done.exception()
