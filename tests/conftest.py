"""Fixtures for every room: settings that never touch the user's own, and databases that cost little.

One embedded server serves a whole session; each test that asks for ``database`` gets a fresh database on it,
cloned from a migrated template in about 50 ms.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st

from htc.settings import Settings, get_settings
from htc.store.database import Database, embedded_url
from htc.store.embedded import EmbeddedServer

if TYPE_CHECKING:
    from htc.prediction.record import Prediction

_numbers = itertools.count()

# Python's readline writes the size of a terminal that is not there into the environment of test workers.
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)

# Two workers on two cores: threads of the matrix library within them would only wait for each other. It reads
# this when numpy is first imported, by whichever test module comes first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_LONGEST = (
    "telemetry/test_plugin.py",
    "store/test_backup.py",
    "models/test_shipped_tiers.py",
    "models/test_ensemble.py",
    "store/test_migrating.py",
    "models/test_best_tier.py",
    "cli/test_predict.py",
    "models/test_training.py",
    "stability/test_potentials.py",
    "stability/test_phonons.py",
    "stability/test_assessment.py",
    "telemetry/test_replay.py",
    "cli/test_serve_workers.py",
    "jobs/test_campaign.py",
    "store/test_server_upgrade.py",
)
"""Files that take longest, the longest first: what is given out last keeps one worker busy alone."""
_PLACE = {name: place for place, name in enumerate(_LONGEST)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first (with xdist's ``--no-loadscope-reorder``); the order within a file stays."""
    items.sort(key=lambda item: _PLACE.get("/".join(item.path.parts[-2:]), len(_PLACE)))


def pytest_addoption(parser: pytest.Parser) -> None:
    """``pytest tests/pages --images`` makes the pictures of the documentation anew."""
    parser.addoption(
        "--images", action="store_true", help="write the screenshots of the pages to docs/images"
    )
    parser.addoption("--pages-at", metavar="URL", help="look at the pages of a service that runs already")


@pytest.fixture(scope="session")
def test_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HTC_HOME of all tests that name no other."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _own_settings(test_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test reads or writes the settings and the database of the person who runs it."""
    for name in os.environ:
        if name.startswith("HTC_") and name != "HTC_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HTC_HOME", str(test_home))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


class TestServer:
    """A running server on which tests make databases."""

    __test__ = False

    def __init__(self, name: str, url_of: Callable[[str], object]) -> None:
        self.name = name
        self._url_of = url_of
        self._template: str | None = None

    def open(self, name: str, *, ensure_schema: bool = False) -> Database:
        """Open a database of the server by name."""
        return Database.connect_to(self._url_of(name), ensure_schema=ensure_schema)  # type: ignore[arg-type]

    def _execute(self, statement: str) -> None:
        with self.open("postgres") as admin, admin.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(statement)

    @contextmanager
    def empty(self) -> Iterator[Database]:
        """A new database without any table."""
        with self._new("") as database:
            yield database

    @contextmanager
    def migrated(self) -> Iterator[Database]:
        """A new database at the program's revision."""
        if self._template is None:
            self._template = f"htc_template_{next(_numbers)}"
            self._execute(f"CREATE DATABASE {self._template}")
            self.open(self._template, ensure_schema=True).close()
        with self._new(f"TEMPLATE {self._template}") as database:
            yield database

    @contextmanager
    def _new(self, how: str) -> Iterator[Database]:
        name = f"htc_test_{next(_numbers)}"
        self._execute(f"CREATE DATABASE {name} {how}")
        database = self.open(name)
        try:
            yield database
        finally:
            database.close()
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """The session's embedded server."""
    lease = EmbeddedServer(tmp_path_factory.mktemp("embedded")).acquire()
    yield TestServer("embedded", lambda name: embedded_url(lease, name))
    lease.close()


@pytest.fixture
def database(embedded_server: TestServer) -> Iterator[Database]:
    """A fresh, migrated database."""
    with embedded_server.migrated() as fresh:
        yield fresh


@pytest.fixture
def database_in_settings(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """``database``, which the settings of this test name as theirs: for commands and services."""
    monkeypatch.setenv("HTC_DATABASE_URL", database.engine.url.render_as_string(hide_password=False))
    get_settings.cache_clear()
    return database


@pytest.fixture(scope="session")
def ready_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An HTC_HOME with a migrated, stopped database; copy it, do not use it."""
    home = tmp_path_factory.mktemp("ready")
    Database.open(Settings(home=home)).close()
    return home


@pytest.fixture
def home(ready_home: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of ``ready_home`` of this test's own."""
    home = tmp_path / "home"
    shutil.copytree(ready_home, home)
    yield home
    EmbeddedServer(home).stop(force=True)


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A maker of small file systems; mounting needs root."""
    made: list[Path] = []

    def mount(options: str) -> Path:
        folder = tmp_path / f"mount-{len(made)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("mounting a tmpfs is not permitted here")
        made.append(folder)
        return folder

    yield mount
    for folder in made:
        EmbeddedServer(folder).stop(force=True)
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def make_prediction() -> Callable[..., Prediction]:
    """A maker of predictions that differ by number: ``make_prediction(7, tc_predicted=12.0)``."""

    from htc.prediction.record import Prediction

    def make(number: int = 0, **changes: object) -> Prediction:
        fields: dict[str, object] = {
            "source": f"input-{number}",
            "composition": "Mg1 B2",
            "reduced_formula": "MgB2",
            "family": "boride",
            "applicable": True,
            "tc_predicted": 30.0,
            "tc_lower_95ci": 20.0,
            "tc_upper_95ci": 45.0,
            "tc_uncertainty": 5.0,
            "lambda_ep": 0.7,
            "lambda_ep_uncertainty": 0.1,
            "omega_log": 700.0,
            "omega_log_uncertainty": 30.0,
            "omega_2": 800.0,
            "mu_star": 0.1,
            "confidence_level": "medium",
            "structure": {
                "lattice": {"a": 3.1, "b": 3.1, "c": 3.5, "volume": 29.0},
                "sites": [{"label": "Mg"}, {"label": "B"}, {"label": "B"}],
            },
            "structure_origin": "given",
            "model_id": "test-model",
            "input_hash": f"hash-{number:06d}",
            "provenance": {"formula_set": "exponential"},
        }
        return Prediction(**fields | changes)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def damaged_copies() -> Callable[[list[bytes], tuple[str, ...]], st.SearchStrategy[bytes]]:
    """``data.draw(damaged_copies(files, tokens))``: a file
    with some of it lost, doubled, swapped or overwritten."""

    @st.composite
    def damaged(draw: st.DrawFn, files: list[bytes], tokens: tuple[str, ...]) -> bytes:
        content = bytearray(draw(st.sampled_from(files)))
        for _ in range(draw(st.integers(1, 6))):
            at = draw(st.integers(0, len(content)))
            kind = draw(st.integers(0, 4))
            length = draw(st.sampled_from((1, 3, 20, 200)))
            if kind == 0:
                del content[at : at + length]
            elif kind == 1:
                content[at:at] = content[at : at + length] * draw(st.sampled_from((1, 2, 20)))
            elif kind == 2:
                content[at : at + draw(st.integers(0, 5))] = draw(st.sampled_from(tokens)).encode()
            elif kind == 3:
                content[at : at + 1] = draw(st.binary(max_size=2))
            else:
                del content[at:]
        return bytes(content)

    return damaged
