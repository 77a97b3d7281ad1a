"""``/api/htc/predict`` and ``/api/htc/predictions``."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from htc.service import details
from htc.service.access import Requires, caller_of
from htc.service.answers import JSONAnswer
from htc.service.batches import NDJSON, answer_batch
from htc.service.idempotency import IdempotentRoute
from htc.service.predictions import Question
from htc.service.problems import problem_responses
from htc.service.schemas import BatchLine, BatchRequest, PredictionAnswer, PredictionDetail, PredictRequest
from htc.service.state import ServiceState

__all__ = ["router"]

router = APIRouter(prefix="/api/htc", tags=["predictions"], route_class=IdempotentRoute)

_BAD = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.SERVICE_UNAVAILABLE,
)


@router.post(
    "/predict",
    operation_id="predict",
    response_model=PredictionAnswer,
    responses=problem_responses(*_BAD),
    dependencies=[Requires("predict")],
)
async def predict(service: ServiceState, request: Request, wish: PredictRequest) -> Response:
    """Predict the critical temperature of a composition or a crystal, and store it.

    The same question is answered by the stored prediction. A material outside electron-phonon
    theory gets no Tc but a reason.
    """
    mu_star = service.settings.mu_star if wish.mu_star is None else wish.mu_star
    source = wish.composition or wish.structure_id or "structure"
    created_by = details.created_by(service, caller_of(request))
    record, _ = await service.desk.ask(
        Question(wish, wish.pressure_gpa, mu_star, source=source, created_by=created_by)
    )
    return JSONAnswer(record)


@router.post(
    "/predict/batch",
    operation_id="predict_batch",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A line for each item, in the order of the request, as they are predicted.",
            "content": {NDJSON: {"schema": {"$ref": "#/components/schemas/BatchLine"}}},
            "model": BatchLine,
            "headers": {
                "X-Run-ID": {"description": "Id of the run they belong to.", "schema": {"type": "string"}}
            },
        },
        **problem_responses(*_BAD),
    },
    dependencies=[Requires("predict")],
)
async def predict_batch(service: ServiceState, request: Request, wish: BatchRequest) -> Response:
    """Predict up to 1000 materials, and store them as one run.

    The answer is streamed as NDJSON: one line for each item, in order, each with a prediction or with the
    problem that this item has. One bad item never stops the others.
    """
    return await answer_batch(service, wish, details.created_by(service, caller_of(request)))


@router.get(
    "/predictions/{prediction_id}",
    operation_id="get_prediction",
    response_model=PredictionDetail,
    responses=problem_responses(
        HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
    dependencies=[Requires("read")],
)
async def get_prediction(
    service: ServiceState,
    prediction_id: str = Path(
        min_length=1,
        max_length=100,
        description="Id of the prediction, or as many of its first characters (four or more) as are unique.",
    ),
) -> Response:
    """A stored prediction with its crystal, its spectrum and its provenance."""
    return JSONAnswer(await service.desk.in_thread(lambda: details.prediction_detail(service, prediction_id)))
