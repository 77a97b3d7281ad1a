"""The default tier end to end: trained, stored, loaded, asked; and families that are not whole."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htc.errors import ModelError
from htc.materials.library import library_entries
from htc.models import load_model
from htc.models.card import check_card
from htc.models.ensemble import EnsembleModel, Mixing
from htc.models.training.predictions import PREDICTIONS_FILE


@pytest.fixture
def family(small_family: Path, tmp_path: Path) -> Path:
    """A family to spoil."""
    return Path(shutil.copytree(small_family, tmp_path / "family"))


def crystals() -> list[Any]:
    return [entry.structure for entry in library_entries()[:5]]


def test_the_default_tier_has_a_valid_card_and_learned_the_law(small_family: Path) -> None:
    model = load_model(small_family)
    assert isinstance(model, EnsembleModel)
    assert model.tier == "default"
    check_card(model.card, "card")
    assert model.name == "small-networks-1"
    assert len(model.networks) == len(model.card["method"]["members"]) == 9
    held_out = model.card["metrics"]["structure"]["held_out_fold"]
    assert held_out["lambda_r2"] > 0.5
    assert held_out["omega_log_r2"] > 0.8
    assert held_out["coverage_95"] > 0.85
    assert 0.93 <= model.card["metrics"]["structure"]["cross_validation"]["coverage_95"] <= 1.0


def test_the_tiers_of_a_family_are_chosen_by_name(small_family: Path) -> None:
    fast, default = load_model(small_family, "fast"), load_model(small_family, "default")
    assert (fast.tier, default.tier) == ("fast", "default")
    assert default.parts == (default, fast)
    assert load_model(small_family / "default") is default
    with pytest.raises(ModelError, match="no tier 'best'") as caught:
        load_model(small_family, "best")
    assert "--tier best" in (caught.value.hint or "")


def test_a_crystal_gets_a_second_moment_and_a_strong_coupling_tc(small_family: Path) -> None:
    model = load_model(small_family)
    for coupling in model.predict_structures(crystals()):
        assert coupling.tier == "default"
        assert coupling.model_id == model.model_id
        assert coupling.omega_2_k is not None
        assert coupling.omega_2_k >= coupling.omega_log_k
        assert coupling.omega_2_uncertainty_k is not None
        assert coupling.omega_2_uncertainty_k > 0.0
        assert coupling.effective_low <= coupling.lambda_ep <= coupling.effective_high
        full, without = coupling.tc(0.10), coupling.tc(0.10, strong_coupling=False)
        assert full.tc_k >= without.tc_k >= 0.0
        assert full.lower_95_k <= full.tc_k <= full.upper_95_k


def test_a_composition_is_answered_by_the_fast_tier_and_says_so(small_family: Path) -> None:
    from pymatgen.core import Composition

    (coupling,) = load_model(small_family).predict_compositions([Composition("TiAl")])
    assert coupling.tier == "fast"
    assert coupling.model_id == load_model(small_family, "fast").model_id
    assert coupling.omega_2_k is None


def test_crystals_asked_alone_or_together_are_equal(small_family: Path) -> None:
    model = load_model(small_family)
    together = model.predict_structures(crystals())
    for one, crystal in zip(together, crystals(), strict=True):
        (alone,) = model.predict_structures([crystal])
        assert alone.lambda_ep == pytest.approx(one.lambda_ep, rel=1e-4)
        assert alone.omega_log_k == pytest.approx(one.omega_log_k, rel=1e-4)
    assert model.predict_structures([]) == []


def test_trained_again_it_takes_what_is_there(
    small_family: Path, labelled_file: Path, tmp_path: Path
) -> None:
    """A killed training goes on: here all of it is done, and the files are not touched."""
    from htc.models.training.fit import TreeSettings
    from htc.models.training.network import NetworkSettings
    from htc.models.training.pipeline import Recipe, train

    recipe = Recipe(
        name="small",
        tree_seeds=(0,),
        trees=TreeSettings(n_estimators=20, learning_rate=0.25, num_leaves=15),
        networks=NetworkSettings(hidden=12, layers=1, epochs=6, batch=32, learning_rate=5e-3),
        workers=1,
    )
    copy = Path(shutil.copytree(small_family, tmp_path / "again"))
    before = {p: p.stat().st_mtime_ns for p in copy.rglob("*") if p.is_file()}
    model = train([labelled_file], copy, recipe, tier="default")
    assert model.model_id == load_model(small_family).model_id
    assert {p: p.stat().st_mtime_ns for p in copy.rglob("*") if p.is_file()} == before


def test_a_member_that_is_missing_alone_is_trained_again_to_the_same_model(
    family: Path, labelled_file: Path
) -> None:
    from htc.models.training.fit import TreeSettings
    from htc.models.training.network import NetworkSettings
    from htc.models.training.pipeline import Recipe, train

    first = load_model(family).card["weights"]["sha256"]
    members = sorted((family / "work/members").iterdir())
    assert len(members) == 9
    members[2].unlink()
    shutil.rmtree(family / "default")
    recipe = Recipe(
        name="small",
        tree_seeds=(0,),
        trees=TreeSettings(n_estimators=20, learning_rate=0.25, num_leaves=15),
        networks=NetworkSettings(hidden=12, layers=1, epochs=6, batch=32, learning_rate=5e-3),
        workers=1,
    )
    said: list[tuple[str, int, int]] = []
    model = train([labelled_file], family, recipe, tier="default", progress=lambda *step: said.append(step))
    assert [step for step in said if step[0].startswith("networks")] == [
        ("networks of the default tier", 9, 9)
    ]
    assert sorted((family / "work/members").iterdir()) == members
    assert model.card["weights"]["sha256"] == first


def test_a_tier_on_another_foundation_is_refused(family: Path) -> None:
    from safetensors.numpy import load, save

    weights = family / "fast/model.safetensors"
    tensors = load(weights.read_bytes())
    tensors["structure/shifts"] = tensors["structure/shifts"] * 1.01
    blob = save(tensors)
    weights.write_bytes(blob)
    card = json.loads((family / "fast/card.json").read_text())
    from hashlib import sha256

    card["weights"] |= {"sha256": sha256(blob).hexdigest(), "bytes": len(blob)}
    (family / "fast/card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="not the one it was trained on") as caught:
        load_model(family)
    assert caught.value.where == str(family / "fast")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("network0/head1/w", np.zeros((2, 2), np.float16)),
        ("network0/head1/b", np.full(24, np.nan, np.float16)),
        ("mixing/weight", np.zeros(3)),
        ("errors/ratio_spread", np.full(1, np.nan)),
        ("networks", np.frombuffer(b"[]", np.uint8)),
    ],
)
def test_tensors_that_do_not_fit(family: Path, name: str, array: np.ndarray) -> None:
    from hashlib import sha256

    from safetensors.numpy import load, save

    weights = family / "default/model.safetensors"
    tensors = load(weights.read_bytes())
    assert name in tensors
    tensors[name] = array
    blob = save(tensors)
    weights.write_bytes(blob)
    card = json.loads((family / "default/card.json").read_text())
    card["weights"] |= {"sha256": sha256(blob).hexdigest(), "bytes": len(blob)}
    (family / "default/card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="damaged"):
        load_model(family)


def test_every_prediction_it_was_judged_by_lies_beside_it(small_family: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(small_family / "default" / PREDICTIONS_FILE).to_pydict()
    assert len(table["formula"]) == 372
    held_out = load_model(small_family).card["metrics"]["structure"]["held_out_fold"]
    outside = [
        abs(p - t)
        for p, t, split in zip(table["lambda_ep"], table["lambda_true"], table["split"], strict=True)
        if split == "held_out"
    ]
    assert len(outside) == held_out["rows"]
    assert np.mean(outside) == pytest.approx(held_out["lambda_mae"], rel=1e-6)


def test_mixing_between_and_beyond() -> None:
    mixing = Mixing(weight=np.array([0.0, 1.0]), slope=np.array([1.0, 2.0]), centre=np.array([0.0, 5.0]))
    mixed = mixing(np.array([[1.0, 5.5]]), np.array([[3.0, 6.0]]))
    assert mixed.tolist() == [[1.0, 7.0]]


def test_evaluating_the_held_out_fold_gives_the_cards_figures(
    small_family: Path, labelled_file: Path
) -> None:
    from htc.models.training.evaluate import evaluate

    model = load_model(small_family)
    scores = evaluate(model, labelled_file, fold=3, work=small_family / "work/features")
    card = model.card["metrics"]["structure"]["held_out_fold"]
    for name in ("rows", "lambda_mae", "omega_log_mae_k", "tc_mae_k", "tc_r2", "coverage_95"):
        assert scores["structure"][name] == pytest.approx(card[name], rel=1e-6), name
    assert "composition" not in scores


def test_a_frozen_record_can_be_compared(small_family: Path) -> None:
    (one,) = load_model(small_family).predict_structures(crystals()[:1])
    assert replace(one) == one


def test_networks_of_all_folds_speak_where_there_are_some(family: Path, labelled_file: Path) -> None:
    """Those without a fold then only say how good a network is for what it has not seen."""
    from htc.models.training.fit import TreeSettings
    from htc.models.training.network import NetworkSettings
    from htc.models.training.pipeline import Recipe, train

    before = load_model(family)
    shutil.rmtree(family / "default")
    recipe = Recipe(
        name="small",
        tree_seeds=(0,),
        trees=TreeSettings(n_estimators=20, learning_rate=0.25, num_leaves=15),
        networks=NetworkSettings(hidden=12, layers=1, epochs=6, batch=32, learning_rate=5e-3),
        networks_of_all=2,
        workers=1,
    )
    model = train([labelled_file], family, recipe, tier="default")
    assert isinstance(model, EnsembleModel)
    members = model.card["method"]["members"]
    assert [m["trained_without_fold"] for m in members if m["speaks"]] == [None, None]
    assert len(members) == 11
    assert len({m["seed"] for m in members}) == 11
    assert len(model.networks) == 2
    # The mixture is learned from the same networks as before.
    mixing = [m.card["method"]["parameters"]["mixing"] for m in (before, model)]
    assert mixing[0] == mixing[1]
    assert [c.lambda_ep for c in model.predict_structures(crystals())] != [
        c.lambda_ep for c in before.predict_structures(crystals())
    ]
