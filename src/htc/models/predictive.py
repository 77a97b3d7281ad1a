"""The distribution of Tc that a prediction and its 95 % interval stand for.

Tc is far from normally distributed: it cannot be negative, and it is steep in lambda where lambda is small.
The effective coupling (see ``htc.models.calibration``) is not: its logarithm is taken as a Student t of five
degrees of freedom around the prediction, stretched on each side so that the calibrated ends of the interval
are its 2.5 % and 97.5 % quantiles. Out-of-fold residuals have that shape: their quartiles lie at 0.28 times
their 97.5 % quantiles, a normal distribution's at 0.34 times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import erf, sqrt
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htc.errors import InputError
from htc.models.calibration import effective_log_lambda
from htc.theory.empirical import allen_dynes_f1

__all__ = ["PredictedTc", "TcDistribution"]

FloatArray = NDArray[np.float64]

_GRID: Final[FloatArray] = np.linspace(-6.0, 6.0, 241)
"""Standard normal scores at which distributions are tabulated."""
_STEP: Final = float(_GRID[1] - _GRID[0])
_END: Final = 1.959963984540054
"""Normal score of the 97.5 % quantile."""
_WIDEST: Final = 4.0
"""Furthest a coupling may lie from its prediction, in ln lambda."""
_NARROWEST: Final = 1e-6
_MAX_LAMBDA: Final = 1e4


class PredictedTc(Protocol):
    """The part of a prediction's record that its distribution follows from."""

    @property
    def tc_predicted(self) -> float | None:
        """Tc, K; None where there is none."""

    @property
    def tc_lower_95ci(self) -> float | None:
        """Lower end of the 95 % interval, K."""

    @property
    def tc_upper_95ci(self) -> float | None:
        """Upper end of the 95 % interval, K."""

    @property
    def lambda_ep(self) -> float | None:
        """Coupling."""

    @property
    def omega_log(self) -> float | None:
        """Logarithmic average frequency, K."""

    @property
    def mu_star(self) -> float | None:
        """mu* of the three temperatures."""


@lru_cache(maxsize=1)
def _normal_cdf() -> FloatArray:
    return np.array([0.5 * (1.0 + erf(g / sqrt(2.0))) for g in _GRID.tolist()])


@lru_cache(maxsize=1)
def _residual_at() -> FloatArray:
    """Residual in units of the distance to the interval's end, at each normal score of the grid."""
    t = np.sinh(np.linspace(-6.0, 6.0, 4001))
    # Cumulative distribution of Student's t of five degrees of freedom, in closed form.
    theta = np.arctan(t / np.sqrt(5.0))
    cosine = np.cos(theta)
    cdf = 0.5 + (theta + np.sin(theta) * cosine * (1.0 + 2.0 / 3.0 * cosine**2)) / np.pi
    shape = np.interp(_normal_cdf(), cdf, t)
    return shape / np.interp(_END, _GRID, shape)


