"""Ranking quality: how many of the best materials of a pool a budget of calculations finds.

A pool is a fold: materials whose formulas the model had not seen. The form of the acquisition is chosen on
the training folds, each a pool of its own; the held-out fold is looked at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.models.acquisition import ACQUISITIONS, Acquisition, Search, fractions_of, score
from htc.models.training.report.calibration import distribution
from htc.models.training.report.measures import Figure, resamples
from htc.models.training.report.table import PredictionTable

__all__ = [
    "GOALS",
    "WIDE_GOALS",
    "Comparison",
    "Goal",
    "compare_on_pools",
    "found",
    "possible_gain",
    "recall",
    "search_recall",
]

FloatArray = NDArray[np.float64]

_BATCHES: Final = (25, 10)
"""Materials calculated at once in a search that learns in between."""
_SEARCHED: Final[tuple[Acquisition, ...]] = ("predicted", "top_k")
_THRESHOLD_K: Final = 5.0


@dataclass(frozen=True, slots=True)
class Goal:
    """To find as many as possible of the ``wanted`` highest Tc of a pool with ``budget`` calculations."""

    wanted: int
    budget: int

    @property
    def name(self) -> str:
        """In words."""
        return f"top {self.wanted} with {self.budget}"


GOALS: Final = (Goal(100, 100), Goal(50, 100), Goal(20, 100), Goal(10, 100), Goal(10, 50), Goal(10, 30))

WIDE_GOALS: Final = (Goal(100, 100), Goal(100, 200), Goal(100, 500), Goal(20, 200))
"""For all training folds as one pool: the share looked at is that of a screening."""


def found(value: FloatArray, tc_true: FloatArray, goal: Goal = GOALS[0]) -> int:
    """How many of the highest true Tc are among the highest scores.

    Args:
        value: score of each material, shape ``(n,)``.
        tc_true: K, shape ``(n,)``.
        goal: how many are sought and how many are chosen.
    """
    chosen = np.argsort(-value, kind="stable")[: goal.budget]
    return int(np.intersect1d(chosen, _best(tc_true, goal)).size)


def _best(tc_true: FloatArray, goal: Goal) -> NDArray[np.int64]:
    return np.argsort(-tc_true, kind="stable")[: goal.wanted]


def _scores(table: PredictionTable, goal: Goal) -> dict[Acquisition, FloatArray]:
    """Every acquisition's score of one pool; thresholds are 5 K."""
    tc = distribution(table)
    return {kind: score(tc, kind, k=goal.wanted, threshold_k=_THRESHOLD_K) for kind in ACQUISITIONS}


def recall(table: PredictionTable, goal: Goal = GOALS[0], *, n_resamples: int = 1000) -> dict[str, Figure]:
    """How many of the true top of one pool each acquisition finds in one shot.

    Returns:
        By acquisition, and as ``KIND minus predicted`` the paired difference to ranking by predicted Tc. The
        intervals come from resampling the pool's formulas, scores kept.
    """
    values = _scores(table, goal)
    true = table.tc_true()
    drawn: dict[str, list[int]] = {kind: [] for kind in values}
    for weights in resamples(table.formula, n_resamples):
        copies = np.repeat(np.arange(len(table)), weights.astype(np.int64))
        for kind, value in values.items():
            drawn[kind].append(found(value[copies], true[copies], goal))
    out = {}
    yardstick = np.array(drawn["predicted"])
    base = found(values["predicted"], true, goal)
    for kind, value in values.items():
        own = found(value, true, goal)
        out[str(kind)] = _figure(own, np.array(drawn[kind]))
        if kind != "predicted":
            out[f"{kind} minus predicted"] = _figure(own - base, np.array(drawn[kind]) - yardstick)
    return out


def _figure(value: int, resampled: NDArray[np.int64]) -> Figure:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Figure(float(value), float(low), float(high))


def search_recall(
    table: PredictionTable, kind: Acquisition, batch: int, goal: Goal = GOALS[0], *, seed: int = 0
) -> int:
    """How many of the true top are found by a search that calculates in batches and learns in between.

    Args:
        table: one pool.
        kind: acquisition.
        batch: how many are calculated at once.
        goal: how many are sought and how many are calculated in all.
        seed: of the samples of ``top_k``.
    """
    search = Search(distribution(table), fractions_of(table.formula), seed=seed)
    true = table.tc_true()
    while len(search.chosen) < min(goal.budget, len(table)):
        n = min(batch, goal.budget - len(search.chosen))
        chosen = search.propose(n, kind, k=goal.wanted, threshold_k=_THRESHOLD_K)
        search.observe(chosen, true[chosen])
    return int(np.intersect1d(search.chosen, _best(true, goal)).size)


def possible_gain(table: PredictionTable, goal: Goal = GOALS[0]) -> float:
    """What ``top_k`` finds more than ``predicted`` on average if the distributions are exactly right.

    Args:
        table: out-of-fold predictions; each fold not smaller than the budget is a pool.
        goal: for each pool.

    Returns:
        Mean over the pools; NaN where no fold is large enough.
    """
    gains = []
    for fold in np.unique(table.fold):
        pool = table.select(table.fold == fold)
        if len(pool) > goal.budget:
            values = _scores(pool, goal)
            chance = values["top_k"]
            chosen = [np.argsort(-values[kind], kind="stable")[: goal.budget] for kind in _SEARCHED]
            gains.append(chance[chosen[1]].sum() - chance[chosen[0]].sum())
    return float(np.mean(gains)) if gains else float("nan")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One way to choose, on several pools."""

    recall: tuple[int, ...]
    """Found in each pool."""
    gain: float
    """Mean over the pools of what it found more than one shot by predicted Tc."""
    gain_error: float
    """Standard error of ``gain`` over the pools; NaN for one pool."""

    @property
    def mean(self) -> float:
        """Mean over the pools."""
        return float(np.mean(self.recall))

    def as_dict(self) -> dict[str, object]:
        """JSON-ready."""
        return {
            "recall": list(self.recall),
            "mean": self.mean,
            "gain": self.gain,
            "gain_error": self.gain_error,
        }


def compare_on_pools(
    table: PredictionTable, goal: Goal = GOALS[0], *, batches: tuple[int, ...] = _BATCHES
) -> Mapping[str, Comparison]:
    """Every acquisition in one shot, and ``predicted`` and ``top_k`` in batches, each fold a pool.

    Args:
        table: out-of-fold predictions of one data set; folds not larger than the budget are left out.
        goal: for each pool.
        batches: sizes of the batches.

    Returns:
        By name: an acquisition, or ``KIND, batches of N``. Empty where no fold is large enough.
    """
    pools = [table.select(table.fold == fold) for fold in np.unique(table.fold)]
    recalled: dict[str, list[int]] = {}
    for pool in pools:
        if len(pool) <= goal.budget:
            continue
        true = pool.tc_true()
        for kind, value in _scores(pool, goal).items():
            recalled.setdefault(kind, []).append(found(value, true, goal))
        for batch, kind in itertools.product(batches, _SEARCHED):
            name = f"{kind}, batches of {batch}"
            recalled.setdefault(name, []).append(search_recall(pool, kind, batch, goal))
    base = np.array(recalled.get("predicted", []))
    out = {}
    for name, values in recalled.items():
        gains = np.array(values) - base
        error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.nan
        out[name] = Comparison(tuple(values), float(gains.mean()), float(error))
    return out
