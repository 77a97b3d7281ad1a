"""Wave vectors at which frequencies are exact, and the smallest supercells that make them so.

The dynamical matrix at q is exact for every supercell whose translations T have q.T whole, however small the
supercell. One of n primitive cells is enough for a q of common denominator n: Lloyd-Williams & Monserrat,
Phys. Rev. B 92, 184301 (2015), doi:10.1103/PhysRevB.92.184301.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from htc.stability.supercells import Supercell, shortest_translation

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["WaveVector", "fits", "half_points", "inequivalent", "nearest_simple", "smallest_supercell"]

WaveVector = tuple[Fraction, Fraction, Fraction]
"""In reciprocal primitive vectors."""

_HALVES: Final = (Fraction(0), Fraction(1, 2))
DENOMINATORS: Final = (2, 3, 4, 5, 6)
"""Of the simple wave vectors: where instabilities that make superstructures sit."""
_COMMON: Final = 60
"""A denominator that all wave vectors here divide."""


def half_points() -> list[WaveVector]:
    """The seven wave vectors of zeros and halves besides Gamma: centres of faces, edges and corners."""
    return [q for q in itertools.product(_HALVES, _HALVES, _HALVES) if any(q)]


def inequivalent(points: Iterable[WaveVector], rotations: NDArray[np.int64]) -> list[WaveVector]:
    """One of each set that the point group and inversion of time make the same.

    Args:
        points: the wave vectors.
        rotations: of the point group in primitive vectors, shape ``(n_rot, 3, 3)``.
    """
    transposed = np.asarray(rotations, dtype=np.int64).transpose(0, 2, 1)
    seen: set[tuple[int, ...]] = set()
    kept = []
    for q in points:
        scaled = np.array([int(x * _COMMON) for x in q])
        if tuple((scaled % _COMMON).tolist()) in seen:
            continue
        kept.append(q)
        star = transposed @ scaled
        seen.update(tuple(point) for point in (np.concatenate([star, -star]) % _COMMON).tolist())
    return kept


def nearest_simple(q: NDArray[np.float64]) -> WaveVector:
    """The wave vector with a common denominator of 2 to 6 that is nearest, in reciprocal vectors.

    Never Gamma, whose modes say nothing of the waves around it.

    Args:
        q: shape ``(3,)``.
    """
    candidates = []
    for n in DENOMINATORS:
        rounded = np.round(np.asarray(q) * n).astype(int).tolist()
        a, b, c = (Fraction(int(x), n) for x in rounded)
        if all(x.denominator == 1 for x in (a, b, c)):
            continue
        distance = float(np.abs(np.asarray(q) - np.array(rounded) / n).max())
        candidates.append((round(distance, 9), n, (a, b, c)))
    if not candidates:
        # Within a twelfth of Gamma: the nearest on the way out.
        off = np.asarray(q) - np.round(q)
        longest = int(np.argmax(np.abs(off)))
        out = [Fraction(0)] * 3
        out[longest] = Fraction(-1 if off[longest] < 0 else 1, DENOMINATORS[-1])
        return out[0], out[1], out[2]
    return min(candidates)[2]


def fits(q: WaveVector, matrix: tuple[tuple[int, int, int], ...]) -> bool:
    """Whether a supercell makes frequencies at a wave vector exact."""
    return all(sum((row[j] * q[j] for j in range(3)), Fraction(0)).denominator == 1 for row in matrix)


def smallest_supercell(q: WaveVector, structure: Structure) -> Supercell:
    """The smallest supercell that ``q`` fits, the most compact of its size.

    Args:
        q: wave vector in reciprocal primitive vectors.
        structure: primitive cell, n sites.
    """
    size = math.lcm(*(x.denominator for x in q))
    primitive = np.array(structure.lattice.matrix)
    candidates = [
        Supercell(matrix, size * len(structure), shortest_translation(np.array(matrix) @ primitive))
        for matrix in _hermite_matrices(size)
        if fits(q, matrix)
    ]
    return max(candidates, key=lambda c: (round(c.shortest_a, 6), c.matrix))


def _hermite_matrices(size: int) -> list[tuple[tuple[int, int, int], ...]]:
    """All superlattices of ``size`` primitive cells, one matrix each (Hermite normal form)."""
    found: list[tuple[tuple[int, int, int], ...]] = []
    for a, b in itertools.product(range(1, size + 1), repeat=2):
        if size % (a * b) == 0:
            c = size // (a * b)
            found.extend(
                ((a, x, y), (0, b, z), (0, 0, c)) for x in range(b) for y in range(c) for z in range(c)
            )
    return found
