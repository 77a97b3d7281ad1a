"""Search: candidates, screening, optimisation, and what of it no other candidate beats.

A run is described by a request (:mod:`htc.discovery.requests`), its candidates are made one at a time from it
(:mod:`htc.discovery.candidates`), judged by an :class:`Evaluator`, and compared by their objectives
(:mod:`htc.discovery.pareto`). Who keeps the results, and who goes on after a crash, is the business of the
rooms above.
"""

from htc.discovery.candidates import Candidates, resolve
from htc.discovery.evaluation import Evaluator, Verdict
from htc.discovery.fronts import Front, FrontPoint, front_of
from htc.discovery.optimise import Optimiser
from htc.discovery.pareto import hypervolume, non_dominated
from htc.discovery.requests import (
    MAX_CANDIDATES,
    CandidateRequest,
    Objective,
    OptimizeRequest,
    ScreenRequest,
    StoredSelection,
    StructureText,
    Substitution,
)

__all__ = [
    "MAX_CANDIDATES",
    "CandidateRequest",
    "Candidates",
    "Evaluator",
    "Front",
    "FrontPoint",
    "Objective",
    "Optimiser",
    "OptimizeRequest",
    "ScreenRequest",
    "StoredSelection",
    "StructureText",
    "Substitution",
    "Verdict",
    "front_of",
    "hypervolume",
    "non_dominated",
    "resolve",
]
