"""The pairing kernel on a Matsubara grid: lambda(n - m), lambda(n + m + 1) and the sum in Z."""

from __future__ import annotations

from math import ceil, pi
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.theory.eliashberg.conventions import Cutoffs
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.matsubara import GROWTH, MatsubaraGrid, matsubara_grid, tapered_grid

__all__ = ["beyond_nodes", "frequencies_below", "grid_at", "tail"]

FloatArray = NDArray[np.float64]

EXPLICIT: Final[int] = 6
"""Terms of the tail summed one by one before the rest is an integral."""


def frequencies_below(cutoff_mev: float, kt_mev: float) -> int:
    """How many Matsubara frequencies omega_n >= 0 lie below a cutoff; at least one."""
    return max(ceil(cutoff_mev / (2.0 * pi * kt_mev) - 0.5), 1)


def grid_at(cutoffs: Cutoffs, kt_mev: float, growth: float = GROWTH) -> MatsubaraGrid:
    """The grid of a convention at a temperature."""
    if cutoffs.edge == "smooth":
        spacing = 2.0 * np.pi * kt_mev
        return tapered_grid(cutoffs.phonon_mev / spacing, cutoffs.coulomb_mev / spacing, growth)
    phonon = frequencies_below(cutoffs.phonon_mev, kt_mev)
    same = cutoffs.coulomb_mev == cutoffs.phonon_mev
    return matsubara_grid(phonon, phonon if same else frequencies_below(cutoffs.coulomb_mev, kt_mev), growth)


def tail(coupling: Coupling, end: int, index: FloatArray, kt_mev: float) -> tuple[FloatArray, FloatArray]:
    """sum_{m >= end} [lambda(m - n) - lambda(m + n + 1)] at frequencies n, and its derivative by ln T.

    The first terms are summed; the rest is an integral, corrected at its lower end after Euler and Maclaurin.
    Shapes as ``index``, ``(n,)``.
    """
    spacing = 2.0 * np.pi * kt_mev
    starts = np.stack([end - index, end + index + 1.0])
    rest = starts + (EXPLICIT - 0.5)
    points = np.concatenate([(starts + np.arange(EXPLICIT)[:, None, None]).ravel(), rest.ravel()])
    values, slopes = (part.reshape(-1, 2, index.size) for part in coupling.with_slope(spacing * points))
    # d/dx of lambda(spacing x) is slope/x; the correction's own derivative does not show in a Newton step.
    terms = values[:-1].sum(axis=0) + slopes[-1] / (24.0 * rest)
    by_ln_t = slopes[:-1].sum(axis=0) - rest * values[-1]
    integral = coupling.integral(spacing * rest[0], spacing * rest[1]) / spacing
    return terms[0] - terms[1] + integral, by_ln_t[0] - by_ln_t[1] - integral


def beyond_nodes(
    coupling: Coupling,
    cutoffs: Cutoffs,
    grid: MatsubaraGrid,
    within: tuple[FloatArray, FloatArray],
    kt_mev: float,
) -> tuple[FloatArray, FloatArray]:
    """What to add to the sum in an infinite Z done on the nodes of a grid, and its derivative by ln T.

    That is the tail; and, where a smooth edge takes the pairing away but leaves Z, what the nodes, far apart
    there, make wrong of a narrow peak of lambda: with a sharp edge that error cancels against the pairing's.

    Args:
        coupling: lambda on the imaginary axis.
        cutoffs: a convention resolved, with infinite Z.
        grid: of these cutoffs at this temperature.
        within: the sum done with the grid's full weights and its derivative by ln T, shapes ``(p,)``.
        kt_mev: k T, meV.
    """
    rest, by_ln_t = tail(coupling, grid.end, grid.index, kt_mev)
    if cutoffs.edge == "smooth" and not grid.dense:
        whole, whole_by_ln_t = _whole(coupling, grid.index, kt_mev)
        faded = 1.0 - grid.phonon / grid.full
        rest += faded * (whole - within[0] - rest)
        by_ln_t += faded * (whole_by_ln_t - within[1] - by_ln_t)
    return rest, by_ln_t


def _whole(coupling: Coupling, index: FloatArray, kt_mev: float) -> tuple[FloatArray, FloatArray]:
    """sum_{m >= 0} [lambda(m - n) - lambda(m + n + 1)] at frequencies n far out, and d/d ln T.

    It is the sum of lambda over all integers, ``pi a coth(pi a)`` with a = omega/2 pi k T for an oscillator,
    less twice that beyond n, an integral as in `tail`.
    """
    spacing = 2.0 * np.pi * kt_mev
    a = np.pi * coupling.omega_mev / spacing
    fall = -np.expm1(-2.0 * a)
    everything = a * (2.0 - fall) / fall
    by_ln_t = 4.0 * a * a * (1.0 - fall) / (fall * fall) - everything
    x = index + 0.5
    values, slopes = coupling.with_slope(spacing * x)
    angles = np.arctan2(coupling.omega_mev, spacing * x[:, None])
    integral = angles @ (coupling.omega_mev * coupling.weight) / spacing
    return (
        float(coupling.weight @ everything) - 2.0 * (integral + slopes / (24.0 * x)),
        float(coupling.weight @ by_ln_t) + 2.0 * (integral + x * values),
    )
