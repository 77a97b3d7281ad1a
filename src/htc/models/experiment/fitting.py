"""Learn the interval against experiment from pairs, and say how well it holds on compositions left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import InputError
from htc.models.experiment.calibration import ExperimentCalibration, Line, Lines, group_of_family
from htc.models.experiment.matching import ExperimentPairs

__all__ = ["COVERAGE", "MIN_COMPOSITIONS", "cross_validated", "fit_experiment"]

FloatArray = NDArray[np.float64]

COVERAGE: Final = 0.95
MIN_COMPOSITIONS: Final = 80
"""Fewest compositions that say anything about a tail of one in forty."""
MIN_GROUP: Final = 60
"""Fewest compositions of a group of families that get lines of their own."""
_OUTER: Final = 10
_INNER: Final = 5
_BINS_K: Final[Mapping[str, tuple[float, float]]] = {
    "predicted_below_1k": (0.0, 1.0),
    "predicted_1_to_5k": (1.0, 5.0),
    "predicted_5_to_10k": (5.0, 10.0),
    "predicted_above_10k": (10.0, np.inf),
}
_SLOPES: Final = (0.0, 3.0)
_INTERCEPTS: Final = (-6.0, 6.0)


def fit_experiment(pairs: ExperimentPairs) -> ExperimentCalibration:
    """Calibration from pairs, with a report of how it does on compositions left out.

    The ends are censored quantile regressions; how far each must move outwards so that it holds on
    compositions it was not fitted to is found by cross-validation (conformalised quantile regression, Romano,
    Patterson and Candes 2019, arXiv:1905.03222).

    Args:
        pairs: of predictions by models that had not seen the composition.

    Raises:
        InputError: fewer than :data:`MIN_COMPOSITIONS` compositions.
    """
    if pairs.n_compositions < MIN_COMPOSITIONS:
        raise InputError(
            f"{pairs.n_compositions} compounds with a prediction and a measurement are too few",
            where="pairs",
            hint=f"at least {MIN_COMPOSITIONS}",
        )
    return replace(_fit(pairs), report=cross_validated(pairs))


def cross_validated(pairs: ExperimentPairs) -> dict[str, Any]:
    """Errors, coverage and widths on compositions that neither the lines nor their shifts were fitted to.

    Means are over compositions. ``tc_mae_k`` and ``log_mae`` compare the predicted Tc itself with the
    measured one, where there is one; ``log_mae`` is of ``ln(Tc + 0.5 K)``. The ``median_`` figures
    compare the median of the calibration instead. A compound without a Tc is covered where the interval
    reaches down to 0.
    """
    tc, true, weights = pairs.tc_predicted_k, pairs.tc_measured_k, pairs.weights
    low, middle, high = (np.empty(len(pairs)) for _ in range(3))
    for held in _parts(pairs.formulas, _OUTER):
        learned = _fit(pairs.select(~held))
        for i in np.flatnonzero(held).tolist():
            found = learned.interval(float(tc[i]), mu_star=learned.mu_star, family=str(pairs.families[i]))
            low[i], middle[i], high[i] = found.lower_95_k, found.median_k, found.upper_95_k
    inside = ((true >= low) & (true <= high)).astype(np.float64)
    width = high - low
    has_tc = true > 0.0

    def mean(values: FloatArray, mask: NDArray[np.bool_]) -> float | None:
        return float(np.average(values[mask], weights=weights[mask])) if mask.any() else None

    def part(mask: NDArray[np.bool_]) -> dict[str, Any]:
        return {
            "compositions": len(np.unique(pairs.formulas[mask])),
            "without_tc": mean((~has_tc).astype(np.float64), mask),
            "coverage_95": mean(inside, mask),
            "above": mean((true > high).astype(np.float64), mask),
            "width_95_mean_k": mean(width, mask),
            "tc_mae_k": mean(np.abs(tc - true), mask & has_tc),
            "log_mae": mean(np.abs(np.log((tc + 0.5) / (true + 0.5))), mask & has_tc),
            "bias_k": mean(tc - true, mask & has_tc),
            "median_mae_k": mean(np.abs(middle - true), mask),
        }

    families = np.unique(pairs.families)
    return {
        "all": part(np.ones(len(pairs), dtype=bool)),
        "with_tc": part(has_tc),
        "by_predicted_tc": {
            name: part(inside_bin)
            for name, (a, b) in _BINS_K.items()
            if (inside_bin := (tc >= a) & (tc < b)).any()
        },
        "by_family": {str(name): part(pairs.families == name) for name in families},
    }


# -- fitting -------------------------------------------------------------------------------------------


def _fit(pairs: ExperimentPairs) -> ExperimentCalibration:
    groups = {"all": _lines(pairs)}
    group = np.array([group_of_family(family) for family in pairs.families.tolist()])
    for name in np.unique(group).tolist():
        own = pairs.select(group == name)
        if own.n_compositions >= MIN_GROUP:
            groups[name] = _lines(own)
    first = np.unique(pairs.formulas, return_index=True)[1]
    names, counts = np.unique(pairs.families[first], return_counts=True)
    return ExperimentCalibration(
        groups=groups,
        families=dict(zip(names.tolist(), counts.tolist(), strict=True)),
        mu_star=pairs.mu_star,
    )


def _lines(pairs: ExperimentPairs) -> Lines:
    x, y, weights = np.log1p(pairs.tc_predicted_k), np.log1p(pairs.tc_measured_k), pairs.weights
    tail = 0.5 * (1.0 - COVERAGE)
    low, high = np.empty(len(pairs)), np.empty(len(pairs))
    for held in _parts(pairs.formulas, _INNER):
        kept = ~held
        for ends, quantile in ((low, tail), (high, 1.0 - tail)):
            a, b = _quantile_line(x[kept], y[kept], weights[kept], quantile)
            ends[held] = np.maximum(0.0, a + b * x[held])
    lower, median, upper = (_quantile_line(x, y, weights, q) for q in (tail, 0.5, 1.0 - tail))
    down = max(0.0, _conformal(low - y, weights, 1.0 - tail))
    up = _conformal(y - high, weights, 1.0 - tail)
    first = np.unique(pairs.formulas, return_index=True)[1]
    return Lines(
        lower=Line(lower[0] - down, lower[1]),
        median=Line(*median),
        upper=Line(upper[0] + up, upper[1]),
        without_tc=_logistic(x, (y <= 0.0).astype(np.float64), weights),
        tc_max_k=float(pairs.tc_predicted_k.max()),
        n_pairs=len(first),
        n_without_tc=int((y[first] <= 0.0).sum()),
    )


def _parts(formulas: NDArray[np.str_], n: int) -> list[NDArray[np.bool_]]:
    """Masks, shape ``(n,)``, that leave out every composition once, all its crystals together."""
    _, composition = np.unique(formulas, return_inverse=True)
    order = np.random.default_rng(0).permutation(int(composition.max()) + 1)
    part = order[composition] % n
    return [part == i for i in range(n)]


def _quantile_line(x: FloatArray, y: FloatArray, weights: FloatArray, quantile: float) -> tuple[float, float]:
    """Intercept and slope >= 0 of the censored quantile regression ``max(0, a + b x)``.

    The loss is not convex where the line is cut, and has but two parameters: a grid that zooms in.
    """
    a_low, a_high = _INTERCEPTS
    b_low, b_high = _SLOPES
    a = b = 0.0
    for _ in range(6):
        a_grid, b_grid = np.linspace(a_low, a_high, 17), np.linspace(b_low, b_high, 17)
        gap = y - np.maximum(0.0, a_grid[:, None, None] + b_grid[None, :, None] * x)
        loss = np.maximum(quantile * gap, (quantile - 1.0) * gap) @ weights
        i, j = np.unravel_index(int(loss.argmin()), loss.shape)
        a, b = float(a_grid[i]), float(b_grid[j])
        a_step, b_step = 2.0 * float(a_grid[1] - a_grid[0]), 2.0 * float(b_grid[1] - b_grid[0])
        a_low, a_high = a - a_step, a + a_step
        b_low, b_high = max(0.0, b - b_step), b + b_step
    return a, b


def _conformal(scores: FloatArray, weights: FloatArray, level: float) -> float:
    """Weighted quantile of the scores, at the level that finite-sample coverage asks for."""
    order = np.argsort(scores)
    reached = np.cumsum(weights[order])
    wanted = level * (reached[-1] + 1.0)
    return float(scores[order][min(int(np.searchsorted(reached, wanted - 1e-9)), len(scores) - 1)])


def _logistic(x: FloatArray, outcome: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Intercept and slope <= 0 of a logistic regression, lightly held towards zero."""
    design = np.column_stack([np.ones_like(x), x])
    beta = np.zeros(2)
    for _ in range(50):
        chance = 0.5 * (1.0 + np.tanh(0.5 * design @ beta))
        slope = design.T @ (weights * (outcome - chance)) - 1e-2 * beta
        curvature = (design.T * (weights * chance * (1.0 - chance))) @ design + 1e-2 * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    if beta[1] > 0.0:
        share = float(np.clip(np.average(outcome, weights=weights), 1e-3, 1.0 - 1e-3))
        return float(np.log(share / (1.0 - share))), 0.0
    return float(beta[0]), float(beta[1])
