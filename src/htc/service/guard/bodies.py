"""Bodies that are too large, or packed, are refused: as soon as that is known, not after they were read."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from htc.service.problems import problem

if TYPE_CHECKING:
    from fastapi.responses import JSONResponse
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Bodies"]


class _TooLargeError(Exception):
    """Leaves the application at the place where it reads the body."""


class Bodies:
    """ASGI middleware: a limit on the body, counted while it arrives.

    Args:
        app: what it wraps.
        max_bytes: largest body.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        """Wrap an application."""
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a body that is counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = 0
        for name, value in scope["headers"]:
            if name == b"content-length":
                # The parser has made sure that it is a number.
                declared = int(value)
            elif name == b"content-encoding" and value.strip().lower() not in {b"", b"identity"}:
                await _packed()(scope, receive, send)
                return
        if declared > self._max_bytes:
            await self._too_large()(scope, receive, send)
            return
        read = 0
        exceeded = started = False

        async def counted() -> Message:
            nonlocal read, exceeded
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > self._max_bytes:
                    exceeded = True
                    raise _TooLargeError
            return message

        async def noting(message: Message) -> None:
            nonlocal started
            # What the application makes of its interrupted reading is not the answer.
            if exceeded and not started:
                return
            started = True
            await send(message)

        try:
            await self._app(scope, counted, noting)
        except _TooLargeError:
            if started:
                raise
        if exceeded and not started:
            await self._too_large()(scope, receive, send)

    def _too_large(self) -> JSONResponse:
        answer = problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "body-too-large",
            f"the body is larger than {self._max_bytes / 1e6:g} MB",
            where="body",
            hint="send it in parts; HTC_MAX_BODY_MB is the limit",
        )
        answer.headers["Connection"] = "close"
        return answer


def _packed() -> JSONResponse:
    answer = problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "packed-body",
        "packed bodies are not taken: what comes out of one has no known size",
        where="Content-Encoding",
        hint="send the body as it is",
    )
    answer.headers["Connection"] = "close"
    return answer
