"""A pool that is bred: finds what chance does not, keeps constraints, the same each time, nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from htc.discovery import Constraint, Goal, Objective
from htc.discovery.breeding import Coordinates, Evolution, bred_by
from htc.discovery.campaign import Campaign
from htc.discovery.space import CandidateSpace, open_space
from htc.materials.formulas import ELEMENTS

METALS = "transition_metals"
BEST = {"Nb": 9.0, "Ta": 7.0, "V": 6.0, "Mo": 5.0, "N": 8.0, "C": 7.5, "B": 6.5, "Ge": 5.5}


def space_of(**changes: object) -> CandidateSpace:
    sources = [
        {"kind": "substitution", "prototypes": ["A15"], "slots": {"Cr": METALS, "Si": "all"}},
        {
            "kind": "substitution",
            "prototypes": ["Heusler"],
            "slots": {"Al": "all", "Cu": METALS, "Mn": METALS},
        },
        {
            "kind": "substitution",
            "prototypes": ["library:NbN"],
            "slots": {"Nb": "all", "N": "all"},
            "limit": 900,
        },
        {"kind": "formulas", "formulas": ["MgB2", "NbN", "LaH10"]},
    ]
    return open_space(Campaign.model_validate({"name": "bred", "candidates": sources} | changes))


@pytest.mark.parametrize("limit", [None, 5000])
def test_a_number_is_found_from_its_gene(limit: int | None) -> None:
    space = space_of(limit=limit, seed=5)
    coordinates = Coordinates(space, 2)
    assert len(coordinates) == 2 * len(space)
    outside = 0
    rng = np.random.default_rng(0)
    for number in rng.integers(len(coordinates), size=300).tolist():
        assert coordinates.number(coordinates.gene(number)) == number or _stands_for_another(
            space, number // 2
        )
        other = coordinates.number(coordinates.changed(coordinates.gene(number), rng))
        outside += other is None
        assert other is None or 0 <= other < len(coordinates)
    # A sample leaves out most of what children would be.
    assert (outside > 200) == (limit is not None)


def _stands_for_another(space: CandidateSpace, which: int) -> bool:
    return getattr(space[which], "rule", None) == "symmetry"


def judged(coordinates: Coordinates, number: int) -> list[float]:
    """A made-up Tc and price."""
    elements = coordinates.gene(number).filling
    tc = sum(BEST.get(e, 1.0) for e in elements) + 3.0 * (len(elements) == 2)
    return [tc, float(sum(map(ELEMENTS.index, elements)))]


def bred(
    goal: Goal, looks: int, seed: int, possible: Callable[[int], bool] = lambda _: True
) -> dict[int, list[float]]:
    """Values of the looks in the order in which they were made."""
    coordinates, fitness = Coordinates(space_of(), 1), bred_by(goal)
    assert fitness is not None
    evolution = Evolution(coordinates, len(fitness.objectives), looks, possible=possible, seed=seed)
    seen: dict[int, list[float]] = {}
    while len(seen) < looks and (numbers := evolution.ask(looks - len(seen))):
        assert not seen.keys() & set(numbers)
        values = [judged(coordinates, number) for number in numbers]
        evolution.tell(numbers, *fitness(np.array(values)[:, : len(fitness.columns)]))
        seen |= dict(zip(numbers, values, strict=True))
    return seen


def drawn(looks: int) -> list[list[float]]:
    coordinates, rng = Coordinates(space_of(), 1), np.random.default_rng(0)
    return [judged(coordinates, n) for n in rng.integers(len(coordinates), size=looks).tolist()]


def test_what_is_bred_is_better_than_what_is_drawn_and_the_same_each_time() -> None:
    goal = Goal(objectives=[Objective(column="tc_predicted")])
    seen = bred(goal, 500, 1)
    assert list(seen) == list(bred(goal, 500, 1)) != list(bred(goal, 500, 2))
    tc = [value[0] for value in seen.values()]
    # The best three elements of some 70,000 combinations of three prototypes.
    assert max(tc) == BEST["Nb"] + BEST["Ta"] + BEST["N"]
    assert np.sort(tc)[-20:].mean() > 1.3 * np.sort([value[0] for value in drawn(500)])[-20:].mean()


def test_children_keep_constraints_and_a_space_comes_to_its_end() -> None:
    bound = Constraint(column="element_cost", max=60.0)
    goal = Goal(objectives=[Objective(column="tc_predicted")], constraints=[bound])

    def best(values: Iterable[list[float]]) -> float:
        return float(np.sort([tc for tc, price in values if price <= 60.0])[-10:].mean())

    assert best(bred(goal, 400, 0).values()) > 1.3 * best(drawn(400))
    few = bred(Goal(objectives=[Objective(column="tc_predicted")]), 300, 0, lambda number: number < 40)
    assert set(few) <= set(range(40))
    assert len(few) > 30


def test_what_the_cheap_model_knows_nothing_of_cannot_be_bred_for() -> None:
    assert bred_by(Goal(objectives=[Objective(column="hull_distance_eV")])) is None
