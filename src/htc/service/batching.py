"""Many small requests at the same moment, worked on together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, Generic, TypeVar

from htc.errors import BusyError

__all__ = ["MicroBatcher"]

_MOMENT_S: Final = 0.02

Item = TypeVar("Item")
Result = TypeVar("Result")


class MicroBatcher(Generic[Item, Result]):
    """A thread that takes whatever was asked while it was busy, and works on all of it at once.

    A request that comes alone is worked on at once and alone: nothing waits for company that nobody has seen.
    Items handed in as ``bulk`` stand behind all others.

    Args:
        work: gives a result, or the error, for every item, in order. It is called in one thread.
        most: items it gets at once.
        waiting: items that may wait; more are refused.
        name: of the thread.
        expected: how many items are on their way here; a batch waits for them a moment.
        together: errors of ``work`` that are the fate of every item of a call. After any other the items are
            tried one by one, so that one cannot spoil the rest.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        *,
        most: int,
        waiting: int,
        name: str,
        expected: Callable[[], int] | None = None,
        together: tuple[type[Exception], ...] = (),
    ) -> None:
        """Start the thread."""
        self._work = work
        self._most: Final = most
        self._waiting: Final = waiting
        self._together = together
        self._expected = expected
        self._first: deque[tuple[Item, Future[Result]]] = deque()
        self._bulk: deque[tuple[Item, Future[Result]]] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, item: Item, *, bulk: bool = False) -> Future[Result]:
        """Hand an item in.

        Raises:
            BusyError: too many wait already, or this is being closed.
        """
        future: Future[Result] = Future()
        with self._wake:
            if self._closed or len(self._first) + len(self._bulk) >= self._waiting:
                raise BusyError(
                    "the service is being stopped"
                    if self._closed
                    else f"{self._waiting} predictions wait already",
                    hint="ask again in a few seconds",
                )
            (self._bulk if bulk else self._first).append((item, future))
            self._wake.notify()
        return future

    def close(self) -> None:
        """Refuse what comes from now on, finish what waits, and end the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next():
            running = [(item, future) for item, future in batch if future.set_running_or_notify_cancel()]
            if running:
                for (_, future), result in zip(
                    running, self._results([item for item, _ in running]), strict=True
                ):
                    if isinstance(result, Exception):
                        future.set_exception(result)
                    else:
                        future.set_result(result)

    def _next(self) -> list[tuple[Item, Future[Result]]]:
        """What is worked on next; empty: closed, and nothing is left."""
        with self._wake:
            self._wake.wait_for(lambda: self._first or self._bulk or self._closed)
            if self._expected is not None:
                self._wake.wait_for(self._complete, timeout=_MOMENT_S)
            source = self._first or self._bulk
            return [source.popleft() for _ in range(min(len(source), self._most))]

    def _complete(self) -> bool:
        """Whether a batch would not grow by waiting."""
        here = max(len(self._first), len(self._bulk))
        return self._closed or here >= self._most or self._expected is None or self._expected() == 0

    def _results(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        try:
            return self._work(items)
        except Exception as error:  # noqa: BLE001  # told to whoever waits for it
            if len(items) == 1 or isinstance(error, self._together):
                return [error] * len(items)
        return [self._results([item])[0] for item in items]
