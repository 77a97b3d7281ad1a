"""The optimiser: seeded, learning, never choosing twice, and better than chance."""

from __future__ import annotations

import numpy as np
import pytest

from htc.discovery import Objective, Optimiser, hypervolume
from htc.errors import InputError
from htc.models.predictive import TcDistribution

N = 400


def pool(seed: int = 0) -> tuple[TcDistribution, np.ndarray, np.ndarray, np.ndarray]:
    """What is thought, fractions, and what is true: Tc (K) and a cost."""
    rng = np.random.default_rng(seed)
    fractions = rng.dirichlet(np.full(6, 0.5), N)
    guess = 1.0 + 20.0 * fractions[:, 0] + 10.0 * fractions[:, 1]
    truth = guess * np.exp(rng.normal(0.0, 0.4, N))
    tc = TcDistribution.from_intervals(
        guess, guess * 0.4, guess * 2.2, lambda_ep=0.7, omega_log_k=250.0, mu_star=0.1
    )
    return tc, fractions, truth, 100.0 * fractions[:, 0] + rng.uniform(0, 20, N)


OBJECTIVES = (
    Objective(column="tc_predicted"),
    Objective(column="pressure_required_gpa", reference=120.0),
)


def run(seed: int, budget: int, stop: int | None = None, size: int = 8) -> list[int]:
    tc, fractions, truth, cost = pool()
    optimiser = Optimiser(tc, fractions, OBJECTIVES, known={"pressure_required_gpa": cost}, seed=seed)
    chosen: list[int] = []
    batch = 0
    while len(chosen) < min(budget, stop or budget):
        some = optimiser.ask(size, batch)
        for position in some:
            optimiser.tell(position, [truth[position], cost[position]])
        chosen += some
        batch += 1
    return chosen


def test_equal_seed_equal_choices_and_nothing_twice() -> None:
    first = run(1, 48)
    assert first == run(1, 48)
    assert first[:16] == run(1, 48, stop=16)
    assert first != run(2, 48)
    assert len(set(first)) == 48


def test_it_is_better_than_chance() -> None:
    _, _, truth, cost = pool()
    better = np.column_stack([truth, -cost])
    reference = np.array([0.0, -120.0])
    ours = [hypervolume(better[run(seed, 40)], reference) for seed in range(3)]
    rng = np.random.default_rng(0)
    chance = [hypervolume(better[rng.choice(N, 40, replace=False)], reference) for _ in range(20)]
    assert np.mean(ours) > np.mean(chance) + np.std(chance)
    highest = np.argsort(-pool()[0].expectation())[:40]
    assert np.mean(ours) > hypervolume(better[highest], reference)


def test_what_failed_is_not_asked_for_again() -> None:
    tc, fractions, truth, cost = pool()
    optimiser = Optimiser(tc, fractions, OBJECTIVES, known={"pressure_required_gpa": cost})
    bad = optimiser.ask(4, 0)
    for position in bad:
        optimiser.tell(position, None)
    assert optimiser.left == N - 4
    assert not set(optimiser.ask(N, 1)) & set(bad)
    with pytest.raises(InputError, match="judged twice"):
        optimiser.tell(bad[0], [truth[bad[0]], cost[bad[0]]])
    with pytest.raises(InputError, match="rows"):
        Optimiser(tc, fractions[:3], OBJECTIVES)


def test_an_objective_that_nobody_knows_yet_is_learned() -> None:
    tc, fractions, truth, _ = pool()
    hull = 0.5 * fractions[:, 2] + 0.01
    objectives = (Objective(column="tc_predicted"), Objective(column="hull_distance_eV"))
    optimiser = Optimiser(tc, fractions, objectives, seed=3)
    seen: list[int] = []
    for batch in range(10):
        for position in optimiser.ask(6, batch):
            optimiser.tell(position, [truth[position], hull[position]])
            seen.append(position)
    assert hull[seen[30:]].mean() < hull.mean()
    assert truth[seen[30:]].mean() > truth.mean()
