"""What no other beats: the non-dominated points of a set, and the volume they dominate. Plain arrays."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["hypervolume", "non_dominated"]

FloatArray = NDArray[np.float64]

_CHUNK: Final = 1024


def non_dominated(points: FloatArray) -> NDArray[np.int64]:
    """Positions of the points that no other point is at least as large as in everything and larger in one.

    Equal points do not beat each other.

    Args:
        points: shape ``(n, k)``, finite; larger is better.

    Returns:
        Positions in ascending order.
    """
    n = len(points)
    if n == 0:
        return np.empty(0, dtype=np.int64)
    # Sorted by the sum, a point can be beaten only by those before it: what survives is final.
    order = np.lexsort((np.arange(n), *(-points.T), -points.sum(axis=1)))
    kept = np.empty((0, points.shape[1]))
    survivors: list[NDArray[np.int64]] = []
    for start in range(0, n, _CHUNK):
        part = order[start : start + _CHUNK]
        part = part[~_beaten(points[part], kept)]
        part = part[~_beaten(points[part], points[part])]
        kept = np.concatenate([kept, points[part]])
        survivors.append(part)
    return np.sort(np.concatenate(survivors))


def _beaten(points: FloatArray, others: FloatArray) -> NDArray[np.bool_]:
    """Which points some other beats, shape ``(len(points),)``."""
    beaten = np.zeros(len(points), dtype=bool)
    for start in range(0, len(others), _CHUNK):
        some = others[start : start + _CHUNK]
        as_good = (some[None, :, :] >= points[:, None, :]).all(axis=2)
        better = (some[None, :, :] > points[:, None, :]).any(axis=2)
        beaten |= np.any(as_good & better, axis=1)
    return beaten


def hypervolume(points: FloatArray, reference: FloatArray) -> float:
    """Volume that points dominate above a reference point; exact, by slicing one objective at a time.

    Args:
        points: shape ``(n, k)``, larger is better; those not above the reference in everything add nothing.
        reference: shape ``(k,)``.

    Returns:
        In the product of the objectives' units.
    """
    above = points[(points > reference).all(axis=1)] - reference
    if len(above) == 0:
        return 0.0
    return _volume(above[non_dominated(above)])


def _volume(points: FloatArray) -> float:
    """Of points above the origin that do not beat each other."""
    if points.shape[1] == 1:
        return float(points.max())
    ordered = points[np.argsort(-points[:, -1], kind="stable")]
    if points.shape[1] == 2:
        widths = np.maximum.accumulate(ordered[:, 0])
        heights = ordered[:, 1] - np.append(ordered[1:, 1], 0.0)
        return float(widths @ heights)
    total = 0.0
    heights = ordered[:, -1] - np.append(ordered[1:, -1], 0.0)
    for i in np.flatnonzero(heights > 0.0):
        slab = ordered[: i + 1, :-1]
        total += float(heights[i]) * _volume(slab[non_dominated(slab)])
    return total
