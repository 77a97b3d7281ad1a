"""Which of many made-up crystals have to be relaxed to know the hull at one composition.

Over the composition of a crystal the hull is a plane through the phases of the mixture that is lowest there;
the plane is that of the elements' chemical potentials. A further phase lowers the hull at this composition
only if it lies below the plane: nothing that lies above it matters, whatever else it is stable against. So
the made-up crystal that may lie deepest below the plane is relaxed first, the plane is drawn anew, and when
none is left that could lie below it, the hull is that of all of them. What a crystal could have when relaxed
follows from its forces and stress (:mod:`htc.stability.screening`): after one evaluation as it is made, then
at its best volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from htc.stability.competitors.source import Competitor
from htc.stability.energies import Energies
from htc.stability.hull import LeftOut, Phase, chemical_potentials
from htc.stability.relaxation import Progress
from htc.stability.screening import Screened

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Guesses"]


@dataclass(slots=True)
class _Guess:
    competitor: Competitor
    fractions: dict[str, float]
    screened: Screened
    volume_found: bool = False


class Guesses:
    """Made-up crystals, and what of them has been worked out.

    Every decision follows from the crystals and their energies, never from what somebody knew before.

    Args:
        energies: by the potential of the hull.
        made_up: the crystals.
        progress: told of every one.

    Raises:
        StorageError: the cache cannot be written.
    """

    def __init__(
        self, energies: Energies, made_up: Sequence[Competitor], progress: Progress | None = None
    ) -> None:
        """Look at each of them once."""
        self._energies = energies
        self._progress = progress
        self._open: list[_Guess] = []
        self._known: list[Structure] = []
        self.phases: list[Phase] = []
        """Those that were relaxed."""
        self.left_out: list[LeftOut] = []
        """Those without an energy."""
        self.not_relaxed = 0
        """How many could lower the hull still."""
        self.slack_ev: float | None = None
        """How far above the plane the nearest of those that were not relaxed stays, however far relaxing is
        taken to lower it, eV/atom."""
        for done, competitor in enumerate(made_up, start=1):
            screened = energies.glance(competitor)
            if screened is None:
                self._leave_out(competitor, "the potential gives no energy for it as it is made")
            else:
                amounts = competitor.structure.composition.fractional_composition.get_el_amt_dict()
                fractions = {str(k): float(v) for k, v in amounts.items()}
                self._open.append(_Guess(competitor, fractions, screened))
            if progress is not None:
                progress(done, len(made_up), "screening made-up crystals")

    @property
    def screened_out(self) -> int:
        """How many have not been relaxed."""
        return len(self._open)

    def pass_over(self, known: Sequence[Structure]) -> None:
        """Leave out, from now on, what is one of these crystals."""
        self._known = list(known)

    def lower(self, target: Phase, phases: Sequence[Phase], *, most: int, elsewhere: bool = False) -> None:
        """Relax what could lower the hull of phases at the composition of a crystal.

        Args:
            target: the crystal, which is not in the hull.
            phases: the others, with a crystal of each element.
            most: so many are relaxed altogether.
            elsewhere: ask for the hull of phases of other compositions than the crystal's.

        Raises:
            StorageError: the cache cannot be written.
        """

        def in_question(phase: Phase) -> bool:
            pure = len(phase.fractions) == 1
            if elsewhere:
                return pure or not phase.same_composition(target)
            return pure or not phase.same_crystal(target)

        self.not_relaxed = 0
        while True:
            hull = [p for p in (*phases, *self.phases) if in_question(p)]
            plane = chemical_potentials(target.fractions, hull)
            heights = [_height(guess, plane) for guess in self._open]
            below = [
                i
                for i, guess in enumerate(self._open)
                if heights[i] < 0.0 and not (elsewhere and _same(guess.fractions, target.fractions))
            ]
            if len(self.phases) >= most:
                self.not_relaxed = sum(self._open[i].volume_found for i in below)
                below = [i for i in below if not self._open[i].volume_found]
            if not below:
                break
            self._settle(min(below, key=heights.__getitem__))
        self.slack_ev = max(0.0, min(heights)) if heights else None

    def _settle(self, chosen: int) -> None:
        """Know more of one: that it is known, or its best volume, then what it relaxes into."""
        guess = self._open[chosen]
        if not guess.volume_found and not self._is_known(guess):
            screened = self._energies.static(guess.competitor)
            if screened is not None:
                guess.screened, guess.volume_found = screened, True
                return
            self._leave_out(guess.competitor, "the potential gives no energy at any volume")
        elif guess.volume_found:
            found = self._energies.relaxed(guess.competitor)
            if isinstance(found, Phase):
                self.phases.append(found)
            else:
                self.left_out.append(found)
            if self._progress is not None:
                done = len(self.phases)
                self._progress(done, done, "made-up crystals")
        del self._open[chosen]

    def _is_known(self, guess: _Guess) -> bool:
        structure = guess.competitor.structure
        composition = structure.composition.reduced_composition
        return any(
            _matcher().fit(structure, other)
            for other in self._known
            if other.composition.reduced_composition == composition
        )

    def _leave_out(self, competitor: Competitor, reason: str) -> None:
        self.left_out.append(LeftOut(competitor.name, competitor.origin, reason))


def _height(guess: _Guess, plane: dict[str, float]) -> float:
    """Of the lowest energy that it is taken to have, above the plane, eV/atom."""
    return guess.screened.lowest_ev - sum(x * plane[symbol] for symbol, x in guess.fractions.items())


def _same(a: dict[str, float], b: dict[str, float]) -> bool:
    return a.keys() == b.keys() and all(abs(a[s] - b[s]) < 1e-6 for s in a)


@lru_cache(maxsize=1)
def _matcher() -> Any:
    from pymatgen.analysis.structure_matcher import StructureMatcher

    # Tighter than its defaults, to which a distorted crystal is the one it is distorted from.
    return StructureMatcher(ltol=0.1, stol=0.1, angle_tol=3.0, scale=True)
