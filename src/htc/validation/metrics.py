"""How far numbers are from those they are held against, each figure with its bootstrap interval.

Every figure is a function of the weights of the pairs: all ones give its value, the counts of bootstrap
resamples the spread. Compositions are resampled, not pairs: two crystals of one compound err together. The
interval is that of the percentiles, and is given from :data:`FEWEST_FOR_INTERVAL` compositions on.

| name | definition, with known x, predicted y, n pairs |
|---|---|
| ``mae`` | mean of abs(y - x) |
| ``rmse`` | root of the mean of (y - x)^2 |
| ``bias`` | mean of y - x |
| ``r2`` | 1 - sum (y - x)^2 / sum (x - mean x)^2 |
| ``mape`` | mean of abs(y - x)/x over the pairs with x >= ``mape_from`` |
| ``spearman`` | correlation of the ranks, equal values sharing their mean rank |
| ``median_factor`` | median of exp abs(ln y/x) over the pairs with both above :data:`FACTOR_FROM` |
| ``coverage`` | share of x inside the interval stated for y, of the pairs that have one |
| ``within`` | share of the pairs that agree within the tolerance stated for them |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["FACTOR_FROM", "FEWEST_FOR_INTERVAL", "FIGURES", "MAPE_FROM", "Metrics", "metrics_of"]

FloatArray = NDArray[np.float64]

MAPE_FROM: Final = 1.0
"""Smallest known value that a relative error is taken of, where a view names no other; K for Tc."""
FACTOR_FROM: Final = 0.1
"""Smallest value that a factor is taken of."""
FEWEST_FOR_INTERVAL: Final = 8
"""Compositions below which resampling says nothing about the spread."""
N_RESAMPLES: Final = 1000
_SEED: Final = 20_240_711

FIGURES: Final = ("mae", "rmse", "bias", "r2", "mape", "spearman", "median_factor", "coverage", "within")


@dataclass(frozen=True, slots=True)
class Metrics:
    """Of n pairs, in the unit of the pairs; None where n is too small to say, or where nothing varies."""

    n: int
    compositions: int
    """Different compositions among them."""
    mae: float | None = None
    rmse: float | None = None
    bias: float | None = None
    r2: float | None = None
    mape: float | None = None
    """As a share, not in percent."""
    spearman: float | None = None
    median_factor: float | None = None
    coverage: float | None = None
    within: float | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """95 % bootstrap interval of each figure that has one."""


def metrics_of(
    known: Sequence[float],
    predicted: Sequence[float],
    intervals: Sequence[tuple[float, float] | None] | None = None,
    *,
    within: Sequence[bool | None] | None = None,
    groups: Sequence[str] | None = None,
    mape_from: float = MAPE_FROM,
    n_resamples: int = N_RESAMPLES,
) -> Metrics:
    """Metrics of pairs.

    Args:
        known: measured or otherwise certain, shape ``(n,)``.
        predicted: what is judged, shape ``(n,)``.
        intervals: 95 % interval of each prediction, None where it has none.
        within: whether each agrees within its own tolerance, None where it states none.
        groups: composition of each: these are resampled; without, each pair is its own.
        mape_from: smallest known value that a relative error is taken of.
        n_resamples: bootstrap resamples.
    """
    x, y = np.asarray(known, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    n = len(x)
    if n == 0:
        return Metrics(0, 0)
    _, group = np.unique(np.asarray(groups if groups is not None else range(n)), return_inverse=True)
    n_groups = int(group.max()) + 1
    figures = {
        name: measure for name, measure in _measures(x, y, intervals, within, mape_from).items() if measure
    }
    values = {name: _number(measure(np.ones((1, n)))) for name, measure in figures.items()}
    spread: dict[str, tuple[float, float]] = {}
    if n_groups >= FEWEST_FOR_INTERVAL and n_resamples > 0:
        drawn = np.random.default_rng(_SEED).multinomial(
            n_groups, np.full(n_groups, 1.0 / n_groups), size=n_resamples
        )
        weights = drawn[:, group].astype(np.float64)
        for name, measure in figures.items():
            found = measure(weights)
            found = found[np.isfinite(found)]
            if values[name] is not None and found.size:
                low, high = np.quantile(found, [0.025, 0.975])
                spread[name] = (float(low), float(high))
    return Metrics(n, n_groups, **values, intervals=spread)


Measure = Callable[[FloatArray], FloatArray]


def _measures(
    x: FloatArray,
    y: FloatArray,
    intervals: Sequence[tuple[float, float] | None] | None,
    within: Sequence[bool | None] | None,
    mape_from: float,
) -> dict[str, Measure | None]:
    error = y - x
    enough = len(x) >= 3
    both = (x > FACTOR_FROM) & (y > FACTOR_FROM)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(both, np.exp(np.abs(np.log(np.where(both, y / x, 1.0)))), 0.0)
    large = x >= mape_from
    has = np.array([i is not None for i in intervals]) if intervals else np.zeros(len(x), dtype=bool)
    inside = np.array(
        [i is not None and i[0] <= v <= i[1] for v, i in zip(x, intervals or [None] * len(x), strict=True)]
    )
    told = np.array([w is not None for w in within]) if within else np.zeros(len(x), dtype=bool)
    agree = np.array([bool(w) for w in within]) if within else told
    return {
        "mae": _mean(np.abs(error)),
        "rmse": lambda w: np.sqrt(_mean(error**2)(w)),
        "bias": _mean(error),
        "r2": _r2(x, error) if enough and np.ptp(x) > 0.0 else None,
        "mape": _mean(np.abs(error) / np.where(large, x, 1.0), large) if large.any() else None,
        "spearman": _spearman(x, y) if enough and np.ptp(x) > 0.0 and np.ptp(y) > 0.0 else None,
        "median_factor": _median(factor, both) if both.any() else None,
        "coverage": _mean(inside.astype(np.float64), has) if has.any() else None,
        "within": _mean(agree.astype(np.float64), told) if told.any() else None,
    }


def _number(values: FloatArray) -> float | None:
    return float(values[0]) if np.isfinite(values[0]) else None


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """NaN where there is nothing to divide by."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0.0)


