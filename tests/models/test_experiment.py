"""The interval against experiment: on made-up laws whose answer is known, and on the laboratory's tables."""

from __future__ import annotations

import copy
import itertools
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htc.errors import InputError, ModelError
from htc.models.experiment import (
    EXPERIMENT_FILE,
    EXPERIMENT_MU_STAR,
    ExperimentCalibration,
    ExperimentPairs,
    Measured,
    experiment_pairs,
    fit_experiment,
    match,
    read_measured,
    scored,
)
from htc.models.experiment.calibration import Line, Lines
from htc.models.experiment.elements import AMBIENT_TC_K
from htc.theory.empirical import allen_dynes_f1

MU = EXPERIMENT_MU_STAR


def made_up(n: int, seed: int, families: tuple[str, ...] = ("intermetallic", "carbide")) -> ExperimentPairs:
    """n compounds: half the predicted Tc times a lognormal factor; where it is low, more have none."""
    rng = np.random.default_rng(seed)
    tc = rng.gamma(0.8, 5.0, n)
    family = rng.choice(families, n)
    factor = np.where(family == "carbide", 1.0, 0.5)
    true = (0.3 + factor * tc) * np.exp(0.5 * rng.standard_normal(n))
    normal = rng.random(n) < 1.0 / (1.0 + np.exp(np.log1p(tc) - 0.5))
    return ExperimentPairs(
        formulas=np.array([f"X{seed}Y{i}" for i in range(n)]),
        tc_predicted_k=tc,
        tc_measured_k=np.where(normal, 0.0, true),
        families=family,
        weights=np.ones(n),
    )


@pytest.fixture(scope="module")
def calibration() -> ExperimentCalibration:
    return fit_experiment(made_up(400, 1))


def test_the_stated_share_of_fresh_compounds_lies_inside(calibration: ExperimentCalibration) -> None:
    found = scored(calibration, made_up(4000, 2))
    assert 0.94 <= found["all"]["coverage_95"] <= 0.995
    assert found["all"]["above"] <= 0.035
    for part in (*found["by_predicted_tc"].values(), *found["by_group"].values()):
        assert part["coverage_95"] >= 0.91


def test_cross_validation_tells_what_fresh_compounds_will_show(calibration: ExperimentCalibration) -> None:
    said = calibration.report["predicted"]["all"]["coverage_95"]
    shown = scored(calibration, made_up(4000, 3))["all"]["coverage_95"]
    assert said == pytest.approx(shown, abs=0.025)


def test_groups_that_differ_get_upper_ends_that_differ(calibration: ExperimentCalibration) -> None:
    carbide, alloy = (
        calibration.interval(8.0, mu_star=MU, family=family) for family in ("carbide", "intermetallic")
    )
    assert carbide.upper_95_k > 1.4 * alloy.upper_95_k
    assert carbide.median_k > alloy.median_k


def test_a_group_of_few_takes_the_lines_of_all() -> None:
    pairs = made_up(400, 4, ("intermetallic",))
    few = replace(pairs, families=np.where(np.arange(400) < 20, "carbide", pairs.families))
    learned = fit_experiment(few)
    assert set(learned.groups) == {"all", "other"}
    assert learned.lines("carbide") == learned.lines(None) == learned.groups["all"]


def test_where_most_compounds_have_no_tc_none_is_expected(calibration: ExperimentCalibration) -> None:
    found = calibration.interval(0.0, mu_star=MU)
    assert found.median_k == pytest.approx(0.0, abs=0.15)
    assert found.lower_95_k == 0.0
    assert found.share_without_tc == pytest.approx(0.62, abs=0.12)
    assert calibration.interval(20.0, mu_star=MU).share_without_tc < 0.15


def test_crystals_of_one_composition_count_as_one() -> None:
    pairs = made_up(200, 5)
    twice = ExperimentPairs(
        *(np.concatenate([a, a]) for a in (pairs.formulas, pairs.tc_predicted_k, pairs.tc_measured_k)),
        families=np.concatenate([pairs.families, pairs.families]),
        weights=np.full(400, 0.5),
    )
    once, doubled = fit_experiment(pairs), fit_experiment(twice)
    assert doubled.groups["all"].n_pairs == once.groups["all"].n_pairs == 200
    for tc in (0.5, 3.0, 15.0):
        one, two = (c.interval(tc, mu_star=MU) for c in (once, doubled))
        assert two.upper_95_k == pytest.approx(one.upper_95_k, rel=0.02)
        assert two.median_k == pytest.approx(one.median_k, abs=0.05)