@dataclass(frozen=True, eq=False)
class TcDistribution:
    """Distributions of the Tc of n materials; arrays of shape ``(n,)``.

    Made by :meth:`from_intervals` or :meth:`from_predictions`.
    """

    centre: FloatArray
    """ln of the effective coupling that gives the predicted Tc."""
    below: FloatArray
    """Distance from it to the lower end of the 95 % interval, in ln lambda."""
    above: FloatArray
    """Distance to the upper end."""
    omega_log_k: FloatArray
    mu_star: FloatArray
    score: FloatArray
    """Mean of the normal score of each residual: 0 until something was learned from relatives."""
    score_std: FloatArray
    """Its standard deviation: 1 until then."""

    @classmethod
    def from_intervals(
        cls,
        tc_k: ArrayLike,
        lower_95_k: ArrayLike,
        upper_95_k: ArrayLike,
        *,
        lambda_ep: ArrayLike,
        omega_log_k: ArrayLike,
        mu_star: ArrayLike,
    ) -> TcDistribution:
        """Distributions of predictions given as arrays that broadcast to ``(n,)``.

        Raises:
            InputError: a value is not finite, out of bounds, or an interval does not hold its prediction.
        """
        arrays = [np.asarray(a, dtype=np.float64) for a in (tc_k, lower_95_k, upper_95_k)]
        rest = [np.asarray(a, dtype=np.float64) for a in (lambda_ep, omega_log_k, mu_star)]
        try:
            tc, lower, upper, lam, omega, mu = np.broadcast_arrays(*map(np.atleast_1d, [*arrays, *rest]))
        except ValueError as error:
            raise InputError(f"the arrays do not broadcast together: {error}", where="predictions") from error
        numbers = np.stack([tc, lower, upper, lam, omega, mu])
        bad = ~np.isfinite(numbers).all(axis=0) | (numbers < 0.0).any(axis=0) | (omega <= 0.0)
        bad |= (lower > tc) | (tc > upper)
        if bad.any():
            i = int(np.flatnonzero(bad)[0])
            raise InputError(
                f"prediction {i + 1}: Tc {tc[i]:g} K, interval {lower[i]:g} to {upper[i]:g} K, lambda "
                f"{lam[i]:g}, omega_log {omega[i]:g} K, mu* {mu[i]:g} describe no distribution",
                where="predictions",
                hint="numbers must be finite and not negative, and the interval must hold Tc",
            )
        ends = [_log_lambda(x, omega, lam, mu) for x in (lower, tc, upper)]
        return cls(
            centre=ends[1],
            below=np.clip(ends[1] - ends[0], _NARROWEST, _WIDEST),
            above=np.clip(ends[2] - ends[1], _NARROWEST, _WIDEST),
            omega_log_k=omega.copy(),
            mu_star=mu.copy(),
            score=np.zeros(len(tc)),
            score_std=np.ones(len(tc)),
        )

    @classmethod
    def from_predictions(cls, predictions: Sequence[PredictedTc]) -> TcDistribution:
        """Distributions of records such as ``htc.prediction.Prediction``.

        Raises:
            InputError: one of them has no Tc, or no interval.
        """
        names = ("tc_predicted", "tc_lower_95ci", "tc_upper_95ci", "lambda_ep", "omega_log", "mu_star")
        values: list[list[float]] = []
        for i, prediction in enumerate(predictions):
            row = [getattr(prediction, name) for name in names]
            if None in row:
                raise InputError(
                    f"prediction {i + 1} has no {names[row.index(None)]}",
                    where="predictions",
                    hint="leave out what has no Tc: it is outside the theory",
                )
            values.append(row)
        tc, lower, upper, lam, omega, mu = np.array(values, dtype=np.float64).reshape(-1, len(names)).T
        return cls.from_intervals(tc, lower, upper, lambda_ep=lam, omega_log_k=omega, mu_star=mu)

    def __len__(self) -> int:
        """Number of materials."""
        return len(self.centre)

    @cached_property
    def table(self) -> FloatArray:
        """Tc, K, at each normal score of the residual, shape ``(n, 241)``; rises along a row."""
        residual = _residual_at()
        ends = np.where(residual < 0.0, self.below[:, None], self.above[:, None])
        moved = np.clip(residual * ends, -_WIDEST, _WIDEST)
        coupling = np.minimum(np.exp(self.centre[:, None] + moved), _MAX_LAMBDA)
        return np.asarray(allen_dynes_f1(coupling, self.omega_log_k[:, None], self.mu_star[:, None]))

    def at(self, normal: FloatArray) -> FloatArray:
        """Tc, K, at standard normal numbers of shape ``(..., n)``."""
        score = np.clip(self.score + self.score_std * normal, _GRID[0], _GRID[-1])
        place = (score - _GRID[0]) / _STEP
        left = np.minimum(place.astype(np.int64), len(_GRID) - 2)
        part = place - left
        row = np.arange(len(self))
        found: FloatArray = (1.0 - part) * self.table[row, left] + part * self.table[row, left + 1]
        return found

    def quantile(self, probability: float) -> FloatArray:
        """Quantile of Tc, K, shape ``(n,)``.

        Raises:
            InputError: the probability is not between 0 and 1.
        """
        if not 0.0 < probability < 1.0:
            raise InputError(f"a quantile of {probability!r} does not exist", where="probability")
        return self.at(np.full(len(self), np.interp(probability, _normal_cdf(), _GRID)))

    def exceedance(self, threshold_k: float) -> FloatArray:
        """Probability that Tc is above a threshold, K; shape ``(n,)``."""
        score = np.array([np.interp(threshold_k, row, _GRID) for row in self._rising])
        return 1.0 - np.interp((score - self.score) / self.score_std, _GRID, _normal_cdf())

    def expectation(self, above_k: float = 0.0) -> FloatArray:
        """Mean of what Tc exceeds ``above_k`` by, K, shape ``(n,)``: at 0 the mean of Tc itself."""
        total = np.zeros(len(self))
        for node, weight in zip(_GRID, _weights(), strict=True):
            total += weight * np.maximum(self.at(np.full(len(self), node)) - above_k, 0.0)
        return total

    def normal_score(self, position: NDArray[np.int64], tc_k: FloatArray) -> FloatArray:
        """Normal scores of the residuals of materials whose Tc became known; at most 3 in size.

        Args:
            position: which materials, shape ``(m,)``.
            tc_k: their Tc at their mu*, shape ``(m,)``.
        """
        scores = [np.interp(tc, self._rising[i], _GRID) for i, tc in zip(position, tc_k, strict=True)]
        return np.asarray(np.clip(np.array(scores), -3.0, 3.0))

    def given(self, score: FloatArray, score_std: FloatArray) -> TcDistribution:
        """The distributions after something was learned about the residuals, both of shape ``(n,)``."""
        learned = replace(self, score=score, score_std=score_std)
        learned.__dict__["table"] = self.table
        return learned

    @cached_property
    def _rising(self) -> FloatArray:
        """The table made strictly rising, where Tc stays zero: what interpolation the other way needs."""
        return self.table + 1e-12 * np.arange(len(_GRID))


@lru_cache(maxsize=1)
def _weights() -> FloatArray:
    """Weight of each normal score of the grid in a mean."""
    density = np.exp(-0.5 * _GRID**2)
    return np.asarray(density / density.sum())


def _log_lambda(tc: FloatArray, omega: FloatArray, lambda_ep: FloatArray, mu: FloatArray) -> FloatArray:
    out = np.empty(len(tc))
    for value in np.unique(mu).tolist():
        same = mu == value
        out[same] = effective_log_lambda(tc[same], omega[same], lambda_ep[same], value)
    return out
