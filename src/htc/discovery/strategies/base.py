"""What all strategies have in common: what may be chosen, what was told, what is thought of the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from htc.discovery.beliefs import Belief, Relatives
from htc.discovery.fronts import oriented, references
from htc.discovery.pool import Pool, columns_of
from htc.discovery.requests import Constraint, Objective
from htc.errors import InputError

__all__ = ["Strategy"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Strategy(ABC):
    """Chooses from a pool of n candidates. Ask and tell; equal seed and equal answers, equal choices.

    Candidates whose certain values break a constraint, or are unknown, are never chosen.

    Args:
        pool: what there is.
        objectives: what to have more or less of.
        constraints: what a result must keep to count.
        seed: of everything that is drawn.

    Raises:
        InputError: nothing in the pool can keep the constraints.
    """

    def __init__(
        self,
        pool: Pool,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        seed: int = 0,
    ) -> None:
        """Begin with nothing judged."""
        self.pool = pool
        self.objectives = tuple(objectives)
        self.constraints = tuple(constraints)
        self.seed = seed
        self.columns = columns_of(objectives, constraints)
        self.order: list[int] = []
        """Candidates with values, in the order told."""
        self.values = np.empty((0, len(self.columns)))
        """What was told of them, shape ``(len(order), len(columns))``; NaN where there was no value."""
        self._relatives = Relatives(pool.fractions)
        self._told: set[int] = set()
        self._out = ~self._possible()
        if len(pool) and self._out.all():
            raise InputError("no candidate can keep the constraints", where="constraints")

    def _possible(self) -> BoolArray:
        possible = np.ones(len(self.pool), dtype=bool)
        for one in self.objectives:
            if one.column in self.pool.known:
                possible &= np.isfinite(self.pool.known[one.column])
        for bound in self.constraints:
            if bound.column in self.pool.known:
                possible &= _within(bound, self.pool.known[bound.column])
        return possible

    @property
    def left(self) -> int:
        """How many may still be chosen."""
        return int((~self._out).sum())

    @property
    def free(self) -> NDArray[np.int64]:
        """Which may still be chosen."""
        return np.flatnonzero(~self._out)

    def tell(self, position: int, values: Sequence[float | None] | None) -> None:
        """A candidate was judged.

        Args:
            position: which.
            values: one for every one of ``columns``, None where it has none; None altogether: it could not be
                judged.

        Raises:
            InputError: it was judged before, or the values are not as many as the columns.
        """
        if position in self._told:
            raise InputError(f"candidate {position} was judged twice", where="position")
        self._told.add(position)
        self._out[position] = True
        if values is None:
            return
        if len(values) != len(self.columns):
            raise InputError(
                f"{len(values)} values for the columns {', '.join(self.columns)}", where="values"
            )
        row = np.array([[np.nan if value is None else value for value in values]], dtype=np.float64)
        self._relatives.see(position)
        self.order.append(position)
        self.values = np.concatenate([self.values, row])

    def wait_for(self, position: int) -> None:
        """A candidate is being judged: do not choose it again."""
        self._out[position] = True

    @abstractmethod
    def ask(self, n: int, batch: int) -> list[int]:
        """The candidates of a batch, at most n, best first.

        The same for the same batch and the same things told.

        Args:
            n: how many.
            batch: number of the batch, from 0.
        """

    def above(self, values: FloatArray) -> FloatArray:
        """How far values of the objectives, shape ``(..., k)``, are on the good side of their references."""
        return np.maximum(oriented(values, self.objectives) - references(self.objectives), 0.0)

    def keeps(self, values: FloatArray) -> BoolArray:
        """Whether values of the columns, shape ``(..., len(columns))``, keep the constraints."""
        kept = np.ones(values.shape[:-1], dtype=bool)
        for bound in self.constraints:
            kept &= _within(bound, values[..., self.columns.index(bound.column)])
        return kept

    def judged_above(self) -> FloatArray:
        """Of the objectives of what was judged, :meth:`above`; 0 where a constraint is not kept."""
        values = self.values.copy()
        kept = self.keeps(values)
        for k, objective in enumerate(self.objectives):
            column = values[:, k]
            missing = ~np.isfinite(column)
            if missing.all():
                column[:] = 0.0
            elif missing.any():
                known = column[~missing]
                column[missing] = known.min() if objective.wanted == "max" else known.max()
        found = self.above(values[:, : len(self.objectives)])
        found[~kept] = 0.0
        return found

    def belief(self, k: int) -> Belief:
        """What is thought of a column of the whole pool."""
        column = self.columns[k]
        if column in self.pool.known:
            return Belief(self.pool.known[column])
        told = np.flatnonzero(np.isfinite(self.values[:, k]))
        values = self.values[told, k]
        positions = np.array(self.order, dtype=np.int64)[told]
        if column == "tc_predicted":
            scores = self.pool.tc.normal_score(positions, np.maximum(values, 0.0))
            return Belief(tc=self.pool.tc.given(*self._relatives.given(told, scores)))
        n = len(self.pool)
        centre = self.pool.guesses.get(column)
        if centre is None or not np.isfinite(centre).any():
            if len(values) < 2:
                return Belief(self._hoped(k))  # nothing is known that could tell one from another
            centre = np.full(n, float(values.mean()))
        else:
            centre = np.where(np.isfinite(centre), centre, np.nanmean(centre))
        off = values - centre[positions]
        spread = float(np.sqrt(np.mean(off**2))) if len(off) >= 2 else 0.0
        spread = spread or 0.3 * float(np.std(centre)) or 1.0
        mean, std = self._relatives.given(told, off / spread)
        return Belief(centre + spread * mean, spread * std)

    def _hoped(self, k: int) -> FloatArray:
        """A value that keeps the constraint on a column of which nothing is known yet."""
        value = 0.0
        for bound in self.constraints:
            if bound.column == self.columns[k]:
                if bound.min is not None:
                    value = max(value, bound.min)
                if bound.max is not None:
                    value = min(value, bound.max)
        return np.full(len(self.pool), value)


def _within(bound: Constraint, values: FloatArray) -> BoolArray:
    """Whether values keep a bound; NaN does not."""
    low = -np.inf if bound.min is None else bound.min
    high = np.inf if bound.max is None else bound.max
    with np.errstate(invalid="ignore"):
        return np.asarray((values >= low) & (values <= high))
