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

__all__ = ["COVERAGE", "MIN_COMPOSITIONS", "cross_validated", "fit_experiment", "scored"]

FloatArray = NDArray[np.float64]

COVERAGE: Final = 0.95
MIN_COMPOSITIONS: Final = 80
"""Fewest compositions that say anything about a tail of one in forty."""
MIN_GROUP: Final = 90
"""Fewest compositions of a group of families that get lines of their own: with fewer, the upper end is that
of the one compound that was missed most."""
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


def fit_experiment(
    pairs: ExperimentPairs, *, calculated: ExperimentPairs | None = None
) -> ExperimentCalibration:
    """Calibration from pairs, with a report of how it does on compositions left out.

    The ends are censored quantile regressions, moved so that the stated share of compositions lies inside
    at the ranks that hold for one more composition (conformalised quantile regression, Romano, Patterson and
    Candes 2019, arXiv:1905.03222): the lower end by what cross-validation asks for, the upper end within each
    group of families.

    Args:
        pairs: of predictions by models that had not seen the composition.
        calculated: pairs of the same crystals with the Tc that was calculated for them. The report then says
            under ``calculated`` how far the theory itself is from experiment.

    Raises:
        InputError: fewer than :data:`MIN_COMPOSITIONS` compositions.
    """
    if pairs.n_compositions < MIN_COMPOSITIONS:
        raise InputError(
            f"{pairs.n_compositions} compounds with a prediction and a measurement are too few",
            where="pairs",
            hint=f"at least {MIN_COMPOSITIONS}",
        )
    report = {"predicted": cross_validated(pairs)}
    if calculated is not None:
        report["calculated"] = cross_validated(calculated)
    return replace(_fit(pairs), report=report)


def cross_validated(pairs: ExperimentPairs) -> dict[str, Any]:
    """Errors, coverage and widths on compositions that the calibration was not fitted to.

    See :func:`scored` for the figures.
    """
    ends = np.empty((3, len(pairs)))
    for held in _parts(pairs.formulas, _OUTER):
        ends[:, held] = _intervals(_fit(pairs.select(~held)), pairs.select(held))
    return _report(pairs, ends)


def scored(calibration: ExperimentCalibration, pairs: ExperimentPairs) -> dict[str, Any]:
    """Errors, coverage and widths of a calibration on pairs it was not fitted to.

    Means are over compositions. ``tc_mae_k``, ``log_mae`` and ``bias_k`` compare the predicted Tc itself with
    the measured one, where there is one; ``log_mae`` is of ``ln(Tc + 0.5 K)``. ``median_mae_k`` compares the
    median of the calibration, with 0 for a compound without a Tc. Such a compound is covered where the
    interval reaches down to 0; ``above`` is the share measured above the upper end.

    Raises:
        InputError: no pairs, or pairs at another mu*.
    """
    if len(pairs) == 0:
        raise InputError("no compound has both a prediction and a measurement", where="pairs")
    return _report(pairs, _intervals(calibration, pairs))


def _intervals(calibration: ExperimentCalibration, pairs: ExperimentPairs) -> FloatArray:
    """Lower end, median and upper end, K, shape ``(3, n)``."""
    found = [
        calibration.interval(tc, mu_star=pairs.mu_star, family=family)
        for tc, family in zip(pairs.tc_predicted_k.tolist(), pairs.families.tolist(), strict=True)
    ]
    return np.array([[e.lower_95_k, e.median_k, e.upper_95_k] for e in found]).T


def _report(pairs: ExperimentPairs, ends: FloatArray) -> dict[str, Any]:
    tc, true, weights = pairs.tc_predicted_k, pairs.tc_measured_k, pairs.weights
    low, middle, high = ends
    has_tc = true > 0.0

    def mean(values: NDArray[Any], mask: NDArray[np.bool_]) -> float | None:
        return float(np.average(values[mask], weights=weights[mask])) if mask.any() else None

    def part(mask: NDArray[np.bool_]) -> dict[str, Any]:
        measured = mask & has_tc
        return {
            "compositions": len(np.unique(pairs.formulas[mask])),
            "without_tc": mean(~has_tc, mask),
            "coverage_95": mean((true >= low) & (true <= high), mask),
            "above": mean(true > high, mask),
            "width_95_mean_k": mean(high - low, mask),
            "tc_mae_k": mean(np.abs(tc - true), measured),
            "log_mae": mean(np.abs(np.log((tc + 0.5) / (true + 0.5))), measured),
            "bias_k": mean(tc - true, measured),
            "median_mae_k": mean(np.abs(middle - true), mask),
        }

    groups = np.array([group_of_family(family) for family in pairs.families.tolist()])
    bins = {name: (tc >= a) & (tc < b) for name, (a, b) in _BINS_K.items()}
    return {
        "all": part(np.ones(len(pairs), dtype=bool)),
        "with_tc": part(has_tc),
        "by_predicted_tc": {name: part(mask) for name, mask in bins.items() if mask.any()},
        "by_group": {name: part(groups == name) for name in np.unique(groups).tolist()},
        "by_family": {name: part(pairs.families == name) for name in np.unique(pairs.families).tolist()},
    }


# -- fitting -------------------------------------------------------------------------------------------


def _fit(pairs: ExperimentPairs) -> ExperimentCalibration:
    x, y, weights = np.log1p(pairs.tc_predicted_k), np.log1p(pairs.tc_measured_k), pairs.weights
    tail = 0.5 * (1.0 - COVERAGE)
    low = np.empty(len(pairs))
    for held in _parts(pairs.formulas, _INNER):
        a, b = _quantile_line(x[~held], y[~held], weights[~held], tail)
        low[held] = np.maximum(0.0, a + b * x[held])
    a, b = _quantile_line(x, y, weights, tail)
    lower = Line(a - max(0.0, _conformal(low - y, weights, 1.0 - tail)), b)
    slope = _quantile_line(x, y, weights, 1.0 - tail)[1]

    group = np.array([group_of_family(family) for family in pairs.families.tolist()])
    groups = {"all": _lines(pairs, lower, slope)}
    for name in np.unique(group).tolist():
        own = pairs.select(group == name)
        if own.n_compositions >= MIN_GROUP:
            groups[name] = _lines(own, lower, slope)
    first = np.unique(pairs.formulas, return_index=True)[1]
    names, counts = np.unique(pairs.families[first], return_counts=True)
    return ExperimentCalibration(
        groups=groups,
        families=dict(zip(names.tolist(), counts.tolist(), strict=True)),
        mu_star=pairs.mu_star,
    )


def _lines(pairs: ExperimentPairs, lower: Line, upper_slope: float) -> Lines:
    """Lines of one group: a tail of one in forty of a small group can fix a height, but no slope."""
    x, y, weights = np.log1p(pairs.tc_predicted_k), np.log1p(pairs.tc_measured_k), pairs.weights
    first = np.unique(pairs.formulas, return_index=True)[1]
    return Lines(
        lower=lower,
        median=Line(*_quantile_line(x, y, weights, 0.5)),
        upper=Line(_conformal(y - upper_slope * x, weights, 0.5 * (1.0 + COVERAGE)), upper_slope),
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
