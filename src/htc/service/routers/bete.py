"""``/api/bete``: from crystals to electron-phonon spectra."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Path, Request, Response

from htc.service import bete, details
from htc.service.access import Requires, caller_of
from htc.service.answers import JSONAnswer
from htc.service.idempotency import IdempotentRoute
from htc.service.problems import problem_responses
from htc.service.schemas import BetePrediction, BetePredictRequest, BeteRun
from htc.service.state import ServiceState

__all__ = ["router"]

router = APIRouter(prefix="/api/bete", tags=["electron-phonon"], route_class=IdempotentRoute)


@router.post(
    "/predict",
    operation_id="bete_predict",
    response_model=BetePrediction,
    responses=problem_responses(
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
    dependencies=[Requires("predict")],
)
async def bete_predict(service: ServiceState, request: Request, wish: BetePredictRequest) -> Response:
    """Predict coupling, spectrum and Tc of a crystal, and store them.

    The spectrum is a surrogate: formed from the predicted moments, and labelled so everywhere. A material
    outside electron-phonon theory gets a reason and no run.
    """
    return JSONAnswer(await bete.predict(service, wish, details.created_by(service, caller_of(request))))


@router.get(
    "/runs/{run_id}",
    operation_id="get_bete_run",
    response_model=BeteRun,
    responses=problem_responses(
        HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
    dependencies=[Requires("read")],
)
async def get_bete_run(
    service: ServiceState,
    run_id: str = Path(min_length=1, max_length=100, description="Id of the electron-phonon run."),
) -> Response:
    """A stored electron-phonon run with its spectrum and running lambda."""
    return JSONAnswer(await service.desk.in_thread(lambda: details.bete_run(service, run_id)))
