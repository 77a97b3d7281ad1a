"""The middleware that counts, and refuses what is too much."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from limits import RateLimitItemPerMinute
from limits.strategies import SlidingWindowCounterRateLimiter

from htc.errors import TooManyRequestsError
from htc.service.problems import problem_of

if TYPE_CHECKING:
    from limits.storage import Storage
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from htc.service.access import Caller
    from htc.settings import Settings

__all__ = ["Limit", "Rates", "limit_of"]

UNCOUNTED: Final = frozenset({"/livez", "/readyz", "/api/htc/health"})
"""Asked by the platform, which has no key, and would take a refusal for an illness of the service."""
_IPV6_NETWORK: Final = 64
"""An IPv6 customer has a whole network of this length: its addresses count as one."""


class Limit(NamedTuple):
    """Whose requests are counted together, and how many may come in a minute."""

    who: str
    per_minute: int


def limit_of(caller: Caller, settings: Settings) -> Limit:
    """The limit for a caller: that of the key, else that of the address."""
    if caller.key is not None and caller.refused is None:
        return Limit(
            f"key/{caller.key.id}", caller.key.requests_per_minute or settings.key_requests_per_minute
        )
    return Limit(f"address/{_network(caller.address)}", settings.address_requests_per_minute)


def _network(address: str) -> str:
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((known, _IPV6_NETWORK), strict=False))


class Rates:
    """ASGI middleware: ``RateLimit-*`` headers on every answer, 429 with ``Retry-After`` beyond the limit.

    Args:
        app: what it wraps.
        settings: with the limits.
        storage: gives the counts when the first request comes.
    """

    def __init__(self, app: ASGIApp, settings: Settings, storage: Callable[[], Storage]) -> None:
        """Wrap an application."""
        self._app = app
        self._settings = settings
        self._storage = storage
        self._limiter: SlidingWindowCounterRateLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it is within its limit."""
        if scope["type"] != "http" or scope["path"] in UNCOUNTED:
            await self._app(scope, receive, send)
            return
        if self._limiter is None:
            self._limiter = SlidingWindowCounterRateLimiter(self._storage())
        limit = limit_of(scope["htc.caller"], self._settings)
        item = RateLimitItemPerMinute(limit.per_minute)
        allowed = self._limiter.hit(item, limit.who)
        reset_at, remaining = self._limiter.get_window_stats(item, limit.who)
        wait_s = max(1, math.ceil(reset_at - time.time()))
        headers = [
            (b"ratelimit-limit", str(limit.per_minute).encode()),
            (b"ratelimit-policy", f"{limit.per_minute};w=60".encode()),
            (b"ratelimit-remaining", str(remaining if allowed else 0).encode()),
            (b"ratelimit-reset", str(wait_s).encode()),
        ]
        if not allowed:
            answer = problem_of(
                TooManyRequestsError(
                    f"more than {limit.per_minute} requests in a minute",
                    hint="wait as long as Retry-After says, or send an access key with a higher limit",
                )
            )
            answer.raw_headers += [*headers, (b"retry-after", str(wait_s).encode())]
            await answer(scope, receive, send)
            return

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *headers]}
            await send(message)

        await self._app(scope, receive, adding)
