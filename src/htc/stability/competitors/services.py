"""Phases known to the store, the Materials Project or an OPTIMADE provider.

None of their energies is used, only their crystals, and their distance to their own hull to choose by:
energies of two methods do not belong in one hull.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from htc.errors import SourceUnavailableError
from htc.materials.sources import FoundStructure
from htc.stability.competitors.source import Competitor, Found, subsystems

__all__ = ["ServiceCompetitors", "SystemSource"]

NEAR_HULL_EV: Final = 0.05
"""eV/atom above the provider's hull up to which a phase may be on ours."""
MOST_PER_SYSTEM: Final = 12
"""Phases taken of one chemical system, lowest first."""


@runtime_checkable
class SystemSource(Protocol):
    """Anything that knows crystals by chemical system: the store, a provider."""

    @property
    def name(self) -> str:
        """Short name for messages."""
        ...

    def find_system(self, elements: Sequence[str], pressure_gpa: float = 0.0) -> list[FoundStructure]:
        """Crystals of exactly these elements near a pressure, best first.

        Raises:
            SourceUnavailableError: the source cannot be asked.
        """
        ...


class ServiceCompetitors:
    """Phases of a :class:`SystemSource`.

    Args:
        source: the store or a client of a provider.
        elements_are_references: whether its lowest crystal of an element may be taken for the element's own.
    """

    def __init__(self, source: SystemSource, *, elements_are_references: bool) -> None:
        """Keep the source; nothing is asked yet."""
        self.source = source
        self.elements_are_references = elements_are_references

    @property
    def name(self) -> str:
        """Name of the source."""
        return self.source.name

    def find(self, elements: Sequence[str], pressure_gpa: float = 0.0) -> Found:
        """See :class:`~htc.stability.competitors.CompetitorSource`.

        A source that cannot be asked is a note, not an error: the hull of the others is still a lower bound.
        """
        found: list[Competitor] = []
        notes: list[str] = []
        for system in subsystems(elements):
            try:
                rows = self.source.find_system(system, pressure_gpa)
            except SourceUnavailableError as error:
                notes.append(f"{self.name} could not be asked: {error}")
                break
            near = [r for r in rows if r.hull_distance_ev is None or r.hull_distance_ev <= NEAR_HULL_EV]
            if len(near) > MOST_PER_SYSTEM:
                notes.append(
                    f"{self.name} knows {len(near)} phases of {'-'.join(system)} near its hull;"
                    f" {MOST_PER_SYSTEM} were taken"
                )
            for place, row in enumerate(near[:MOST_PER_SYSTEM]):
                reference = self.elements_are_references and len(system) == 1 and place == 0
                name = row.structure.composition.reduced_formula
                found.append(Competitor(row.structure, name, row.origin, reference=reference))
        return Found(tuple(found), tuple(notes))
