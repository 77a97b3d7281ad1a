"""The worksheet's arithmetic is that of the theory, wherever a prediction may lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htc.evidence.arithmetic import Expression, in_digits
from htc.evidence.handwork import half_unit
from htc.evidence.moments import COLUMNS, pieces_of, read_table, write_table
from htc.evidence.worksheet import Worksheet, worksheet_of
from htc.models import load_model
from htc.prediction import Prediction
from htc.spectra import Spectrum
from htc.theory import FORMULAS

NUMBERS = {
    "lambda_ep": st.floats(0.0, 10.0),
    "omega_log": st.floats(1.0, 3000.0),
    "ratio": st.floats(1.0, 3.0),
    "mu_star": st.floats(0.0, 0.5),
}


def record_of(**numbers: float) -> dict[str, Any]:
    record = {k: v for k, v in numbers.items() if k != "ratio"}
    if "ratio" in numbers:
        record["omega_2"] = numbers["ratio"] * numbers["omega_log"]
    return {"applicable": True, "provenance": {}, **record}


def record_from(prediction: Prediction) -> dict[str, Any]:
    return prediction.as_dict() | {"provenance": dict(prediction.provenance)}


def check_steps(worksheet: Worksheet) -> None:
    """Each step follows from the printed numbers before it."""
    for section in worksheet.sections:
        known = {k: in_digits(v) for k, v in worksheet.given.items()} | dict(section.given)
        for step in section.steps:
            found = Expression.parse(step.expression).value(step.values)
            assert abs(found - step.value) <= 1.01 * half_unit(max(abs(found), abs(step.value)))
            assert {name: known[name] for name in step.values if name in known} == {
                name: value for name, value in step.values.items() if name in known
            }
            known[step.symbol] = step.value


@given(**NUMBERS)
@settings(max_examples=120)
def test_by_hand_and_by_program_agree_for_every_formula(**numbers: float) -> None:
    record = record_of(**numbers)
    worksheet = worksheet_of(record)
    check_steps(worksheet)
    for name, formula in FORMULAS.items():
        section = worksheet.section(name)
        assert section is not None
        expected = float(
            formula(
                record["lambda_ep"],
                record["omega_log"],
                record["mu_star"],
                omega_2_k=record["omega_2"] if formula.needs_omega_2 else None,
            )
        )
        (outcome,) = section.outcomes
        assert outcome.by_program == expected
        assert outcome.agrees, (name, outcome)
        # The promise is worth something: six digits, but where the exponent makes much of little.
        if 0.01 < record["mu_star"] < 0.3 and 0.4 < record["lambda_ep"] < 5.0 and expected > 0.1:
            assert outcome.tolerance < 2e-3 * expected
        assert (outcome.reason is not None) is (expected == 0.0)


@given(data=st.data())
@settings(max_examples=40)
def test_the_ends_of_the_interval_are_couplings(data: st.DataObject) -> None:
    ratio = data.draw(st.floats(1.0, 2.0))
    lambda_ep, low, high = sorted(data.draw(st.lists(st.floats(0.05, 4.0), min_size=3, max_size=3)))
    omega_log, mu_star = data.draw(st.floats(50.0, 1000.0)), data.draw(st.floats(0.05, 0.2))
    record = record_of(lambda_ep=lambda_ep, omega_log=omega_log, ratio=ratio, mu_star=mu_star)
    formula = FORMULAS["allen_dynes"]
    ends = [float(formula(x, omega_log, mu_star, omega_2_k=record["omega_2"])) for x in (low, high)]
    record |= {
        "tc_predicted": float(formula(lambda_ep, omega_log, mu_star, omega_2_k=record["omega_2"])),
        "tc_lower_95ci": ends[0],
        "tc_upper_95ci": ends[1],
        "provenance": {"formula": "allen_dynes"},
        "model_id": "some-model",
    }
    worksheet = worksheet_of(record)
    check_steps(worksheet)
    for word, end in zip(("lower", "upper"), ends, strict=True):
        section = worksheet.section(f"interval_{word}")
        assert section is not None
        if end > 0.0:
            assert all(outcome.agrees for outcome in section.outcomes)
            assert section.outcomes[0].by_program == end
        else:
            assert "0 K" in section.says[0]


@pytest.mark.parametrize("kind", ["crystal", "composition", "measured", "surrogate"])
def test_a_real_prediction_comes_out_by_hand(kind: str, predictions: Mapping[str, Prediction]) -> None:
    prediction = predictions[kind]
    experiment = None
    if prediction.model_id is not None:
        part = next(p for p in load_model().parts if p.model_id == prediction.model_id)
        experiment = part.experiment.to_dict() if part.experiment else None
    worksheet = worksheet_of(record_from(prediction), prediction.spectrum, experiment)
    check_steps(worksheet)
    assert worksheet.reason is None
    found = {o.field: o for section in worksheet.sections for o in section.outcomes}
    assert {"tc_predicted", "tc_lower_95ci", "tc_upper_95ci", "xi_parameter"} <= set(found)
    assert all(o.agrees for section in worksheet.sections for o in section.outcomes)
    if prediction.spectrum is not None:
        assert {"lambda_ep", "omega_log", "omega_2"} <= set(found)
        assert [s.convention for s in worksheet.eliashberg] == ["asis", "epw", "ebmb", "elk", "isome"]
        assert all(s.tc_k is not None and s.tc_k > 0.0 for s in worksheet.eliashberg)
    if prediction.tc_experiment is not None and not prediction.extrapolation_warning:
        assert {"tc_experiment", "tc_experiment_lower_95ci", "tc_experiment_upper_95ci"} <= set(found)


def test_a_refusal_has_its_reason_and_no_steps(predictions: Mapping[str, Prediction]) -> None:
    worksheet = worksheet_of(record_from(predictions["refusal"]))
    assert worksheet.reason == predictions["refusal"].reason
    assert worksheet.sections == ()


@pytest.mark.parametrize("lacking", ["lambda_ep", "omega_log", "mu_star"])
def test_a_record_of_an_earlier_version_says_what_it_lacks(lacking: str) -> None:
    record = record_of(lambda_ep=0.7, omega_log=700.0, mu_star=0.1) | {lacking: None, "tc_predicted": 20.0}
    assert lacking in str(worksheet_of(record).reason)


def test_the_formula_of_a_record_that_does_not_name_it_is_the_one_that_fits() -> None:
    record = record_of(lambda_ep=0.7, omega_log=700.0, ratio=1.3, mu_star=0.1)
    for name, formula in FORMULAS.items():
        omega_2 = record["omega_2"] if formula.needs_omega_2 else None
        tc = float(formula(0.7, 700.0, 0.1, omega_2_k=omega_2))
        assert worksheet_of(record | {"tc_predicted": tc}).formula == name
    assert worksheet_of(record | {"tc_predicted": 99.0}).formula is None


@given(
    omega=st.lists(st.floats(0.1, 300.0), min_size=3, max_size=40, unique=True).map(sorted),
    data=st.data(),
)
def test_the_columns_add_up_to_the_moments(omega: list[float], data: st.DataObject) -> None:
    values = data.draw(st.lists(st.floats(0.0, 5.0), min_size=len(omega), max_size=len(omega)))
    if min(np.diff(omega)) < 1e-6 or not any(v > 1e-3 for v in values):
        return
    spectrum = Spectrum(np.array(omega), np.array(values))
    table = read_table(write_table(spectrum), "table")
    assert tuple(table) == COLUMNS
    assert (table["omega_mev"] == spectrum.omega_mev).all()
    assert (table["alpha2f"] == spectrum.alpha2f).all()
    s0, s_log, s2 = pieces_of(spectrum).sums
    assert s0 == pytest.approx(spectrum.lambda_ep, rel=1e-12)
    assert np.exp(s_log / s0) == pytest.approx(spectrum.omega_log_mev, rel=1e-9)
    assert np.sqrt(s2 / s0) == pytest.approx(spectrum.omega_2_mev, rel=1e-9)
    assert table["cumulative_lambda"][-1] == pytest.approx(spectrum.lambda_ep, rel=1e-12)
