"""Unit conversions, all derived from the constants below.

Energies are meV inside the numerical core and kelvin wherever a person reads them.
A factor named ``A_PER_B`` turns a number of ``B`` into a number of ``A``: ``e_mev = nu_thz * MEV_PER_THZ``.
"""

from __future__ import annotations

from typing import Final

# Exact in the SI of 2019; of CODATA 2022 (https://physics.nist.gov/constants) the Hartree energy. A test
# holds them against scipy.constants, whose import would be a fifth of the start of `htc tc`.
_BOLTZMANN: Final[float] = 1.380649e-23  # J/K
_CHARGE: Final[float] = 1.602176634e-19  # C
_PLANCK: Final[float] = 6.62607015e-34  # J s
_LIGHT: Final[float] = 299792458.0  # m/s
_HARTREE_EV: Final[float] = 27.211386245981

KB_MEV_PER_K: Final[float] = _BOLTZMANN / _CHARGE * 1e3
"""Boltzmann constant, meV/K."""

K_PER_MEV: Final[float] = 1.0 / KB_MEV_PER_K
MEV_PER_THZ: Final[float] = _PLANCK * 1e12 / _CHARGE * 1e3
MEV_PER_INVERSE_CM: Final[float] = _PLANCK * _LIGHT * 100.0 / _CHARGE * 1e3
MEV_PER_HARTREE: Final[float] = _HARTREE_EV * 1e3
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
