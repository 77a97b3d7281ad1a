"""How candidates are chosen from a pool: strategies that all ask and tell in the same way."""

from __future__ import annotations

from htc.discovery.pool import Pool
from htc.discovery.requests import Goal
from htc.discovery.strategies.base import Strategy
from htc.discovery.strategies.hypervolume import Optimiser
from htc.discovery.strategies.simple import Chance, Greedy

__all__ = ["Chance", "Greedy", "Optimiser", "Strategy", "strategy_for", "wanted_of"]


def wanted_of(goal: Goal) -> int | None:
    """How many of the best are sought: as asked for; else a quarter of the budget, or a front alone."""
    if goal.wanted is not None:
        return goal.wanted
    return max(1, goal.budget // 4) if len(goal.objectives) == 1 else None


def strategy_for(goal: Goal, pool: Pool, seed: int) -> Strategy:
    """The strategy that a goal asks for.

    Args:
        goal: what is looked for.
        pool: what there is to choose from.
        seed: equal seed and equal answers, equal choices.

    Raises:
        InputError: nothing in the pool can keep the constraints.
        MissingExtraError: the strategy needs an extra that is not installed.
    """
    if goal.strategy == "greedy":
        return Greedy(pool, goal.objectives, goal.constraints, seed)
    if goal.strategy == "random":
        return Chance(pool, goal.objectives, goal.constraints, seed)
    if goal.strategy == "botorch":
        from htc.discovery.strategies.botorch import GaussianProcesses

        return GaussianProcesses(pool, goal.objectives, goal.constraints, seed)
    return Optimiser.of(pool, goal.objectives, goal.constraints, wanted=wanted_of(goal), seed=seed)
