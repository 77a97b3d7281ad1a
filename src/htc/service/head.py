"""HEAD on every address that answers GET: the same status and headers, and no body."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import CancelScope

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HeadRequests"]


class HeadRequests:
    """ASGI middleware: routes see a GET, and what they answer leaves without its body (RFC 9110, 9.3.2).

    Innermost of all, so that keys, rates, logs and metrics see the request as it was sent. A stream is given
    up once its headers are out: a run's events would go on for as long as the run does.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, a HEAD as a GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        done = False

        async def headers_only(message: Message) -> None:
            nonlocal done
            if message["type"] != "http.response.body":
                await send(message)
            elif not done:
                done = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                if message.get("more_body"):
                    rest.cancel()

        # Not the server's own scope: by the method in it, it knows that no body follows.
        seen = {**scope, "method": "GET"}
        try:
            with CancelScope() as rest:
                await self._app(seen, receive, headers_only)
        finally:
            # The outer layers read which route it was.
            scope.update({name: value for name, value in seen.items() if name != "method"})
