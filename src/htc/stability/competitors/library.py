"""Compounds of the library of ``htc.materials``."""

from __future__ import annotations

from collections.abc import Sequence

from htc.materials.formulas import formula_amounts
from htc.materials.library import library_entries, pressure_matches
from htc.stability.competitors.source import Competitor, Found

__all__ = ["LibraryCompounds"]


class LibraryCompounds:
    """Compounds of the bundled library that are known at about the pressure asked."""

    name = "library"

    def find(self, elements: Sequence[str], pressure_gpa: float = 0.0) -> Found:
        """See :class:`~htc.stability.competitors.CompetitorSource`; elements have a source of their own."""
        wanted = set(elements)
        found: list[Competitor] = []
        for entry in library_entries():
            own = set(formula_amounts(entry.formula))
            if not own <= wanted or len(own) == 1 or not pressure_matches(pressure_gpa, entry.pressure_gpa):
                continue
            structure = entry.structure
            name = structure.composition.reduced_formula
            name = name if entry.name in {entry.formula, name} else f"{name} ({entry.name})"
            found.append(Competitor(structure, name, f"library: {entry.name}"))
        return Found(tuple(found))
