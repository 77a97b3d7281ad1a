"""Requests that take too long get an answer that says so."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from htc.service.problems import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Deadlines"]


class Deadlines:
    """ASGI middleware: an answer begins within a time, or is a 503.

    What has begun (a stream of events, a download) may go on as long as it likes. Work in a thread cannot be
    broken off: it goes on to its end, unheard.

    Args:
        app: what it wraps.
        seconds: the time.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        """Wrap an application."""
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under a clock."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = late = False
        loop = asyncio.get_running_loop()
        answering: set[asyncio.Task[None]] = set()

        def too_late() -> None:
            nonlocal late
            late = True
            answer = problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "took-too-long",
                f"the answer took longer than {self._seconds:g} s",
                hint="ask for less at once; long work belongs into a job (screen, optimize, validate)",
            )
            answering.add(asyncio.create_task(answer(scope, receive, send)))

        async def noting(message: Message) -> None:
            nonlocal started
            if late:
                return
            started = True
            clock.cancel()
            await send(message)

        clock = loop.call_later(self._seconds, too_late)
        try:
            await self._app(scope, receive, noting)
        except Exception:
            if not late:
                raise
        finally:
            clock.cancel()
            for task in answering:
                await task
