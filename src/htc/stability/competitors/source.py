"""What a competing phase is, and what may know some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Competitor", "CompetitorSource", "Found", "subsystems"]


@dataclass(frozen=True, slots=True)
class Competitor:
    """A crystal that may be lower in energy, not relaxed yet."""

    structure: Structure
    name: str
    """Reduced formula, with the name of the form where there is one."""
    origin: str
    reference: bool = False
    """Whether this is a crystal its element is known to take."""
    made_up: bool = False
    """Whether nobody claims that it exists: elements put on the sites of a prototype."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a source knows, and what has to be said about the search."""

    competitors: tuple[Competitor, ...] = ()
    notes: tuple[str, ...] = ()


@runtime_checkable
class CompetitorSource(Protocol):
    """Anything that knows phases of a chemical system."""

    @property
    def name(self) -> str:
        """Short name for messages."""
        ...

    def find(self, elements: Sequence[str], pressure_gpa: float = 0.0) -> Found:
        """Phases whose elements are among these; a source that cannot be asked says so in the notes.

        Args:
            elements: symbols, without doubles.
            pressure_gpa: pressure of the hull, GPa; crystals known only at other pressures are not offered.
        """
        ...


def subsystems(elements: Iterable[str]) -> list[tuple[str, ...]]:
    """All non-empty subsets, elements first, each sorted."""
    from itertools import combinations

    symbols = sorted(set(elements))
    return [subset for n in range(1, len(symbols) + 1) for subset in combinations(symbols, n)]
