"""Requests that take too long get an answer that says so, and streams that fall silent an end."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from htc.service.problems import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Deadlines"]

_log = logging.getLogger(__name__)


class Deadlines:
    """ASGI middleware: an answer begins within a time, or is a 503; one that has begun goes on, or is cut.

    A stream (of events, of a batch, of a file) may last as long as it likes while it brings something. Time
    in which the client takes nothing does not count: ``GuardedProtocol`` has a limit for that.
    A stream that is cut lacks its end, so that nobody takes it for whole. Work in a thread cannot be broken
    off: it goes on to its end, unheard.

    Args:
        app: what it wraps.
        seconds: within which an answer begins.
        silence_s: in which a stream brings something more.
    """

    def __init__(self, app: ASGIApp, seconds: float, silence_s: float) -> None:
        """Wrap an application."""
        self._app = app
        self._seconds = seconds
        self._silence_s = silence_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under a clock."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = late = silent = False
        loop = asyncio.get_running_loop()
        here = asyncio.current_task()
        silence: asyncio.TimerHandle | None = None
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

        def too_silent() -> None:
            nonlocal silent
            silent = True
            if here is not None:
                here.cancel()

        async def noting(message: Message) -> None:
            nonlocal started, silence
            if late:
                return
            started = True
            clock.cancel()
            if silence is not None:
                silence.cancel()
                silence = None
            await send(message)
            if message["type"] == "http.response.start" or message.get("more_body"):
                silence = loop.call_later(self._silence_s, too_silent)

        clock = loop.call_later(self._seconds, too_late)
        try:
            await self._app(scope, receive, noting)
        except asyncio.CancelledError:
            if not silent or here is None or here.uncancel():
                raise
            # Returned without its end, the connection is closed in the middle of the answer.
            _log.warning("a stream brought nothing for %g s and was cut", self._silence_s)
        except Exception:
            if not late:
                raise
        finally:
            clock.cancel()
            if silence is not None:
                silence.cancel()
            for task in answering:
                await task
