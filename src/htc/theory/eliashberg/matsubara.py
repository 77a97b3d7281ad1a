"""Few frequencies for sums over many Matsubara frequencies.

Beyond the first few, every summand of Eliashberg theory is a smooth function of ln(omega_n). The sum over
``m = 0 ... N-1`` is cut into blocks that grow in proportion to m, and in each the sum over its integers is
done by the Gauss quadrature that belongs to that sum: the nodes are the zeros of the discrete Chebyshev
(Gram) polynomials, p of them exact for polynomials of degree 2p - 1. Short blocks keep their integers, and
with them exactness. The number of nodes grows as the logarithm of N, hence of 1/T.

Gram polynomials: Szego, Orthogonal Polynomials, section 2.8; quadrature from the Jacobi matrix: Golub and
Welsch, doi:10.1090/S0025-5718-69-99647-1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MatsubaraGrid", "matsubara_grid", "tapered_grid"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

DENSE: Final[int] = 64
"""Up to this many frequencies all are kept: a matrix of that size costs less than finding a smaller one."""

FIRST_BLOCK: Final[int] = 12
GROWTH: Final[float] = 1.0
"""A block starting at m has about ``GROWTH * m`` frequencies."""

FINE: Final[float] = 0.33
"""The same where an error ten times smaller is worth twice the nodes."""

NODES: Final[int] = 7
"""Nodes of a block. What is left of the error comes from peaks narrower than a block's nodes: over random
spectra 2e-7 of Tc is the median and 1e-6 the ninth decile, 1e-5 the worst (phonons below k Tc)."""

TAPER: Final[float] = 0.1
"""A smooth edge falls from 1 to 0 between ``(1 -+ TAPER)`` times the cutoff."""


@dataclass(frozen=True, slots=True)
class MatsubaraGrid:
    """Nodes n, omega_n = (2n + 1) pi T, with weights that turn sums over them into sums over all n."""

    index: FloatArray
    """n, integer or not, ascending, shape ``(p,)``."""
    full: FloatArray
    """Weights of the plain sum up to `end`, shape ``(p,)``."""
    phonon: FloatArray
    """The same with the phonon cutoff, shape ``(p,)``."""
    coulomb: FloatArray
    """The same with the Coulomb cutoff, shape ``(p,)``."""
    end: int
    """First frequency that no weight stands for."""
    dense: bool
    """Whether the nodes are 0, 1, ... end - 1."""
    distance: FloatArray
    """All different distances ``n - m`` and ``n + m + 1`` between nodes, and between nodes and `end`, in
    units of 2 pi T, shape ``(k,)``."""
    minus: IntArray
    """Where in `distance` ``|n - m|`` stands, shape ``(p, p)``."""
    plus: IntArray
    """Where in `distance` ``n + m + 1`` stands, shape ``(p, p)``."""

    odd: FloatArray
    """2n + 1, shape ``(p,)``."""
    scale: FloatArray
    """Root of the phonon weights over 2n + 1, which makes the pairing kernel symmetric, shape ``(p,)``."""
    coulomb_ratio: FloatArray | None
    """Coulomb over phonon weights, shape ``(p,)``; None where they are the same."""
    counts: tuple[int, int]
    """Frequencies in the phonon and in the Coulomb sum."""
    addresses: tuple[int, ...]
    """Size, kind, end and the addresses of the arrays (0: none), for the compiled kernel."""

    @property
    def size(self) -> int:
        """Number of nodes."""
        return self.index.size

    def pairs(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What stands at ``|n - m|`` and at ``n + m + 1``, shapes ``(p, p)``; not to be written to.

        Args:
            values: a function at the distances, shape ``(k,)``.
        """
        if not self.dense:
            return values[self.minus], values[self.plus]
        # On integers these are a Toeplitz and a Hankel matrix, views of one row.
        size, stride = self.end, values.itemsize
        row = np.concatenate((values[size - 1 : 0 : -1], values[:size]))
        shape = (size, size)
        return (
            np.ndarray(shape, np.float64, row, (size - 1) * stride, (-stride, stride)),
            np.ndarray(shape, np.float64, np.ascontiguousarray(values), stride, (stride, stride)),
        )

    def to_end(self, values: FloatArray) -> FloatArray:
        """The sum of what stands at the distances ``end - n`` and ``end + n + 1``, shape ``(p,)``."""
        if self.dense:
            return values[self.end : 0 : -1] + values[self.end + 1 :]
        below, above = values[-2 * self.size :].reshape(2, -1)
        return np.asarray(below + above)


