"""What is known of the elements at ambient pressure, where tables of formulas mix in other samples.

A table that lists one Tc for ``Ba`` or ``Be`` lists that of a sample under pressure or of a quenched film:
the crystal at ambient pressure has none, or a hundred times less. Elements are few and well known, so their
Tc is taken from the literature instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["AMBIENT_TC_K"]

# Roberts, J. Phys. Chem. Ref. Data 5, 581 (1976), doi:10.1063/1.555540. Rh: doi:10.1103/PhysRevLett.50.64;
# Li: doi:10.1038/nature05820; Bi: doi:10.1126/science.aaf8227. Lanthanum has 4.88 K (dhcp) and 6.00 K (fcc):
# their mean.
AMBIENT_TC_K: Final[Mapping[str, float]] = {
    "Li": 0.0004, "Be": 0.026, "Al": 1.175, "Ti": 0.40, "V": 5.40, "Zn": 0.85, "Ga": 1.083, "Zr": 0.61,
    "Nb": 9.25, "Mo": 0.915, "Tc": 7.8, "Ru": 0.49, "Rh": 0.000325, "Cd": 0.517, "In": 3.408, "Sn": 3.722,
    "La": 5.44, "Hf": 0.128, "Ta": 4.47, "W": 0.0154, "Re": 1.697, "Os": 0.66, "Ir": 0.1125, "Hg": 4.154,
    "Tl": 2.38, "Pb": 7.196, "Bi": 0.00053, "Th": 1.38, "Pa": 1.4, "U": 0.2,
}  # fmt: skip
"""Tc of bulk elements at ambient pressure, K. An element that is not here is not known to superconduct so."""
