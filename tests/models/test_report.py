"""The report of a model, on tables whose answers are known."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htc.errors import InputError, MissingExtraError
from htc.models.training.report import PredictionTable, headline, learning_curve, read_predictions, summarise
from htc.models.training.report.budget import error_budget, worst_share
from htc.models.training.report.calibration import calibration_curve, coverage_by, misses
from htc.models.training.report.failures import worst_failures
from htc.models.training.report.groups import chemistry_class, divided, family
from htc.models.training.report.measures import (
    average_precision,
    bootstrap,
    mean_absolute_error,
    r2,
    resamples,
)
from htc.models.training.report.ranking import (
    Goal,
    compare_on_pools,
    found,
    possible_gain,
    recall,
    search_recall,
)
from htc.models.training.report.table import COLUMNS
from htc.models.training.report.transfer import MODERATE_LAMBDA, between_sources, transfer
from htc.theory.empirical import allen_dynes, allen_dynes_f1

T5_END = 2.5706
"""97.5 % quantile of Student's t of five degrees of freedom."""
_METALS = ("Ti", "V", "Zr", "Nb", "Mo", "Hf", "Ta", "W", "Sc", "Y")
_OTHERS = ("N", "C", "B", "H", "Al", "Sn", "Si", "O")


def made(n: int = 400, seed: int = 0, source: str = "alexandria", half: float = 0.5) -> PredictionTable:
    """Predictions whose residuals follow exactly the distribution that their intervals state."""
    rng = np.random.default_rng(seed)
    formulas = np.array([f"{a}{b}{k}" for k in range(2, 9) for a in _METALS for b in _OTHERS], dtype=np.str_)
    formula = formulas[np.arange(n) % len(formulas)]
    lambda_ep, omega_log = rng.uniform(0.3, 1.4, n), rng.uniform(120.0, 500.0, n)
    residual = half * rng.standard_t(5, n) / T5_END
    lower, upper = (
        np.asarray(allen_dynes_f1(lambda_ep * np.exp(sign * half), omega_log, 0.10)) for sign in (-1.0, 1.0)
    )
    fold = np.array([int(f.encode().hex(), 16) % 4 for f in formula.tolist()])
    return PredictionTable(
        source=np.full(n, source), key=np.array([f"{source}-{i}" for i in range(n)]), formula=formula,
        split=np.where(fold == 3, "held_out", "out_of_fold"), level=rng.choice(["high", "medium", "low"], n),
        fold=fold, n_sites=rng.integers(1, 12, n), lambda_true=lambda_ep * np.exp(residual),
        omega_log_true=omega_log, lambda_ep=lambda_ep, omega_log=omega_log,
        sigma_ln_lambda=np.full(n, 0.3), sigma_ln_omega=np.full(n, 0.05), tc_std=np.full(n, 1.0),
        tc_lower_95=lower, tc_upper_95=upper, omega_2_true=np.full(n, np.nan), omega_2=np.full(n, np.nan),
    )  # fmt: skip


@pytest.fixture(scope="module")
def table() -> PredictionTable:
    return made()


def test_a_table_survives_its_file(table: PredictionTable, tmp_path: Path) -> None:
    table.write(tmp_path / "predictions.parquet")
    for path in (tmp_path, tmp_path / "predictions.parquet"):
        back = read_predictions(path)
        for name in COLUMNS:
            np.testing.assert_array_equal(getattr(back, name), getattr(table, name))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("lambda_ep", 0.0, "lambda_ep must be finite and > 0"),
        ("omega_log_true", float("nan"), "omega_log_true must be finite"),
        ("tc_std", -1.0, "tc_std must be finite and >= 0"),
        ("tc_lower_95", 1e6, "lies above"),
        ("split", "train", "split must be one of out_of_fold, held_out"),
        ("level", "sure", "level must be one of high, medium, low"),
    ],
)
def test_values_that_cannot_be_are_named(
    table: PredictionTable, tmp_path: Path, column: str, value: Any, said: str
) -> None:
    values = getattr(table, column).astype("<U20" if isinstance(value, str) else np.float64)
    values[4] = value
    replace(table, **{column: values}).write(tmp_path / "x.parquet")
    with pytest.raises(InputError, match=said) as caught:
        read_predictions(tmp_path / "x.parquet")
    assert caught.value.where == str(tmp_path / "x.parquet")
    assert caught.value.hint


