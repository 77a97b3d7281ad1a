"""``/api/htc/predictions/{id}/methods``."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Path, Query, Response

from htc.service.access import Requires
from htc.service.answers import JSONAnswer
from htc.service.methods import prediction_methods
from htc.service.problems import problem_responses
from htc.service.schemas.methods import MethodsAnswer
from htc.service.state import ServiceState

__all__ = ["router"]

router = APIRouter(prefix="/api/htc", tags=["predictions"], dependencies=[Requires("read")])


@router.get(
    "/predictions/{prediction_id}/methods",
    operation_id="get_prediction_methods",
    response_model=MethodsAnswer,
    responses=problem_responses(
        HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)
def get_prediction_methods(
    service: ServiceState,
    prediction_id: str = Path(
        min_length=1, max_length=100, description="Id of the prediction, or its first characters."
    ),
    eliashberg: bool = Query(default=True, description="Also solve the Eliashberg equations."),
) -> Response:
    """Tc of a stored prediction by every closed formula and every Eliashberg convention, side by side."""
    return JSONAnswer(prediction_methods(service, prediction_id, eliashberg=eliashberg))
