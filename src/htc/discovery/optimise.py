"""Which candidates of a pool to judge next, for several objectives at once. Ask and tell; seeded.

What is thought of a candidate is a distribution: of its Tc the one the cheap model states, of everything else
what the candidates judged so far say. Each place of a batch goes to the candidate that is expected to enlarge
the dominated hypervolume most. The expectation is taken over samples of what is thought, so that a wide
distribution counts for what it may turn out to be; the hypervolume over random directions, along each of
which it is a maximum over points (Golovin and Zhang, arXiv:2006.04655), so that any number of objectives
costs the same. Judged candidates correct their relatives of similar composition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.discovery.fronts import oriented, references
from htc.discovery.requests import Objective
from htc.errors import InputError
from htc.models.predictive import TcDistribution

__all__ = ["Optimiser", "Relatives"]

FloatArray = NDArray[np.float64]

_SAME: Final = 0.43
"""Correlation of the residuals of two crystals of one formula; see ``htc.models.acquisition``."""
_LENGTH: Final = 0.12
"""Share of atoms replaced over which it falls to 1/e."""
_SAMPLES: Final = 128
"""Samples of the pool that an expectation is taken over."""
_AT_ONCE: Final = 1_000_000
"""Random numbers held at once."""
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
        free = np.flatnonzero(~self._out)
        beliefs = [self._belief(k) for k in range(len(self._objectives))]
        middle = self._above(np.column_stack([belief.middle() for belief in beliefs]))
        judged = self._above(self._judged())
        unit = np.concatenate([middle, judged]).max(axis=0)
        unit = np.where(unit > 0.0, unit, 1.0)
        chosen: list[int] = []
        while len(chosen) < n and len(free):
            # What was chosen a moment ago counts as if it had turned out as expected.
            rivals = np.concatenate([judged, middle[chosen]]) / unit
            gain, alone = np.zeros(len(free)), np.zeros(len(free))
            size = max(1, min(_SAMPLES, _AT_ONCE // len(self._out)))
            for start in range(0, _SAMPLES, size):
                m = min(size, _SAMPLES - start)
                direction = np.abs(rng.standard_normal((m, 1, len(beliefs))))
                direction /= np.linalg.norm(direction, axis=2, keepdims=True)
                drawn = self._above(np.stack([b(rng, m) for b in beliefs], axis=-1)[:, free]) / unit
                reached = _reach(rivals[None], direction).max(axis=1, initial=0.0)
                gain += np.maximum(_reach(drawn, direction) - reached[:, None], 0.0).sum(axis=0)
                alone += _reach(middle[None, free] / unit, direction).sum(axis=0)
            # Where no sample of any enlarges anything, what would dominate most by itself.
            place = int(np.lexsort((free, -alone, -gain))[0])
            chosen.append(int(free[place]))
            free = np.delete(free, place)
        return chosen

    def _above(self, values: FloatArray) -> FloatArray:
        """How far values are on the good side of their references, 0 where they are not."""
        return np.maximum(oriented(values, self._objectives) - references(self._objectives), 0.0)

    def _judged(self) -> FloatArray:
        """Values of what was judged; where one is missing, the worst that there is."""
        values = self._values.copy()
        for k, objective in enumerate(self._objectives):
            column = values[:, k]
            missing = ~np.isfinite(column)
            if missing.all():
                column[:] = 0.0
            elif missing.any():
                known = column[~missing]
                column[missing] = known.min() if objective.wanted == "max" else known.max()
        return values

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


def _reach(above: FloatArray, direction: FloatArray) -> FloatArray:
    """How much of the hypervolume points dominate along directions, up to a constant.

    Args:
        above: shape ``(m or 1, n, k)``, not negative.
        direction: of unit length, shape ``(m, 1, k)``.

    Returns:
        Shape ``(m, n)``.
    """
    return np.asarray((above / direction).min(axis=2) ** direction.shape[2])


class _Belief:
    """What is thought of one objective of the whole pool, to draw samples from."""

    def __init__(
        self,
        mean: FloatArray = _NOTHING,
        std: FloatArray | None = None,
        *,
        tc: TcDistribution | None = None,
    ) -> None:
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
