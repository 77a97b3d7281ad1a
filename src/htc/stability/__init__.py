"""Would this crystal exist: interatomic potentials, relaxation, phonons, and the distance to the hull."""

from __future__ import annotations

from htc.stability.assessment import PhononSummary, Stability, assess
from htc.stability.cache import StabilityCache
from htc.stability.competitors import Competitor, CompetitorSource
from htc.stability.hull import HullDistance, Phase, hull_distance
from htc.stability.phonons import Phonons, PhononSettings
from htc.stability.potentials import Potential, check_potential, load_potential, potential_names
from htc.stability.relaxation import Relaxation, relax

__all__ = [
    "Competitor",
    "CompetitorSource",
    "HullDistance",
    "Phase",
    "PhononSettings",
    "PhononSummary",
    "Phonons",
    "Potential",
    "Relaxation",
    "Stability",
    "StabilityCache",
    "assess",
    "check_potential",
    "hull_distance",
    "load_potential",
    "potential_names",
    "relax",
]