def test_files_that_are_no_predictions(tmp_path: Path, table: PredictionTable) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_predictions(tmp_path)
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(InputError, match="cannot be read"):
        read_predictions(tmp_path / "text.parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"formula": ["Nb"], "fold": [1]}), tmp_path / "few.parquet")
    with pytest.raises(InputError, match=r"columns are missing: source, key, split"):
        read_predictions(tmp_path / "few.parquet")
    columns = {name: pa.array(getattr(table, name)) for name in COLUMNS} | {
        "fold": pa.array(["x"] * len(table))
    }
    pq.write_table(pa.table(columns), tmp_path / "wrong.parquet")
    with pytest.raises(InputError, match="column fold"):
        read_predictions(tmp_path / "wrong.parquet")
    table.select(np.zeros(len(table), dtype=np.bool_)).write(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="no rows"):
        read_predictions(tmp_path / "none.parquet")


def test_measures_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(2)
    true, predicted = rng.normal(size=(2, 60))
    predicted[:5] = predicted[5]  # ties
    ones, weights = np.ones(60), rng.integers(0, 4, 60).astype(float)
    for w in (ones, weights):
        assert mean_absolute_error(true, predicted)(w) == pytest.approx(
            metrics.mean_absolute_error(true, predicted, sample_weight=w)
        )
        assert r2(true, predicted)(w) == pytest.approx(metrics.r2_score(true, predicted, sample_weight=w))
        assert average_precision(true > 1.0, predicted)(w) == pytest.approx(
            metrics.average_precision_score(true > 1.0, predicted, sample_weight=w)
        )


def test_figures_without_meaning_are_nan() -> None:
    nothing, ones = np.zeros(5, dtype=np.bool_), np.ones(5)
    assert np.isnan(average_precision(nothing, np.arange(5.0))(ones))
    assert np.isnan(r2(ones, np.arange(5.0))(ones))


def test_the_bootstrap_draws_formulas_and_has_the_right_width() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=400)
    one_each = np.array([f"X{i}" for i in range(400)])
    figure = bootstrap({"mean": lambda w: w @ values / w.sum(axis=-1)}, resamples(one_each))["mean"]
    assert figure.value == pytest.approx(values.mean())
    # The standard error of a mean is s/sqrt(n); 95 % are 1.96 of it on each side.
    assert figure.upper - figure.lower == pytest.approx(2 * 1.96 * values.std() / 20.0, rel=0.12)
    pairs = np.repeat(one_each[:200], 2)
    weights = resamples(pairs)
    np.testing.assert_array_equal(weights[:, ::2], weights[:, 1::2])


def test_a_perfect_model(table: PredictionTable) -> None:
    perfect = replace(table, lambda_ep=table.lambda_true, tc_lower_95=0.9 * table.tc_true(),
                      tc_upper_95=1.1 * table.tc_true())  # fmt: skip
    figures = {name: figure.value for name, figure in headline(perfect, n_resamples=20).items()}
    assert figures["lambda_mae"] == figures["omega_log_mae_k"] == figures["tc_mae_k"] == 0.0
    assert figures["lambda_r2"] == figures["tc_r2"] == figures["average_precision_tc_above_5k"] == 1.0
    assert figures["coverage_95"] == 1.0
    assert worst_share(perfect)[0] == 0.0


def test_tc_is_that_of_the_named_formulas(table: PredictionTable) -> None:
    np.testing.assert_array_equal(table.tc(0.13), allen_dynes_f1(table.lambda_ep, table.omega_log, 0.13))
    known = replace(table, omega_2_true=1.2 * table.omega_log, omega_2=1.3 * table.omega_log)
    assert known.omega_2_known.all()
    assert not table.omega_2_known.any()
    full = allen_dynes(table.lambda_ep, table.omega_log, 1.3 * table.omega_log, 0.10)
    np.testing.assert_array_equal(known.tc(full=True), full)
    assert "omega_2_mae_k" in headline(known, full=True, n_resamples=10)


def test_an_interval_at_another_mu_star_keeps_its_couplings(table: PredictionTable) -> None:
    lower, upper = table.interval(0.16)
    expected = allen_dynes_f1(table.lambda_ep * np.exp(0.5), table.omega_log, 0.16)
    np.testing.assert_allclose(upper, expected, rtol=1e-6)
    assert (lower <= table.tc(0.16)).all()
    assert table.interval()[1] is table.tc_upper_95


