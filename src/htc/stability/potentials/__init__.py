"""Interatomic potentials behind one protocol: the ones whose weights ship in a wheel, and others' own.

``load_potential("sevennet-l3i5")`` gives a :class:`Potential`; ``check_potential`` says whether one obeys the
laws that relaxation and phonons rest on.
"""

from __future__ import annotations

from htc.stability.potentials.conformance import Conformance, LawResult, check_potential
from htc.stability.potentials.protocol import BatchPotential, EnergyForcesStress, Potential
from htc.stability.potentials.registry import (
    DEFAULT_POTENTIAL,
    FAST_POTENTIAL,
    load_potential,
    potential_names,
)

__all__ = [
    "DEFAULT_POTENTIAL",
    "FAST_POTENTIAL",
    "BatchPotential",
    "Conformance",
    "EnergyForcesStress",
    "LawResult",
    "Potential",
    "check_potential",
    "load_potential",
    "potential_names",
]
