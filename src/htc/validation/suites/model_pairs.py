"""Pairs that follow from a prediction, for the suites in which a model predicts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from htc.validation.cases import Pair, View

if TYPE_CHECKING:
    from htc.prediction import Prediction

__all__ = ["AGAINST_MEASURED", "fingerprint_of", "measured_pairs"]

AGAINST_MEASURED: Final = (
    View(
        name="calculated",
        title="Calculated Tc against measured",
        unit="K",
        known="measured Tc (K)",
        predicted="calculated Tc (K)",
        group="training",
    ),
    View(
        name="laboratory",
        title="Tc expected in the laboratory against measured",
        unit="K",
        known="measured Tc (K)",
        predicted="Tc expected in the laboratory (K)",
        group="training",
    ),
)
"""The two Tc of a prediction, each with its own interval."""


def measured_pairs(prediction: Prediction, tc_measured_k: float, groups: Mapping[str, str]) -> list[Pair]:
    """The calculated Tc and the one expected in the laboratory, each against the measured."""
    if prediction.tc_predicted is None:
        return []
    parts = {**groups}
    if prediction.family:
        parts["family"] = prediction.family
    if prediction.confidence_level:
        parts["confidence"] = prediction.confidence_level
    pairs = [
        Pair(
            view="calculated",
            known=tc_measured_k,
            predicted=prediction.tc_predicted,
            lower_95=prediction.tc_lower_95ci,
            upper_95=prediction.tc_upper_95ci,
            groups=parts,
        )
    ]
    if prediction.tc_experiment is not None:
        pairs.append(
            Pair(
                view="laboratory",
                known=tc_measured_k,
                predicted=prediction.tc_experiment,
                lower_95=prediction.tc_experiment_lower_95ci,
                upper_95=prediction.tc_experiment_upper_95ci,
                groups=parts,
            )
        )
    return pairs


def fingerprint_of(parts: Iterable[str]) -> str:
    """The first 12 digits of a SHA-256 over texts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:12]