@pytest.mark.parametrize(
    ("formula", "chemistry", "kind"),
    [
        ("MgB2", "boride", "boride"), ("Nb3Sn", "intermetallic", "A15"), ("Nb", "element", "elemental"),
        ("LaH10", "hydride", "hydride"), ("SrTiO3", "oxide", "oxide"), ("NbC", "carbide", "carbide"),
        ("V3Si", "silicide", "A15"), ("NbSe2", "chalcogenide", "chalcogenide"),
        ("KCl", "halide", "insulator"),
    ],
)  # fmt: skip
def test_classes(formula: str, chemistry: str, kind: str) -> None:
    assert chemistry_class(formula) == chemistry
    assert family(formula) == kind


def test_groups_share_out_all_materials_and_all_error(table: PredictionTable) -> None:
    for division in ("family", "chemistry", "true_tc", "n_sites", "confidence"):
        groups = divided(table, division, n_resamples=20)
        for key in ("share", "share_of_tc_error"):
            assert sum(figures[key].value for figures in groups.values()) == pytest.approx(1.0)
        mean = sum(f["tc_mae_k"].value * f["share"].value for f in groups.values())
        assert mean == pytest.approx(np.abs(table.tc() - table.tc_true()).mean())
    assert list(divided(table, "confidence", n_resamples=5)) == ["high", "medium", "low"]


def test_small_groups_are_counted_together(table: PredictionTable) -> None:
    few = table.select(np.arange(30))
    groups = divided(few, "chemistry", n_resamples=5)
    assert list(groups) == ["fewer than 10 each"]


def test_stated_coverage_is_found_at_every_level(table: PredictionTable) -> None:
    big = made(4000, seed=3)
    for nominal, figure in calibration_curve(big, n_resamples=20).items():
        assert figure.value == pytest.approx(nominal, abs=0.02)
    by = coverage_by(big, n_resamples=10)
    assert set(by["all"]["all"]) == {"0.05", "0.10", "0.13", "0.16", "0.20"}
    assert by["all"]["all"]["0.13"].value == pytest.approx(0.95, abs=0.015)
    assert {"below 1 K", "above 10 K"} <= set(by["predicted_tc"])
    missed = misses(big)
    assert missed["below"] + missed["above"] == pytest.approx(1.0 - by["all"]["all"]["0.10"].value)


def test_the_budget_blames_the_quantity_that_is_wrong(table: PredictionTable) -> None:
    lambda_wrong = error_budget(table, n_resamples=10)
    assert lambda_wrong["lambda_exact"].value == pytest.approx(0.0, abs=1e-12)
    assert lambda_wrong["omega_log_exact"].value == pytest.approx(lambda_wrong["as_predicted"].value)
    exact = replace(table, lambda_ep=table.lambda_true, omega_log=1.1 * table.omega_log_true)
    omega_wrong = error_budget(exact, n_resamples=10)
    # Tc is proportional to omega_log.
    assert omega_wrong["as_predicted"].value == pytest.approx(0.1 * table.tc_true().mean())
    assert omega_wrong["omega_log_exact"].value == pytest.approx(0.0, abs=1e-12)


def test_the_worst_carry_what_they_carry(table: PredictionTable) -> None:
    share, worst = worst_share(table, 0.1)
    error = np.abs(table.tc() - table.tc_true())
    assert len(worst) == 40
    assert worst[0] == int(error.argmax())
    assert share == pytest.approx(np.sort(error)[-40:].sum() / error.sum())


