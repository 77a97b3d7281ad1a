"""HTTP as uvicorn speaks it with httptools, with limits on what a client may make it hold, and for how long.

uvicorn bounds neither the head of a request nor the time that head and body take. Here a head has a size and
a deadline, a body has to arrive at a rate, an answer has to be read, and what breaks a rule is told so by a
problem (RFC 9457) before the connection ends.
"""

from __future__ import annotations

import asyncio
import logging
import re
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from htc.service.problems import problem

__all__ = ["GuardedProtocol"]

_log = logging.getLogger(__name__)

MAX_HEAD_BYTES: Final = 32 * 1024
"""Request line and headers together, and trailers."""
MAX_URL_BYTES: Final = 8 * 1024
MAX_HEADERS: Final = 100
HEAD_WITHIN_S: Final = 10.0
"""From the first byte (or the connection) to the end of the headers."""
BODY_STEP_S: Final = 10.0
BODY_BYTES_PER_STEP: Final = 8 * 1024
"""A body that brings less than this in a step, and is not complete, is given up."""
READ_WITHIN_S: Final = 30.0
"""An answer of which nothing is taken for so long is given up."""
MAX_CONNECTIONS: Final = 1000
"""Of one process."""
LINGER_S: Final = 2.0
LINGER_BYTES: Final = 4 * 1024 * 1024
"""After an early answer this much more is read and dropped: else the reset that follows would destroy it."""

# RFC 9112, 5.5 and 5.6.2. httptools lets control characters through in values.
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class _Refused(Exception):  # noqa: N818  # not an error of the program; httptools wraps whatever a callback raises
    """Ends the parsing of a request that is refused."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **named: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*args, **named)
        self._refusal: tuple[HTTPStatus, str, str] | None = None
        self._head_bytes = 0
        self._in_head = True
        self._in_body = False
        self._body_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._lingered = 0

    # -- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        """Start the clock of the first head."""
        super().connection_made(_EarlyEnd(transport, self))  # type: ignore[arg-type]  # passes all else on
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "busy", "there are too many connections")
            return
        self._timer = self.loop.call_later(HEAD_WITHIN_S, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all clocks."""
        self._stop()
        for handle in (self._reading, self._linger):
            if handle is not None:
                handle.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, within the limits."""
        if self._linger is not None:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self._end()
            return
        if self._in_head:
            self._head_bytes += len(data)
        elif self._in_body:
            self._body_bytes += len(data)
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(*_HEAD_TOO_LARGE)
            elif self._timer is None and self._head_bytes:
                # The first bytes of the next request on this connection; not the end of the one before, whose
                # answer may take its time.
                self._timer = self.loop.call_later(HEAD_WITHIN_S, self._head_is_late)

    # -- the parser's callbacks

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._in_body = True, False

    def on_url(self, url: bytes) -> None:
        """Part of the request's target."""
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._give_up(
                HTTPStatus.REQUEST_URI_TOO_LONG,
                "uri-too-long",
                f"the URL is longer than {MAX_URL_BYTES} bytes",
            )

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._give_up(*_HEAD_TOO_LARGE)
        if _CONTROL.search(value):
            self._give_up(HTTPStatus.BAD_REQUEST, "invalid-http", "a header holds control characters")

    def on_headers_complete(self) -> None:
        """The head is there: the application begins, and the clock of the body."""
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > MAX_HEAD_BYTES:
            self._give_up(*_HEAD_TOO_LARGE)
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            self._give_up(HTTPStatus.BAD_REQUEST, "invalid-http", "a request names one host")
        self._stop()
        self._in_head, self._in_body = False, True
        self._head_bytes = self._body_bytes = 0
        super().on_headers_complete()
        self._timer = self.loop.call_later(BODY_STEP_S, self._body_step)

    def on_message_complete(self) -> None:
        """The request is there."""
        self._stop()
        self._in_head, self._in_body = True, False
        self._head_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is written: an unfinished request is not read to its end."""
        super().on_response_complete()
        if self._in_body and self.cycle.response_complete:
            self.transport.close()

    # -- flow

    def pause_writing(self) -> None:
        """The client does not take what is written: for how long?"""
        super().pause_writing()
        if self._reading is None:
            self._reading = self.loop.call_later(READ_WITHIN_S, self._answer_is_not_read)

    def resume_writing(self) -> None:
        """It does."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        super().resume_writing()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: whoever asks for another protocol is answered in this one."""

    # -- ends

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn calls with it
        """Say what is wrong with bytes that are no request."""
        status, code, detail = self._refusal or (
            HTTPStatus.BAD_REQUEST,
            "invalid-http",
            "this is not an HTTP request that can be read",
        )
        self._refuse(status, code, detail)

    def linger(self, transport: asyncio.Transport) -> bool:
        """Whether the connection stays open a moment longer, for the rest of a request to be dropped."""
        if not self._in_body or self._linger is not None or transport.is_closing():
            return False
        self._stop()
        self._linger = self.loop.call_later(LINGER_S, self._end)
        self.flow.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()
        return True

    def _give_up(self, status: HTTPStatus, code: str, detail: str) -> None:
        self._refusal = (status, code, detail)
        raise _Refused(detail)

    def _refuse(self, status: HTTPStatus, code: str, detail: str) -> None:
        self._stop()
        if self.transport.is_closing():
            return
        _log.info("refused: %d %s", status, detail)
        if self.cycle is not None and not self.cycle.response_complete:
            if self.cycle.response_started:
                self._end()
                return
            # The application, if it waits for the rest, learns that nobody is there.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        answer = problem(status, code, detail)
        head = [STATUS_LINE[status]]
        head += [b"%s: %s\r\n" % pair for pair in answer.raw_headers]
        head += [b"connection: close\r\nx-content-type-options: nosniff\r\n\r\n"]
        self.transport.write(b"".join([*head, bytes(answer.body)]))
        self._in_body = True
        self.transport.close()

    def _end(self) -> None:
        self.transport.abort()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        self._timer = None
        if self._head_bytes == 0:
            self._end()
            return
        self._refuse(
            HTTPStatus.REQUEST_TIMEOUT, "timeout", f"the headers took longer than {HEAD_WITHIN_S:g} s"
        )

    def _body_step(self) -> None:
        self._timer = None
        # While the application takes its time, the client cannot go on.
        if self._body_bytes < BODY_BYTES_PER_STEP and not self.flow.read_paused:
            self._refuse(
                HTTPStatus.REQUEST_TIMEOUT,
                "timeout",
                f"the body brings less than {BODY_BYTES_PER_STEP} bytes in {BODY_STEP_S:g} s",
            )
            return
        self._body_bytes = 0
        self._timer = self.loop.call_later(BODY_STEP_S, self._body_step)

    def _answer_is_not_read(self) -> None:
        self._reading = None
        _log.info("refused: nobody reads the answer")
        self._end()


_HEAD_TOO_LARGE: Final = (
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "headers-too-large",
    f"the headers are more than {MAX_HEADERS} or than {MAX_HEAD_BYTES} bytes",
)


class _EarlyEnd:
    """The transport as uvicorn sees it: closed before a request is read, it lingers."""

    def __init__(self, transport: asyncio.Transport, protocol: GuardedProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        if not self._closing:
            self._transport.write(data)

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if not self._protocol.linger(self._transport):
            self._transport.close()
