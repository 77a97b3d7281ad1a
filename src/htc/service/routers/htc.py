"""``/api/htc/health``."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from htc.service.health import HealthWatch
from htc.service.problems import RETRY_AFTER_S
from htc.service.schemas import Health

__all__ = ["router"]

router = APIRouter(prefix="/api/htc", tags=["htc"])


@router.get(
    "/health",
    response_model=Health,
    responses={503: {"model": Health, "description": "Something needed does not work."}},
)
async def health(request: Request) -> Response:
    """State of the service: 200 when predictions can be made and stored, 503 when not.

    A good state is at most half a second old; a bad one is looked at anew every time.
    """
    watch: HealthWatch = request.app.state.health
    state, body = await watch.answer()
    if state.status == "ok":
        return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
    return Response(
        body,
        status_code=HTTPStatus.SERVICE_UNAVAILABLE,
        media_type="application/json",
        headers={"Cache-Control": "no-store", "Retry-After": str(RETRY_AFTER_S)},
    )
