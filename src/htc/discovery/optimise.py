"""Which candidates of a pool to judge next, for several objectives at once. Ask and tell; seeded.

What is thought of a candidate is a distribution: of its Tc the one the cheap model states, of everything else
what the candidates judged so far say. Each place of a batch draws one sample of the whole pool and one random
weighting of the objectives, and goes to the candidate nearest to the best of everything under that weighting
(augmented Chebyshev distance, weights uniform on the simplex: Knowles, doi:10.1109/TEVC.2005.851274, with a
sample in the place of the expectation). A candidate that may be very good is drawn so now and then: that is
all the exploration there is. Judged candidates correct their relatives of similar composition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.discovery.fronts import oriented
from htc.discovery.requests import Objective
from htc.errors import InputError
from htc.models.predictive import TcDistribution

__all__ = ["Optimiser", "Relatives"]

FloatArray = NDArray[np.float64]

_SAME: Final = 0.43
"""Correlation of the residuals of two crystals of one formula; see ``htc.models.acquisition``."""
_LENGTH: Final = 0.12
"""Share of atoms replaced over which it falls to 1/e."""
_AUGMENTED: Final = 0.05
"""Weight of the sum beside the maximum: keeps what is beaten in one objective only from being chosen."""


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
        replaced = 0.5 * np.abs(self._fractions - self._fractions[position]).sum(axis=1)
        column = _SAME * np.exp(-replaced / _LENGTH)
        self._to_seen = np.column_stack([self._to_seen, column])
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
        to_seen = self._to_seen[:, which]
        among = to_seen[np.array(self._seen)[which]] + (1.0 - _SAME) * np.eye(len(which))
        weights = np.linalg.solve(among, to_seen.T).T
        variance = 1.0 - np.einsum("ij,ij->i", weights, to_seen)
        return weights @ residuals, np.sqrt(np.clip(variance, 1e-6, 1.0))


class Optimiser:
    """Chooses from a pool of n candidates.

    Args:
        tc: what the cheap model thinks of their Tc.
        fractions: atomic fraction of each element, shape ``(n, n_elements)``.
        objectives: what to have more or less of.
        known: values that are certain, by column, e.g. the pressure; shapes ``(n,)``.
        guesses: first guesses by column, e.g. of the cheap model; NaN where there is none; shapes ``(n,)``.
        seed: equal seed, equal choices.

    Raises:
        InputError: arrays that do not belong together.
    """

    def __init__(
        self,
        tc: TcDistribution,
        fractions: FloatArray,
        objectives: Sequence[Objective],
        *,
        known: Mapping[str, FloatArray] | None = None,
        guesses: Mapping[str, FloatArray] | None = None,
        seed: int = 0,
    ) -> None:
        """Begin with nothing judged."""
        n = len(tc)
        arrays = [fractions, *(known or {}).values(), *(guesses or {}).values()]
        if any(len(array) != n for array in arrays):
            raise InputError(f"not everything has {n} rows", where="pool")
        self._tc = tc
        self._objectives = tuple(objectives)
        self._known = dict(known or {})
        self._guesses = dict(guesses or {})
        self._seed = seed
        self._relatives = Relatives(fractions)
        self._order: list[int] = []
        self._values = np.empty((0, len(self._objectives)))
        self._out = np.zeros(n, dtype=bool)

    @property
    def left(self) -> int:
        """How many have not been judged."""
        return int((~self._out).sum())

    def tell(self, position: int, values: Sequence[float | None] | None) -> None:
        """A candidate was judged.

        Args:
            position: which.
            values: one for every objective, None where it has none; None altogether: it could not be judged.

        Raises:
            InputError: it was judged before.
        """
        if self._out[position]:
            raise InputError(f"candidate {position} was judged twice", where="position")
        self._out[position] = True
        if values is not None:
            row = np.array([[np.nan if value is None else value for value in values]], dtype=np.float64)
            self._relatives.see(position)
            self._order.append(position)
            self._values = np.concatenate([self._values, row])

    def ask(self, n: int, batch: int) -> list[int]:
        """The candidates of a batch, at most n; the same for the same batch and the same things told.

        Args:
            n: how many.
            batch: number of the batch, from 0.
        """
        rng = np.random.default_rng([self._seed, batch])
        means = [self._belief(k) for k in range(len(self._objectives))]
        free = ~self._out
        chosen: list[int] = []
        while len(chosen) < n and free.any():
            sample = np.column_stack([draw(rng) for draw in means])
            weight = rng.dirichlet(np.ones(len(self._objectives)))
            score = self._distance(oriented(sample, self._objectives), weight)
            best = int(np.argmin(np.where(free, score, np.inf)))
            chosen.append(best)
            free[best] = False
        return chosen

    def _belief(self, k: int) -> _Belief:
        column = self._objectives[k].column
        if column in self._known:
            return _Belief(self._known[column])
        told = np.flatnonzero(np.isfinite(self._values[:, k]))
        values = self._values[told, k]
        positions = np.array(self._order, dtype=np.int64)[told]
        if column == "tc_predicted":
            mean, std = self._relatives.given(told, self._tc.normal_score(positions, values))
            return _Belief(tc=self._tc.given(mean, std))
        centre = self._guesses.get(column)
        if centre is None or not np.isfinite(centre).any():
            if len(values) < 2:
                return _Belief(np.zeros(len(self._tc)))  # nothing is known that could tell one from another
            centre = np.full(len(self._tc), float(values.mean()))
        else:
            centre = np.where(np.isfinite(centre), centre, np.nanmean(centre))
        off = values - centre[positions]
        spread = float(np.sqrt(np.mean(off**2))) if len(off) >= 2 else 0.0
        spread = spread or 0.3 * float(np.std(centre)) or 1.0
        mean, std = self._relatives.given(told, off / spread)
        return _Belief(centre + spread * mean, spread * std)

    def _distance(self, sample: FloatArray, weight: FloatArray) -> FloatArray:
        """From the best of everything, each objective over the range of the pool; shape ``(n,)``."""
        best, worst = sample.max(axis=0), sample.min(axis=0)
        width = np.where(best > worst, best - worst, 1.0)
        off = weight * (best - sample) / width
        return np.asarray(off.max(axis=1) + _AUGMENTED * off.sum(axis=1))


class _Belief:
    """What is thought of one objective of the whole pool, to draw samples from."""

    def __init__(
        self,
        mean: FloatArray | None = None,
        std: FloatArray | None = None,
        *,
        tc: TcDistribution | None = None,
    ) -> None:
        self._mean, self._std, self._tc = mean, std, tc

    def __call__(self, rng: np.random.Generator) -> FloatArray:
        if self._tc is not None:
            return np.asarray(self._tc.at(rng.standard_normal(len(self._tc))))
        if self._mean is None:  # made with either of the two
            raise TypeError("a belief about nothing")
        if self._std is None:
            return self._mean
        return self._mean + self._std * rng.standard_normal(len(self._mean))
