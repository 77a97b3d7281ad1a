"""Keeping an executor busy with what is left of a stage, and writing down what comes back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from htc.discovery.funnel.plan import Part, Plan
from htc.discovery.funnel.tasks import ChunkFailure, ChunkResult, ChunkTask
from htc.errors import DatabaseUnavailableError, HTCError, StoreError

if TYPE_CHECKING:
    from htc.discovery.executors import Executor
    from htc.jobs.campaign.costs import Costs
    from htc.jobs.task import Task
    from htc.store.jobs import Beat

__all__ = ["ChunkLoop"]

AHEAD: Final = 2
"""Chunks handed out for each worker: one that it works on, one that waits, so that it never does."""
_LOOK_S: Final = 0.25
MOST_DEATHS: Final = 25
"""So many workers that die one after the other, and none that answers, are not the candidates' doing."""
_PATIENCE_S: Final = 600.0
"""How long a database that is away is waited for: what has been worked out is still in memory."""

_log = logging.getLogger(__name__)


class ChunkLoop:
    """One stage's work, or the promotion of those that pass it.

    Args:
        task: the run in the hands of this process.
        executor: does the chunks.
        costs: counts the time.
        makes_way: whether other runs that wait are given a turn.
    """

    def __init__(self, task: Task, executor: Executor, costs: Costs, *, makes_way: bool) -> None:
        """Hand out nothing yet."""
        self._task = task
        self._executor = executor
        self._costs = costs
        self._makes_way = makes_way
        self._deaths = 0

    def run(
        self,
        plan: Plan,
        make: Callable[[Part, int], ChunkTask],
        write: Callable[[Part, ChunkResult], Beat],
        give_up: Callable[[Part], Beat],
        is_written: Callable[[Part], bool],
        told: Callable[[], None],
        numbers: int,
    ) -> int:
        """Until nothing is left.

        Args:
            plan: what is left.
            make: the task of a part, under a number.
            write: writes a result down.
            give_up: writes down that an entry has killed those that worked on it.
            is_written: whether a part is written down already; asked where an answer was lost.
            told: called after each part.
            numbers: the first number of a task that is free.

        Returns:
            The next number that is free.

        Raises:
            Halt: the run is put down; nothing is half done.
            HTCError: a chunk failed for a reason that is not its candidates'.
            StoreError: the database refused, or is away for long.
        """
        in_hand: dict[int, Part] = {}
        while True:
            self._task.pulse()
            if self._makes_way:
                self._task.make_way()
            with self._costs.spent_on("planning"):
                while len(in_hand) < AHEAD * max(1, self._executor.workers):
                    part = plan.next()
                    if part is None:
                        break
                    self._executor.submit(make(part, numbers))
                    in_hand[numbers] = part
                    numbers += 1
            if not in_hand:
                return numbers
            for task, outcome in self._executor.finished(_LOOK_S):
                part = in_hand.pop(task.chunk)
                if isinstance(outcome, ChunkResult):
                    self._deaths = 0
                    plan.finished(part, outcome.seconds)
                    self._written(partial(write, part, outcome), part, is_written)
                    told()
                else:
                    self._failed(plan, part, outcome, give_up, is_written)

    def _failed(
        self,
        plan: Plan,
        part: Part,
        outcome: ChunkFailure,
        give_up: Callable[[Part], Beat],
        is_written: Callable[[Part], bool],
    ) -> None:
        if not outcome.worker_died:
            raise outcome.error
        _log.warning(
            "a worker died of entries %d to %d: %s", part.starts_at, part.ends_before - 1, outcome.error
        )
        self._deaths += 1
        if self._deaths >= MOST_DEATHS:
            raise outcome.error
        if plan.died(part):
            self._written(partial(give_up, part), part, is_written)

    def _written(self, write: Callable[[], Beat], part: Part, is_written: Callable[[Part], bool]) -> None:
        pause, until = 0.5, time.monotonic() + _PATIENCE_S
        while True:
            try:
                with self._costs.spent_on("store"):
                    self._task.take(write())
                break
            except DatabaseUnavailableError as error:
                if time.monotonic() > until:
                    raise
                _log.warning(
                    "what came of entries %d to %d waits: %s", part.starts_at, part.ends_before - 1, error
                )
            time.sleep(pause)
            pause = min(2.0 * pause, 15.0)
            try:
                self._task.database.recover()
                if is_written(part):
                    break
            except StoreError as error:
                _log.warning("the database is still away: %s", error)
        self._task.pulse()


def fault(what: str) -> HTCError:
    """An executor that does not keep to what it promises."""
    return HTCError(f"a fault of the program: {what}", hint="please report it with the campaign's file")
