"""How far numbers are from those they are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Metrics", "metrics_of"]


@dataclass(frozen=True, slots=True)
class Metrics:
    """Of n pairs; None where n is too small to say, or where nothing varies. Temperatures in K."""

    n: int
    mae: float | None
    """Mean absolute error."""
    rmse: float | None
    """Root mean square error."""
    bias: float | None
    """Mean of predicted minus known."""
    r2: float | None
    """1 minus the squared errors over the squared deviations of the known from their mean."""
    spearman: float | None
    """Rank correlation."""
    median_factor: float | None
    """Median of the factor between the larger and the smaller, where both are above 0.1 K."""
    coverage: float | None
    """Share of the known values inside the stated 95 % interval."""


def metrics_of(
    known: Sequence[float],
    predicted: Sequence[float],
    intervals: Sequence[tuple[float, float] | None] | None = None,
) -> Metrics:
    """Metrics of pairs.

    Args:
        known: measured or otherwise certain, shape ``(n,)``.
        predicted: what is judged, shape ``(n,)``.
        intervals: 95 % interval of each prediction, None where it has none.
    """
    from scipy.stats import spearmanr

    x, y = np.asarray(known, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    n = len(x)
    if n == 0:
        return Metrics(0, None, None, None, None, None, None, None)
    error = y - x
    spread = float(((x - x.mean()) ** 2).sum())
    varies = n >= 3 and np.ptp(x) > 0.0 and np.ptp(y) > 0.0
    both = (x > 0.1) & (y > 0.1)
    factors = np.exp(np.abs(np.log(y[both] / x[both])))
    held = [
        low <= value <= high
        for value, (low, high) in (
            (value, one) for value, one in zip(x, intervals or (), strict=False) if one is not None
        )
    ]
    return Metrics(
        n=n,
        mae=float(np.abs(error).mean()),
        rmse=float(np.sqrt((error**2).mean())),
        bias=float(error.mean()),
        r2=1.0 - float((error**2).sum()) / spread if n >= 3 and spread > 0.0 else None,
        spearman=float(spearmanr(x, y).statistic) if varies else None,
        median_factor=float(np.median(factors)) if len(factors) else None,
        coverage=float(np.mean(held)) if held else None,
    )
