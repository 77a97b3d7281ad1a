"""Evidence packs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Request, Response

from htc.service.access import Requires
from htc.service.evidence import ZIP, pack_answer, report_of
from htc.service.pages import PageRoute, page
from htc.service.problems import problem_responses
from htc.service.state import ServiceState

__all__ = ["page_router", "router"]

router = APIRouter(tags=["evidence"])
page_router = APIRouter(route_class=PageRoute, include_in_schema=False)

_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The pack, a zip archive that is an RO-Crate.",
        "content": {ZIP: {"schema": {"type": "string", "format": "binary"}}},
        "headers": {"ETag": {"description": "Names these bytes.", "schema": {"type": "string"}}},
    },
    304: {"description": "The asker has these bytes: the ETag is in If-None-Match."},
    **problem_responses(
        HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
}

_Run = Annotated[
    str,
    Path(min_length=1, max_length=100, description="Id of the electron-phonon run, or of a prediction."),
]
_Prediction = Annotated[
    str,
    Path(
        min_length=1,
        max_length=100,
        description="Id of the prediction, or as many of its first characters (four or more) as are unique.",
    ),
]
_Known = Annotated[
    str | None, Header(max_length=2000, description="ETags that the asker has; answered with 304.")
]


@router.get(
    "/api/bete/report/{run_id}",
    operation_id="get_bete_report",
    response_class=Response,
    responses=_RESPONSES,
    dependencies=[Requires("read")],
)
def get_bete_report(service: ServiceState, run_id: _Run, if_none_match: _Known = None) -> Response:
    """The evidence pack of an electron-phonon run: all behind its Tc, in a zip that recomputes itself."""
    return pack_answer(service, run_id, if_none_match, head=False)


@router.get(
    "/api/htc/predictions/{prediction_id}/evidence",
    operation_id="get_prediction_evidence",
    response_class=Response,
    responses=_RESPONSES,
    dependencies=[Requires("read")],
)
def get_prediction_evidence(
    service: ServiceState, prediction_id: _Prediction, if_none_match: _Known = None
) -> Response:
    """The evidence pack of a prediction: everything behind its Tc, in a zip that recomputes itself."""
    return pack_answer(service, prediction_id, if_none_match, head=False)


@router.head("/api/bete/report/{run_id}", include_in_schema=False, dependencies=[Requires("read")])
def head_bete_report(service: ServiceState, run_id: _Run, if_none_match: _Known = None) -> Response:
    """The headers alone."""
    return pack_answer(service, run_id, if_none_match, head=True)


@router.head(
    "/api/htc/predictions/{prediction_id}/evidence",
    include_in_schema=False,
    dependencies=[Requires("read")],
)
def head_prediction_evidence(
    service: ServiceState, prediction_id: _Prediction, if_none_match: _Known = None
) -> Response:
    """The headers alone."""
    return pack_answer(service, prediction_id, if_none_match, head=True)


@page_router.get("/report/{prediction_id}")
def report(request: Request, service: ServiceState, prediction_id: _Prediction) -> Response:
    """The worksheet of a prediction, to read and to print."""
    return page(request, "report.html", **report_of(service, prediction_id))
