"""All of them, in their order."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from htc.service.access import Gate, access_mode
from htc.service.audit import Audit
from htc.service.guard.bodies import Bodies
from htc.service.guard.deadlines import Deadlines
from htc.service.guard.headers import SecurityHeaders
from htc.service.guard.hosts import HostsAndOrigins, allowed_hosts
from htc.service.rates import Rates, shared_counts

if TYPE_CHECKING:
    from fastapi import FastAPI

    from htc.service.access import Keyring
    from htc.service.audit import AuditTrail
    from htc.settings import Settings

__all__ = ["ANSWERS", "install", "install_outermost"]

ANSWERS: Final = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""What any route may be answered with by a layer before it."""

_SENT = ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-API-Key", "X-Request-ID"]
_SHOWN = [
    "Idempotency-Replayed", "Location", "RateLimit-Limit", "RateLimit-Policy", "RateLimit-Remaining",
    "RateLimit-Reset", "Retry-After", "X-Request-ID", "X-Run-ID",
]  # fmt: skip


def install(app: FastAPI, settings: Settings, keyring: Keyring, trail: AuditTrail) -> None:
    """Add what guards the routes; whatever is added to the application later stands outside of it."""
    mode = access_mode(settings)
    app.add_middleware(Audit, trail=trail)
    if mode != "open":
        counts = settings.home / "service" / "requests"
        app.add_middleware(Rates, settings=settings, storage=lambda: shared_counts(counts))
    app.add_middleware(Gate, mode=mode, keyring=keyring)
    app.add_middleware(Bodies, max_bytes=round(settings.max_body_mb * 1e6))
    if settings.allowed_origins:
        # Without credentials: keys are sent by scripts, never by the browser of its own accord.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=_SENT,
            expose_headers=_SHOWN,
            max_age=600,
        )
    app.add_middleware(
        HostsAndOrigins,
        hosts=allowed_hosts(settings),
        origins=settings.allowed_origins,
        private=mode == "open",
    )
    app.add_middleware(Deadlines, seconds=settings.request_timeout_s, silence_s=settings.stream_silence_s)


def install_outermost(app: FastAPI, settings: Settings) -> None:
    """Add what stands outside of everything else, logs and metrics too."""
    app.add_middleware(SecurityHeaders, shared=bool(settings.allowed_origins))
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
