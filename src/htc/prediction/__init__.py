"""One record for every material: its Tc with interval and provenance, or the reason why it has none."""

from __future__ import annotations

from htc.prediction.from_spectrum import choose_spectrum, predict_from_spectrum
from htc.prediction.predictor import Failure, Material, Predictor
from htc.prediction.record import Prediction

__all__ = ["Failure", "Material", "Prediction", "Predictor", "choose_spectrum", "predict_from_spectrum"]