slopes, heights = st.floats(0.0, 3.0), st.floats(-6.0, 4.0)


@given(
    lines=st.tuples(*[st.builds(Line, heights, slopes)] * 3),
    tc_max=st.floats(0.0, 40.0),
    tc=st.lists(st.floats(0.0, 300.0), min_size=2, max_size=6),
)
def test_ends_are_in_order_and_never_fall_as_the_prediction_rises(
    lines: tuple[Line, Line, Line], tc_max: float, tc: list[float]
) -> None:
    made = ExperimentCalibration({"all": Lines(*lines, (0.0, -1.0), tc_max, 100, 40)}, {})
    found = [made.interval(t, mu_star=MU) for t in sorted(tc)]
    for e in found:
        assert 0.0 <= e.lower_95_k <= e.median_k <= e.upper_95_k
        assert 0.0 <= e.share_without_tc <= 1.0
    for below, above in itertools.pairwise(found):
        assert above.lower_95_k >= below.lower_95_k * (1.0 - 1e-12)
        assert above.median_k >= below.median_k * (1.0 - 1e-12)
        assert above.upper_95_k >= below.upper_95_k * (1.0 - 1e-12)
        assert above.share_without_tc <= below.share_without_tc


def test_beyond_the_pairs_the_interval_opens_and_the_note_says_so(calibration: ExperimentCalibration) -> None:
    top = calibration.groups["all"].tc_max_k
    inside, outside = (calibration.interval(t, mu_star=MU) for t in (top, 2.0 * top))
    assert outside.lower_95_k == inside.lower_95_k
    assert outside.upper_95_k == pytest.approx(inside.upper_95_k * (1.0 + 2.0 * top) / (1.0 + top))
    assert f"none of them predicted above {top:.1f} K" in outside.note
    assert "above" not in inside.note


def test_an_unsure_prediction_is_never_made_surer(calibration: ExperimentCalibration) -> None:
    found = calibration.interval(5.0, 0.0, 90.0, mu_star=MU)
    assert (found.lower_95_k, found.upper_95_k) == (0.0, 90.0)


def test_the_estimate_starts_from_the_coupling_and_knows_no_mu_star(
    calibration: ExperimentCalibration,
) -> None:
    tc = float(allen_dynes_f1(0.9, 250.0, MU))
    assert calibration.estimate(0.9, 250.0) == calibration.interval(tc, mu_star=MU)
    with pytest.raises(InputError, match=r"mu\* 0\.1, not 0\.13"):
        calibration.interval(tc, mu_star=0.13)


@pytest.mark.parametrize("tc", [-1.0, float("nan"), float("inf")])
def test_no_interval_for_no_temperature(calibration: ExperimentCalibration, tc: float) -> None:
    with pytest.raises(InputError):
        calibration.interval(tc, mu_star=MU)


def test_what_was_not_among_the_pairs_is_said(calibration: ExperimentCalibration) -> None:
    assert "none of them of the family oxide" in calibration.interval(1.0, mu_star=MU, family="oxide").note
    assert "pressure" in str(calibration.reason_against(pressure_gpa=20.0))
    assert "hydride" in str(calibration.reason_against(family="hydride"))
    assert calibration.reason_against(family="carbide") is None


def test_too_few_pairs_teach_nothing() -> None:
    with pytest.raises(InputError, match="30 compounds"):
        fit_experiment(made_up(30, 6))
    with pytest.raises(InputError, match="no compound"):
        scored(fit_experiment(made_up(100, 7)), made_up(1, 8).select(np.array([False])))


# -- on disk -------------------------------------------------------------------------------------------


def test_it_comes_back_from_disk_as_it_was(calibration: ExperimentCalibration, tmp_path: Path) -> None:
    assert ExperimentCalibration.load(tmp_path) is None
    calibration.save(tmp_path)
    assert ExperimentCalibration.load(tmp_path) == calibration