@lru_cache(maxsize=128)
def matsubara_grid(phonon: int, coulomb: int, growth: float = GROWTH) -> MatsubaraGrid:
    """Grid for sums that end sharply after ``phonon`` and ``coulomb`` frequencies."""
    end = max(phonon, coulomb)
    index, full = _blocks(end, sorted({phonon, coulomb}), growth)
    return _grid(index, full, (index < phonon) * full, (index < coulomb) * full, end)


def tapered_grid(phonon: float, coulomb: float, growth: float = GROWTH) -> MatsubaraGrid:
    """Grid for smooth edges about ``phonon`` and ``coulomb``, the cutoffs over 2 pi T."""
    bounds = sorted(
        {int(np.ceil(x * f - 0.5)) for x in (phonon, coulomb) for f in (1.0 - TAPER, 1.0 + TAPER)}
    )
    end = max(bounds[-1], 1)
    index, full = _blocks(end, bounds, growth)
    centre = index + 0.5
    return _grid(index, full, full * _taper(centre / phonon), full * _taper(centre / coulomb), end)


def _grid(
    index: FloatArray, full: FloatArray, phonon: FloatArray, coulomb: FloatArray, end: int
) -> MatsubaraGrid:
    dense = index.size == end
    distance, minus, plus = _integer_pairs(end) if dense else _pairs(index, end)
    odd = 2.0 * index + 1.0
    ratio = None
    if not np.array_equal(phonon, coulomb):
        ratio = np.divide(coulomb, phonon, out=np.zeros_like(coulomb), where=phonon > 0.0)
    scale = np.sqrt(phonon / odd)
    counts = round(float(phonon.sum())), round(float(coulomb.sum()))
    arrays = (index, odd, scale, full, phonon, ratio)
    addresses = (index.size, dense, end, *(0 if a is None else a.ctypes.data for a in arrays))
    return MatsubaraGrid(
        index, full, phonon, coulomb, end, dense, distance, minus, plus, odd, scale, ratio, counts, addresses
    )


@lru_cache(maxsize=DENSE)
def _integer_pairs(size: int) -> tuple[FloatArray, IntArray, IntArray]:
    n = np.arange(size)
    return np.arange(2.0 * size + 1.0), np.abs(n[:, None] - n), n[:, None] + n + 1


def _pairs(index: FloatArray, end: int) -> tuple[FloatArray, IntArray, IntArray]:
    size = index.size
    row, column = np.tril_indices(size)
    distance = np.concatenate(
        [index[row] - index[column], index[row] + index[column] + 1.0, end - index, end + index + 1.0]
    )
    minus = np.empty((size, size), dtype=np.intp)
    minus[row, column] = minus[column, row] = np.arange(row.size)
    return distance, minus, minus + row.size


def _taper(x: FloatArray) -> FloatArray:
    """1 below 1 - TAPER, 0 above 1 + TAPER, and between them the quintic with two smooth derivatives."""
    t = np.clip((x - 1.0) / (2.0 * TAPER) + 0.5, 0.0, 1.0)
    # By rounding it may fall below zero.
    return np.maximum(1.0 - t**3 * (10.0 - 15.0 * t + 6.0 * t * t), 0.0)


def _blocks(end: int, bounds: list[int], growth: float) -> tuple[FloatArray, FloatArray]:
    if end <= DENSE:
        return np.arange(float(end)), np.ones(end)
    indices, weights = [np.arange(float(FIRST_BLOCK))], [np.ones(FIRST_BLOCK)]
    a = FIRST_BLOCK
    for bound in [b for b in bounds if b > FIRST_BLOCK]:
        while a < bound:
            length = max(NODES, int(growth * a))
            # A rest shorter than half a block joins its neighbour.
            b = bound if bound - a < 1.5 * length else a + length
            nodes, share = _gram(b - a)
            indices.append(a + nodes)
            weights.append(share)
            a = b
    return np.concatenate(indices), np.concatenate(weights)


@lru_cache(maxsize=4096)
def _gram(length: int) -> tuple[FloatArray, FloatArray]:
    """Gauss nodes and weights for the sum over 0, 1, ... length - 1."""
    if length <= NODES:
        return np.arange(float(length)), np.ones(length)
    k = np.arange(1.0, NODES)
    off_diagonal = np.sqrt(k * k * (float(length) ** 2 - k * k) / (4.0 * (4.0 * k * k - 1.0)))
    jacobi = np.diag(off_diagonal, 1) + np.diag(off_diagonal, -1)
    nodes, vectors = np.linalg.eigh(jacobi)
    return nodes + 0.5 * (length - 1), length * vectors[0] ** 2
