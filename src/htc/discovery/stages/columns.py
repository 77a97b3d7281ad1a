"""The columns that a prediction gives to rules and rankings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from htc.prediction.record import Prediction

__all__ = ["columns_of"]

_FIELDS: Final = {
    "tc_predicted": "tc_predicted",
    "tc_lower_95ci": "tc_lower_95ci",
    "tc_upper_95ci": "tc_upper_95ci",
    "tc_uncertainty": "tc_uncertainty",
    "tc_experiment": "tc_experiment",
    "tc_experiment_lower_95ci": "tc_experiment_lower_95ci",
    "tc_experiment_upper_95ci": "tc_experiment_upper_95ci",
    "lambda_ep": "lambda_ep",
    "omega_log": "omega_log",
    "confidence_level": "confidence_level",
    "extrapolation_warning": "extrapolation_warning",
    "family": "family",
    "model_tier": "model_tier",
    "phonon_stable": "phonon_stable",
    "phonon_verdict": "phonon_verdict",
    "imaginary_modes_count": "imaginary_modes_count",
    "lowest_frequency_thz": "lowest_frequency_thz",
    "thermo_stable": "thermo_stable",
    "hull_distance_eV": "hull_distance_ev",
}
"""Column by field of a prediction."""


def columns_of(prediction: Prediction) -> dict[str, float | str | bool | None]:
    """Columns of a prediction that are known, by the names of ``htc_predictions``."""
    found: dict[str, float | str | bool | None] = {
        column: getattr(prediction, name)
        for column, name in _FIELDS.items()
        if getattr(prediction, name) is not None
    }
    return found | {"pressure_required_gpa": prediction.pressure_gpa}
