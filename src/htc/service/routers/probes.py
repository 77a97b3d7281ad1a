"""``/livez`` and ``/readyz``: what an orchestrator asks before it restarts a process, or sends it requests.

Without keys: probes have none, and learn nothing but yes or no. The reasons are at ``/api/htc/health``.
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from htc.service.health import HealthWatch
from htc.service.problems import RETRY_AFTER_S
from htc.service.schemas import Probe

__all__ = ["router"]

router = APIRouter(tags=["operations"])

_OK = Probe(status="ok").model_dump_json().encode()
_UNAVAILABLE = Probe(status="unavailable").model_dump_json().encode()
_UNCACHED = {"Cache-Control": "no-store"}


@router.get("/livez", response_model=Probe)
async def livez() -> Response:
    """Whether the process still answers, whatever the state of the database: 200, or no answer at all.

    A process that fails this should be restarted.
    """
    return Response(_OK, media_type="application/json", headers=_UNCACHED)


@router.get(
    "/readyz",
    response_model=Probe,
    responses={503: {"model": Probe, "description": "Requests would fail now."}},
)
async def readyz(request: Request) -> Response:
    """Whether the service can do its work: 503 while the database is away or of a revision that does not fit.

    A process that fails this should get no requests, and not be restarted: that would not help.
    """
    watch: HealthWatch = request.app.state.health
    state, _ = await watch.answer()
    if state.status == "ok":
        return Response(_OK, media_type="application/json", headers=_UNCACHED)
    return Response(
        _UNAVAILABLE,
        status_code=HTTPStatus.SERVICE_UNAVAILABLE,
        media_type="application/json",
        headers=_UNCACHED | {"Retry-After": str(RETRY_AFTER_S)},
    )
