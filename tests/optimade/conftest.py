"""Crystals with predictions in a real database, and an OPTIMADE server over it on a free port."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
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


@dataclass
class Served:
    """What a test knows about the server it asks."""

    url: str
    database: Database
    client: httpx.Client

    def get(self, path: str, **params: Any) -> httpx.Response:
        """GET below the versioned base URL."""
        return self.client.get(f"/optimade/v1{path}", params=params)

    def ids(self, text: str, **params: Any) -> set[str]:
        """Reduced formulas, as pymatgen writes them, of the structures that a filter finds."""
        answer = self.get("/structures", filter=text, page_limit=100, **params)
        assert answer.status_code == 200, answer.text
        return {entry["attributes"]["chemical_formula_descriptive"] for entry in answer.json()["data"]}


class Host:
    """The service around the room: a database, and a note of whether it was asked to recover."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.recovered = 0

    def recover(self) -> None:
        self.recovered += 1


@pytest.fixture
def crystal() -> Callable[[str], Structure]:
    """A maker of the bundled crystals: ``crystal("MgB2.cif")``."""

    def make(name: str) -> Structure:
        return read_structure(Path(str(EXAMPLES / name)))

    return make


@pytest.fixture
def predicted(
    make_prediction: Callable[..., Prediction], crystal: Callable[[str], Structure]
) -> Callable[..., Prediction]:
    """A maker of predictions of crystals: ``predicted(1, "MgB2.cif", tc_predicted=39.0)``."""

    def make(number: int, structure: str | Structure, **changes: Any) -> Prediction:
        shape = crystal(structure) if isinstance(structure, str) else structure
        fields: dict[str, Any] = {
            "composition": shape.composition.formula,
            "reduced_formula": shape.composition.reduced_formula,
            "structure": shape.as_dict(),
            "provenance": {"spacegroup": shape.get_space_group_info()[1]},
        }
        tc = changes.get("tc_predicted", 30.0)
        if tc is not None:
            fields |= {"tc_lower_95ci": 0.5 * tc, "tc_upper_95ci": 2.0 * tc, "tc_uncertainty": 0.3 * tc}
        return make_prediction(number, **(fields | changes))

    return make


@pytest.fixture
def stored(database: Database, predicted: Callable[..., Prediction]) -> dict[str, Saved]:
    """Five crystals with predictions, by formula, and one composition without a crystal."""
    wanted = {
        "MgB2": predicted(1, "MgB2.cif", tc_predicted=38.5, phonon_verdict="stable", phonon_stable=True),
        "Nb3Sn": predicted(2, "Nb3Sn.cif", tc_predicted=17.2, family="a15", confidence_level="high"),
        "Al": predicted(3, "Al.cif", tc_predicted=1.2, family="element", hull_distance_ev=0.0),
        "NbN": predicted(4, "NbN.cif", tc_predicted=15.0, confidence_level="low", extrapolation_warning=True),
        "YBa2Cu3O7": predicted(
            5, "YBa2Cu3O7.cif", applicable=False, reason="a cuprate", family="cuprate", tc_predicted=None,
            tc_lower_95ci=None, tc_upper_95ci=None, tc_uncertainty=None, lambda_ep=None,
            lambda_ep_uncertainty=None, omega_log=None, omega_log_uncertainty=None, omega_2=None,
            confidence_level=None,
        ),
        "LaH10": predicted(6, "LaH10_170GPa.cif", tc_predicted=210.0, pressure_gpa=170.0, model_tier="best"),
    }  # fmt: skip
    saved = save(database, wanted.values())
    return dict(zip(wanted, saved, strict=True))


@pytest.fixture
def served(database: Database) -> Iterator[Served]:
    """The room alone in an application, over real HTTP."""
    app = FastAPI(openapi_url=None)
    host = Host(database)
    app.state.host = host
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
                yield Served(url, database, client)
        finally:
            server.should_exit = True
            thread.join()
