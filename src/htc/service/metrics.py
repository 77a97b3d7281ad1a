"""What the service tells Prometheus: requests, predictions, the model, the processes, the database."""

from __future__ import annotations

import os
import platform
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from anyio import CapacityLimiter
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from htc.service.metrics_folder import VARIABLE
from htc.store.metrics import DatabaseCollector
from htc.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import Metric
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from htc.models import CouplingModel
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
    """The metrics of one application, in a registry of its own.

    Where ``htc serve`` runs several workers they count into files of one folder, see
    :mod:`htc.service.metrics_folder`: whichever of them answers a scrape tells of all.
    """

    def __init__(self) -> None:
        """All counters at zero, or where the workers before left them."""
        folder = os.environ.get(VARIABLE)
        self.registry = CollectorRegistry()
        self.threads = CapacityLimiter(_PAGE_THREADS)
        self._folder = Path(folder) if folder else None
        own: CollectorRegistry | None = self.registry
        if self._folder is not None:
            # The instruments write into the folder and are read from there.
            own = None
            MultiProcessCollector(self.registry, path=str(self._folder))  # type: ignore[no-untyped-call]  # has no types
            self.registry.register(_Processes(self._folder))
        else:
            ProcessCollector(registry=self.registry)
        Gauge(
            "htc_build_info",
            "Version of HTC and Python.",
            ["version", "python_version"],
            registry=own,
            multiprocess_mode="livemax",
        ).labels(__version__, platform.python_version()).set(1)
        self._durations = Histogram(
            "htc_http_request_duration_seconds",
            "Time from a request to the end of its answer.",
            ["method", "route", "status"],
            buckets=_BUCKETS_S,
            registry=own,
        )
        self._in_progress = Gauge(
            "htc_http_requests_in_progress",
            "Requests that are being answered.",
            registry=own,
            multiprocess_mode="livesum",
        )
        self._predictions = Counter(
            "htc_predictions",
            "Predictions asked for: predicted, outside_theory (a reason and no Tc), repeated (answered from"
            " the store), rejected (the question is no material) or failed; by tier of the model asked.",
            ["outcome", "tier"],
            registry=own,
        )
        self._prediction_durations = Histogram(
            "htc_prediction_duration_seconds",
            "Time from the question for a prediction to its stored answer.",
            ["outcome", "tier"],
            buckets=_BUCKETS_S,
            registry=own,
        )
        self._model = Gauge(
            "htc_model_info",
            "The electron-phonon model that predicts.",
            ["model_id", "tier"],
            registry=own,
            multiprocess_mode="livemax",
        )
        self._database: DatabaseCollector | None = None

    def use_model(self, model: CouplingModel, tier: str) -> None:
        """The model that predicts from now on."""
        self._model.labels(model.model_id, tier).set(1)
        for outcome in OUTCOMES:
            self._predictions.labels(outcome, tier)

    def count_prediction(self, outcome: Outcome, tier: str, seconds: float) -> None:
        """A request for a prediction by ``tier`` ended so after this time, s."""
        self._predictions.labels(outcome, tier).inc()
        self._prediction_durations.labels(outcome, tier).observe(seconds)

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
        process = None if self._folder is None else str(os.getpid())
        self._database = DatabaseCollector(database, process=process)
        self.registry.register(self._database)

    def unwatch(self) -> None:
        """Leave the database alone."""
        if self._database is not None:
            self.registry.unregister(self._database)
            self._database.close()
            self._database = None

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """The page of all metrics, and its media type: OpenMetrics or Prometheus text, as ``accept`` asks."""
        if self._folder is not None:
            _bury_the_dead(self._folder)
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type


class _Processes(Collector):
    """``process_...`` of every worker, told apart by ``pid``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """The families that Prometheus' own clients have for one process."""
        families: dict[str, Metric] = {}
        for pid in sorted(_workers(self._folder)):
            for family in ProcessCollector(pid=partial(int, pid), registry=None).collect():
                kept = families.setdefault(family.name, family)
                labelled = [
                    sample._replace(labels=sample.labels | {"pid": str(pid)}) for sample in family.samples
                ]
                kept.samples = [s for s in kept.samples if "pid" in s.labels] + labelled
        return families.values()


def _workers(folder: Path) -> set[int]:
    """Ids of the living processes that count into a folder."""
    found = {int(each.stem.rpartition("_")[2]) for each in folder.glob("gauge_live*_*.db")}
    return {pid for pid in found if _lives(pid)}


def _bury_the_dead(folder: Path) -> None:
    """What workers that ended had under way is no longer so; what they counted stays counted."""
    for each in folder.glob("gauge_live*_*.db"):
        pid = int(each.stem.rpartition("_")[2])
        if not _lives(pid):
            mark_process_dead(pid, path=str(folder))  # type: ignore[no-untyped-call]  # has no types


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


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
