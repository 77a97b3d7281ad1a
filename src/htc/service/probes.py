"""``/livez`` and ``/readyz``: what an orchestrator asks before it restarts a process, or sends it requests.

Answered before any other layer: a probe has no key and comes under whatever name it likes, it must not use
up anybody's rate, and it must get through when everything behind is busy. It learns yes or no; the reasons
are at ``/api/htc/health``.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi.responses import Response

from htc.service.problems import RETRY_AFTER_S

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

    from htc.service.health import HealthWatch

__all__ = ["LIVE", "READY", "Probes"]

LIVE: Final = "/livez"
"""Whether the process answers, whatever the state of the database. One that fails this wants a restart."""
READY: Final = "/readyz"
"""Whether it can do its work. One that fails this should get no requests; a restart would not help it."""

_METHODS: Final = frozenset({"GET", "HEAD"})


class Probes:
    """ASGI middleware that answers the two paths and passes everything else on.

    Args:
        app: what is behind.
        state: the application whose ``state.health`` knows.
    """

    def __init__(self, app: ASGIApp, state: FastAPI) -> None:
        """Wrap an application."""
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on unchanged."""
        path = scope.get("path")
        if (path != LIVE and path != READY) or scope["type"] != "http" or scope["method"] not in _METHODS:
            await self._app(scope, receive, send)
            return
        is_well = path == LIVE or await self._is_ready()
        await _answer(is_well)(scope, receive, send)

    async def _is_ready(self) -> bool:
        watch: HealthWatch = self._state.state.health
        state, _ = await watch.answer()
        return state.status == "ok"


def _answer(is_well: bool) -> Response:
    headers = {"Cache-Control": "no-store"}
    if is_well:
        return Response(b'{"status":"ok"}', media_type="application/json", headers=headers)
    return Response(
        b'{"status":"unavailable"}',
        status_code=HTTPStatus.SERVICE_UNAVAILABLE,
        media_type="application/json",
        headers=headers | {"Retry-After": str(RETRY_AFTER_S)},
    )
