"""Unit conversions, all derived from the CODATA constants in ``scipy.constants``.

Energies are meV inside the numerical core and kelvin wherever a person reads them.
A factor named ``A_PER_B`` turns a number of ``B`` into a number of ``A``: ``e_mev = nu_thz * MEV_PER_THZ``.
"""

from __future__ import annotations

from typing import Final

from scipy import constants as _c

KB_MEV_PER_K: Final[float] = _c.k / _c.e * 1e3
"""Boltzmann constant, meV/K."""

K_PER_MEV: Final[float] = 1.0 / KB_MEV_PER_K
MEV_PER_THZ: Final[float] = _c.h * 1e12 / _c.e * 1e3
MEV_PER_INVERSE_CM: Final[float] = _c.h * _c.c * 100.0 / _c.e * 1e3
MEV_PER_HARTREE: Final[float] = _c.physical_constants["Hartree energy in eV"][0] * 1e3
MEV_PER_RYDBERG: Final[float] = MEV_PER_HARTREE / 2.0
MEV_PER_EV: Final[float] = 1e3

MEV_PER_UNIT: Final[dict[str, float]] = {
    "mev": 1.0,
    "ev": MEV_PER_EV,
    "thz": MEV_PER_THZ,
    "cm-1": MEV_PER_INVERSE_CM,
    "ry": MEV_PER_RYDBERG,
    "ha": MEV_PER_HARTREE,
    "k": KB_MEV_PER_K,
}
"""meV in one of each energy unit a spectrum may come in, by lower-case name."""
