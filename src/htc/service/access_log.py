"""A log line for each request, and an answer for each fault that no other layer had one for."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from htc.service.metrics import route_of
from htc.service.problems import fault

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["AccessLog"]

_log = logging.getLogger("htc.access")

_PROBES: Final = frozenset({"/livez", "/readyz", "/api/htc/health", "/metrics"})
"""Asked every few seconds by machines: worth a line only when they fail, or to who debugs."""

_SERVER_FAULT: Final = 500


class AccessLog:
    """ASGI middleware: logs method, route, status, duration, size and the prefix of the caller's key.

    Never the query or the body, nor a path that no route took: what callers make up may be a secret.
    An exception that reaches it is logged with its trace and answered as a problem.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unchanged."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, size = 0, 0
        began = time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            _log.exception("a fault of the program: %s %s", scope["method"], route_of(scope))
            if status:
                # Its beginning has left: only cutting the connection tells the caller that it is not whole.
                raise
            await fault()(scope, receive, noting)
        finally:
            _write(scope, status or _SERVER_FAULT, size, time.perf_counter() - began)


def _write(scope: Scope, status: int, size: int, seconds: float) -> None:
    route = route_of(scope)
    level = (
        logging.WARNING if status >= _SERVER_FAULT else logging.DEBUG if route in _PROBES else logging.INFO
    )
    if not _log.isEnabledFor(level):
        return
    method = scope["method"]
    fields: dict[str, Any] = {
        "httpRequest": {
            "requestMethod": method,
            "requestUrl": route,
            "status": status,
            "responseSize": str(size),
            "latency": f"{seconds:.6f}s",
            "remoteIp": scope["client"][0] if scope.get("client") else None,
        }
    }
    if (key := getattr(scope.get("htc.caller"), "key", None)) is not None:
        fields["key"] = key.prefix
    _log.log(level, "%s %s %d %.1f ms", method, route, status, seconds * 1e3, extra={"fields": fields})
