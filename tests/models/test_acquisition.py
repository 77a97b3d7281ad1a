"""Scores that weigh uncertainty, and a search that learns, against laws whose answer is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htc.errors import FormulaError, InputError
from htc.models.acquisition import ACQUISITIONS, Search, acquisition_score, fractions_of, score
from htc.models.predictive import TcDistribution
from htc.prediction import Prediction
from htc.theory.empirical import allen_dynes_f1

MU_STAR = 0.10
# Quantiles of Student's t of five degrees of freedom: any table of them, e.g. Abramowitz and Stegun 26.10.
T5 = {0.75: 0.7267, 0.90: 1.4759, 0.95: 2.0150, 0.975: 2.5706, 0.995: 4.0321}


def distribution(
    lambda_ep: list[float], width: list[float], omega_log_k: float = 200.0, *, skew: float = 1.0
) -> TcDistribution:
    """Interval ends ``width`` in ln lambda below, ``skew * width`` above."""
    lam, half = np.array(lambda_ep), np.array(width)
    tc, low, high = (
        np.asarray(allen_dynes_f1(lam * np.exp(move), omega_log_k, MU_STAR))
        for move in (0.0 * half, -half, skew * half)
    )
    return TcDistribution.from_intervals(
        tc, low, high, lambda_ep=lam, omega_log_k=omega_log_k, mu_star=MU_STAR
    )


def test_the_interval_comes_back_as_quantiles() -> None:
    lam, half = np.array([0.4, 0.8, 1.5]), np.array([0.3, 0.5, 0.1])
    tc = distribution(lam.tolist(), half.tolist(), skew=0.5)
    for probability, move in ((0.5, 0.0 * half), (0.025, -half), (0.975, 0.5 * half)):
        expected = allen_dynes_f1(lam * np.exp(move), 200.0, MU_STAR)
        np.testing.assert_allclose(tc.quantile(probability), expected, rtol=2e-3)


@pytest.mark.parametrize(("probability", "t"), T5.items())
def test_between_the_ends_it_is_students_t_of_five_degrees_of_freedom(probability: float, t: float) -> None:
    lam, half = 0.9, 0.4
    expected = allen_dynes_f1(lam * math.exp(half * t / T5[0.975]), 200.0, MU_STAR)
    assert distribution([lam], [half]).quantile(probability)[0] == pytest.approx(expected, rel=5e-3)


@settings(max_examples=15, deadline=None)
@given(lam=st.floats(0.25, 2.0), half=st.floats(0.05, 1.0), skew=st.floats(0.3, 2.0), p=st.floats(0.03, 0.97))
def test_quantile_and_exceedance_undo_each_other(lam: float, half: float, skew: float, p: float) -> None:
    tc = distribution([lam], [half], skew=skew)
    threshold = float(tc.quantile(p)[0])
    if threshold > 1e-3:
        assert tc.exceedance(threshold)[0] == pytest.approx(1.0 - p, abs=0.01)


def test_moments_agree_with_samples() -> None:
    tc = distribution([0.4, 0.8], [0.6, 0.3], skew=1.5)
    drawn = tc.at(np.random.default_rng(1).standard_normal((40_000, 2)))
    np.testing.assert_allclose(tc.expectation(), drawn.mean(axis=0), rtol=0.02)
    np.testing.assert_allclose(
        tc.expectation(8.0), np.maximum(drawn - 8.0, 0.0).mean(axis=0), rtol=0.05, atol=2e-3
    )
    np.testing.assert_allclose(tc.exceedance(8.0), (drawn > 8.0).mean(axis=0), atol=0.01)


def test_without_width_every_score_ranks_by_tc() -> None:
    lam = [0.5, 1.2, 0.8, 0.3]
    tc = distribution(lam, [1e-4] * 4)
    for kind in ACQUISITIONS:
        best = score(tc, kind, k=2, threshold_k=5.0)
        assert int(np.argmax(best)) == 1 or kind in {"exceedance", "top_k"}
        assert set(np.argsort(-best)[:2]) == {1, 2}


def test_width_is_worth_something_where_it_should_be() -> None:
    # Nearly equal Tc, one of them uncertain; then one that is lower and uncertain.
    tc = distribution([0.70, 0.69, 0.60], [0.05, 0.6, 0.9])
    threshold = 1.3 * float(tc.quantile(0.5)[0])
    assert np.argmax(score(tc, "predicted")) == 0
    for kind in ("expected", "upper_bound", "exceedance", "improvement"):
        assert np.argmax(score(tc, kind, threshold_k=threshold)) != 0  # type: ignore[arg-type]  # a Literal


def test_top_k_are_probabilities_that_sum_to_k() -> None:
    rng = np.random.default_rng(3)
    tc = distribution(rng.uniform(0.3, 1.2, 50).tolist(), rng.uniform(0.1, 0.8, 50).tolist())
    chance = score(tc, "top_k", k=7)
    assert chance.min() >= 0.0
    assert chance.max() <= 1.0
    assert chance.sum() == pytest.approx(7.0, abs=0.1)
    np.testing.assert_array_equal(chance, score(tc, "top_k", k=7))


def test_top_k_finds_more_than_predicted_tc_where_widths_differ() -> None:
    # The truth is drawn from the distributions themselves: then no other ranking finds more on average.
    rng = np.random.default_rng(5)
    tc = distribution(rng.uniform(0.3, 0.9, 400).tolist(), rng.choice([0.05, 0.9], 400).tolist())
    chosen = {
        kind: np.argsort(-score(tc, kind, k=10))[:40]  # type: ignore[arg-type]  # a Literal
        for kind in ("predicted", "top_k")
    }
    truth = tc.at(rng.standard_normal((200, 400)))
    best = np.argsort(-truth, axis=1)[:, :10]
    recall = {kind: np.isin(best, where).mean() for kind, where in chosen.items()}
    assert recall["top_k"] > recall["predicted"] + 0.1


def test_all_are_wanted_of_a_pool_that_is_too_small() -> None:
    tc = distribution([0.5, 0.9], [0.2, 0.2])
    np.testing.assert_allclose(score(tc, "top_k", k=5), tc.quantile(0.5))


@dataclass(frozen=True)
class Law:
    """A pool where the residual is a property of the composition."""

    tc: TcDistribution
    fractions: np.ndarray
    truth: np.ndarray


@pytest.fixture
def law() -> Law:
    rng = np.random.default_rng(11)
    formulas = np.repeat(
        [f"{a}{b}{n}" for a in ("Ti", "Nb", "Zr", "V") for b in ("N", "C", "Sn") for n in (1, 3)], 6
    )
    n = len(formulas)
    tc = distribution(rng.uniform(0.4, 0.6, n).tolist(), [0.6] * n)
    _, group = np.unique(formulas, return_inverse=True)
    shift = rng.standard_normal(group.max() + 1)[group]
    return Law(tc, fractions_of(formulas), tc.at(0.95 * shift + 0.3 * rng.standard_normal(n)))


def test_a_search_learns_from_relatives(law: Law) -> None:
    found = {}
    best = np.argsort(-law.truth)[:20]
    for batch in (20, 4):
        search = Search(law.tc, law.fractions, correlation=0.9)
        while len(search.chosen) < 20:
            chosen = search.propose(batch, k=20)
            search.observe(chosen, law.truth[chosen])
        assert len(np.unique(search.chosen)) == 20
        found[batch] = np.intersect1d(search.chosen, best).size
    assert found[4] > found[20]


def test_what_was_learned_moves_relatives_most_and_strangers_not(law: Law) -> None:
    search = Search(law.tc, law.fractions)
    search.observe(np.array([0]), law.tc.quantile(0.9)[:1])
    posterior = search.posterior
    assert (posterior.score[1:6] > 0.3).all()
    assert (posterior.score_std[1:6] < 0.95).all()
    far = np.abs(law.fractions - law.fractions[0]).sum(axis=1) == 2.0
    np.testing.assert_allclose(posterior.score[far], 0.0, atol=1e-3)


def test_without_correlation_nothing_is_learned(law: Law) -> None:
    search = Search(law.tc, law.fractions, correlation=0.0)
    before = search.propose(5, "expected")
    search.observe(before[:1], np.array([40.0]))
    np.testing.assert_array_equal(search.propose(4, "expected"), before[1:])


def test_a_search_ends_when_the_pool_is_empty() -> None:
    tc = distribution([0.5, 0.9, 0.7], [0.2] * 3)
    search = Search(tc, fractions_of(["Nb", "Pb", "V"]))
    assert len(search.propose(10, "predicted")) == 3
    search.observe(np.array([1, 2]), np.array([3.0, 0.0]))
    assert search.propose(10, "predicted").tolist() == [0]


@pytest.mark.parametrize(
    ("position", "tc_k"), [([0, 0], [1.0, 1.0]), ([1], [np.nan]), ([1], [-1.0]), ([1, 2], [1.0])]
)
def test_observations_that_cannot_be(position: list[int], tc_k: list[float]) -> None:
    search = Search(distribution([0.5, 0.9, 0.7], [0.2] * 3), fractions_of(["Nb", "Pb", "V"]))
    with pytest.raises(InputError):
        search.observe(np.array(position), np.array(tc_k))
    assert len(search.chosen) == 0


def test_a_material_is_not_observed_twice() -> None:
    search = Search(distribution([0.5, 0.9], [0.2] * 2), fractions_of(["Nb", "Pb"]))
    search.observe(np.array([1]), np.array([3.0]))
    with pytest.raises(InputError, match="twice"):
        search.observe(np.array([1]), np.array([3.0]))


@pytest.mark.parametrize("change", [{"correlation": 1.0}, {"correlation": -0.1}, {"length": 0.0}])
def test_a_search_refuses_impossible_correlations(change: dict[str, float]) -> None:
    with pytest.raises(InputError, match="impossible"):
        Search(distribution([0.5], [0.2]), fractions_of(["Nb"]), **change)  # type: ignore[arg-type]  # by name
    with pytest.raises(InputError, match="belong"):
        Search(distribution([0.5], [0.2]), fractions_of(["Nb", "Pb"]))


def prediction(tc: float | None, lower: float | None, upper: float | None) -> Prediction:
    return Prediction(
        source="x", composition="Nb", reduced_formula="Nb", family="elemental", applicable=tc is not None,
        tc_predicted=tc, tc_lower_95ci=lower, tc_upper_95ci=upper, lambda_ep=0.9, omega_log=200.0,
        mu_star=0.13,
    )  # fmt: skip


def test_records_are_scored() -> None:
    records = [prediction(5.0, 4.0, 6.0), prediction(4.5, 0.5, 20.0), prediction(0.0, 0.0, 0.0)]
    assert acquisition_score(records, "predicted") == pytest.approx([5.0, 4.5, 0.0], abs=1e-3)
    assert np.argmax(acquisition_score(records, "upper_bound", quantile=0.9)) == 1
    chance = acquisition_score(records, k=1)
    assert chance[2] < 0.01
    assert chance.sum() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("records", "arguments", "said"),
    [
        ([prediction(None, None, None)], {"kind": "predicted"}, "no tc_predicted"),
        ([prediction(1.0, 2.0, 3.0)], {"kind": "predicted"}, "describe no distribution"),
        ([prediction(1.0, float("nan"), 3.0)], {"kind": "predicted"}, "describe no distribution"),
        ([prediction(1.0, 0.5, 3.0)], {"kind": "best"}, "no acquisition"),
        ([prediction(1.0, 0.5, 3.0)], {"kind": "top_k"}, "number of materials"),
        ([prediction(1.0, 0.5, 3.0)], {"kind": "top_k", "k": 0}, "number of materials"),
        ([prediction(1.0, 0.5, 3.0)], {"kind": "exceedance"}, "threshold"),
        ([prediction(1.0, 0.5, 3.0)], {"kind": "improvement", "threshold_k": -1.0}, "threshold"),
        ([prediction(1.0, 0.5, 3.0)], {"kind": "upper_bound", "quantile": 1.0}, "quantile"),
    ],
)
def test_what_cannot_be_scored_says_why(
    records: list[Prediction], arguments: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        acquisition_score(records, **arguments)  # type: ignore[arg-type]  # wrong on purpose


def test_nothing_has_no_scores() -> None:
    assert acquisition_score([], "predicted").shape == (0,)


def test_fractions_sum_to_one() -> None:
    fractions = fractions_of(["MgB2", "Nb3Sn", "Al"])
    np.testing.assert_allclose(fractions.sum(axis=1), 1.0)
    assert fractions[0].max() == pytest.approx(2 / 3)
    with pytest.raises(FormulaError):
        fractions_of(["Mg2B?"])
