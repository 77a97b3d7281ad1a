"""Metrics against their definitions, suites whose every value has a source, comparison and reports."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from htc.errors import InputError
from htc.validation import SUITES, Pair, Point, Suite, View, metrics_of, points_of, suite, summarise
from htc.validation.cases import doi_in
from htc.validation.comparison import compare
from htc.validation.judging import Judged, judge
from htc.validation.literature import CONFIRMED_BY, literature
from htc.validation.metrics import FIGURES
from htc.validation.printed import Printed
from htc.validation.report import SuiteReport, write_report


def test_metrics() -> None:
    found = metrics_of([1.0, 2.0, 4.0], [2.0, 2.0, 2.0], [(0.5, 1.5), None, (0.0, 1.0)])
    assert (found.n, found.mae) == (3, 1.0)
    assert found.bias == pytest.approx(-1.0 / 3.0)
    assert found.rmse == pytest.approx(np.sqrt(5.0 / 3.0))
    assert found.r2 == pytest.approx(1.0 - 5.0 / (14.0 / 3.0))
    assert found.mape == pytest.approx((1.0 + 0.0 + 0.5) / 3.0)
    assert found.spearman is None
    assert found.coverage == 0.5
    assert found.median_factor == 2.0
    assert found.intervals == {}
    perfect = metrics_of([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], within=[True, False, None])
    assert (perfect.mae, perfect.r2, perfect.coverage, perfect.within) == (0.0, 1.0, None, 0.5)
    assert perfect.spearman == pytest.approx(1.0)
    assert metrics_of([], []).mae is None
    assert metrics_of([0.0], [5.0]).median_factor is None
    assert metrics_of([0.5], [5.0]).mape is None


def test_a_resample_is_the_sample_with_its_pairs_repeated() -> None:
    # The measures take weights; a pair of weight two must count as the pair written twice, ties and all.
    rng = np.random.default_rng(0)
    x, y = np.round(rng.gamma(2.0, 3.0, 40), 1), np.round(rng.gamma(2.0, 3.0, 40), 1)
    from htc.validation.metrics import _measures

    weights = rng.integers(0, 3, 40)
    drawn = np.repeat(np.arange(40), weights)
    measures = _measures(x, y, None, None, 1.0)
    repeated = metrics_of(x[drawn].tolist(), y[drawn].tolist(), n_resamples=0)
    for name, measure in measures.items():
        if measure is not None:
            found = float(measure(weights[None, :].astype(float))[0])
            assert found == pytest.approx(getattr(repeated, name)), name
    assert repeated.spearman == pytest.approx(spearmanr(x[drawn], y[drawn]).statistic)


def test_intervals_hold_the_figure_and_count_compositions() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(1.0, 20.0, 60)
    y = x + rng.normal(0.0, 1.0, 60)
    apart = metrics_of(x.tolist(), y.tolist())
    together = metrics_of(x.tolist(), y.tolist(), groups=[f"{n // 6}" for n in range(60)])
    low, high = apart.intervals["mae"]
    assert apart.mae is not None
    assert low < apart.mae < high
    assert (apart.compositions, together.compositions) == (60, 10)
    assert set(apart.intervals) <= set(FIGURES)


@pytest.mark.parametrize("name", ["reference", "formulas", "eliashberg"])
def test_every_case_has_a_name_and_a_source(name: str) -> None:
    chosen = suite(name)
    assert chosen.cases
    assert len({case.label for case in chosen.cases}) == len(chosen.cases)
    for case in chosen.cases:
        assert case.as_values()["source"]
        assert (case.item is None) != (case.compute is None)
    assert json.dumps([case.as_values() for case in chosen.cases])
    assert suite(name).fingerprint == chosen.fingerprint


def test_the_literature_has_sources_and_says_what_was_confirmed() -> None:
    rows, sources = literature()
    good = [row for row in rows if row.is_confirmed]
    assert len({row.formula for row in good}) >= 60
    assert all(row.source in sources for row in rows)
    assert all(sources[row.source].confirmed_at for row in good)
    assert all(row.tc_measured_k is None or row.measured_doi for row in good)
    assert {row.confirmed for row in rows} <= set(CONFIRMED_BY)
    assert suite("formulas").excluded["its numbers could not be confirmed"] == len(rows) - len(good)


def test_formulas_give_what_papers_print_and_the_solver_what_other_codes_do() -> None:
    for name in ("formulas", "eliashberg"):
        chosen = suite(name)
        judged = Judged()
        for outcome in judge(chosen.cases, lambda: pytest.fail("no model is needed"), mu_star=0.1):
            judged.take(outcome)
        assert judged.failed == []
        stated = [point for point in judged.points if point.within is not None]
        assert len(stated) >= 10
        assert [point.label for point in stated if not point.within] == []


@pytest.mark.data
def test_the_rows_of_published_data_sets_are_those_of_the_data(data_folder: Path) -> None:
    published: dict[str, set[tuple[str, ...]]] = {}
    for source, lambda_digits, omega_digits in (("jarvis", 4, 4), ("betenet", 6, 4), ("alexandria", 4, 2)):
        for line in (data_folder / "epc" / f"{source}.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            numbers = (f"{row['lam']:.{lambda_digits}f}", f"{row['wlog_K']:.{omega_digits}f}")
            published.setdefault(source, set()).add(numbers)
    for row in literature()[0]:
        if row.confirmed == "data":
            source = row.source.partition("_")[0].replace("bete", "betenet")
            assert (row.lambda_ep.text, row.omega_log_k.text) in published[source], row.material


def test_suites_that_there_are_not_or_whose_data_are_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no suite is called 'x'"):
        suite("x")
    for name in set(SUITES) - {"reference", "formulas", "eliashberg"}:
        with pytest.raises(InputError, match="needs the laboratory's data"):
            suite(name)
        with pytest.raises(InputError):
            suite(name, tmp_path)
    damaged = tmp_path / "rows.jsonl"
    damaged.write_text('{"lam": 1}\n', "utf-8")
    with pytest.raises(InputError, match=r"without formula, poscar, wlog_K"):
        suite("fold3", damaged)


def test_fold3_of_a_file_takes_the_rows_of_its_fold(tmp_path: Path) -> None:
    from htc.models.training.data import fold_of

    poscar = "x\n1.0\n3 0 0\n0 3 0\n0 0 3\n{} {}\n1 1\ndirect\n0 0 0\n0.5 0.5 0.5\n"
    pairs = [
        ("Nb", other) for other in ("Al", "Ga", "Ge", "In", "Sn", "Ti", "Zr", "Hf", "Re", "Ru", "Os", "Ir")
    ]
    rows = [
        {"formula": a + b, "lam": 0.5, "wlog_K": 200.0, "poscar": poscar.format(a, b), "mat_id": f"agm{n}"}
        for n, (a, b) in enumerate(pairs)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    held = suite("fold3", path).cases
    assert held
    assert all(fold_of(case.formula) == 3 for case in held)
    assert held[0].item is not None
    assert held[0].item().structure is not None


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


def test_printed_numbers() -> None:
    assert [Printed(text).half_digit for text in ("0.41", "5.0", "12", "1.5e3")] == [
        pytest.approx(x) for x in (0.005, 0.05, 0.5, 50.0)
    ]
    with pytest.raises(InputError):
        Printed("about 5")


def _suite() -> Suite:
    view = View(name="v", title="T", unit="K", known="k (K)", predicted="p (K)", group="family")
    return Suite(
        name="reference", title="Title", about="About.", cases=(), views=(view,), excluded={"why": 3}
    )


def _points(*judged: float) -> list[Point]:
    values = [
        {
            "formula": f"Nb{n}Sn",
            "pressure_gpa": 0.0,
            "source": "a source, doi:10.1/x",
            "doi": "10.1/x",
            "pairs": [
                Pair(
                    view="v",
                    known=10.0 + n,
                    predicted=value,
                    lower_95=0.0,
                    upper_95=30.0,
                    groups={"family": "A15"},
                ).as_values()
            ],
        }
        for n, value in enumerate(judged)
    ]
    return [point for n, one in enumerate(values) for point in points_of(one, label=f"case {n}")]


def test_what_changed_since_the_run_before() -> None:
    chosen = _suite()
    before = _points(10.0, 11.0, 12.0, 13.0)
    same = compare(chosen, before, before)
    assert (same["changed"], same["regressions"], same["lost"]) == (0, [], [])
    worse = compare(chosen, _points(10.0, 11.0, 12.0, 17.0), before)
    assert worse["changed"] == 1
    assert [case["label"] for case in worse["cases"] if case["worse"]] == ["case 3"]
    assert any("mae" in text for text in worse["regressions"])
    better = compare(chosen, before, _points(10.0, 11.0, 12.0, 17.0))
    assert better["changed"] == 1
    assert better["regressions"] == []
    # Another known value is a change of the data, no regression; a case that gives nothing any more is one.
    moved = [replace(point, known=point.known + 5.0) for point in before]
    assert not any(case["worse"] for case in compare(chosen, moved, before)["cases"])
    gone = compare(chosen, before[:-1], before, without_pair=["case 3"])
    assert gone["lost"] == ["case 3"]
    assert "case 3 gave a result before, and none now" in gone["regressions"]


def test_a_report_shows_every_pair_and_asks_nothing_of_a_network(tmp_path: Path) -> None:
    chosen, points = _suite(), _points(10.0, 11.5, 12.0)
    points[0] = replace(points[0], label="<script>alert(1)</script>")
    results = summarise(chosen, points, failed=1, refused=["UPt3"], conditions={"model_id": "m"})
    results["comparison"] = {"run_id": "r", **compare(chosen, points, points)}
    one = SuiteReport.of(chosen, results, points, failures=[("bad", "no crystal")])
    written = {path.name: path.read_text("utf-8") for path in write_report([one], tmp_path / "new")}
    assert json.loads(written["report.json"])["suites"][0]["views"][0]["parts"]["all"]["n"] == 3
    page = written["report.html"]
    assert "<script>alert" not in page
    assert page.count('class="mark"') == 3
    for text in ("case 1", "UPt3", "no crystal", "family: A15", "Left out: 3, why"):
        assert text in page
        assert text in written["report.md"]
    assert not re.search(r'(?:src|href)="(?!#|https://doi\.org/)', page)
