"""``/metrics``, for Prometheus."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from htc.service.access import Requires
from htc.service.metrics import Metrics

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/metrics", dependencies=[Requires("read")])
async def metrics(request: Request) -> Response:
    """All metrics of this process and its database."""
    told: Metrics = request.app.state.metrics
    page, media_type = await to_thread.run_sync(
        told.page, request.headers.get("accept", ""), limiter=told.threads
    )
    return Response(page, headers={"Content-Type": media_type, "Cache-Control": "no-store"})
