"""The pairing kernel on a Matsubara grid: lambda(n - m), lambda(n + m + 1) and the sum in Z."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.theory.eliashberg.conventions import Cutoffs
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.matsubara import MatsubaraGrid, matsubara_grid, tapered_grid

__all__ = ["frequencies_below", "grid_at", "tail"]

FloatArray = NDArray[np.float64]

EXPLICIT: Final[int] = 6
"""Terms of the tail summed one by one before the rest is an integral."""


def frequencies_below(cutoff_mev: float, kt_mev: float) -> int:
    """How many Matsubara frequencies omega_n >= 0 lie below a cutoff; at least one."""
    return max(int(np.ceil(cutoff_mev / (2.0 * np.pi * kt_mev) - 0.5)), 1)


def grid_at(cutoffs: Cutoffs, kt_mev: float) -> MatsubaraGrid:
    """The grid of a convention at a temperature."""
    if cutoffs.edge == "smooth":
        spacing = 2.0 * np.pi * kt_mev
        return tapered_grid(cutoffs.phonon_mev / spacing, cutoffs.coulomb_mev / spacing)
    return matsubara_grid(
        frequencies_below(cutoffs.phonon_mev, kt_mev), frequencies_below(cutoffs.coulomb_mev, kt_mev)
    )


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
