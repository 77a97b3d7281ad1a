"""The best tier: the potential's view of a site, and the tier that stands on it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from htc.errors import MissingExtraError
from htc.materials.library import library_entries
from htc.materials.symmetry import primitive_standardised
from htc.models.features.embedding import N_EMBEDDING, load_embedder

if TYPE_CHECKING:
    from htc.models.features.embedding import SiteEmbedder


def crystal(name: str) -> Any:
    return next(entry for entry in library_entries() if entry.name == name).structure


@pytest.fixture(scope="module")
def embedder() -> SiteEmbedder:
    pytest.importorskip("sevenn", reason="SevenNet (extra [mlip]) is not installed")
    return load_embedder()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sevenn", None)
    monkeypatch.setitem(sys.modules, "sevenn.calculator", None)
    load_embedder.cache_clear()
    try:
        with pytest.raises(MissingExtraError) as caught:
            load_embedder()
    finally:
        load_embedder.cache_clear()
    assert "htc[mlip]" in (caught.value.hint or "")
    assert "--tier default" in (caught.value.hint or "")


def test_a_site_is_described_whatever_cell_it_is_in(embedder: SiteEmbedder) -> None:
    """A supercell and a turned cell are the same crystal, alone or in company."""
    from scipy.spatial.transform import Rotation

    small = crystal("MgB2")
    large = small.copy()
    large.make_supercell([2, 1, 1])
    turned = small.copy()
    turned.lattice = type(turned.lattice)(
        turned.lattice.matrix @ Rotation.random(rng=1).as_matrix().T  # the lattice alone turns the crystal
    )
    cells = [primitive_standardised(s) for s in (small, large, turned)]
    (alone,) = embedder.embed(cells[:1])
    together = embedder.embed([*cells, primitive_standardised(crystal("Nb3Sn"))])
    assert alone is not None
    assert alone.shape == (2, N_EMBEDDING)
    assert np.isfinite(alone).all()
    scale = np.abs(alone).max()
    for other, cell in zip(together[:3], cells, strict=True):
        assert other is not None
        order = [cell.structure.atomic_numbers[cell.orbits.index(k)] for k in range(2)]
        reference = [cells[0].structure.atomic_numbers[cells[0].orbits.index(k)] for k in range(2)]
        rows = [order.index(z) for z in reference]
        assert np.abs(other[rows] - alone).max() < 1e-3 * scale


def test_an_element_the_potential_never_saw_has_no_state(embedder: SiteEmbedder) -> None:
    from pymatgen.core import Lattice, Structure

    polonium = primitive_standardised(Structure(Lattice.cubic(3.35), ["Po"], [[0, 0, 0]]))
    assert 84 not in embedder.known
    niobium = primitive_standardised(crystal("Nb"))
    nothing, something = embedder.embed([polonium, niobium])
    assert nothing is None
    assert something is not None


@pytest.fixture(scope="module")
def best_family(labelled_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All three tiers trained on a part of the materials."""
    pytest.importorskip("sevenn", reason="SevenNet (extra [mlip]) is not installed")
    pytest.importorskip("lightgbm", reason="LightGBM or its libgomp1 is not installed", exc_type=ImportError)
    from htc.models.training.fit import TreeSettings
    from htc.models.training.network import NetworkSettings
    from htc.models.training.pipeline import Recipe, train

    folder = tmp_path_factory.mktemp("best")
    part = folder / "part.jsonl"
    part.write_text("\n".join(labelled_file.read_text().splitlines()[:276]) + "\n")
    small = NetworkSettings(hidden=8, layers=1, epochs=4, batch=32, learning_rate=5e-3)
    recipe = Recipe(
        name="small",
        trees=TreeSettings(n_estimators=10, learning_rate=0.3, num_leaves=7),
        networks=small,
        best_networks=small,
        workers=1,
    )
    train([part], folder, recipe, tier="best")
    return folder


@pytest.mark.slow
def test_the_best_tier_stands_on_the_default_one(best_family: Path) -> None:
    from pymatgen.core import Lattice, Structure

    from htc.models import load_model

    model = load_model(best_family, "best")
    assert model.tier == "best"
    assert [part.tier for part in model.parts] == ["best", "default", "fast"]
    polonium = Structure(Lattice.cubic(3.35), ["Po"], [[0, 0, 0]])
    known, unknown = model.predict_structures([crystal("Nb"), polonium])
    assert (known.tier, known.model_id, known.note) == ("best", model.model_id, None)
    assert unknown.tier == "default"
    assert unknown.model_id == model.parts[1].model_id
    assert "SevenNet does not know" in (unknown.note or "")


@pytest.mark.slow
def test_scored_again_the_best_tier_gives_its_cards_figures(best_family: Path) -> None:
    from htc.models import load_model
    from htc.models.training.evaluate import evaluate

    model = load_model(best_family, "best")
    scores = evaluate(model, best_family / "part.jsonl", fold=3, work=best_family / "work/features")
    card = model.card["metrics"]["structure"]["held_out_fold"]
    for name in ("rows", "lambda_mae", "omega_log_mae_k", "tc_mae_k", "coverage_95"):
        assert scores["structure"][name] == pytest.approx(card[name], rel=1e-6), name
