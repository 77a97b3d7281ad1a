"""The candidates of a run that no other beats, with the volume they dominate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.discovery.pareto import hypervolume, non_dominated
from htc.discovery.requests import Objective

__all__ = ["Front", "FrontPoint", "front_of"]

FloatArray = NDArray[np.float64]

_DIGITS: Final = 5
_MOST_FOR_VOLUME: Final = 300
"""Points of a front whose volume is computed; beyond that it takes minutes with four objectives."""

Row = tuple[int, str | None, str, tuple[float | None, ...]]
"""Position, prediction, label, and a value for every objective."""


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A candidate that no other beats."""

    position: int
    prediction_id: str | None
    label: str
    values: tuple[float, ...]
    """One for every objective of the front, in their order."""


@dataclass(frozen=True, slots=True)
class Front:
    """What is not beaten, of those that have a value for every objective used."""

    objectives: tuple[Objective, ...]
    """Those that at least one candidate has a value of."""
    unused: tuple[str, ...]
    """Columns that no candidate has a value of, e.g. the hull distance where no stability was asked for."""
    points: tuple[FrontPoint, ...]
    compared: int
    """How many candidates have a value for every objective used."""
    incomplete: int
    """How many lack one, and could not be compared."""
    hypervolume: float | None
    """In the product of the objectives' units, above their references; None for a front that is too large."""


def oriented(values: FloatArray, objectives: Sequence[Objective]) -> FloatArray:
    """Values with their sign such that larger is better, shape ``(n, k)``."""
    signs = np.array([1.0 if one.wanted == "max" else -1.0 for one in objectives])
    return np.asarray(values * signs)


def references(objectives: Sequence[Objective]) -> FloatArray:
    """Reference point with signs as of :func:`oriented`, shape ``(k,)``."""
    return oriented(np.array([one.worst for one in objectives]), objectives)


def _rounded(values: FloatArray) -> FloatArray:
    """To five digits: the networks hold to single precision, and what differs by less is the same."""
    size = np.floor(np.log10(np.abs(values), out=np.zeros_like(values), where=values != 0.0))
    unit = 10.0 ** (size - (_DIGITS - 1))
    return np.asarray(np.round(values / unit) * unit)


def front_of(rows: Sequence[Row], objectives: Sequence[Objective]) -> Front:
    """The front of candidates.

    Args:
        rows: from ``htc.store.jobs.objective_rows``, with the columns of the objectives.
        objectives: what to compare by.
    """
    table = np.array(
        [[np.nan if value is None else value for value in row[3]] for row in rows], dtype=np.float64
    ).reshape(len(rows), len(objectives))
    table[~np.isfinite(table)] = np.nan
    used = [k for k in range(len(objectives)) if not np.isnan(table[:, k]).all()]
    chosen = tuple(objectives[k] for k in used)
    unused = tuple(one.column for k, one in enumerate(objectives) if k not in used)
    if not used:
        return Front((), unused, (), 0, len(rows), 0.0)
    table = table[:, used]
    complete = np.flatnonzero(~np.isnan(table).any(axis=1))
    better = oriented(table[complete], chosen)
    best = non_dominated(_rounded(better))
    points = tuple(
        FrontPoint(rows[i][0], rows[i][1], rows[i][2], tuple(float(v) for v in table[i]))
        for i in complete[best]
    )
    volume = None
    if len(best) <= _MOST_FOR_VOLUME or len(chosen) <= 2:
        volume = hypervolume(better[best], references(chosen))
    return Front(chosen, unused, points, len(complete), len(rows) - len(complete), volume)
