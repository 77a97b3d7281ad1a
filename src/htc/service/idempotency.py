"""``Idempotency-Key``: a POST that is sent again is answered again, and carried out once.

>>> router = APIRouter(route_class=IdempotentRoute)                          # doctest: +SKIP

A key belongs to who sent it: the same text from another access key is another key. What is remembered are
answers of success, for a day; a request that was refused was not carried out, and may be sent again under its
key in other words. Where an answer is too large to keep, the key is given back as well.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from anyio import CancelScope
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from htc.errors import ConflictError, HTCError, InputError
from htc.service.access import caller_of
from htc.service.problems import problem_of, problem_responses
from htc.store.idempotency import Remembered, claim, forget_expired, keep, release

if TYPE_CHECKING:
    from htc.service.state import Service

__all__ = ["HEADER", "REPLAYED", "IdempotentRoute"]

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
"""``true`` on an answer that was given before."""

_LONGEST_KEY: Final = 200
_LARGEST_BODY: Final = 32_000_000
"""Bytes of an answer that is kept: a batch of a thousand has some three million."""
_RETRY_AFTER_S: Final = 2
_KEPT_HEADERS: Final = ("content-type", "location", "x-run-id")

_log = logging.getLogger(__name__)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

PARAMETER: Final[dict[str, Any]] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "A text of your choice, e.g. a UUID. The same request under the same key within a day is "
    "answered as before and carried out once; another request under it is refused (422), and the same one "
    "while the first is being worked on has to wait (409).",
    "schema": {"type": "string", "minLength": 1, "maxLength": _LONGEST_KEY, "pattern": "^[!-~]+$"},
}


class IdempotentRoute(APIRoute):
    """A route whose POSTs may carry an ``Idempotency-Key``."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """Tell of the header in the OpenAPI document, too."""
        if "POST" in (options.get("methods") or ()):
            extra = dict(options.get("openapi_extra") or {})
            extra["parameters"] = [*extra.get("parameters", []), PARAMETER]
            options["openapi_extra"] = extra
            options["responses"] = problem_responses(HTTPStatus.CONFLICT) | dict(
                options.get("responses") or {}
            )
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """The handler of the route, asked only where the answer is not known."""
        carry_out = super().get_route_handler()
        scopes = [
            scope for d in self.dependencies if (scope := getattr(d.dependency, "scope", None)) is not None
        ]

        if not scopes and "POST" in (self.methods or ()):
            # Or answers of before would go out to whoever knows a key.
            raise TypeError(f"{self.path}: name the scope of the route itself, by Requires(...)")

        async def handle(request: Request) -> Response:
            key = request.headers.get(HEADER)
            caller = caller_of(request)
            # Whoever may not ask gets the route's own refusal, never an answer of before.
            if key is None or request.method != "POST" or not all(caller.may(scope) for scope in scopes):
                return await carry_out(request)
            if not 1 <= len(key) <= _LONGEST_KEY or not all("!" <= c <= "~" for c in key):
                raise InputError(f"a key has 1 to {_LONGEST_KEY} visible ASCII characters", where=HEADER)
            return await _Once(request, caller.name, key).answer(carry_out)

        return handle


class _Once:
    """One request with a key."""

    def __init__(self, request: Request, owner: str, key: str) -> None:
        self._request = request
        self._service: Service = request.app.state.service
        self._owner = owner
        self._key = key

    async def answer(self, carry_out: Handler) -> Response:
        """Carry the request out, unless that was done before."""
        request = self._request
        route = f"{request.method} {request.url.path}"
        digest = hashlib.sha256(request.url.query.encode() + b"\n" + _canonical(await request.body()))
        known = await self._in_thread(
            lambda: claim(
                self._service.database, self._owner, self._key, route=route, request_hash=digest.hexdigest()
            )
        )
        if known is not None:
            return _known_answer(known)
        kept = False
        try:
            response = await carry_out(request)
            if not 200 <= response.status_code < 300:
                return response
            if isinstance(response, StreamingResponse):
                # Kept, or the key given back, when its last line is out.
                kept = True
                response.body_iterator = self._listened(response, response.body_iterator)
                return response
            kept = await self._keep(response, bytes(response.body))
            return response
        finally:
            if not kept:
                await self._release()

    async def _listened(self, response: Response, lines: Any) -> AsyncIterator[bytes]:
        parts: list[bytes] = []
        size = 0
        kept = False
        try:
            async for line in lines:
                part = line.encode() if isinstance(line, str) else bytes(line)
                size += len(part)
                if size <= _LARGEST_BODY:
                    parts.append(part)
                yield part
            kept = size <= _LARGEST_BODY and await self._keep(response, b"".join(parts))
        finally:
            if not kept:
                await self._release()

    async def _keep(self, response: Response, body: bytes) -> bool:
        if len(body) > _LARGEST_BODY:
            return False
        headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        try:
            await self._in_thread(
                lambda: keep(
                    self._service.database,
                    self._owner,
                    self._key,
                    status=response.status_code,
                    headers=headers,
                    body=body,
                )
            )
        except HTCError as error:
            # What was asked for is done and the answer at hand; only that it was given is not noted.
            _log.warning("an answer could not be kept for its Idempotency-Key: %s", error)
            return False
        return True

    async def _release(self) -> None:
        # Also where nobody listens any more.
        with CancelScope(shield=True):
            try:
                await self._in_thread(lambda: _give_back(self._service, self._owner, self._key))
            except HTCError as error:
                _log.warning(
                    "an Idempotency-Key could not be given back, it is free when its lease ends: %s", error
                )

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await self._service.desk.in_thread(work)


def _give_back(service: Service, owner: str, key: str) -> None:
    release(service.database, owner, key)
    forget_expired(service.database)


def _canonical(body: bytes) -> bytes:
    """The same for bodies that say the same: order and blanks of a JSON object mean nothing."""
    try:
        return json.dumps(json.loads(body), sort_keys=True).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return body


def _known_answer(known: Remembered) -> Response:
    if not known.same_request:
        raise InputError(
            "this key was used for another request",
            where=HEADER,
            hint="take a new key for every request, and the old one only to send the same again",
        )
    if not known.done:
        answer = problem_of(
            ConflictError("the request with this key is being worked on", where=HEADER, hint="ask again soon")
        )
        answer.headers["Retry-After"] = str(_RETRY_AFTER_S)
        return answer
    return Response(known.body, known.status, headers={**known.headers, REPLAYED: "true"})
