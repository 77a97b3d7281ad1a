"""Figures of merit with their bootstrap intervals.

A figure is a function of weights of shape ``(..., n)``, one a material: all ones give the figure itself, and
the counts of bootstrap resamples its values there. Formulas are resampled, not rows: two crystals of one
compound err together and are no independent evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.models.training.report.table import PredictionTable

__all__ = [
    "HIGH_TC_K",
    "Figure",
    "Figures",
    "average",
    "average_precision",
    "bootstrap",
    "coverage",
    "headline",
    "mean_absolute_error",
    "r2",
    "resamples",
]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Measure = Callable[[FloatArray], FloatArray]

HIGH_TC_K: Final = 5.0
N_RESAMPLES: Final = 1000
_SEED: Final = 20_240_711


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of merit with its 95 % bootstrap interval over the materials it was measured on."""

    value: float
    lower: float
    upper: float

    def as_dict(self) -> dict[str, float]:
        """JSON-ready."""
        return {"value": self.value, "lower_95": self.lower, "upper_95": self.upper}

    def text(self, digits: int = 3) -> str:
        """``0.72 (0.63-0.82)``."""
        return f"{self.value:.{digits}f} ({self.lower:.{digits}f}–{self.upper:.{digits}f})"


Figures = Mapping[str, Figure]


def average(values: FloatArray) -> Measure:
    """Mean of values of shape ``(n,)``."""
    return lambda weights: np.asarray(weights @ values / weights.sum(axis=-1))


def mean_absolute_error(true: FloatArray, predicted: FloatArray) -> Measure:
    """MAE; both of shape ``(n,)``."""
    return average(np.abs(predicted - true))


def r2(true: FloatArray, predicted: FloatArray) -> Measure:
    """Coefficient of determination; NaN where the true values do not vary."""
    squared = (predicted - true) ** 2

    centred = true - true.mean()

    def measure(weights: FloatArray) -> FloatArray:
        total = weights.sum(axis=-1)
        spread = np.asarray(weights @ centred**2 - (weights @ centred) ** 2 / total)
        left = np.asarray(weights @ squared)
        known = spread > 1e-12 * total
        return np.asarray(1.0 - np.divide(left, spread, out=np.full_like(spread, np.nan), where=known))

    return measure


def average_precision(positive: BoolArray, score: FloatArray) -> Measure:
    """Area under the precision-recall curve by steps, ties counted together; NaN without positives.

    Args:
        positive: what is looked for, shape ``(n,)``.
        score: larger is looked at first, shape ``(n,)``.
    """
    order = np.argsort(-score, kind="stable")
    hit = positive[order].astype(np.float64)
    last_of_tie = np.append(np.diff(score[order]) != 0.0, True)

    def measure(weights: FloatArray) -> FloatArray:
        ordered = weights[..., order]
        found = np.cumsum(hit * ordered, axis=-1)[..., last_of_tie]
        seen = np.cumsum(ordered, axis=-1)[..., last_of_tie]
        precision = np.divide(found, seen, out=np.zeros_like(found), where=seen > 0.0)
        summed = (np.diff(found, prepend=0.0, axis=-1) * precision).sum(axis=-1)
        positives = found[..., -1]
        return np.asarray(
            np.divide(summed, positives, out=np.full_like(positives, np.nan), where=positives > 0.0)
        )

    return measure


def coverage(true: FloatArray, lower: FloatArray, upper: FloatArray) -> Measure:
    """Share of the true values inside their intervals."""
    return average(((true >= lower) & (true <= upper)).astype(np.float64))


def resamples(formulas: NDArray[np.str_], n: int = N_RESAMPLES, seed: int = _SEED) -> FloatArray:
    """Weights of bootstrap resamples of the formulas, shape ``(n, n_materials)``."""
    _, group = np.unique(formulas, return_inverse=True)
    n_groups = int(group.max()) + 1
    counts = np.random.default_rng(seed).multinomial(n_groups, np.full(n_groups, 1.0 / n_groups), size=n)
    return counts[:, group].astype(np.float64)


def bootstrap(measures: Mapping[str, Measure], weights: FloatArray) -> dict[str, Figure]:
    """Each measure with its percentile interval.

    Args:
        measures: by name.
        weights: of the resamples, shape ``(n_resamples, n_materials)``, see :func:`resamples`.
    """
    out: dict[str, Figure] = {}
    ones = np.ones(weights.shape[1])
    for name, measure in measures.items():
        values = measure(weights)
        values = values[np.isfinite(values)]
        low, high = np.quantile(values, [0.025, 0.975]) if values.size else (np.nan, np.nan)
        out[name] = Figure(float(measure(ones)), float(low), float(high))
    return out


def headline(
    table: PredictionTable, mu_star: float = 0.10, *, full: bool = False, n_resamples: int = N_RESAMPLES
) -> dict[str, Figure]:
    """The figures that models are compared by.

    Args:
        table: the materials.
        mu_star: of the Tc on both sides.
        full: Tc by full Allen-Dynes; every material must have omega_2 on both sides.
        n_resamples: bootstrap resamples.
    """
    tc_true, tc = table.tc_true(mu_star, full=full), table.tc(mu_star, full=full)
    measures: dict[str, Measure] = {
        "lambda_mae": mean_absolute_error(table.lambda_true, table.lambda_ep),
        "lambda_r2": r2(table.lambda_true, table.lambda_ep),
        "omega_log_mae_k": mean_absolute_error(table.omega_log_true, table.omega_log),
        "omega_log_r2": r2(table.omega_log_true, table.omega_log),
        "tc_mae_k": mean_absolute_error(tc_true, tc),
        "tc_r2": r2(tc_true, tc),
        "average_precision_tc_above_5k": average_precision(tc_true > HIGH_TC_K, tc),
    }
    if full:
        measures["omega_2_mae_k"] = mean_absolute_error(table.omega_2_true, table.omega_2)
        measures["omega_2_r2"] = r2(table.omega_2_true, table.omega_2)
    else:
        lower, upper = table.interval(mu_star)
        measures["coverage_95"] = coverage(tc_true, lower, upper)
    return bootstrap(measures, resamples(table.formula, n_resamples))