def test_failures_are_named_with_what_is_known(table: PredictionTable) -> None:
    lambda_ep, formula = table.lambda_true.copy(), table.formula.astype("<U12")
    lambda_true = table.lambda_true.copy()
    lambda_true[7], lambda_ep[7], formula[7] = 2.5, 0.5, "Pd4RhAg"
    lambda_true[8], lambda_ep[8], formula[8] = 0.8, 0.8, "Pd4RhAg"
    rows = replace(table, lambda_true=lambda_true, lambda_ep=lambda_ep, formula=formula)
    other = made(3, source="jarvis")
    other = replace(other, formula=np.array(["Pd4RhAg", "Nb", "V"]), lambda_true=np.array([1.0, 1.0, 1.0]))
    everything = PredictionTable(
        **{name: np.concatenate([getattr(rows, name), getattr(other, name)]) for name in COLUMNS}
    )
    (failure,) = worst_failures(rows, everything, 1)
    assert failure.formula == "Pd4RhAg"
    assert not failure.inside
    said = "; ".join(failure.why)
    assert "λ 80% too low" in said
    assert "calculated λ 2.5" in said
    assert "other crystals of this formula have λ 0.80" in said
    assert "jarvis has λ 1.00 for this formula" in said
    assert "other compounds of these elements in the data: none" in said
    json.dumps(failure.as_dict())


def test_recall_of_a_perfect_and_of_a_reversed_ranking() -> None:
    tc = np.arange(50.0)
    goal = Goal(wanted=5, budget=10)
    assert found(tc, tc, goal) == 5
    assert found(-tc, tc, goal) == 0
    assert goal.name == "top 5 with 10"


def test_recall_in_one_shot_and_in_batches(table: PredictionTable) -> None:
    goal = Goal(wanted=10, budget=20)
    pool = table.of("alexandria", "held_out")
    figures = recall(pool, goal, n_resamples=30)
    assert figures["predicted"].value == found(pool.tc(), pool.tc_true(), goal)
    gain = figures["top_k minus predicted"]
    assert gain.value == figures["top_k"].value - figures["predicted"].value
    assert gain.lower <= gain.value <= gain.upper
    assert search_recall(pool, "predicted", 20, goal) == figures["predicted"].value
    assert 0 <= search_recall(pool, "top_k", 5, goal) <= 10


def test_pools_are_folds(table: PredictionTable) -> None:
    goal = Goal(wanted=10, budget=20)
    compared = compare_on_pools(table.of("alexandria", "out_of_fold"), goal, batches=(10,))
    assert len(compared["predicted"].recall) == 3
    assert compared["predicted"].gain == 0.0
    assert {"top_k", "top_k, batches of 10", "predicted, batches of 10"} <= set(compared)
    assert compare_on_pools(table.select(np.arange(10)), goal) == {}


def test_what_could_be_gained_is_never_less_than_nothing_when_few_are_sought_among_many() -> None:
    rng = np.random.default_rng(6)
    rows = made(400, seed=6)
    half = rng.choice([0.05, 0.9], len(rows))
    lower, upper = (
        np.asarray(allen_dynes_f1(rows.lambda_ep * np.exp(sign * half), rows.omega_log, 0.10))
        for sign in (-1.0, 1.0)
    )
    rows = replace(rows, tc_lower_95=lower, tc_upper_95=upper)
    assert possible_gain(rows, Goal(wanted=5, budget=30)) > 0.2
    assert np.isnan(possible_gain(rows.select(np.arange(5)), Goal(wanted=5, budget=30)))


def test_transfer_looks_at_new_compositions_and_full_allen_dynes(table: PredictionTable) -> None:
    other = made(60, seed=9, source="betenet")
    formula = other.formula.astype("<U12")
    formula[:25] = [f"PdRh{i}" for i in range(2, 27)]
    omega_2 = np.where(np.arange(60) < 40, 1.2 * other.omega_log, np.nan)
    other = replace(other, formula=formula, omega_2_true=omega_2, omega_2=1.25 * other.omega_log)
    both = PredictionTable(
        **{name: np.concatenate([getattr(table, name), getattr(other, name)]) for name in COLUMNS}
    )
    parts = transfer(both, "betenet", n_resamples=10)
    assert parts["all"]["rows"] == 60
    assert parts["new"]["rows"] == 25
    moderate = (other.lambda_true <= MODERATE_LAMBDA) & (np.arange(60) < 25)
    assert parts["new_moderate"]["rows"] == moderate.sum()
    assert parts["all"]["full_allen_dynes"]["rows"] == 40
    apart = between_sources(both, "alexandria", "betenet")
    assert apart is not None
    assert apart["lambda_mae"].value > 0.0
    assert between_sources(both, "alexandria", "jarvis") is None


