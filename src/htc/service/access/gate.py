"""The middleware that finds out who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.background import BackgroundTask

from htc.errors import DatabaseUnavailableError, HTCError
from htc.service.access.caller import Caller, Refusal
from htc.service.access.requires import refusal
from htc.service.problems import problem_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from htc.service.access.keyring import Keyring
    from htc.service.access.mode import Mode
    from htc.store.keys import AccessKey

__all__ = ["SAFE_METHODS", "Gate", "key_in"]

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""


class Gate:
    """ASGI middleware: who sends the request goes into its scope as ``htc.caller``.

    A key is checked wherever one is sent: a wrong one is never passed over in favour of none.
    """

    def __init__(self, app: ASGIApp, mode: Mode, keyring: Keyring) -> None:
        """Wrap an application."""
        self._app = app
        self._mode = mode
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its caller."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address = scope["client"][0] if scope.get("client") else "unknown"
        key: AccessKey | None = None
        refused: Refusal | None = None
        text = key_in(scope["headers"])
        if text is not None:
            try:
                key = await self._keyring.find(text)
            except HTCError as error:
                answer = problem_of(error)
                if isinstance(error, DatabaseUnavailableError):
                    answer.background = BackgroundTask(scope["app"].state.service.recover)
                await answer(scope, receive, send)
                return
            refused = "unknown" if key is None else key.fault()
        caller = scope["htc.caller"] = Caller(self._mode, address, key, refused)
        # Every route that is not for reading needs a key that may predict: nobody else's body is read at all.
        if scope["method"] not in SAFE_METHODS and not caller.may("predict"):
            asked = scope["app"].state.what_it_takes(scope["method"], scope["path"])
            await problem_of(refusal(caller, asked or "predict"))(scope, receive, send)
            return
        await self._app(scope, receive, send)


def key_in(headers: list[tuple[bytes, bytes]]) -> str | None:
    """The access key among the headers of a request, None where none was sent.

    ``X-API-Key`` comes first: behind a platform that signs its own users in, ``Authorization`` is not ours.
    """
    bearer: str | None = None
    for name, value in headers:
        if name == b"x-api-key":
            return value.decode("latin-1").strip()
        if name == b"authorization":
            kind, _, rest = value.decode("latin-1").partition(" ")
            if kind.lower() == "bearer":
                bearer = rest.strip()
    return bearer
