"""Those first that are likeliest to be among the best, for whatever compromise between the objectives.

What is thought of a candidate is a distribution: of its Tc the one the cheap model states, of everything else
what the candidates judged so far say. Judged candidates correct their relatives of similar composition.

Samples of what the whole pool may turn out to be are drawn, each with a random direction in the space of the
objectives: the compromise that somebody might prefer. How far a point reaches along a direction is its part
of the dominated hypervolume there (Golovin and Zhang, arXiv:2006.04655), so that any number of objectives
costs the same.

Where the best N are sought, a candidate counts for the share of samples in which it is among the N that reach
furthest, those judged included. With one objective that is the probability to be among the best N of the
pool: no other choice of one batch finds more of them on average, if the distributions are right. Where the
front alone is sought, each place of a batch goes to the candidate that adds most to what is dominated, on
average over the samples, those chosen before it and those judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.discovery.beliefs import Belief
from htc.discovery.pool import Pool
from htc.discovery.requests import Constraint, Objective
from htc.discovery.strategies.base import Strategy
from htc.errors import InputError
from htc.models.predictive import TcDistribution

__all__ = ["Optimiser", "reach"]

FloatArray = NDArray[np.float64]

_SAMPLES: Final = 512
"""Samples of the pool that a probability is counted over."""
_AT_ONCE: Final = 1_000_000
"""Random numbers held at once."""


class Optimiser(Strategy):
    """The strategy ``hypervolume``.

    Args:
        tc: what the cheap model thinks of the Tc of n candidates.
        fractions: atomic fraction of each element, shape ``(n, n_elements)``.
        objectives: what to have more or less of.
        known: values that are certain, by column, e.g. the pressure; shapes ``(n,)``.
        guesses: first guesses by column, e.g. of the cheap model; NaN where there is none; shapes ``(n,)``.
        constraints: what a result must keep to count.
        wanted: how many of the best are sought, along every direction; None: the front alone.
        seed: equal seed, equal choices.

    Raises:
        InputError: arrays that do not belong together, or constraints that nothing can keep.
    """

    def __init__(
        self,
        tc: TcDistribution,
        fractions: FloatArray,
        objectives: Sequence[Objective],
        *,
        known: Mapping[str, FloatArray] | None = None,
        guesses: Mapping[str, FloatArray] | None = None,
        constraints: Sequence[Constraint] = (),
        wanted: int | None = None,
        seed: int = 0,
    ) -> None:
        """Begin with nothing judged."""
        if wanted is not None and wanted < 1:
            raise InputError(f"{wanted} of the best cannot be sought", where="wanted")
        super().__init__(Pool(tc, fractions, known or {}, guesses or {}), objectives, constraints, seed)
        self._wanted = wanted

    @classmethod
    def of(
        cls,
        pool: Pool,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        *,
        wanted: int | None = None,
        seed: int = 0,
    ) -> Optimiser:
        """The same from a pool."""
        return cls(
            pool.tc,
            pool.fractions,
            objectives,
            known=pool.known,
            guesses=pool.guesses,
            constraints=constraints,
            wanted=wanted,
            seed=seed,
        )

    def ask(self, n: int, batch: int) -> list[int]:
        """The candidates of a batch; see :meth:`Strategy.ask`."""
        rng = np.random.default_rng([self.seed, batch])
        free = self.free
        if not len(free) or n < 1:
            return []
        beliefs = [self.belief(k) for k in range(len(self.columns))]
        middle = self._useful(np.column_stack([belief.middle() for belief in beliefs]))
        judged = self.judged_above()
        unit = np.concatenate([middle[free], judged]).max(axis=0)
        unit = np.where(unit > 0.0, unit, 1.0)
        drawn = [
            (reach(above, direction), reach(judged[None] / unit, direction))
            for direction, above in self._samples(rng, free, beliefs, unit)
        ]
        own, known = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
        places = _enlarging(own, known, n) if self._wanted is None else _likely(own, known, n, self._wanted)
        return [int(i) for i in free[places]]

    def _samples(
        self,
        rng: np.random.Generator,
        free: NDArray[np.int64],
        beliefs: Sequence[Belief],
        unit: FloatArray,
    ) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Directions, shape ``(m, 1, k)``, and what the free ones may turn out to be, ``(m, n, k)``."""
        size = max(1, min(_SAMPLES, _AT_ONCE // len(self.pool)))
        for start in range(0, _SAMPLES, size):
            m = min(size, _SAMPLES - start)
            direction = np.abs(rng.standard_normal((m, 1, len(self.objectives))))
            direction /= np.linalg.norm(direction, axis=2, keepdims=True)
            drawn = np.stack([b(rng, m) for b in beliefs], axis=-1)[:, free]
            yield direction, self._useful(drawn) / unit

    def _useful(self, values: FloatArray) -> FloatArray:
        """:meth:`above` of values of the columns, 0 where a constraint is not kept."""
        found = self.above(values[..., : len(self.objectives)])
        if self.constraints:
            found = np.where(self.keeps(values)[..., None], found, 0.0)
        return found


def _likely(own: FloatArray, known: FloatArray, n: int, wanted: int) -> NDArray[np.int64]:
    """Those most often among the ``wanted`` that reach furthest, in m samples."""
    every = np.concatenate([own, known], axis=1)
    place = max(every.shape[1] - wanted, 0)
    last = np.partition(every, place, axis=1)[:, place]
    count = ((own >= last[:, None]) & (own > 0.0)).sum(axis=0)
    alone = own.sum(axis=0)
    # Less than one sample: it orders those of equal count, by what they are expected to reach.
    return np.argsort(-(count + alone / max(float(alone.max()), 1e-300)), kind="stable")[:n]


def _enlarging(own: FloatArray, known: FloatArray, n: int) -> list[int]:
    """One after the other those that add most to what is reached, by them, the judged and each other."""
    reached = known.max(axis=1, initial=0.0)
    alone = own.sum(axis=0)
    chosen: list[int] = []
    for _ in range(min(n, own.shape[1])):
        gain = np.maximum(own - reached[:, None], 0.0).sum(axis=0)
        gain[chosen] = alone[chosen] = -1.0
        # Where no sample of any enlarges anything, what would dominate most by itself.
        place = int(np.lexsort((-alone, -gain))[0])
        chosen.append(place)
        reached = np.maximum(reached, own[:, place])
    return chosen


def reach(above: FloatArray, direction: FloatArray) -> FloatArray:
    """How much of the hypervolume points dominate along directions, up to a constant.

    Args:
        above: shape ``(m or 1, n, k)``, not negative.
        direction: of unit length, shape ``(m, 1, k)``.

    Returns:
        Shape ``(m, n)``.
    """
    return np.asarray((above / direction).min(axis=2) ** direction.shape[2])
