"""What a continuation to the real axis gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["DensityOfStates", "GapEdges", "Method", "RealAxis"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

Method = Literal["pade", "exact"]


@dataclass(frozen=True, slots=True, eq=False)
class RealAxis:
    """Delta and Z just above the real axis, and how far to believe them."""

    method: Method
    kt_mev: float
    omega_mev: FloatArray
    """Energies, meV, > 0, ascending, shape ``(n,)``. Both functions take conjugate values at -omega."""
    delta_mev: ComplexArray
    """Delta_i(omega), meV, shape ``(b, n)``."""
    z: ComplexArray
    """Z_i(omega), shape ``(b, n)``."""
    edges_mev: tuple[float | None, ...]
    """Gap edge of each band, meV: where Re Delta(omega) = omega; None where there is none."""
    residual: float
    """Largest error over the largest gap: of the equations (exact), at the Matsubara frequencies (Pade)."""
    steps: int
    """Iterations (exact) or terms of the longest fraction (Pade)."""
    trusted_to_mev: float
    """Energy up to which the result passed every test of its kind; 0: nowhere."""
    trustworthy: bool
    """Whether that is everywhere."""
    reasons: tuple[str, ...]
    """Why not, a sentence each."""


@dataclass(frozen=True, slots=True)
class GapEdges:
    """The measurable gap at one temperature, by Pade approximants."""

    kt_mev: float
    edges_mev: tuple[float | None, ...]
    """Of each band, meV; None where Re Delta(omega) never meets omega."""
    spread: float
    """Largest relative difference between the edges of three different approximants."""
    trustworthy: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DensityOfStates:
    """Density of states of the quasiparticles over that of the normal state."""

    omega_mev: FloatArray
    """meV, shape ``(n,)``."""
    bands: FloatArray
    """N_i(omega)/N_i(normal), shape ``(b, n)``."""
    total: FloatArray
    """All bands together over their normal density, shape ``(n,)``."""