def test_only_aggregates_are_kept(calibration: ExperimentCalibration) -> None:
    text = json.dumps(calibration.to_dict())
    assert "X1Y" not in text
    assert len(text) < 20_000


_DAMAGE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another schema": lambda d: d.update(schema="htc-against-experiment-0"),
    "another formula": lambda d: d.update(formula="exponential"),
    "no groups": lambda d: d.pop("groups"),
    "no lines of all": lambda d: d["groups"].pop("all"),
    "no number": lambda d: d["groups"]["all"]["upper"].update(slope="steep"),
    "not finite": lambda d: d["groups"]["all"]["lower"].update(intercept=float("nan")),
    "falling": lambda d: d["groups"]["all"]["median"].update(slope=-0.1),
    "odds that rise": lambda d: d["groups"]["all"].update(without_tc=[0.0, 0.5]),
    "odd counts": lambda d: d["groups"]["all"].update(n_without_tc=10_000),
    "a short list": lambda d: d["groups"]["all"].update(without_tc=[0.0]),
    "a negative mu*": lambda d: d.update(mu_star=-0.1),
    "families as a list": lambda d: d.update(families=["carbide"]),
}


@pytest.mark.parametrize("damage", _DAMAGE)
def test_a_damaged_file_is_refused(calibration: ExperimentCalibration, tmp_path: Path, damage: str) -> None:
    data = copy.deepcopy(calibration.to_dict())
    _DAMAGE[damage](data)
    (tmp_path / EXPERIMENT_FILE).write_text(json.dumps(data), "utf-8")
    with pytest.raises(ModelError) as caught:
        ExperimentCalibration.load(tmp_path)
    assert EXPERIMENT_FILE in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_a_file_that_is_no_calibration_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / EXPERIMENT_FILE).write_text(text, "utf-8")
    with pytest.raises(ModelError):
        ExperimentCalibration.load(tmp_path)


