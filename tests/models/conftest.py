"""Labelled materials made here, and models trained on them: small, quick, and with known laws behind them."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from htc.models import CouplingModel

# A few hundred rows are too few to share between threads. Read by libgomp when LightGBM first loads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_METALS = ("Li", "Na", "Mg", "Al", "Ca", "Sc", "Ti", "V", "Zn", "Ga", "Sr", "Y", "Zr", "Nb", "Mo", "Cd", "In",
           "Sn", "La", "Hf", "Ta", "W", "Tl", "Pb")  # fmt: skip
_LIGHT = ("H", "B", "C", "N")


def _structures() -> list[Any]:
    """CsCl-type intermetallics and rocksalt compounds of plausible size."""
    from pymatgen.core import Element, Lattice, Structure

    def radius(symbol: str) -> float:
        return float(Element(symbol).atomic_radius)

    out = []
    for a, b in itertools.combinations(_METALS, 2):
        edge = 2.0 / np.sqrt(3.0) * (radius(a) + radius(b))
        out.append(Structure(Lattice.cubic(edge), [a, b], [[0, 0, 0], [0.5, 0.5, 0.5]]))
    for metal, light in itertools.product(_METALS, _LIGHT):
        half = radius(metal) + radius(light) + 0.2
        primitive = Lattice([[0, half, half], [half, 0, half], [half, half, 0]])
        out.append(Structure(primitive, [metal, light], [[0, 0, 0], [0.5, 0.5, 0.5]]))
    return out


def labels_of(structure: Any, noise: np.ndarray) -> tuple[float, float]:
    """lambda and omega_log (K): smooth functions of density and mass, and lognormal noise."""
    mass = np.mean([site.specie.atomic_mass for site in structure])
    per_atom = structure.volume / len(structure)
    lambda_ep = 0.55 * np.exp(0.5 * np.sin(mass / 25.0) + 0.1 * noise[0])
    omega_log = 2200.0 / np.sqrt(mass) * (15.0 / per_atom) ** 0.3 * np.exp(0.06 * noise[1])
    return float(lambda_ep), float(omega_log)


@pytest.fixture(scope="session")
def labelled_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """372 labelled materials, the last line of the file a damaged one."""
    from pymatgen.io.vasp import Poscar

    noise = np.random.default_rng(7)
    lines = []
    for structure in _structures():
        lambda_ep, omega_log = labels_of(structure, noise.normal(size=2))
        row = {
            "poscar": Poscar(structure).get_str(),
            "lam": lambda_ep,
            "wlog_K": omega_log,
            "w2_K": 1.2 * omega_log,
        }
        lines.append(json.dumps(row))
    lines.append(json.dumps({"poscar": "not a crystal", "lam": 0.5, "wlog_K": 300.0}))
    path = tmp_path_factory.mktemp("labelled") / "made.jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


Train = Callable[..., "CouplingModel"]


@pytest.fixture(scope="session")
def train_small(labelled_file: Path) -> Train:
    """Trains on ``labelled_file`` with few trees: ``train_small(folder, seeds=(0,), exclude={"TiN"})``."""
    pytest.importorskip("lightgbm", reason="LightGBM or its libgomp1 is not installed", exc_type=ImportError)
    from htc.models.training.fit import TreeSettings
    from htc.models.training.pipeline import Recipe, train

    def run(folder: Path, *, seeds: tuple[int, ...] = (0,), exclude: frozenset[str] = frozenset()) -> Any:
        recipe = Recipe(
            name="small",
            tree_seeds=seeds,
            trees=TreeSettings(n_estimators=20, learning_rate=0.25, num_leaves=15),
            exclude_formulas=exclude,
        )
        return train([labelled_file], folder, recipe, tier="fast")

    return run


@pytest.fixture(scope="session")
def small_folder(train_small: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a model trained once; copy it before changing anything."""
    folder = tmp_path_factory.mktemp("small") / "model"
    train_small(folder)
    return folder / "fast"


@pytest.fixture(scope="session")
def small_family(labelled_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a fast and a default tier trained once; copy it before changing anything."""
    pytest.importorskip("lightgbm", reason="LightGBM or its libgomp1 is not installed", exc_type=ImportError)
    pytest.importorskip("torch", reason="torch (extra [train]) is not installed")
    from htc.models.training.fit import TreeSettings
    from htc.models.training.network import NetworkSettings
    from htc.models.training.pipeline import Recipe, train

    folder = tmp_path_factory.mktemp("family")
    recipe = Recipe(
        name="small",
        tree_seeds=(0,),
        trees=TreeSettings(n_estimators=20, learning_rate=0.25, num_leaves=15),
        networks=NetworkSettings(hidden=12, layers=1, epochs=6, batch=32, learning_rate=5e-3),
        workers=1,
    )
    train([labelled_file], folder, recipe, tier="default")
    return folder
