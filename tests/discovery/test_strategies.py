"""Strategies side by side: constraints hold, the best N are found sooner than by the prediction alone."""

from __future__ import annotations

import math
from importlib.util import find_spec

import numpy as np
import pytest
from pydantic import ValidationError

from htc.discovery import Constraint, Goal, Objective, Pool, Strategy, strategy_for
from htc.discovery.elements import element_value
from htc.errors import InputError
from htc.models.predictive import TcDistribution

TC = Objective(column="tc_predicted")
NEEDS_BOTORCH = pytest.mark.skipif(find_spec("botorch") is None, reason="the extra [bo] is not installed")
ALL = ["hypervolume", "greedy", "random", pytest.param("botorch", marks=NEEDS_BOTORCH)]


def uneven_pool(seed: int, n: int = 300) -> tuple[Pool, np.ndarray]:
    """Predictions of unequal, rightly stated width, and the truth drawn from them."""
    rng = np.random.default_rng(seed)
    guess, width = rng.uniform(2.0, 8.0, n), rng.choice([1.1, 3.0], n)
    tc = TcDistribution.from_intervals(
        guess, guess / width, guess * width, lambda_ep=0.7, omega_log_k=250.0, mu_star=0.1
    )
    fractions = np.eye(n)
    return Pool(tc, fractions, known={"hhi_production": rng.uniform(1000, 9000, n)}), tc.at(
        rng.standard_normal(n)
    )


def found(strategy: Strategy, truth: np.ndarray, budget: int) -> list[int]:
    order: list[int] = []
    while len(order) < budget:
        some = strategy.ask(10, len(order))
        for position in some:
            strategy.tell(position, [truth[position]])
        order += some
    return order


def test_the_best_are_found_sooner_than_by_the_prediction_alone() -> None:
    hits = {"hypervolume": 0, "greedy": 0, "random": 0}
    for seed in range(4):
        pool, truth = uneven_pool(seed)
        best = np.argsort(-truth)[:20]
        for name in hits:
            goal = Goal(objectives=[TC], wanted=20, strategy=name)
            hits[name] += len(np.intersect1d(found(strategy_for(goal, pool, seed), truth, 60), best))
    assert hits["hypervolume"] > 1.15 * hits["greedy"] > 2.0 * hits["random"]


@pytest.mark.parametrize("name", ALL)
def test_a_constraint_is_kept_and_equal_seeds_agree(name: str) -> None:
    pool, truth = uneven_pool(1, 60)
    bound = Constraint(column="hhi_production", max=5000.0)
    goal = Goal(objectives=[TC], constraints=[bound], strategy=name)  # type: ignore[arg-type]  # one of them
    orders = []
    for _ in range(2):
        strategy = strategy_for(goal, pool, 5)
        assert strategy.columns == ("tc_predicted", "hhi_production")
        order: list[int] = []
        for batch in range(3):
            some = strategy.ask(4, batch)
            for position in some:
                strategy.tell(position, [truth[position], pool.known["hhi_production"][position]])
            order += some
        orders.append(order)
    assert orders[0] == orders[1]
    assert len(set(orders[0])) == 12
    assert pool.known["hhi_production"][orders[0]].max() <= 5000.0
    with pytest.raises(InputError, match="no candidate can keep"):
        strategy_for(
            goal.model_copy(update={"constraints": [bound.model_copy(update={"max": 1.0})]}), pool, 5
        )


def test_a_learned_column_that_must_keep_a_bound_is_chosen_for() -> None:
    pool, truth = uneven_pool(2, 120)
    hull = np.where(np.arange(120) % 2 == 0, 0.02, 0.4)
    pool = Pool(pool.tc, np.eye(2)[np.arange(120) % 2], guesses={"hull_distance_eV": np.full(120, 0.2)})
    goal = Goal(objectives=[TC], constraints=[Constraint(column="hull_distance_eV", max=0.1)], wanted=10)
    strategy = strategy_for(goal, pool, 0)
    order: list[int] = []
    for batch in range(8):
        some = strategy.ask(5, batch)
        for position in some:
            strategy.tell(position, [truth[position], hull[position]])
        order += some
    # Later the ten best are known, and what is left is a lottery.
    assert (hull[order[10:25]] <= 0.1).mean() > 0.75


def test_what_elements_cost_and_how_their_dust_is_limited() -> None:
    assert element_value("dust_hazard", "MgB2") == 0.0
    assert element_value("dust_hazard", "CdTe") == pytest.approx(math.log10(15.0 / 0.005))
    # By mass: 24.305 of 45.93 g/mol is magnesium; indices of Gaultois et al. 2013.
    assert element_value("hhi_production", "MgB2") == pytest.approx(0.5292 * 5300 + 0.4708 * 2900, rel=2e-3)
    assert element_value("hhi_production", "LaH10") is None
    cheap, dear = element_value("element_cost", "V3Si"), element_value("element_cost", "Nb3Pt")
    assert cheap is not None
    assert dear is not None
    assert cheap < 100.0 < 1000.0 < dear


def test_goals_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValidationError, match="needs min, max or both"):
        Constraint(column="tc_predicted")
    with pytest.raises(ValidationError, match="constrained twice"):
        Goal(constraints=[Constraint(column="tc_predicted", min=1), Constraint(column="tc_predicted", max=9)])
