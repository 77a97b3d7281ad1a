"""How good a look at a candidate is, as far as the cheap model can tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from htc.discovery.fronts import oriented, references
from htc.discovery.requests import Column, Constraint, Goal, Objective

__all__ = ["Fitness", "bred_by"]

FloatArray = NDArray[np.float64]

_UNKNOWN: frozenset[Column] = frozenset({"hull_distance_eV"})
"""What no look of a tier of the model knows."""


def bred_by(goal: Goal) -> Fitness | None:
    """What of a goal the looks know; None where they know none of its objectives."""
    objectives = [one for one in goal.objectives if one.column not in _UNKNOWN]
    constraints = [one for one in goal.constraints if one.column not in _UNKNOWN]
    return Fitness(objectives, constraints) if objectives else None


class Fitness:
    """Objectives and broken constraints of looks.

    Args:
        objectives: k of them.
        constraints: on columns of the looks.
    """

    def __init__(self, objectives: Sequence[Objective], constraints: Sequence[Constraint]) -> None:
        """Keep them."""
        self.objectives = tuple(objectives)
        self.constraints = tuple(constraints)
        self.columns: tuple[Column, ...] = tuple(
            dict.fromkeys([one.column for one in objectives] + [one.column for one in constraints])
        )

    def __call__(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What is gained, and by how much constraints are broken.

        A value on the wrong side of an objective's reference adds nothing to the hypervolume, so the
        reference is a constraint, too.

        Args:
            values: of :attr:`columns`, shape ``(n, len(columns))``; NaN where there is none.

        Returns:
            Objectives with their signs such that larger is better, shape ``(n, k)``, finite; and the sum of
            what constraints are broken by, each in units of its bound, shape ``(n,)``: 0 where all are kept.
        """
        own = values[:, : len(self.objectives)]
        better, worst = oriented(own, self.objectives), references(self.objectives)
        broken = _shares(worst - better, worst).sum(axis=1)
        for bound in self.constraints:
            value = values[:, self.columns.index(bound.column)]
            for by, limit in ((bound.min, 1.0), (bound.max, -1.0)):
                if by is not None:
                    broken += _shares(limit * (by - value), np.array(by))
        return np.where(np.isfinite(better), better, worst), np.asarray(broken)


def _shares(too_far: FloatArray, unit: FloatArray) -> FloatArray:
    """What is above 0 in units of the bound, or of 1 for a bound of 0; 1 where it is not known."""
    size = np.where(unit == 0.0, 1.0, np.abs(unit))
    return np.asarray(np.where(np.isfinite(too_far), np.maximum(too_far, 0.0) / size, 1.0))
