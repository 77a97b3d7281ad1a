"""``Predictor``: one answer for every input, in order, each saying how far it can be trusted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htc.errors import FormulaError, InputError, SourceUnavailableError, StructureError
from htc.materials.inputs import InputItem, iter_inputs
from htc.materials.sources import FoundStructure, LibrarySource
from htc.prediction import Failure, Prediction, Predictor
from htc.prediction.predictor import BATCH

Predict = Callable[..., list[Any]]
Crystal = Callable[[str], Any]

NUMBERS = (
    "tc_predicted",
    "tc_lower_95ci",
    "tc_upper_95ci",
    "tc_uncertainty",
    "lambda_ep",
    "lambda_ep_uncertainty",
    "omega_log",
    "omega_log_uncertainty",
    "mu_star",
    "xi_parameter",
)


def test_one_answer_for_each_input_in_order(predict: Predict, crystal: Crystal) -> None:
    results = predict("Nb", "Xx2", crystal("Al"), "YBa2Cu3O7", "no/such.cif", "MgB2", "Nb")
    assert [r.source for r in results] == [
        "Nb", "Xx2", "crystal 2", "YBa2Cu3O7", "no/such.cif", "MgB2", "Nb",
    ]  # fmt: skip
    kinds = [type(r) for r in results]
    assert kinds == [Prediction, Failure, Prediction, Prediction, Failure, Prediction, Prediction]
    assert isinstance(results[1].error, FormulaError)
    assert isinstance(results[4].error, StructureError)
    first, last = results[0].as_dict(), results[6].as_dict()
    for name, value in first.items():
        # The networks compute in single precision, and where a row stands in a batch moves its last bits.
        expected = pytest.approx(value, rel=1e-5) if isinstance(value, float) else value
        assert last[name] == expected, name


def test_answers_do_not_depend_on_their_neighbours(predict: Predict) -> None:
    formulas = ["Nb", "NbC", "Pb", "YBa2Cu3O7", "Li2AuX", "Mo3Si"]
    for together, formula in zip(predict(*formulas), formulas, strict=True):
        (alone,) = predict(formula)
        if isinstance(alone, Failure):
            assert str(alone.error) == str(together.error)
            continue
        assert alone.input_hash == together.input_hash
        if alone.applicable:
            assert alone.tc_predicted == pytest.approx(together.tc_predicted, rel=1e-5)


def test_input_is_taken_lazily_batch_by_batch(predictor: Predictor) -> None:
    taken = 0

    def items() -> Iterator[InputItem]:
        nonlocal taken
        for item in iter_inputs(["NaCl"] * (3 * BATCH)):
            taken += 1
            yield item

    stream = predictor.predict(items(), mu_star=0.1)
    next(stream)
    assert taken == BATCH
    assert sum(1 for _ in stream) == 3 * BATCH - 1


def test_a_metal_has_a_complete_record(predict: Predict) -> None:
    (nb,) = predict("Nb", mu_star=0.13)
    assert nb.applicable
    assert nb.reason is None
    assert 0.0 <= nb.tc_lower_95ci < nb.tc_predicted < nb.tc_upper_95ci
    for name in NUMBERS:
        assert np.isfinite(getattr(nb, name)), name
    assert nb.xi_parameter == pytest.approx(nb.lambda_ep / (1 + nb.lambda_ep))
    assert nb.mu_star == 0.13
    assert nb.model_tier == "default"
    assert nb.omega_2 is not None
    assert nb.omega_2 >= nb.omega_log
    assert nb.tc_experiment is not None
    assert nb.tc_experiment_lower_95ci <= nb.tc_experiment <= nb.tc_experiment_upper_95ci
    assert nb.confidence_level in {"medium", "high"}
    assert not nb.extrapolation_warning
    assert nb.structure_origin == "library: Nb"
    assert nb.model_id.startswith("ambient-networks-")
    assert len(nb.input_hash) == 64
    assert "structure" in nb.prediction_method
    json.dumps(nb.as_dict(), allow_nan=False)
    json.dumps(dict(nb.provenance), allow_nan=False)


def test_the_dictionary_has_every_field_but_the_heavy_ones(predict: Predict) -> None:
    (nb,) = predict("Nb")
    names = {field.name for field in fields(Prediction)} - {"structure", "spectrum", "provenance"}
    # Under the names of the columns: docs/reference/names.md.
    names = names - {"pressure_gpa", "hull_distance_ev"} | {"pressure_required_gpa", "hull_distance_eV"}
    assert set(nb.as_dict()) == names | {"xi_parameter", "cautions", "notes"}


@pytest.mark.parametrize("formula", ["YBa2Cu3O7", "HgBa2CuO4", "LaFeAsO", "FeSe", "CeCoIn5", "NaCl"])
def test_outside_the_theory_there_is_a_reason_and_no_number(predict: Predict, formula: str) -> None:
    (refused,) = predict(formula)
    assert not refused.applicable
    assert len(refused.reason) > 20
    assert [name for name in NUMBERS if getattr(refused, name) is not None] == []
    assert refused.model_id is None
    assert refused.confidence_level is None
    assert not refused.extrapolation_warning
    assert refused.prediction_method.startswith("none")
    assert len(refused.input_hash) == 64


def test_a_cuprate_says_what_it_is(predict: Predict, crystal: Crystal) -> None:
    by_formula, by_crystal = predict("YBa2Cu3O7", crystal("YBa2Cu3O7"))
    for refused in (by_formula, by_crystal):
        assert refused.family == "cuprate"
        assert "electron-phonon" in refused.reason
    assert by_formula.input_hash == by_crystal.input_hash


def test_a_formula_is_its_crystal_of_the_library(predict: Predict, crystal: Crystal) -> None:
    by_formula, by_crystal = predict("Nb3Sn", crystal("Nb3Sn"))
    assert by_formula.structure_origin == "library: Nb3Sn"
    assert by_crystal.structure_origin == "given"
    assert by_formula.input_hash == by_crystal.input_hash
    assert by_formula.tc_predicted == pytest.approx(by_crystal.tc_predicted, rel=1e-5)


def test_an_unknown_formula_gets_the_composition_model(predict: Predict) -> None:
    (unknown,) = predict("Zr3Nb2")
    assert unknown.structure is None
    assert unknown.structure_origin is None
    assert "composition" in unknown.prediction_method
    assert unknown.confidence_level in {"low", "medium"}


def test_not_knowing_the_crystal_is_said_and_widens_the_intervals(predictor: Predictor) -> None:
    blind = Predictor(predictor.model)
    (unknown,) = blind.predict(iter_inputs(["Nb3Sn"]), mu_star=0.1)
    assert "composition" in unknown.prediction_method
    assert unknown.structure_origin is None
    # Material by material either may be luckier; over thousands the composition knows less.
    card = predictor.model.parts[-1].card["metrics"]
    for scored in ("held_out_fold", "cross_validation"):
        assert card["composition"][scored]["width_95_mean_k"] > card["structure"][scored]["width_95_mean_k"]


def test_fractions_in_a_formula_are_a_composition(predict: Predict) -> None:
    alloy, hidden = predict("Nb0.75Ti0.25", "Nb3Ti")
    assert alloy.applicable
    assert alloy.tc_predicted == hidden.tc_predicted
    assert alloy.input_hash == hidden.input_hash


def test_pressure_is_an_extrapolation_that_says_so(predict: Predict) -> None:
    (ambient,) = predict("Nb")
    (pressed,) = predict("Nb", pressure_gpa=20.0)
    assert not ambient.extrapolation_warning
    assert pressed.extrapolation_warning
    assert pressed.confidence_level == "low"
    assert pressed.pressure_gpa == 20.0
    assert "20 GPa" in pressed.extrapolation_reasons[0]
    assert pressed.input_hash != ambient.input_hash
    assert pressed.structure_origin is None  # bcc Nb at ambient volume is not Nb at 20 GPa


def test_a_given_crystal_is_said_to_be_taken_as_it_is(
    predict: Predict, crystal: Crystal, tmp_path: Path
) -> None:
    file = tmp_path / "Nb.cif"
    file.write_text(crystal("Nb").to(fmt="cif"))
    (ambient,) = predict(str(file))
    (pressed,) = predict(str(file), pressure_gpa=20.0)
    assert pressed.structure == ambient.structure
    assert pressed.lambda_ep == ambient.lambda_ep
    assert any("taken to be that at 20 GPa" in note for note in pressed.notes)
    assert not any("GPa" in note for note in ambient.notes)


def test_a_hydride_under_pressure_is_told_to_be_beyond_the_model(predict: Predict) -> None:
    (h3s,) = predict("H3S", pressure_gpa=155.0)
    assert h3s.structure_origin == "library: H3S"
    assert h3s.extrapolation_warning
    assert h3s.confidence_level == "low"
    assert any("hydrogen-rich" in reason for reason in h3s.extrapolation_reasons)


def test_a_high_tc_alone_is_no_warning(predict: Predict) -> None:
    (nb3sn,) = predict("Nb3Sn", mu_star=0.0)
    assert nb3sn.tc_predicted > 15.0
    assert not nb3sn.extrapolation_warning


@pytest.mark.parametrize(
    ("pressure", "mu_star", "where"),
    [
        (-1.0, 0.1, "pressure_gpa"),
        (float("nan"), 0.1, "pressure_gpa"),
        (float("inf"), 0.1, "pressure_gpa"),
        (1e4, 0.1, "pressure_gpa"),
        (0.0, -0.1, "mu_star"),
        (0.0, float("nan"), "mu_star"),
        (0.0, 0.6, "mu_star"),
    ],
)
def test_conditions_out_of_range(predict: Predict, pressure: float, mu_star: float, where: str) -> None:
    with pytest.raises(InputError) as caught:
        predict("Nb", pressure_gpa=pressure, mu_star=mu_star)
    assert caught.value.where == where
    assert caught.value.hint


def test_one_crystal_has_one_hash_however_it_is_written(predict: Predict, crystal: Crystal) -> None:
    from pymatgen.core import Lattice, Structure

    mgb2 = crystal("MgB2")
    turned = Structure(
        Lattice.from_parameters(*mgb2.lattice.parameters),
        [site.specie for site in reversed(list(mgb2))],
        mgb2.frac_coords[::-1] + np.array([0.1, 0.7, 0.3]),
    )
    nb3sn = crystal("Nb3Sn")
    results = predict(mgb2, turned, mgb2.make_supercell([2, 1, 1]), nb3sn, nb3sn.get_primitive_structure())
    assert len({r.input_hash for r in results[:3]}) == 1
    assert len({r.input_hash for r in results[3:]}) == 1
    assert results[0].input_hash != results[3].input_hash
    for first, second in [(0, 1), (0, 2), (3, 4)]:
        assert results[first].tc_predicted == pytest.approx(results[second].tc_predicted, rel=1e-6)


def test_other_conditions_and_another_model_are_another_hash(predictor: Predictor, predict: Predict) -> None:
    from dataclasses import replace

    other = Predictor(replace(predictor.model, model_id="other-1+000000000000"), predictor.sources)
    results = [
        *predict("Nb", mu_star=0.10),
        *predict("Nb", mu_star=0.13),
        *predict("Nb", pressure_gpa=1.0),
        *other.predict(iter_inputs(["Nb"]), mu_star=0.10),
        *predict("Nb3Sn"),
        *Predictor(predictor.model).predict(iter_inputs(["Nb"]), mu_star=0.10),
    ]
    assert len({r.input_hash for r in results}) == len(results)
    assert predict("Nb", mu_star=0.10)[0].input_hash == results[0].input_hash


class Unreachable:
    """A source that is down."""

    name = "far-away"

    def find(self, reduced_formula: str, pressure_gpa: float = 0.0) -> list[FoundStructure]:
        raise SourceUnavailableError("no answer within 10 s", where="far-away.example")


class Several:
    """A source that knows more than one crystal."""

    name = "several"

    def __init__(self, structure: Any) -> None:
        self.structure = structure

    def find(self, reduced_formula: str, pressure_gpa: float = 0.0) -> list[FoundStructure]:
        return [FoundStructure(self.structure, f"several: {i}") for i in range(3)]


def test_a_source_that_is_down_is_noted_and_the_next_is_asked(predictor: Predictor, predict: Predict) -> None:
    shaky = Predictor(predictor.model, [Unreachable(), LibrarySource()])
    known, unknown = shaky.predict(iter_inputs(["Nb", "Zr3Nb2"]), mu_star=0.1)
    assert isinstance(known, Prediction)
    assert known.structure_origin == "library: Nb"
    assert known.tc_predicted == predict("Nb")[0].tc_predicted
    assert isinstance(unknown, Prediction)
    assert unknown.structure is None
    for record in (known, unknown):
        (note,) = [n for n in record.provenance["notes"] if "far-away" in n]
        assert "could not be asked" in note
        assert "no answer within 10 s" in note


def test_a_choice_among_crystals_is_noted(predictor: Predictor, crystal: Crystal) -> None:
    (chosen,) = Predictor(predictor.model, [Several(crystal("Nb"))]).predict(iter_inputs(["Nb"]), mu_star=0.1)
    assert isinstance(chosen, Prediction)
    assert chosen.structure_origin == "several: 0"
    assert "several knows 3 crystals of this formula; the first was taken" in chosen.provenance["notes"]


def test_sources_by_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from htc.prediction.sources import known_sources, with_store
    from htc.settings import Settings

    assert [s.name for s in known_sources(Settings())] == ["library"]
    everything = known_sources(
        Settings(materials_project_api_key="k" * 32, optimade_provider="https://optimade.example.org")
    )
    assert [s.name for s in everything] == ["library", "materials-project", "optimade"]
    assert [s.name for s in with_store(everything, Unreachable())][:2] == ["library", "far-away"]
