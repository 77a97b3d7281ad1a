"""The application factory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from starlette.concurrency import run_in_threadpool

from htc.models import load_model
from htc.service import problems
from htc.service.access import Gate, Keyring, access_mode
from htc.service.access_log import AccessLog
from htc.service.metrics import Metrics, RequestMetrics
from htc.service.request_id import RequestIds
from htc.service.routers import examples, htc, metrics
from htc.service.state import Service
from htc.settings import Settings, get_settings
from htc.store import Database, RankingRefresher
from htc.version import __version__

__all__ = ["LOOPBACK_HOSTS", "create_app"]

LOOPBACK_HOSTS = ("127.0.0.1", "localhost")


def create_app(settings: Settings | None = None) -> FastAPI:
    """The HTC service as an ASGI application.

    The database is opened when the application starts and closed when it stops. One that cannot be
    opened keeps the application from starting, with the reason.
    """
    chosen = settings or get_settings()
    told = Metrics()
    keyring = Keyring()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(load_model, chosen.model, chosen.tier)
        database = await run_in_threadpool(Database.open, chosen)
        rankings = RankingRefresher(database)
        app.state.service = Service(chosen, database, rankings, told)
        told.watch(database)
        keyring.watch(database)
        try:
            yield
        finally:
            await run_in_threadpool(told.unwatch)
            await run_in_threadpool(rankings.close)
            await run_in_threadpool(database.close)

    app = FastAPI(
        title="HTC",
        version=__version__,
        summary="Critical temperatures of conventional superconductors, predicted, stored and ranked.",
        lifespan=lifespan,
    )
    app.add_middleware(Gate, mode=access_mode(chosen), keyring=keyring)
    # There are no keys yet: a page of another site must not reach this service through a name of its own.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK_HOSTS))
    # Outside of it, so that what is turned away is counted and logged as well.
    app.add_middleware(RequestMetrics, metrics=told)
    app.add_middleware(AccessLog)
    app.add_middleware(RequestIds)
    app.state.metrics = told
    problems.install(app)
    app.include_router(htc.router)
    app.include_router(examples.router)
    app.include_router(metrics.router)
    return app
