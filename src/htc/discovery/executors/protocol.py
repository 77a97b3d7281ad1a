"""What a campaign asks of whoever does its chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from htc.discovery.funnel.tasks import ChunkFailure, ChunkResult, ChunkTask

__all__ = ["Executor"]


class Executor(Protocol):
    """Takes tasks and gives back results, in whatever order they come. Used from one thread."""

    @property
    def workers(self) -> int:
        """How many tasks are worked on at a time, now; it may change, and is at least 1."""
        ...

    def submit(self, task: ChunkTask) -> None:
        """Take a task; it begins when a worker is free.

        Raises:
            HTCError: there are no workers any more, and there will be none.
        """
        ...

    def finished(self, timeout_s: float) -> list[tuple[ChunkTask, ChunkResult | ChunkFailure]]:
        """Tasks that are over, each once; waits for the first of them, but not longer than ``timeout_s``.

        Raises:
            HTCError: there are no workers any more, and there will be none.
        """
        ...

    def close(self) -> None:
        """End: what is being worked on is given up. More calls do nothing."""
        ...
