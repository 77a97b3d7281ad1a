"""A request for a prediction, answered from the store once it is there."""

from __future__ import annotations

from htc.errors import InputError
from htc.materials.formulas import parse_formula
from htc.materials.inputs import InputItem
from htc.prediction import Failure
from htc.service.metrics import Outcome
from htc.service.schemas import PredictionAnswer, PredictRequest
from htc.service.state import Service
from htc.store import get, save

__all__ = ["predict"]


def predict(service: Service, request: PredictRequest) -> PredictionAnswer:
    """Predict, store, and read back what was stored.

    Raises:
        HTCError: whatever is wrong with the composition, the model or the database.
    """
    outcome: Outcome = "failed"
    try:
        answer, is_new = _predict(service, request)
        outcome = "repeated" if not is_new else "predicted" if answer.applicable else "outside_theory"
    except InputError:
        outcome = "rejected"
        raise
    finally:
        service.metrics.count_prediction(outcome)
    return answer


def _predict(service: Service, request: PredictRequest) -> tuple[PredictionAnswer, bool]:
    item = InputItem(request.composition, "formula", parse_formula(request.composition))
    mu_star = service.settings.mu_star if request.mu_star is None else request.mu_star
    (result,) = service.predictor().predict([item], pressure_gpa=request.pressure_gpa, mu_star=mu_star)
    if isinstance(result, Failure):
        raise result.error
    (saved,) = save(service.database, [result], created_by=service.settings.created_by)
    if saved.is_new:
        service.rankings.note_new_row()
    stored = get(service.database, saved.id).as_dict()
    answer = PredictionAnswer.model_validate(stored | {"pressure_required_gpa": stored["pressure_gpa"]})
    return answer, saved.is_new
