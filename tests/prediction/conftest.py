"""A predictor over the model in the package and the bundled library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from htc.materials.inputs import InputItem, iter_inputs
from htc.materials.library import library_entries
from htc.materials.sources import LibrarySource
from htc.models import load_model
from htc.prediction import Failure, Prediction, Predictor


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    """As ``htc predict`` has it, without a store."""
    return Predictor(load_model(), [LibrarySource()])


@pytest.fixture(scope="session")
def crystal() -> Callable[[str], Any]:
    """A crystal of the library by name."""

    def find(name: str) -> Any:
        return next(entry for entry in library_entries() if entry.name == name).structure

    return find


@pytest.fixture(scope="session")
def predict(predictor: Predictor) -> Callable[..., list[Prediction | Failure]]:
    """``predict("MgB2", structure, pressure_gpa=0, mu_star=0.1)`` -> records and failures."""

    def run(*materials: Any, pressure_gpa: float = 0.0, mu_star: float = 0.10) -> list[Any]:
        items: list[InputItem] = []
        for number, material in enumerate(materials):
            if isinstance(material, str):
                items += iter_inputs([material])
            else:
                items.append(InputItem(f"crystal {number}", "structure", material))
        return list(predictor.predict(items, pressure_gpa=pressure_gpa, mu_star=mu_star))

    return run
