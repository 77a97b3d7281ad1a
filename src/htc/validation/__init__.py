"""Predictions held against what is known: suites, each with its data, and metrics.

| suite | what is held against what |
|---|---|
| `reference` | predictions of the bundled crystals against their measured Tc |
| `formulas` | the closed formulas on bundled computed spectra against the measured Tc |
"""

from htc.validation.metrics import Metrics, metrics_of
from htc.validation.suites import SUITES, Case, Suite, SuiteName, suite
from htc.validation.summary import Compared, summarise

__all__ = [
    "SUITES",
    "Case",
    "Compared",
    "Metrics",
    "Suite",
    "SuiteName",
    "metrics_of",
    "suite",
    "summarise",
]
