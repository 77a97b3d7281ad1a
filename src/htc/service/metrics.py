"""What the service tells Prometheus: requests, predictions, the process, the database."""

from __future__ import annotations

import platform
import time
from typing import TYPE_CHECKING, Final, Literal

from anyio import CapacityLimiter
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from htc.store.metrics import DatabaseCollector
from htc.version import __version__

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from htc.store import Database

__all__ = ["Metrics", "Outcome", "RequestMetrics", "route_of"]

Outcome = Literal["predicted", "outside_theory", "repeated", "rejected", "failed"]

OUTCOMES: Final[tuple[Outcome, ...]] = ("predicted", "outside_theory", "repeated", "rejected", "failed")

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_PAGE_THREADS: Final = 2
"""The page has threads of its own: when those of the requests are all busy is when it is wanted most."""

NO_ROUTE: Final = "none"
"""Label of requests that no route took: paths are the callers' invention and would grow without end."""


class Metrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self) -> None:
        """All counters at zero."""
        self.registry = CollectorRegistry()
        self.threads = CapacityLimiter(_PAGE_THREADS)
        build = Gauge(
            "htc_build_info",
            "Version of HTC and Python.",
            ["version", "python_version"],
            registry=self.registry,
        )
        build.labels(__version__, platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)
        self._durations = Histogram(
            "htc_http_request_duration_seconds",
            "Time from a request to the end of its answer.",
            ["method", "route", "status"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self._in_progress = Gauge(
            "htc_http_requests_in_progress", "Requests that are being answered.", registry=self.registry
        )
        self._predictions = Counter(
            "htc_predictions",
            "Predictions asked for: predicted, outside_theory (a reason and no Tc), repeated (answered from"
            " the store), rejected (the question is no material) or failed.",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in OUTCOMES:
            self._predictions.labels(outcome)
        self._database: DatabaseCollector | None = None

    def count_prediction(self, outcome: Outcome) -> None:
        """A request for a prediction ended so."""
        self._predictions.labels(outcome).inc()

    def begin_request(self) -> None:
        """A request came in."""
        self._in_progress.inc()

    def end_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._in_progress.dec()
        self._durations.labels(method, route, str(status)).observe(seconds)

    def watch(self, database: Database) -> None:
        """Collect the statistics of a database too, from now on."""
        self.unwatch()
        self._database = DatabaseCollector(database)
        self.registry.register(self._database)

    def unwatch(self) -> None:
        """Leave the database alone."""
        if self._database is not None:
            self.registry.unregister(self._database)
            self._database.close()
            self._database = None

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """The page of all metrics, and its media type: OpenMetrics or Prometheus text, as ``accept`` asks."""
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type


class RequestMetrics:
    """ASGI middleware that counts and times requests by method, route template and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap an application."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unchanged, and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # What leaves as an exception is answered further out, as a fault of ours.
        status = 500
        began = time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.begin_request()
        try:
            await self._app(scope, receive, noting)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.end_request(method, route_of(scope), status, time.perf_counter() - began)


def route_of(scope: Scope) -> str:
    """The template of the route that took the request, e.g. ``/api/htc/results/{run_id}``."""
    template = getattr(scope.get("route"), "path_format", None)
    return template if isinstance(template, str) else NO_ROUTE
