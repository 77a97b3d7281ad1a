"""Critical temperatures from spectra and their moments."""

from __future__ import annotations

from htc.theory.empirical import FORMULAS, Formula, Status, get_formula, status
from htc.theory.tc import ELIASHBERG, METHODS, CriticalTemperature, critical_temperature
from htc.theory.uncertainty import TcDistribution, log_covariance, propagate, propagate_plateau

__all__ = [
    "ELIASHBERG",
    "FORMULAS",
    "METHODS",
    "CriticalTemperature",
    "Formula",
    "Status",
    "TcDistribution",
    "critical_temperature",
    "get_formula",
    "log_covariance",
    "propagate",
    "propagate_plateau",
    "status",
]
