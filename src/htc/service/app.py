"""The application factory."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool

from htc.models import load_model
from htc.optimade import create_router as optimade_router
from htc.service import problems
from htc.service.access import Keyring, Requires, WhatItTakes
from htc.service.access_log import AccessLog
from htc.service.audit import AuditTrail
from htc.service.guard import layers
from htc.service.guard.text import storable_text
from htc.service.head import HeadRequests
from htc.service.health import HealthWatch
from htc.service.metrics import Metrics, RequestMetrics
from htc.service.probes import Probes
from htc.service.request_id import RequestIds
from htc.service.routers import (
    access,
    bete,
    campaigns,
    evidence,
    examples,
    htc,
    library,
    methods,
    metrics,
    pages,
    predictions,
    rankings,
    runs,
    spectra,
)
from htc.service.routers.tool_pages import router as tool_pages
from htc.service.runs import Streams
from htc.service.shutdown import on_stop
from htc.service.state import Service
from htc.service.tracing import tracing
from htc.service.warming import warm_up
from htc.settings import Settings, get_settings
from htc.store import Database, RankingRefresher
from htc.version import __version__

__all__ = ["create_app"]


def create_app(settings: Settings | None = None, *, freeze: bool = False) -> FastAPI:
    """The HTC service as an ASGI application.

    The database is opened when the application starts and closed when it stops. One that cannot be
    opened keeps the application from starting, with the reason.

    Args:
        settings: those of the environment when None.
        freeze: the process is the application's alone: what is loaded when it has started stays, and the
            garbage collector need not look through it again and again (a quarter of a second each time).
    """
    chosen = settings or get_settings()
    told = Metrics()
    traces = tracing()
    keyring = Keyring()
    trail = AuditTrail()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(warm_up, chosen)
        told.use_model(load_model(chosen.model, chosen.tier), chosen.tier)
        database = await run_in_threadpool(Database.open, chosen)
        rankings = RankingRefresher(database)
        service = Service(chosen, database, rankings, told)
        app.state.service = service
        app.state.health = health = HealthWatch(service)
        told.watch(database)
        keyring.watch(database)
        trail.watch(database)
        undo = on_stop(app.state.streams.stop)
        if freeze:
            gc.collect()
            gc.freeze()
        try:
            yield
        finally:
            undo()
            await run_in_threadpool(service.desk.close)
            await run_in_threadpool(health.close)
            await run_in_threadpool(told.unwatch)
            await run_in_threadpool(traces.close)
            await run_in_threadpool(rankings.close)
            await run_in_threadpool(trail.close)
            await run_in_threadpool(database.close)

    app = FastAPI(
        title="HTC",
        version=__version__,
        summary="Critical temperatures of conventional superconductors, predicted, stored and ranked.",
        lifespan=lifespan,
        telemetry=traces.config,
        # Those that come with FastAPI load their scripts from elsewhere; /docs is a page of ours.
        docs_url=None,
        redoc_url=None,
        # Names that clients are generated with: an id of the path would change with it.
        generate_unique_id_function=lambda route: route.name,
        dependencies=[Depends(storable_text)],
        responses=problems.problem_responses(*layers.ANSWERS),
    )
    app.add_middleware(HeadRequests)
    layers.install(app, chosen, keyring, trail)
    # Outside of it, so that what is turned away is counted and logged as well.
    app.add_middleware(RequestMetrics, metrics=told)
    app.add_middleware(AccessLog)
    app.add_middleware(RequestIds)
    layers.install_outermost(app, chosen)
    app.add_middleware(Probes, state=app)
    app.state.metrics = told
    app.state.streams = Streams()
    app.state.what_it_takes = WhatItTakes(
        (predictions.router, spectra.router, bete.router, runs.router, htc.router, access.router)
    )
    problems.install(app)
    app.include_router(htc.router)
    app.include_router(predictions.router)
    app.include_router(methods.router)
    app.include_router(rankings.router)
    app.include_router(library.router)
    app.include_router(spectra.router)
    app.include_router(bete.router)
    app.include_router(runs.router)
    app.include_router(campaigns.router)
    app.include_router(evidence.router)
    app.include_router(examples.router)
    app.include_router(
        optimade_router(lambda request: request.app.state.service), dependencies=[Requires("read")]
    )
    app.include_router(access.router)
    app.include_router(metrics.router)
    app.include_router(pages.router)
    app.include_router(evidence.page_router)
    app.include_router(tool_pages)
    app.include_router(pages.files)
    return app
