"""Who has children: NSGA-II (Deb et al. 2002, doi:10.1109/4235.996017), pymoo's, over numbers of a space.

pymoo ranks the looks, keeps the best of them and chooses parents: those that keep the constraints first, then
by what dominates them, then by how alone they are on their front. Children are made of their parents'
coordinates; nothing is ever looked at twice, so that N looks are N candidates.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.discovery.breeding.coordinates import Coordinates
from htc.errors import InputError

__all__ = ["Evolution"]

FloatArray = NDArray[np.float64]

_GENERATIONS: Final = 25
_LEAST: Final = 24
_MOST: Final = 200
"""Size of a generation: so that there are enough of them, and not too few in each."""
_TRIES: Final = 400
"""For each child, until the space counts as exhausted."""
_PATIENCE: Final = 8
"""Tries after which one coordinate more is changed."""
_FURTHEST: Final = 4


class Evolution:
    """Asked which numbers to look at next, and told what the looks came to.

    Equal seed and equal looks, equal numbers: a run that was interrupted is asked and told anew from its
    beginning, with the looks it has kept.

    Args:
        coordinates: of the space.
        objectives: how many there are.
        looks: how many there will be altogether.
        possible: whether a number is a candidate that may be looked at at all.
        seed: of everything that is drawn.
    """

    def __init__(
        self,
        coordinates: Coordinates,
        objectives: int,
        looks: int,
        *,
        possible: Callable[[int], bool],
        seed: int = 0,
    ) -> None:
        """Begin with nothing looked at."""
        self._coordinates = coordinates
        self._objectives = objectives
        self._possible = possible
        self._known: set[int] = set()
        self._size = int(np.clip(looks // _GENERATIONS, _LEAST, _MOST))
        self._rng = np.random.default_rng([seed, 1])
        self._algorithm: Any = None
        self._asked: Any = None
        self._seed = seed

    def ask(self, most: int) -> list[int]:
        """Numbers of the next generation, none of which was asked for before; none: there are no more.

        Args:
            most: how many at most.
        """
        if self._algorithm is None:
            self._asked = None
            return self._drawn(min(self._size, most))
        self._algorithm.n_offsprings = min(self._size, most)
        self._asked = self._algorithm.ask()
        return [] if self._asked is None else [int(x[0]) for x in self._asked.get("X")]

    def tell(self, numbers: list[int], gained: FloatArray, broken: FloatArray) -> None:
        """What the looks at the last generation came to.

        Args:
            numbers: as asked for.
            gained: objectives, larger is better, shape ``(n, k)``, finite.
            broken: by how much constraints are broken, shape ``(n,)``; 0: not at all.

        Raises:
            InputError: other numbers than those asked for.
        """
        if self._algorithm is None:
            self._algorithm = self._begun(numbers)
            self._asked = self._algorithm.ask()
        if [int(x[0]) for x in self._asked.get("X")] != numbers:
            raise InputError("these are not the numbers that were asked for", where="numbers")
        static = _pymoo("problems.static").StaticProblem
        problem = static(self._algorithm.problem, F=-gained, G=broken[:, None])
        _pymoo("core.evaluator").Evaluator().eval(problem, self._asked)
        self._algorithm.tell(infills=self._asked)

    def _begun(self, first: list[int]) -> Any:
        problem = _pymoo("core.problem").Problem(n_var=1, n_obj=self._objectives, n_ieq_constr=1)
        nsga2 = _pymoo("algorithms.moo.nsga2")
        selection = _pymoo("operators.selection.tournament").TournamentSelection(
            func_comp=nsga2.binary_tournament
        )
        algorithm = nsga2.NSGA2(
            pop_size=self._size,
            sampling=np.array(first, dtype=np.int64)[:, None],
            mating=_Mating(self._children, selection),
            eliminate_duplicates=False,
            termination=_pymoo("core.termination").NoTermination(),
        )
        return algorithm.setup(problem, seed=self._seed)

    def _drawn(self, n: int) -> list[int]:
        out: list[int] = []
        for _ in range(n):
            for _ in range(_TRIES):
                number = self._coordinates.number(self._coordinates.drawn(self._rng))
                if number is not None and self._is_new(number):
                    out.append(number)
                    break
            else:
                break
        return out

    def _children(self, pairs: list[tuple[int, int]]) -> list[int]:
        """A child of each pair of numbers; fewer where the space seems exhausted."""
        out: list[int] = []
        for pair in pairs:
            one, other = map(self._coordinates.gene, pair)
            for attempt in range(_TRIES):
                gene = self._coordinates.child(one, other, self._rng)
                # Where everything near is known already, children go further away.
                for _ in range(int(self._rng.random() < 0.7) + min(attempt // _PATIENCE, _FURTHEST)):
                    gene = self._coordinates.changed(gene, self._rng)
                number = self._coordinates.number(gene)
                if number is not None and self._is_new(number):
                    out.append(number)
                    break
            else:
                break
        return out

    def _is_new(self, number: int) -> bool:
        """Whether it may be looked at and was not; asked for once a number."""
        if number in self._known:
            return False
        self._known.add(number)
        return self._possible(number)


class _Mating:
    """What pymoo asks for offspring."""

    def __init__(self, children: Callable[[list[tuple[int, int]]], list[int]], selection: Any) -> None:
        self._children = children
        self._selection = selection

    def do(self, problem: Any, population: Any, n: int, *, random_state: Any, **rest: Any) -> Any:
        """Up to n children of the best, as pymoo's population."""
        parents = self._selection(problem, population, n, n_parents=2, random_state=random_state, **rest)
        pairs = [(int(one.X[0]), int(other.X[0])) for one, other in parents]
        found = np.array(self._children(pairs), dtype=np.int64).reshape(-1, 1)
        return _pymoo("core.population").Population.new("X", found)


def _pymoo(name: str) -> Any:
    """A module of pymoo, which is not typed; loaded when asked for, because it takes a second."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what its own libraries find deprecated
        return import_module(f"pymoo.{name}")
