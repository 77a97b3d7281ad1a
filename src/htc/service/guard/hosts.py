"""Requests that come under a foreign name, or from a page of another site, are turned away.

A page anywhere can make the browser of a person send requests to a service on that person's own machine: by a
name of the page's own that resolves to the loopback address (DNS rebinding), or by a plain form. Where no key
is asked for, name and origin are all that tells such requests from the person's.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from htc.errors import ForbiddenError
from htc.service.access.gate import SAFE_METHODS
from htc.service.access.mode import is_loopback
from htc.service.problems import problem, problem_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

    from htc.settings import Settings

__all__ = ["HostsAndOrigins", "allowed_hosts", "host_name"]

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
_PROBES: Final = frozenset({"/livez", "/readyz", "/api/htc/health"})
"""Health checks of a platform come under the machine's own address."""


def allowed_hosts(settings: Settings) -> tuple[str, ...]:
    """Names the service answers to; ``("*",)`` for any."""
    if settings.allowed_hosts:
        return tuple(name.lower() for name in settings.allowed_hosts)
    if is_loopback(settings.host) and not settings.trusted_proxies:
        return (*LOOPBACK_NAMES, settings.host.lower())
    return ("*",)


def host_name(value: str) -> str | None:
    """Name or address in a Host header, lower case and without port; None if it is none."""
    name, colon, port = value.rpartition(":")
    if not colon or value.endswith("]"):
        name, port = value, ""
    if (port and not port.isdigit()) or not name or any(c in name for c in "/@?#\\ "):
        return None
    return name.lower().rstrip(".")


class HostsAndOrigins:
    """ASGI middleware.

    Args:
        app: what it wraps.
        hosts: names the service answers to, as of :func:`allowed_hosts`.
        origins: origins of other sites whose pages may write.
        private: the service is meant for this machine only; connections to another address are refused.
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str], origins: Collection[str], *, private: bool
    ) -> None:
        """Wrap an application."""
        self._app = app
        self._hosts = frozenset(host for host in hosts if not host.startswith("*"))
        self._domains = tuple(host[1:] for host in hosts if host.startswith("*."))
        self._any_host = "*" in hosts
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self._private = private

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say why not."""
        if scope["type"] == "http":
            host = origin = site = ""
            for name, value in scope["headers"]:
                if name == b"host":
                    host = value.decode("latin-1")
                elif name == b"origin":
                    origin = value.decode("latin-1").lower()
                elif name == b"sec-fetch-site":
                    site = value.decode("latin-1").lower()
            if not self._answers_to(host) and scope["path"] not in _PROBES:
                answer = problem(
                    HTTPStatus.MISDIRECTED_REQUEST,
                    "unknown-host",
                    f"this service does not answer to the name {host[:100]!r}",
                    where="Host",
                    hint="HTC_ALLOWED_HOSTS lists the names it answers to",
                )
                await answer(scope, receive, send)
                return
            if self._private and not _came_by_loopback(scope):
                error = ForbiddenError(
                    "this service is open without keys, for programs of its own machine only",
                    hint="set HTC_HOST to the address it listens on, and make keys with `htc keys create`",
                )
                await problem_of(error)(scope, receive, send)
                return
            if scope["method"] not in SAFE_METHODS and self._is_foreign(origin, site, host):
                error = ForbiddenError(
                    f"pages of {origin[:100] or 'other sites'} may not change anything here",
                    where="Origin",
                    hint="HTC_ALLOWED_ORIGINS lists the sites whose pages may",
                )
                await problem_of(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _answers_to(self, host: str) -> bool:
        if self._any_host:
            return True
        name = host_name(host)
        return name is not None and (
            name in self._hosts or any(name.endswith(domain) for domain in self._domains)
        )

    def _is_foreign(self, origin: str, site: str, host: str) -> bool:
        """Whether a browser says that the request comes from a page of another site.

        Programs other than browsers send neither header.
        """
        if not origin:
            return site in {"cross-site", "same-site"}
        if origin in self._origins or "*" in self._origins:
            return False
        # The scheme is left out: before a proxy that ends TLS, ours is another one.
        return not host or urlsplit(origin).netloc != host.lower()


def _came_by_loopback(scope: Scope) -> bool:
    """Whether the connection was made to the loopback address, or a socket of this machine."""
    server = scope.get("server")
    return server is None or server[1] is None or is_loopback(server[0])
