"""Is a pool better that is bred than one that is drawn? The same looks, the same strategy, the same judge.

    python -m benchmarks breeding --looks 2000 --seeds 10 --out RUNS.csv

The space is that of ``benchmarks.campaign``, 1.5 million numbers of five prototypes. For each seed and goal a
pool of so many looks by the fast tier is bred or drawn, numbers that the rules of plausibility exclude not
counted. Then the strategy ``hypervolume`` chooses from it what the default tier judges. Goals: the highest
Tc; and Tc against the cost of the elements, at most 1,000 USD/kg. Looks and judgements are remembered from
seed to seed: they are the same each time.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.campaign import campaign_of
from htc.discovery import Goal, Objective, hypervolume, strategy_for
from htc.discovery.breeding import Coordinates, Evolution, bred_by
from htc.discovery.elements import element_value
from htc.discovery.pool import pool_of_predictions
from htc.discovery.requests import Column
from htc.discovery.space import Rejected, open_space
from htc.discovery.stages.predicting import evaluator
from htc.jobs.search.looking import item_of
from htc.prediction.record import ModelTier

BEST = 20
BATCH = 8
TC = Objective(column="tc_predicted")
COST = Objective(column="element_cost")
GOALS = {"tc": [TC], "front": [TC, COST]}


class Judge:
    """A tier of the model that remembers what it said of the numbers of a space."""

    def __init__(self, space: Any, tier: ModelTier) -> None:
        """Load the model."""
        self._space = space
        self._model = evaluator(tier, mu_star=0.1, model=None, full=False)
        self._said: dict[int, Any] = {}

    def __call__(self, numbers: list[int]) -> list[Any]:
        """The predictions; None where there is no Tc."""
        new = [number for number in numbers if number not in self._said]
        for start in range(0, len(new), 128):
            some = new[start : start + 128]
            verdicts = self._model([(item_of(self._space[n]), 0.0) for n in some])
            for number, verdict in zip(some, verdicts, strict=True):
                found = verdict.prediction
                self._said[number] = None if found is None or found.tc_predicted is None else found
        return [self._said[number] for number in numbers]


def values_of(found: Any, columns: tuple[Column, ...]) -> list[float]:
    if found is None:
        return [np.nan] * len(columns)
    cost = element_value("element_cost", found.reduced_formula)
    known = {"tc_predicted": found.tc_predicted, "element_cost": np.nan if cost is None else cost}
    return [float(known[column]) for column in columns]


def bred(space: Any, goal: Goal, looks: int, seed: int, look: Judge, possible: Any) -> list[int]:
    fitness = bred_by(goal)
    if fitness is None:
        raise SystemExit("nothing to breed by")
    evolution = Evolution(Coordinates(space, 1), len(fitness.objectives), looks, possible=possible, seed=seed)
    seen: list[int] = []
    while len(seen) < looks and (numbers := evolution.ask(looks - len(seen))):
        values = np.array([values_of(found, fitness.columns) for found in look(numbers)])
        evolution.tell(numbers, *fitness(values))
        seen += numbers
    return seen


def drawn(space: Any, looks: int, seed: int, possible: Any) -> list[int]:
    order = np.random.default_rng([seed, 2]).permutation(len(space))
    seen: list[int] = []
    for number in order.tolist():
        if possible(number):
            seen.append(number)
            if len(seen) == looks:
                break
    return seen


def judged(numbers: list[int], goal: Goal, seed: int, look: Judge, judge: Judge) -> np.ndarray:
    """What the default tier says of those that the strategy chooses, shape ``(budget, k)``."""
    thought = look(numbers)
    kept = [(n, found) for n, found in zip(numbers, thought, strict=True) if found is not None]
    columns = tuple(one.column for one in goal.objectives)
    pool = pool_of_predictions([f for _, f in kept], [f.reduced_formula for _, f in kept], columns)
    strategy = strategy_for(goal, pool, seed)
    out: list[list[float]] = []
    batch = 0
    while len(out) < goal.budget and strategy.left:
        chosen = strategy.ask(min(BATCH, goal.budget - len(out)), batch)
        for place, found in zip(chosen, judge([kept[place][0] for place in chosen]), strict=True):
            values = values_of(found, columns)
            strategy.tell(place, None if found is None else list(values))
            out.append(values)
        batch += 1
    return np.nan_to_num(np.array(out), nan=0.0 if len(columns) == 1 else -1.0)


def volume(values: np.ndarray) -> float:
    """Dominated by Tc and cost, K USD/kg."""
    known = values[values[:, 0] > 0.0]
    return hypervolume(known * [1.0, -1.0], np.array([TC.worst, -COST.worst]))


def main(arguments: list[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks breeding")
    parser.add_argument("--looks", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--budget", type=int, default=96, help="what the default tier judges")
    parser.add_argument("--goals", nargs="+", choices=list(GOALS), default=list(GOALS))
    parser.add_argument("--out", type=Path, help="CSV with one row a run, appended")
    wanted = parser.parse_args(arguments)
    space = open_space(campaign_of(1, "fast").model_copy(update={"limit": None}))
    look, judge = Judge(space, "fast"), Judge(space, "default")
    sound: dict[int, bool] = {}

    def possible(number: int) -> bool:
        if number not in sound:
            sound[number] = not isinstance(space[number], Rejected)
        return sound[number]

    print(f"{len(space):,} numbers, {wanted.looks:,} looks, {wanted.budget} judged", flush=True)
    rows: list[list[Any]] = []
    for name in wanted.goals:
        goal = Goal(
            objectives=GOALS[name],
            wanted=BEST if name == "tc" else None,
            budget=wanted.budget,
            batch_size=BATCH,
        )
        for seed in range(wanted.first, wanted.first + wanted.seeds):
            for how in ("drawn", "bred"):
                began = time.perf_counter()
                if how == "bred":
                    numbers = bred(space, goal, wanted.looks, seed, look, possible)
                else:
                    numbers = drawn(space, wanted.looks, seed, possible)
                looked = time.perf_counter() - began
                found = judged(numbers, goal, seed, look, judge)
                if name == "tc":
                    reached = np.sort(found[:, 0])[-BEST:].mean(), found[:, 0].max()
                else:
                    reached = volume(found), found[:, 0].max()
                took = time.perf_counter() - began
                rows.append([wanted.looks, name, how, seed, *map(float, reached), looked, took])
                print(*rows[-1], flush=True)
    if wanted.out is not None:
        with wanted.out.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    for name in wanted.goals:
        unit = f"mean Tc of the best {BEST} (K)" if name == "tc" else "hypervolume (K USD/kg)"
        for how in ("drawn", "bred"):
            some = np.array([row[4:6] for row in rows if row[1:3] == [name, how]])
            spread = some.std(axis=0, ddof=1) if len(some) > 1 else np.zeros(2)
            print(
                f"| {wanted.looks:,} | {name} | {how} | {unit} {some[:, 0].mean():.4g} ± {spread[0]:.2g} "
                f"| highest Tc {some[:, 1].mean():.3g} ± {spread[1]:.2g} K |"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
