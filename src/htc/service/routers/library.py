"""``/api/htc/materials``, ``/models`` and ``/structures``: what is known."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Path, Query, Response

from htc.service import details, materials, models
from htc.service.access import Requires
from htc.service.answers import JSONAnswer
from htc.service.problems import problem_responses
from htc.service.schemas import MaterialAnswer, ModelCard, ModelList, StructureAnswer
from htc.service.state import ServiceState

__all__ = ["router"]

router = APIRouter(prefix="/api/htc", dependencies=[Requires("read")])

_ABSENT = problem_responses(
    HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
)


@router.get(
    "/materials/{formula}",
    operation_id="get_material",
    tags=["materials"],
    response_model=MaterialAnswer,
    responses=_ABSENT,
)
async def get_material(
    service: ServiceState,
    formula: str = Path(min_length=1, max_length=200, description="Chemical formula.", examples=["MgB2"]),
) -> Response:
    """Everything known of a formula: predictions, crystals, stability, spectra, measured values."""
    return await service.desk.page(("material", formula), lambda: materials.material(service, formula))


@router.get(
    "/models",
    operation_id="list_models",
    tags=["models"],
    response_model=ModelList,
    responses=problem_responses(HTTPStatus.SERVICE_UNAVAILABLE),
)
async def list_models(service: ServiceState) -> Response:
    """The models in use, and those that once spoke here."""
    return await service.desk.page("models", lambda: models.model_list(service))


@router.get(
    "/models/{model_id}",
    operation_id="get_model",
    tags=["models"],
    response_model=ModelCard,
    responses=_ABSENT,
)
async def get_model(
    service: ServiceState,
    model_id: str = Path(min_length=1, max_length=200, description="Id of the model."),
) -> Response:
    """The card of a model: training data, metrics, calibration, limits."""
    return await service.desk.page(("model", model_id), lambda: models.model_card(service, model_id))


@router.get(
    "/structures/{structure_hash}",
    operation_id="get_structure",
    tags=["materials"],
    response_model=StructureAnswer,
    responses={
        200: {
            "content": {
                "chemical/x-cif": {"schema": {"type": "string"}},
                "text/plain": {"schema": {"type": "string"}},
            }
        },
        **_ABSENT,
    },
)
async def get_structure(
    service: ServiceState,
    structure_hash: str = Path(min_length=1, max_length=100, description="Hash of the crystal."),
    fmt: Literal["json", "cif", "poscar"] = Query(
        default="json", alias="format", description="Everything as JSON, or the crystal as a file."
    ),
) -> Response:
    """A stored crystal."""
    record = await service.desk.in_thread(lambda: details.structure_detail(service, structure_hash))
    if fmt == "json":
        return JSONAnswer(record)
    return details.structure_file(record, fmt)
