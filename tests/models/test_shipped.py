"""The model in the package: its card, its figures, and when it says that it does not know."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htc.materials.library import library_entries
from htc.models import CouplingModel, load_model
from htc.models.card import check_card

FOLDER = Path(__file__).resolve().parents[2] / "src/htc/models/weights/fast"


@pytest.fixture(scope="module")
def model() -> CouplingModel:
    return load_model(tier="fast")


def crystal(name: str) -> Any:
    return next(entry for entry in library_entries() if entry.name == name).structure


def test_weights_fit_into_the_package() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 15e6
    assert sorted(path.suffix for path in FOLDER.iterdir()) == [".json", ".safetensors"]


def test_the_card_follows_its_schema_and_names_data_and_licence(model: CouplingModel) -> None:
    check_card(model.card, "card")
    assert model.card["training_data"][0]["licence"] == "CC BY 4.0"
    assert "fold 3" in model.card["training_data"][0]["held_out"]


def test_figures_on_the_fold_it_never_saw(model: CouplingModel) -> None:
    scores = model.card["metrics"]["structure"]["held_out_fold"]
    assert scores["rows"] > 700
    assert scores["lambda_mae"] <= 0.085
    assert scores["omega_log_mae_k"] <= 22.8
    assert scores["tc_mae_k"] <= 0.95
    assert scores["tc_r2"] >= 0.74
    assert scores["average_precision_tc_above_5k"] >= 0.87


@pytest.mark.parametrize("kind", ["structure", "composition"])
def test_intervals_hold_in_every_range_of_tc_and_beat_a_constant_width(
    model: CouplingModel, kind: str
) -> None:
    scores = model.card["metrics"][kind]["held_out_fold"]
    assert 0.93 <= scores["coverage_95"] <= 0.97
    assert set(scores["coverage_95_by_true_tc"]) == {"tc_below_1k", "tc_1_to_5k", "tc_above_5k"}
    assert min(scores["coverage_95_by_true_tc"].values()) >= 0.90
    assert scores["width_95_mean_k"] < 0.85 * scores["constant_width_k"]
    assert min(scores["constant_width_coverage_by_true_tc"].values()) < 0.80


def test_knowing_only_the_composition_costs_accuracy_and_says_so(model: CouplingModel) -> None:
    by_structure, by_composition = (
        model.card["metrics"][kind]["held_out_fold"] for kind in ("structure", "composition")
    )
    assert by_composition["width_95_mean_k"] > by_structure["width_95_mean_k"]


def test_confidence_orders_the_error_of_lambda(model: CouplingModel) -> None:
    levels = model.card["calibration"]["held_out_fold_by_confidence"]["structure"]
    assert (
        levels["high"]["ln_lambda_mae"] < levels["medium"]["ln_lambda_mae"] < levels["low"]["ln_lambda_mae"]
    )


def test_a_new_element_is_an_extrapolation(model: CouplingModel) -> None:
    from pymatgen.core import Composition, Lattice, Structure

    plutonium = Structure(Lattice.cubic(3.4), ["Pu", "Al"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    for (coupling,) in (
        model.predict_structures([plutonium]),
        model.predict_compositions([Composition("PuAl2")]),
    ):
        assert coupling.nearness.level == "low"
        assert any(reason.startswith("element Pu: ") for reason in coupling.nearness.reasons)


@pytest.mark.parametrize("factor", [2.0, 0.4])
def test_an_odd_volume_is_an_extrapolation(model: CouplingModel, factor: float) -> None:
    niobium = crystal("Nb")
    odd = niobium.copy()
    odd.scale_lattice(odd.volume * factor)
    near, far = model.predict_structures([niobium, odd])
    assert near.nearness.reasons == ()
    assert far.nearness.level == "low"
    assert far.nearness.reasons
    assert far.nearness.distance > near.nearness.distance


def test_hydrogen_rich_crystals_are_an_extrapolation(model: CouplingModel) -> None:
    for coupling in model.predict_structures([crystal("LaH10"), crystal("H3S")]):
        assert coupling.nearness.level == "low"
        assert coupling.nearness.reasons


def test_a_high_tc_alone_is_no_extrapolation(model: CouplingModel) -> None:
    (a15,) = model.predict_structures([crystal("Nb3Sn")])
    assert a15.tc(0.10).tc_k > 8.0
    assert a15.nearness.reasons == ()
    assert a15.nearness.level in {"medium", "high"}


def test_confidence_does_not_see_the_value_of_tc(model: CouplingModel) -> None:
    """The same places in feature space under another law of Tc give the same confidence."""
    from dataclasses import replace

    head = model.heads["structure"]
    swapped = replace(head, forests=dict(head.forests) | {"ln_lambda": head.forests["ln_omega"]})
    other = replace(model, heads=dict(model.heads) | {"structure": swapped})
    crystals = [crystal(name) for name in ("Al", "Nb", "MgB2", "Nb3Sn", "TiN")]
    first, second = model.predict_structures(crystals), other.predict_structures(crystals)
    assert [c.nearness for c in first] == [c.nearness for c in second]
    assert [c.lambda_ep for c in first] != [c.lambda_ep for c in second]


def test_known_superconductors_are_told_from_poor_ones(model: CouplingModel) -> None:
    """Sanity, not accuracy: measured 9.25, 18.05 and 11.1 K against 1.2 K and none."""
    strong = [c.tc(0.13).tc_k for c in model.predict_structures([crystal(n) for n in ("Nb", "Nb3Sn", "NbC")])]
    weak = [c.tc(0.13).tc_k for c in model.predict_structures([crystal(n) for n in ("Al", "Cu")])]
    assert min(strong) > 3.0 > max(weak)


@pytest.mark.data
@pytest.mark.slow
def test_the_card_says_what_the_weights_do(model: CouplingModel, tmp_path: Path) -> None:
    """Fold 3 of the laboratory's data under the shipped weights gives the card's figures."""
    folder = os.environ.get("HTC_DATA")
    if not folder:
        pytest.skip("HTC_DATA is not set")
    pytest.importorskip("sklearn")
    import json

    from htc.models.training.evaluate import evaluate

    whole = Path(folder) / "epc/alexandria.jsonl"
    if not whole.exists():
        pytest.skip(f"{whole} is not there")
    fold_3 = tmp_path / "fold_3.jsonl"
    with whole.open() as lines, fold_3.open("w") as out:
        # A fold that is not as the data say would show in the number of rows.
        out.writelines(line for line in lines if json.loads(line)["fold"] == 3)
    scores = evaluate(model, fold_3, fold=3)
    for kind in ("structure", "composition"):
        card = model.card["metrics"][kind]["held_out_fold"]
        assert scores[kind]["rows"] == card["rows"]
        for name, value in card.items():
            if not isinstance(value, dict):
                assert scores[kind][name] == pytest.approx(value, rel=1e-3), (kind, name)
        for name, share in card["coverage_95_by_true_tc"].items():
            assert np.isclose(scores[kind]["coverage_95_by_true_tc"][name], share, atol=1e-3)
