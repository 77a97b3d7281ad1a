"""Search: candidates, screening, optimisation, and what of it no other candidate beats.

A run is described by a request (:mod:`htc.discovery.requests`), its candidates are made one at a time from it
(:mod:`htc.discovery.candidates`), judged by an :class:`Evaluator`, and compared by their objectives
(:mod:`htc.discovery.pareto`). Who keeps the results, and who goes on after a crash, is the business of the
rooms above.
"""

from htc.discovery.candidates import Candidates, resolve
from htc.discovery.evaluation import Evaluator, Verdict
from htc.discovery.fronts import Front, FrontPoint, front_of
from htc.discovery.pareto import hypervolume, non_dominated
from htc.discovery.pool import Pool
from htc.discovery.requests import (
    MAX_CANDIDATES,
    CandidateRequest,
    Constraint,
    Goal,
    Objective,
    OptimizeRequest,
    ScreenRequest,
    StoredSelection,
    StructureText,
    Substitution,
)
from htc.discovery.strategies import Optimiser, Strategy, strategy_for

__all__ = [
    "MAX_CANDIDATES",
    "CandidateRequest",
    "Candidates",
    "Constraint",
    "Evaluator",
    "Front",
    "FrontPoint",
    "Goal",
    "Objective",
    "Optimiser",
    "OptimizeRequest",
    "Pool",
    "ScreenRequest",
    "StoredSelection",
    "Strategy",
    "StructureText",
    "Substitution",
    "Verdict",
    "front_of",
    "hypervolume",
    "non_dominated",
    "resolve",
    "strategy_for",
]
