"""How far relaxing could lower a crystal that is not relaxed, from its forces and stress.

A crystal at rest has none. Where there are some, the energy that is left in them is that of springs: a force
F on a spring of stiffness k has F^2/2k, a stress s in a cell of volume V and modulus C has V s^2/2C. The
stiffnesses here are those of soft crystals. Of forces and shear so large that springs say little, relaxing
gives less than they do, and the sum is bent to a limit. How often a crystal gains more than this, because it
turns into another structure, is in docs/explanation/stability.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from htc.stability.potentials.protocol import EnergyForcesStress

__all__ = ["GPA_PER_EV_A3", "Screened", "possible_gain"]

GPA_PER_EV_A3: Final = 160.21766339999998
"""GPa in one eV/Å^3, from the exact elementary charge."""

_BASE_EV: Final = 0.02
"""eV/atom that any crystal is granted: symmetry may leave no force where there is a lower neighbour."""
_BULK_GPA: Final = 50.0
_SHEAR_GPA: Final = 15.0
_SPRING_EV_A2: Final = 2.5
_LIMIT_EV: Final = 0.5
"""eV/atom that forces and shear come to at most."""


@dataclass(frozen=True, slots=True)
class Screened:
    """Energy of a crystal before it is relaxed."""

    energy_ev: float
    """Under pressure enthalpy, eV/atom: an upper bound of the relaxed one."""
    gain_ev: float
    """Relaxing is taken to lower it by no more than this, eV/atom."""

    @property
    def lowest_ev(self) -> float:
        """What it is taken to have at least when relaxed, eV/atom."""
        return self.energy_ev - self.gain_ev


def possible_gain(found: EnergyForcesStress, volume: float, pressure_gpa: float) -> float:
    """How much relaxing may lower the energy, eV/atom; infinite where forces or stress are no numbers.

    Args:
        found: of n atoms.
        volume: of the cell, Å^3.
        pressure_gpa: that it is to be relaxed at, GPa.
    """
    n = len(found.forces)
    stress = np.asarray(found.stress) * GPA_PER_EV_A3 + pressure_gpa * np.eye(3)
    mean = float(np.trace(stress)) / 3.0
    shear = stress - mean * np.eye(3)
    per_atom = volume / n / GPA_PER_EV_A3
    # A crystal that is stretched far pulls less than a spring does.
    squeezed = per_atom * mean**2 / (2.0 * _BULK_GPA) * (2.0 if mean > 0.0 else 1.0)
    sheared = per_atom * float((shear**2).sum()) / (4.0 * _SHEAR_GPA)
    pulled = float((found.forces**2).sum()) / n / (2.0 * _SPRING_EV_A2)
    gain = _BASE_EV + squeezed + (sheared + pulled) / (1.0 + (sheared + pulled) / _LIMIT_EV)
    return gain if np.isfinite(gain) else float("inf")
