"""Crystals with predictions in a real database, and an OPTIMADE server over it on a free port."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from pymatgen.core import Structure

from htc.materials.reading import read_structure
from htc.optimade import create_router
from htc.prediction.record import Prediction
from htc.store import Database, Saved, save

EXAMPLES = files("htc") / "examples" / "structures"
NO_TC = (
    "tc_predicted tc_lower_95ci tc_upper_95ci tc_uncertainty lambda_ep lambda_ep_uncertainty omega_log"
    " omega_log_uncertainty omega_2 confidence_level"
)


class Host:
    """The service around the room: a database, and a note of whether it was asked to recover."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.recovered = 0

    def recover(self) -> None:
        self.recovered += 1


@dataclass
class Served:
    """What a test knows about the server it asks."""

    url: str
    host: Host
    client: httpx.Client
    stored: dict[str, Saved]

    def get(self, path: str, **params: Any) -> httpx.Response:
        """GET below the versioned base URL."""
        return self.client.get(f"/optimade/v1{path}", params=params)

    def found(self, text: str, **params: Any) -> list[str]:
        """Formulas, as pymatgen writes them, of the structures that a filter finds, in order."""
        answer = self.get("/structures", filter=text, **{"page_limit": 100} | params)
        assert answer.status_code == 200, answer.text
        return [entry["attributes"]["chemical_formula_descriptive"] for entry in answer.json()["data"]]

    def refused(self, path: str, status: int, **params: Any) -> dict[str, Any]:
        """The error of a request that must not be answered."""
        answer = self.get(path, **params)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/vnd.api+json"
        document = answer.json()
        assert "data" not in document
        (error,) = document["errors"]
        assert error["status"] == str(status)
        assert document["meta"]["api_version"] == "1.2.0"
        return error


def crystal(name: str) -> Structure:
    """A bundled crystal, e.g. ``"MgB2.cif"``."""
    return read_structure(Path(str(EXAMPLES / name)))


def predicted(number: int, structure: str | Structure, /, **changes: Any) -> Prediction:
    """A prediction of a crystal: ``predicted(1, "MgB2.cif", tc_predicted=39.0)``."""
    shape = crystal(structure) if isinstance(structure, str) else structure
    tc = changes.get("tc_predicted", 30.0) or 0.0
    fields: dict[str, Any] = {
        "source": f"input-{number}",
        "composition": shape.composition.formula,
        "reduced_formula": shape.composition.reduced_formula,
        "family": "intermetallic",
        "applicable": True,
        "tc_predicted": tc,
        "tc_lower_95ci": 0.5 * tc,
        "tc_upper_95ci": 2.0 * tc,
        "tc_uncertainty": 0.3 * tc,
        "lambda_ep": 0.7,
        "lambda_ep_uncertainty": 0.1,
        "omega_log": 700.0,
        "omega_log_uncertainty": 30.0,
        "omega_2": 800.0,
        "mu_star": 0.1,
        "confidence_level": "medium",
        "structure": shape.as_dict(),
        "structure_origin": "given",
        "model_id": "test-model",
        "model_tier": "default",
        "input_hash": f"hash-{number:06d}",
        "provenance": {"spacegroup": shape.get_space_group_info()[1] if shape.is_ordered else None},
    }
    return Prediction(**(fields | changes))


def world() -> dict[str, Prediction]:
    """Some crystals with predictions, by a short name, and a composition without a crystal."""
    refused = dict.fromkeys(NO_TC.split())
    return {
        "MgB2": predicted(
            1, "MgB2.cif", tc_predicted=38.5, family="boride", phonon_verdict="stable", phonon_stable=True,
            hull_distance_ev=0.0, hull_competitors=4, thermo_stable=True, stability_potential="test",
        ),
        "Nb3Sn": predicted(2, "Nb3Sn.cif", tc_predicted=17.25, family="a15", confidence_level="high"),
        "Al": predicted(3, "Al.cif", tc_predicted=1.2, family="element"),
        "NbN": predicted(
            4, "NbN.cif", tc_predicted=15.0, confidence_level="low", extrapolation_warning=True,
            phonon_verdict="unstable", phonon_stable=False, imaginary_modes_count=3,
            lowest_frequency_thz=-1.5,
        ),
        "YBa2Cu3O7": predicted(
            5, "YBa2Cu3O7.cif", applicable=False, reason="a cuprate", family="cuprate", **refused
        ),
        "LaH10": predicted(
            6, "LaH10_170GPa.cif", tc_predicted=210.0, family="hydride", pressure_gpa=170.0, model_tier="best"
        ),
    }  # fmt: skip


@contextmanager
def _serving(database: Database, stored: dict[str, Saved] | None = None) -> Iterator[Served]:
    """The room alone in an application, over real HTTP."""
    app = FastAPI(openapi_url=None)
    host = Host(database)
    app.include_router(create_router(lambda _: host))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while thread.is_alive() and not server.started:
            time.sleep(0.01)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
                yield Served(url, host, client, stored or {})
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def served(embedded_server: Any) -> Iterator[Served]:
    """A server over :func:`world`, for tests that only read."""
    with embedded_server.migrated() as database:
        wanted = world()
        stored = dict(zip(wanted, save(database, wanted.values()), strict=True))
        with _serving(database, stored) as running:
            yield running


@pytest.fixture
def serving() -> Callable[[Database], AbstractContextManager[Served]]:
    """``with serving(database) as served``: a server over a database of the test's own."""
    return _serving


@pytest.fixture
def make() -> Callable[..., Prediction]:
    """:func:`predicted`."""
    return predicted
