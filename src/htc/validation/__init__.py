"""Predictions held against what is known: suites, each with its data, metrics with intervals, reports.

| suite | what is held against what |
|---|---|
| `reference` | predictions of the bundled crystals against their measured Tc |
| `formulas` | the closed formulas on published couplings against published and measured Tc |
| `eliashberg` | the Eliashberg solver against other codes on the same alpha2F |
| `fold3` | the model against calculations that took no part in its training |
| `experiment` | predictions against the measured Tc of conventional compounds |

``htc.jobs.validating`` runs them and writes down what came of them.
"""

from htc.validation.cases import Case, Pair, Suite, SuiteName, View
from htc.validation.metrics import Metrics, metrics_of
from htc.validation.suites import NEEDS_DATA, SUITES, suite
from htc.validation.summary import Point, points_of, summarise

__all__ = [
    "NEEDS_DATA",
    "SUITES",
    "Case",
    "Metrics",
    "Pair",
    "Point",
    "Suite",
    "SuiteName",
    "View",
    "metrics_of",
    "points_of",
    "suite",
    "summarise",
]
