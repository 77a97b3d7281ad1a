"""Headers that tell browsers what an answer of this service may do: nothing, unless it is a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["DATA_POLICY", "PAGE_POLICY", "SecurityHeaders"]

# Scripts and style sheets are files of the service, never inline. Style attributes are allowed: the plots set
# them, and they cannot fetch anything. Plots and structures are saved from data: and blob: URLs.
PAGE_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "style-src-attr 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
DATA_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
"""Of everything that is no page: opened in a browser, it shows and runs nothing."""

_ALWAYS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]
_ONE_YEAR: Final = b"max-age=31536000"


class SecurityHeaders:
    """ASGI middleware: adds the headers that the application has not set itself.

    Args:
        app: what it wraps.
        shared: pages of other origins may use the answers (HTC_ALLOWED_ORIGINS is set).
    """

    def __init__(self, app: ASGIApp, *, shared: bool = False) -> None:
        """Wrap an application."""
        self._app = app
        policy = b"cross-origin" if shared else b"same-origin"
        self._always = [*_ALWAYS, (b"cross-origin-resource-policy", policy)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unchanged."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                message = {**message, "headers": headers}
                given = {name.lower(): value for name, value in headers}
                is_page = given.get(b"content-type", b"").startswith(b"text/html")
                policy = PAGE_POLICY if is_page else DATA_POLICY
                wanted = [*self._always, (b"content-security-policy", policy.encode())]
                if scope["scheme"] == "https":
                    wanted.append((b"strict-transport-security", _ONE_YEAR))
                if b"cache-control" not in given and not scope["path"].startswith("/static/"):
                    # Answers belong to the key they were asked with.
                    wanted.append((b"cache-control", b"no-store"))
                headers += [(name, value) for name, value in wanted if name not in given]
            await send(message)

        await self._app(scope, receive, adding)
