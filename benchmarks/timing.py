"""Medians of wall time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

__all__ = ["median_of", "median_within", "seconds_of"]


def seconds_of(run: Callable[[], object]) -> float:
    """Wall time of one call, s."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def median_of(run: Callable[[], object], repeats: int = 5) -> float:
    """Median wall time of some calls, s."""
    return statistics.median(seconds_of(run) for _ in range(repeats))


def median_within(run: Callable[[], object], budget_s: float = 0.5, least: int = 5, most: int = 500) -> float:
    """Median wall time of as many calls as go into a time, after one that warms up, s."""
    once = seconds_of(run)
    repeats = min(max(int(budget_s / max(once, 1e-9)), least), most)
    return median_of(run, repeats)
