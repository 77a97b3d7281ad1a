"""The service over a real database, asked over real HTTP."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from htc.service import create_app
from htc.service.server import server_options
from htc.settings import Settings
from htc.store import Database


@contextmanager
def _serving(app: FastAPI) -> Iterator[httpx.Client]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", **server_options(Settings())))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        # A test may change the database that the application opens as it starts: wait until it has.
        while thread.is_alive() and not server.started:
            time.sleep(0.01)
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=60, trust_env=False
            ) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def serving() -> Callable[[FastAPI], AbstractContextManager[httpx.Client]]:
    """``with serving(app) as client``: the application on a free port."""
    return _serving


@pytest.fixture
def client(database_in_settings: Database) -> Iterator[httpx.Client]:
    """A client of a service whose database is ``database``."""
    with _serving(create_app(Settings())) as running:
        yield running


@pytest.fixture(autouse=True)
def _health_is_looked_at_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A good state is told again for half a second; tests break things faster than that."""
    monkeypatch.setattr("htc.service.health.FRESH_FOR_S", 0.0)
