"""A name for every request, in its answer, its log lines and its problem."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADER", "RequestIds", "Trace", "current_request_id", "current_trace"]

HEADER: Final = "X-Request-ID"

_USABLE: Final = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")
"""What a caller's id may be: it goes into logs and back into a header."""
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_CLOUD_TRACE: Final = re.compile(rb"([0-9a-f]{32})(?:/(\d{1,20}))?(?:;o=(\d))?")


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a request stands in a distributed trace, as its headers say."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str | None
    """16 hexadecimal digits."""
    sampled: bool


_request_id: ContextVar[str | None] = ContextVar("htc_request_id", default=None)
_trace: ContextVar[Trace | None] = ContextVar("htc_trace", default=None)


def current_request_id() -> str | None:
    """Id of the request that this code works for; None outside of one."""
    return _request_id.get()


def current_trace() -> Trace | None:
    """Trace of the request that this code works for; None where the caller named none."""
    return _trace.get()


class RequestIds:
    """ASGI middleware: takes the caller's ``X-Request-ID`` where it is usable, or draws one.

    It is in ``request.state.request_id``, in the answer's header and, through :func:`current_request_id`, in
    every log line written meanwhile. Outermost, so that what any other layer answers has one as well.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = _given(headers.get(b"x-request-id")) or secrets.token_hex(16)
        scope.setdefault("state", {})["request_id"] = request_id

        async def naming(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        id_before = _request_id.set(request_id)
        trace_before = _trace.set(_trace_of(headers))
        try:
            await self._app(scope, receive, naming)
        finally:
            _request_id.reset(id_before)
            _trace.reset(trace_before)


def _given(value: bytes | None) -> str | None:
    return value.decode() if value is not None and _USABLE.fullmatch(value) else None


def _trace_of(headers: dict[bytes, bytes]) -> Trace | None:
    """From ``traceparent`` (W3C), else ``X-Cloud-Trace-Context`` (Google's front ends)."""
    if (given := headers.get(b"traceparent")) and (found := _TRACEPARENT.fullmatch(given)):
        trace_id, span_id, flags = (part.decode() for part in found.groups())
        if trace_id.strip("0") and span_id.strip("0"):
            return Trace(trace_id, span_id, bool(int(flags, 16) & 1))
    if (given := headers.get(b"x-cloud-trace-context")) and (found := _CLOUD_TRACE.fullmatch(given)):
        number = int(found[2]) if found[2] else 0
        span = f"{number:016x}" if 0 < number < 2**64 else None
        return Trace(found[1].decode(), span, found[3] == b"1")
    return None
