"""A request for a prediction, answered from the store once it is there."""

from __future__ import annotations

from htc.materials.formulas import parse_formula
from htc.materials.inputs import InputItem
from htc.prediction import Failure
from htc.service.schemas import PredictionAnswer, PredictRequest
from htc.service.state import Service
from htc.store import get, save

__all__ = ["predict"]


def predict(service: Service, request: PredictRequest) -> PredictionAnswer:
    """Predict, store, and read back what was stored.

    Raises:
        HTCError: whatever is wrong with the composition, the model or the database.
    """
    item = InputItem(request.composition, "formula", parse_formula(request.composition))
    mu_star = service.settings.mu_star if request.mu_star is None else request.mu_star
    (result,) = service.predictor().predict([item], pressure_gpa=request.pressure_gpa, mu_star=mu_star)
    if isinstance(result, Failure):
        raise result.error
    (saved,) = save(service.database, [result], created_by=service.settings.created_by)
    if saved.is_new:
        service.rankings.note_new_row()
    stored = get(service.database, saved.id).as_dict()
    return PredictionAnswer.model_validate(stored | {"pressure_required_gpa": stored["pressure_gpa"]})
