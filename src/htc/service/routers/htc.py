"""``/api/htc``."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, BackgroundTasks, Response

from htc.service.health import health_of
from htc.service.problems import RETRY_AFTER_S
from htc.service.schemas import Health
from htc.service.state import ServiceState

__all__ = ["router"]

router = APIRouter(prefix="/api/htc", tags=["htc"])


@router.get("/health", responses={503: {"model": Health, "description": "Something needed does not work."}})
def health(service: ServiceState, response: Response, tasks: BackgroundTasks) -> Health:
    """State of the service: 200 when predictions can be made and stored, 503 when not."""
    state = health_of(service)
    if state.status != "ok":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    if state.database == "disconnected":
        tasks.add_task(service.recover)
    return state
