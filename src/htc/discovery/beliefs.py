"""What is thought of the candidates of a pool, corrected by what was judged of their relatives."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.models.predictive import TcDistribution

__all__ = ["Belief", "Relatives"]

FloatArray = NDArray[np.float64]

_SAME: Final = 0.43
"""Correlation of the residuals of two crystals of one formula; see ``htc.models.acquisition``."""
_LENGTH: Final = 0.12
"""Share of atoms replaced over which it falls to 1/e."""
_NOTHING: Final = np.empty(0)


class Relatives:
    """What residuals of some materials say about those of others, by composition: a Gaussian process.

    Args:
        fractions: atomic fraction of each element, shape ``(n, n_elements)``.
    """

    def __init__(self, fractions: FloatArray) -> None:
        """Begin with nothing known."""
        self._fractions = fractions
        self._seen: list[int] = []
        self._to_seen = np.empty((len(fractions), 0))

    def see(self, position: int) -> None:
        """One more material whose residuals will be told."""
        self._seen.append(position)

    def given(self, which: NDArray[np.int64], residuals: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of everybody's residual, in units of its prior one; shapes ``(n,)``.

        Args:
            which: numbers of the materials told of, in the order of :meth:`see`; shape ``(m,)``.
            residuals: theirs, shape ``(m,)``.
        """
        n = len(self._fractions)
        if len(which) == 0:
            return np.zeros(n), np.ones(n)
        new = [self._column(position) for position in self._seen[self._to_seen.shape[1] :]]
        if new:
            self._to_seen = np.column_stack([self._to_seen, *new])
        to_seen = self._to_seen[:, which]
        among = to_seen[np.array(self._seen)[which]] + (1.0 - _SAME) * np.eye(len(which))
        weights = np.linalg.solve(among, to_seen.T).T
        variance = 1.0 - np.einsum("ij,ij->i", weights, to_seen)
        return weights @ residuals, np.sqrt(np.clip(variance, 1e-6, 1.0))

    def _column(self, position: int) -> FloatArray:
        replaced = 0.5 * np.abs(self._fractions - self._fractions[position]).sum(axis=1)
        return np.asarray(_SAME * np.exp(-replaced / _LENGTH))


class Belief:
    """What is thought of one column of the whole pool, to draw samples from.

    Args:
        mean: what is expected, shape ``(n,)``.
        std: standard deviation, shape ``(n,)``; None: certain.
        tc: a distribution instead of both.
    """

    def __init__(
        self,
        mean: FloatArray = _NOTHING,
        std: FloatArray | None = None,
        *,
        tc: TcDistribution | None = None,
    ) -> None:
        """Keep it."""
        self._mean, self._std, self._tc = mean, std, tc

    def __call__(self, rng: np.random.Generator, n: int) -> FloatArray:
        """Samples, shape ``(n, size of the pool)``."""
        if self._tc is not None:
            return np.asarray(self._tc.at(rng.standard_normal((n, len(self._tc)))))
        if self._std is None:
            return np.broadcast_to(self._mean, (n, len(self._mean)))
        return self._mean + self._std * rng.standard_normal((n, len(self._mean)))

    def middle(self) -> FloatArray:
        """What is expected, shape ``(size of the pool,)``."""
        return self._mean if self._tc is None else self._tc.expectation()