def test_labels_apart_pairs_the_nearest_forms() -> None:
    rows = made(3)
    first = replace(rows, formula=np.array(["Nb", "Nb", "V"]), lambda_true=np.array([0.5, 1.0, 0.8]))
    second = replace(rows, source=np.full(3, "jarvis"), formula=np.array(["Nb", "V", "Ta"]),
                     lambda_true=np.array([1.1, 0.8, 2.0]))  # fmt: skip
    both = PredictionTable(
        **{name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in COLUMNS}
    )
    apart = between_sources(both, "alexandria", "jarvis")
    assert apart is not None
    assert apart["lambda_mae"].value == pytest.approx(0.05)


def test_a_learning_curve_nests_its_parts_and_never_sees_the_test(table: PredictionTable) -> None:
    seen: list[tuple[set[int], set[int]]] = []

    def trainer(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append((set(train.tolist()), set(test.tolist())))
        scale = 1.0 + 1.0 / len(train)
        return table.lambda_true[test] * scale, table.omega_log_true[test]

    told: list[int] = []
    points = learning_curve(
        trainer, table.formula, table.lambda_true, table.omega_log_true, table.fold, n_groups=2,
        progress=lambda what, done, total: told.append(done),
    )  # fmt: skip
    assert [point.share for point in points] == [0.125, 0.25, 0.5, 1.0]
    errors = [point.lambda_mae.value for point in points]
    assert errors == sorted(errors, reverse=True)
    assert told == list(range(1, 9))
    for i, (train, test) in enumerate(seen):
        assert not train & test
        assert not set(table.formula[list(train)]) & set(table.formula[list(test)])
        if i >= 2:
            assert seen[i - 2][0] <= train
            assert seen[i - 2][1] == test
    with pytest.raises(InputError, match="folds"):
        learning_curve(
            trainer, table.formula, table.lambda_true, table.omega_log_true, table.fold, n_groups=9
        )


def test_trees_learn_more_from_more() -> None:
    pytest.importorskip("lightgbm", reason="LightGBM or its libgomp1 is not installed", exc_type=ImportError)
    from htc.models.training.report import tree_trainer

    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 3))
    lambda_ep, omega_log = np.exp(0.3 * rows[:, 0] - 0.5), np.exp(5.0 + 0.2 * rows[:, 1])
    try:
        trainer = tree_trainer(rows, lambda_ep, omega_log)
    except MissingExtraError as error:
        pytest.skip(str(error))
    test = np.arange(200, 300)
    few, many = (np.abs(trainer(np.arange(n), test)[0] - lambda_ep[test]).mean() for n in (20, 200))
    assert many < few


def test_the_summary_is_json(table: PredictionTable) -> None:
    other = made(30, seed=9, source="jarvis")
    both = PredictionTable(
        **{name: np.concatenate([getattr(table, name), getattr(other, name)]) for name in COLUMNS}
    )
    told: list[int] = []
    report = summarise(both, progress=lambda what, done, total: told.append(done))
    again = json.loads(json.dumps(report))
    assert again["held_out"]["rows"] + again["out_of_fold"]["rows"] == len(table)
    assert set(again["held_out"]["figures"]["tc_mae_k"]) == {"value", "lower_95", "upper_95"}
    assert set(again["transfer"]) == {"jarvis"}
    assert len(again["failures"]) == 20
    assert told[0] == 0
    assert told[-1] == len(told) - 1


@pytest.mark.data
def test_labels_of_the_laboratory_give_the_known_noise_floor() -> None:
    folder = os.environ.get("HTC_DATA")
    if not folder:
        pytest.skip("HTC_DATA is not set")
    lines = (Path(folder) / "epc" / "alexandria.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    rows = [row for row in rows if row["fold"] == 3 and row["lam"] > 0.0]
    n = len(rows)
    lam, omega = (np.array([row[key] for row in rows]) for key in ("lam", "wlog_K"))
    true = np.asarray(allen_dynes_f1(lam, omega, 0.10))
    table = replace(
        made(n), formula=np.array([row["formula"] for row in rows]), lambda_true=lam, omega_log_true=omega,
        lambda_ep=lam, omega_log=omega, tc_lower_95=true, tc_upper_95=true,
    )  # fmt: skip
    budget = error_budget(table, n_resamples=10)
    # The public test fold: predicting the median for all costs 2.35 K.
    assert budget["median_tc"].value == pytest.approx(2.35, abs=0.05)