def test_a_folder_that_cannot_be_written_is_said(calibration: ExperimentCalibration, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        calibration.save(tmp_path / "missing")


# -- tables and matching -------------------------------------------------------------------------------

MEANS = """Material-ID,Chemical_Formula,Temp_critical
1,Nb3Sn1,17.5
2,Nb2.9Sn1.1,12
3,Ti1C1,0
4,Zr1N1,0
5,Y1Ba2Cu3O7,92
6,D1Pd1,9
7,Ba1,4.5
8,Al1,1.3
9,Nb6Sn2,18.5
"""
HIGHEST = """id,formula,Tc,Time,,
1,Nb3Sn1,18.3 ,1954,x,extra
2,Ti1C1,NaN,,x,extra
3,Zr1N1,10.0,,x,extra
4,Ca1Li2,13.0,,x,extra
5,,,,x,extra
6,Sr1Ti1,abc,,x,extra
"""


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    (tmp_path / "supercon_mtg.csv").write_text(MEANS, "utf-8")
    (tmp_path / "superband.csv").write_text(HIGHEST, "utf-8")
    return tmp_path


def test_one_value_a_composition(tables: Path) -> None:
    found = read_measured(tables)
    assert found["Nb3Sn"].tc_k == pytest.approx(18.0)  # the median of the table of means
    assert found["Nb3Sn"].spread_k == pytest.approx(1.0)
    assert found["Nb3Sn"].n_entries == 3
    assert found["Nb3Sn"].family == "A15"
    assert found["ZrN"].tc_k == 10.0  # a value counts more than a zero, which may mean "not reported"


def test_zeros_and_gaps_are_compounds_without_a_tc(tables: Path) -> None:
    found = read_measured(tables)
    assert not found["TiC"].has_tc
    assert not found["SrTi"].has_tc


def test_what_is_no_bulk_conventional_compound_at_ambient_pressure_is_left_out(tables: Path) -> None:
    found = read_measured(tables)
    assert set(found) == {"Nb3Sn", "TiC", "ZrN", "Ba", "Al", "SrTi"}


def test_elements_take_their_tc_at_ambient_pressure(tables: Path) -> None:
    found = read_measured(tables)
    assert found["Al"].tc_k == 1.175  # doi:10.1063/1.555540; the table's sample is another
    assert found["Ba"].tc_k == 0.0  # only under pressure
    assert all(0.0 < tc < 10.0 for tc in AMBIENT_TC_K.values())


def test_one_table_is_enough_and_none_is_an_error(tables: Path) -> None:
    (tables / "superband.csv").unlink()
    assert "Nb3Sn" in read_measured(tables)
    (tables / "supercon_mtg.csv").unlink()
    with pytest.raises(InputError, match="no table of measured Tc") as caught:
        read_measured(tables)
    assert "HTC_DATA" in str(caught.value.hint)


def test_a_table_without_its_columns_is_refused(tables: Path) -> None:
    (tables / "superband.csv").write_text("formula;Tc\n", "utf-8")
    with pytest.raises(InputError, match="no column formula and no column Tc"):
        read_measured(tables)


def test_a_table_that_is_no_text_is_refused(tables: Path) -> None:
    (tables / "superband.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_measured(tables)


MEASURED = {
    "NbC": Measured("NbC", 11.1, 4.0, 2, "carbide", 2),
    "TiC": Measured("TiC", 0.0, 0.0, 1, "carbide", 2),
}


def test_every_crystal_of_a_measured_composition_makes_a_pair() -> None:
    pairs = match(MEASURED, ["NbC", "VC", "TiC", "NbC"], [10.0, 20.0, 0.1, 2.0])
    assert pairs.formulas.tolist() == ["NbC", "TiC", "NbC"]
    assert pairs.tc_measured_k.tolist() == [11.1, 0.0, 11.1]
    assert pairs.weights.tolist() == [0.5, 1.0, 0.5]
    assert pairs.n_compositions == 2
    assert len(match(MEASURED, ["VC"], [1.0])) == 0


def test_pairs_from_couplings_use_the_common_mu_star() -> None:
    pairs = experiment_pairs(MEASURED, ["NbC"], [1.0], [300.0])
    assert pairs.mu_star == MU
    assert pairs.tc_predicted_k[0] == pytest.approx(float(allen_dynes_f1(1.0, 300.0, MU)))


@pytest.mark.parametrize("tc", [[1.0], [1.0, -1.0], [1.0, float("nan")]])
def test_predictions_that_do_not_fit_are_refused(tc: list[float]) -> None:
    with pytest.raises(InputError):
        match(MEASURED, ["NbC", "TiC"], tc)


# -- the laboratory's data -----------------------------------------------------------------------------


@pytest.mark.data
def test_calculated_tc_against_the_tables() -> None:
    """DFPT at one mu* misses measured Tc by about 4 K; the interval that knows it holds."""
    if not os.environ.get("HTC_DATA"):
        pytest.skip("HTC_DATA is not set")
    folder = Path(os.environ["HTC_DATA"])
    if not (folder / "experimental").is_dir():
        pytest.skip("HTC_DATA has no tables of measured Tc")
    measured = read_measured(folder / "experimental")
    assert 2500 < len(measured) < 4000
    from pymatgen.core.composition import Composition

    formulas, couplings = [], []
    for name in ("alexandria", "jarvis", "betenet"):
        for line in (folder / "epc" / f"{name}.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            if row["fold"] != 3 and row["wlog_K"] > 0.0:
                formulas.append(Composition(row["formula"]).reduced_formula)
                couplings.append((max(row["lam"], 0.02), row["wlog_K"]))
    lambda_ep, omega_log = np.array(couplings).T
    learned = fit_experiment(experiment_pairs(measured, formulas, lambda_ep, omega_log))
    report = learned.report["predicted"]
    assert report["all"]["compositions"] > 350
    assert report["all"]["coverage_95"] >= 0.95
    assert 3.0 < report["with_tc"]["tc_mae_k"] < 5.0
    assert report["all"]["median_mae_k"] < 2.6
    for part in report["by_predicted_tc"].values():
        assert part["coverage_95"] >= 0.90
    assert 2.0 < learned.interval(8.0, mu_star=MU).median_k < 5.0
