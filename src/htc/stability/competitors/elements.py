"""The crystals that elements are known to take: what every formation energy is measured from."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

from htc.materials.library import LibraryEntry, library_entries, pressure_matches
from htc.stability.competitors.prototypes import prototype
from htc.stability.competitors.source import Competitor, Found

__all__ = ["ElementCrystals", "known_elements"]

_FILE = "elements.toml"


class ElementCrystals:
    """Elements of ``htc.materials.library``, of the file beside this one, and of pymatgen's prototypes."""

    name = "elements"

    def find(self, elements: Sequence[str], pressure_gpa: float = 0.0) -> Found:
        """See :class:`~htc.stability.competitors.CompetitorSource`.

        The crystal at ambient pressure is offered at any: under pressure it is where it begins to relax, and
        an upper bound of the element's enthalpy; a note says so.
        """
        found: list[Competitor] = []
        for symbol in elements:
            found += _of(symbol)
        notes: tuple[str, ...] = ()
        if not pressure_matches(pressure_gpa, 0.0) and found:
            notes = (
                f"elements are taken in their ambient crystals, compressed to {pressure_gpa:g} GPa; their own"
                " high-pressure phases may be lower",
            )
        return Found(tuple(found), notes)


def known_elements() -> frozenset[str]:
    """Symbols of the elements with a bundled crystal."""
    return frozenset(_rows()) | {e.formula for e in _library()}


@lru_cache(maxsize=1)
def _library() -> tuple[LibraryEntry, ...]:
    from htc.materials.formulas import ELEMENTS

    symbols = frozenset(ELEMENTS)
    return tuple(e for e in library_entries() if e.formula in symbols and e.pressure_gpa == 0.0)


@lru_cache(maxsize=1)
def _rows() -> dict[str, LibraryEntry]:
    """Entries of the file by element; those that name a prototype have no sites of their own."""
    text = (resources.files("htc.stability.competitors") / _FILE).read_text(encoding="utf-8")
    content = tomllib.loads(text)
    references: dict[str, str] = content["references"]
    return {
        row["formula"]: LibraryEntry(
            formula=row["formula"],
            name=row.get("name", row["formula"]),
            prototype=row.get("aflow") or row["prototype"],
            spacegroup=row.get("spacegroup", 0),
            pressure_gpa=0.0,
            tc_measured_k=None,
            sources=(references[row.get("structure_source", "aflow")],),
            note=row.get("note"),
            data=row,
        )
        for row in content["entry"]
    }


def _of(symbol: str) -> list[Competitor]:
    found = [
        Competitor(entry.structure, _named(entry), f"library: {entry.name}", reference=True)
        for entry in _library()
        if entry.formula == symbol
    ]
    row = _rows().get(symbol)
    if row is None:
        return found
    structure = prototype(row.prototype, symbol).structure if "aflow" in row.data else row.structure
    return [*found, Competitor(structure, row.name, f"element: {row.name}", reference=True)]


def _named(entry: LibraryEntry) -> str:
    return entry.formula if entry.name == entry.formula else f"{entry.formula} ({entry.name})"
