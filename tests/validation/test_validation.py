"""Metrics against their definitions; suites whose every value has a source."""

from __future__ import annotations

import numpy as np
import pytest

from htc.errors import InputError
from htc.validation import SUITES, metrics_of, suite, summarise
from htc.validation.suites import doi_in
from htc.validation.summary import compared


def test_metrics() -> None:
    found = metrics_of([1.0, 2.0, 4.0], [2.0, 2.0, 2.0], [(0.5, 1.5), None, (0.0, 1.0)])
    assert (found.n, found.mae, found.bias) == (3, 1.0, pytest.approx(-1.0 / 3.0))
    assert found.rmse == pytest.approx(np.sqrt(5.0 / 3.0))
    assert found.r2 == pytest.approx(1.0 - 5.0 / (14.0 / 3.0))
    assert found.spearman is None
    assert found.coverage == 0.5
    assert found.median_factor == 2.0
    perfect = metrics_of([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert (perfect.mae, perfect.r2, perfect.coverage) == (0.0, 1.0, None)
    assert perfect.spearman == pytest.approx(1.0)
    assert metrics_of([], []).mae is None
    assert metrics_of([0.0], [5.0]).median_factor is None


@pytest.mark.parametrize("name", SUITES)
def test_every_case_has_a_value_and_a_source(name: str) -> None:
    chosen = suite(name)
    assert chosen.cases
    for case in chosen.cases:
        values = case.as_values()
        assert values["tc_measured"] >= 0.0
        assert values["source"]
        assert (case.item is None) != (case.spectrum is None)
    assert sum(case.doi is not None for case in chosen.cases) > 0.5 * len(chosen.cases)


def test_a_suite_that_there_is_not() -> None:
    with pytest.raises(InputError, match="no suite is called 'x'"):
        suite("x")


@pytest.mark.parametrize(
    ("reference", "doi"),
    [
        ("Roberts, J. 5, 581 (1976), doi:10.1063/1.555540", "10.1063/1.555540"),
        ("Johnston (1973), doi:10.1016/0025-5408(73)90183-9", "10.1016/0025-5408(73)90183-9"),
        ("Toth, Academic Press (1971)", None),
    ],
)
def test_doi(reference: str, doi: str | None) -> None:
    assert doi_in(reference) == doi


def test_pairs_and_parts() -> None:
    known = {"formula": "Nb3Sn", "tc_measured": 18.05, "pressure_gpa": 0.0, "source": "s", "doi": None}
    said = {
        "tc_predicted": 15.0,
        "tc_lower_95ci": 10.0,
        "tc_upper_95ci": 20.0,
        "tc_experiment": None,
        "family": "A15",
        "confidence_level": "high",
    }
    pairs = compared({**known, "in_training": True}, said, label="a", prediction_id="x")
    pairs += compared({**known, "in_training": False}, said, label="b", prediction_id="y")
    assert compared(known, {**said, "tc_predicted": None}, label="c", prediction_id="z") == []
    told = summarise("reference", pairs, failed=1, refused=["YBa2Cu3O7"])
    assert set(told["parts"]) == {"all", "trained on", "not trained on", "confidence high", "family A15"}
    assert "trained on" in told["cautions"][0]
    assert told["parts"]["all"]["coverage"] == 1.0
    assert (told["failed"], told["refused"]) == (1, ["YBa2Cu3O7"])
    by_formula = compared(
        {**known, "formulas": {"exponential": 1.0, "xie_2022": 2.0}}, None, label="d", prediction_id=None
    )
    assert set(summarise("formulas", by_formula)["parts"]) == {"exponential", "xie_2022"}