def _mean(values: FloatArray, of: NDArray[np.bool_] | None = None) -> Measure:
    mask = np.ones(len(values)) if of is None else of.astype(np.float64)
    return lambda w: _ratio(w @ (values * mask), w @ mask)


def _r2(x: FloatArray, error: FloatArray) -> Measure:
    centred = x - x.mean()

    def measure(w: FloatArray) -> FloatArray:
        spread = w @ centred**2 - (w @ centred) ** 2 / w.sum(axis=1)
        spread = np.where(spread > 1e-12 * (centred**2).max() * w.sum(axis=1), spread, 0.0)
        return 1.0 - _ratio(w @ error**2, spread)

    return measure


def _ranks(values: FloatArray, w: FloatArray) -> FloatArray:
    """Mean rank of each value among the resampled ones, shape of ``w``."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(values[order]) > 0.0))
    count = np.add.reduceat(w[:, order], starts, axis=1)
    rank = np.cumsum(count, axis=1) - 0.5 * (count - 1.0)
    place = np.empty(len(values), dtype=np.int64)
    place[order] = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(values))))
    return rank[:, place]


def _spearman(x: FloatArray, y: FloatArray) -> Measure:
    def measure(w: FloatArray) -> FloatArray:
        total = w.sum(axis=1, keepdims=True)
        a, b = (r - (w * r).sum(axis=1, keepdims=True) / total for r in (_ranks(x, w), _ranks(y, w)))
        return _ratio((w * a * b).sum(axis=1), np.sqrt((w * a**2).sum(axis=1) * (w * b**2).sum(axis=1)))

    return measure


def _median(values: FloatArray, of: NDArray[np.bool_]) -> Measure:
    order = np.argsort(values[of], kind="stable")
    ordered = values[of][order]

    def measure(w: FloatArray) -> FloatArray:
        summed = np.cumsum(w[:, of][:, order], axis=1)
        total = summed[:, -1:]
        low = (summed < 0.5 * total).sum(axis=1)
        high = (summed <= 0.5 * total).sum(axis=1)
        last = len(ordered) - 1
        found = 0.5 * (ordered[np.minimum(low, last)] + ordered[np.minimum(high, last)])
        return np.where(total[:, 0] > 0.0, found, np.nan)

    return measure


def as_values(metrics: Metrics) -> dict[str, Any]:
    """JSON-ready."""
    figures = {name: getattr(metrics, name) for name in FIGURES}
    return {
        "n": metrics.n,
        "compositions": metrics.compositions,
        **figures,
        "intervals": {name: list(ends) for name, ends in metrics.intervals.items()},
    }
