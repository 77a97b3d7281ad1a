"""Where the time of a campaign goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["Costs", "summed"]


class Costs:
    """Seconds by what they were spent on, of one stage, over all processes that coordinated it.

    ``planning`` makes and pickles what is handed out, ``store`` writes to the database, ``selection`` chooses
    who goes on, ``wall`` is all the time in which somebody coordinated.

    Args:
        before: what earlier coordinators noted.
    """

    def __init__(self, before: Mapping[str, float]) -> None:
        """Begin to count."""
        self._spent = {"planning": 0.0, "store": 0.0, "selection": 0.0, **before}
        self._wall_before = float(before.get("wall", 0.0))
        self._began = time.monotonic()

    @contextmanager
    def spent_on(self, what: str) -> Iterator[None]:
        """Count the time inside."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._spent[what] = self._spent.get(what, 0.0) + time.monotonic() - began

    def so_far(self) -> dict[str, float]:
        """Seconds by name."""
        return {**self._spent, "wall": self._wall_before + time.monotonic() - self._began}


def summed(stages: list[Any], workers: int) -> dict[str, float]:
    """What a run has cost so far.

    Args:
        stages: from ``htc.store.campaigns.stages_of``.
        workers: how many processes worked on it.

    Returns:
        Seconds of the workers and of the coordinator's parts, wall time, and two shares: ``bookkeeping`` is
        the coordinator's time as a share of the coordinator's and the workers' together, ``idle`` the share
        of the workers' time in which they had nothing to do (starting them included).
    """
    worker = sum(s.worker_seconds for s in stages)
    named = {
        name: sum(s.costs.get(name, 0.0) for s in stages)
        for name in ("planning", "store", "selection", "wall")
    }
    own = named["planning"] + named["store"] + named["selection"]
    offered = workers * named["wall"]
    return {
        "worker_seconds": worker,
        "planning_seconds": named["planning"],
        "store_seconds": named["store"],
        "selection_seconds": named["selection"],
        "wall_seconds": named["wall"],
        "bookkeeping": own / (own + worker) if own + worker > 0 else 0.0,
        "idle": max(0.0, 1.0 - (worker + named["selection"] * workers) / offered) if offered > 0 else 0.0,
    }
