"""The same look into the database for many who ask for it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Final, TypeVar, cast

from anyio import CapacityLimiter, to_thread

__all__ = ["SharedLooks"]

T = TypeVar("T")


class SharedLooks:
    """Looks that are shared by whoever asks for the same before they begin.

    Nobody gets what was seen before the question was asked: who comes while a look is being taken waits for
    the next one, together with all others who came meanwhile. So a page that a thousand people open costs
    one look after the other, and whoever stored something finds it on the page afterwards.

    It belongs to one event loop.

    Args:
        threads: looks taken at the same moment.
    """

    def __init__(self, threads: int) -> None:
        """Nothing is looked at yet."""
        self._places: Final = CapacityLimiter(threads)
        self._threads: Final = CapacityLimiter(threads)
        self._taken: dict[Hashable, asyncio.Task[object]] = {}
        self._next: dict[Hashable, asyncio.Task[object]] = {}

    async def take(self, key: Hashable, look: Callable[[], T]) -> T:
        """What a look finds that begins after this call; ``look`` is the same for all with the same key."""
        task = self._next.get(key)
        if task is None:
            task = asyncio.create_task(self._in_turn(key, look))
            self._next[key] = task
            task.add_done_callback(_heard)
        # Whoever leaves does not take the look away from the others.
        return cast(T, await asyncio.shield(task))

    async def _in_turn(self, key: Hashable, look: Callable[[], object]) -> object:
        before = self._taken.get(key)
        if before is not None:
            await asyncio.wait([before])
        async with self._places:
            # From here on it is no longer the next one.
            self._taken[key] = self._next.pop(key)
            try:
                return await to_thread.run_sync(look, limiter=self._threads)
            finally:
                if key not in self._next:
                    del self._taken[key]


def _heard(task: asyncio.Task[object]) -> None:
    # Its error, if any, was raised to whoever waits; nobody may have.
    if not task.cancelled():
        task.exception()
