"""The pages in a real browser: one service with real predictions for all tests, and a tab for each.

A tab that meets an error of a script, or something that the content security policy refuses, fails its test.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from htc.jobs.worker import Worker
from htc.service import create_app
from htc.service.server import server_options
from htc.settings import Settings
from htc.store import Database

if TYPE_CHECKING:
    from tests.conftest import TestServer

# Of patience, not of speed: what is expected comes as soon as it is there.
expect.set_options(timeout=60_000)

CHROMIUM = Path("/usr/bin/chromium")
IMAGES = Path(__file__).parents[2] / "docs" / "images"

ELEMENTS = ("Al", "Pb", "Nb", "V", "Ta", "Sn", "In", "Mo")
COMPOUNDS = (
    "Nb3Sn",
    "Nb3Ge",
    "Nb3Al",
    "V3Si",
    "V3Ga",
    "NbC",
    "NbN",
    "TiN",
    "ZrN",
    "TaC",
    "MoC",
    "MgB2",
    "AlB2",
    "CaC6",
)
QUATERNARIES = ("LuNi2B2C", "YNi2B2C", "LaNiC2", "PdH", "YBa2Cu3O7")
UNDER_PRESSURE = (("H3S", 155.0), ("LaH10", 170.0), ("CaH6", 172.0))


@contextmanager
def _serving(settings: Settings) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(create_app(settings), log_level="critical", **server_options(settings))
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while thread.is_alive() and not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _settings(database: Database, home: Path, **more: str) -> Iterator[Settings]:
    """Settings of a service on a database, apart from those of the person who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("HTC_")]:
            patch.delenv(name)
        patch.setenv("HTC_HOME", str(home))
        patch.setenv("HTC_DATABASE_URL", database.engine.url.render_as_string(hide_password=False))
        for name, value in more.items():
            patch.setenv(name, value)
        yield Settings()


@pytest.fixture(scope="session")
def pages_database(embedded_server: TestServer) -> Iterator[Database]:
    """The database of all tests of the pages."""
    with embedded_server.migrated() as database:
        yield database


@pytest.fixture(scope="session")
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a service with predictions of some thirty materials, made by its own predictor."""
    if request.config.getoption("--pages-at"):
        yield request.config.getoption("--pages-at")
        return
    database = request.getfixturevalue("pages_database")
    with (
        # Thirty predictions in one request take their time on a machine that does much else.
        _settings(database, tmp_path_factory.mktemp("pages"), HTC_REQUEST_TIMEOUT_S="600") as settings,
        _serving(settings) as address,
        httpx.Client(base_url=address, timeout=600, trust_env=False) as client,
    ):
        asked = [{"composition": name} for name in (*ELEMENTS, *COMPOUNDS, *QUATERNARIES)]
        asked += [{"composition": name, "pressure_gpa": pressure} for name, pressure in UNDER_PRESSURE]
        answer = client.post("/api/htc/predict/batch", json={"items": asked})
        assert answer.status_code == 200, answer.text
        yield address


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A process's worth of work on the runs that pages start."""
    if request.config.getoption("--pages-at"):
        yield
        return
    database = request.getfixturevalue("pages_database")
    with _settings(database, tmp_path_factory.mktemp("worker")) as settings:
        working = Worker(settings, database)
        thread = threading.Thread(target=working.run)
        thread.start()
        yield
        working.stop()
        thread.join()


@pytest.fixture
def guarded(pages_database: Database, tmp_path: Path) -> Iterator[str]:
    """Address of a service on the same database that asks for a key."""
    with _settings(pages_database, tmp_path, HTC_ACCESS="keys") as settings, _serving(settings) as address:
        yield address


@pytest.fixture
def serving_pages(tmp_path: Path) -> Callable[[Database], AbstractContextManager[str]]:
    """``with serving_pages(database) as address``: a service on a database of the test's own."""

    @contextmanager
    def serve(database: Database) -> Iterator[str]:
        with _settings(database, tmp_path) as settings, _serving(settings) as address:
            yield address

    return serve


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    if not CHROMIUM.exists():
        pytest.skip("no Chromium at /usr/bin/chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Page]]:
    """``tab = open_tab(color_scheme="dark", width=390)``; its script errors fail the test."""
    complaints: list[str] = []
    contexts = []

    def open_one(
        *, width: int = 1360, height: int = 900, expected: tuple[str, ...] = (), **options: Any
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", **options
        )
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))

        def hear(message: Any) -> None:
            if message.type == "error" and not any(text in message.text for text in expected):
                complaints.append(f"{page.url}: {message.text}")

        page.on("console", hear)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def tab(open_tab: Callable[..., Page]) -> Page:
    """A tab of a wide window in light colours."""
    return open_tab(color_scheme="light")


@pytest.fixture
def accessible() -> Callable[[Page], None]:
    """``accessible(page)``: axe finds nothing to object to."""
    from axe_playwright_python.sync_playwright import Axe

    def scan(page: Page) -> None:
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()

    return scan


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[..., None]:
    """``picture(page, "spectrum-light")``: into docs/images with ``--images``, nothing otherwise."""

    def take(page: Page, name: str, **options: Any) -> None:
        if request.config.getoption("--images"):
            page.screenshot(path=IMAGES / f"page-{name}.png", **({"full_page": True} | options))

    return take
