"""The second interval: what a laboratory will measure, given the Tc the model predicts.

The first interval says what a first-principles calculation would give. This one is learned from compounds
that were computed and measured, so it holds what the theory misses as well.
"""

from __future__ import annotations

from htc.models.experiment.calibration import EXPERIMENT_FILE, ExperimentCalibration, ExperimentEstimate
from htc.models.experiment.fitting import cross_validated, fit_experiment, scored
from htc.models.experiment.matching import EXPERIMENT_MU_STAR, ExperimentPairs, experiment_pairs, match
from htc.models.experiment.measured import Measured, read_measured

__all__ = [
    "EXPERIMENT_FILE",
    "EXPERIMENT_MU_STAR",
    "ExperimentCalibration",
    "ExperimentEstimate",
    "ExperimentPairs",
    "Measured",
    "cross_validated",
    "experiment_pairs",
    "fit_experiment",
    "match",
    "read_measured",
    "scored",
]
