"""The yardsticks: what the cheap model predicts best, and chance. Neither learns from what was judged."""

from __future__ import annotations

from typing import Final

import numpy as np

from htc.discovery.strategies.base import Strategy
from htc.discovery.strategies.hypervolume import reach

__all__ = ["Chance", "Greedy"]

_DIRECTIONS: Final = 256


class Greedy(Strategy):
    """Each place to the candidate that would enlarge the hypervolume most if the predictions were exact.

    With one objective: in the order of the predictions. What is predicted to break a constraint comes last.
    """

    def ask(self, n: int, batch: int) -> list[int]:  # noqa: ARG002  # of the protocol; nothing is drawn
        """The candidates of a batch; see :meth:`Strategy.ask`."""
        free = self.free
        predicted = self._predicted()
        objectives = self.above(predicted[:, : len(self.objectives)])
        objectives[~self.keeps(predicted)] = 0.0
        unit = objectives[free].max(axis=0, initial=0.0)
        useful = objectives / np.where(unit > 0.0, unit, 1.0)
        if len(self.objectives) == 1:
            order = np.lexsort((free, -useful[free, 0]))
            return [int(i) for i in free[order[:n]]]
        # One set of directions for all batches: nothing here is left to chance.
        direction = np.abs(np.random.default_rng(0).standard_normal((_DIRECTIONS, 1, useful.shape[1])))
        direction /= np.linalg.norm(direction, axis=2, keepdims=True)
        reached = np.zeros((_DIRECTIONS, 1))
        if self.order:
            reached = reach(useful[None, self.order], direction).max(axis=1, keepdims=True)
        own = reach(useful[None, free], direction)
        alone = own.sum(axis=0)
        chosen: list[int] = []
        for _ in range(min(n, len(free))):
            gain = np.maximum(own - reached, 0.0).sum(axis=0)
            gain[chosen] = alone[chosen] = -1.0
            best = int(np.lexsort((free, -alone, -gain))[0])
            chosen.append(best)
            reached = np.maximum(reached, own[:, best : best + 1])
        return [int(i) for i in free[chosen]]

    def _predicted(self) -> np.ndarray:
        """Values of the columns as predicted, shape ``(n, len(columns))``."""
        columns = []
        for k, column in enumerate(self.columns):
            if column == "tc_predicted":
                columns.append(self.pool.tc.at(np.zeros(len(self.pool))))
            elif column in self.pool.known:
                columns.append(self.pool.known[column])
            else:
                guess = self.pool.guesses.get(column)
                if guess is None or not np.isfinite(guess).any():
                    columns.append(self._hoped(k))
                else:
                    columns.append(np.where(np.isfinite(guess), guess, np.nanmean(guess)))
        return np.column_stack(columns)


class Chance(Strategy):
    """Any of those that can keep the constraints."""

    def ask(self, n: int, batch: int) -> list[int]:
        """The candidates of a batch; see :meth:`Strategy.ask`."""
        rng = np.random.default_rng([self.seed, batch])
        return [int(i) for i in rng.permutation(self.free)[:n]]
