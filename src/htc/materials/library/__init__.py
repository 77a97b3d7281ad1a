"""Well-known superconductors and prototypes, bundled: a formula finds its crystal here without a network.

The TOML files beside this module hold space group, lattice constants and one site of each orbit, with the
source of every structure and every measured Tc. Nothing is built until it is asked for.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from htc.materials.formulas import formula_amounts

if TYPE_CHECKING:
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

__all__ = ["LibraryEntry", "entries_of", "library_entries", "pressure_matches", "structures_for"]

_FILES: Final = (
    "elements.toml",
    "a15.toml",
    "carbides_nitrides.toml",
    "borides.toml",
    "intermetallics.toml",
    "oxides.toml",
    "hydrides.toml",
    "outside.toml",
)
_REFERENCES: Final = "references.toml"


@dataclass(frozen=True)
class LibraryEntry:
    """One crystal of the library."""

    formula: str
    """As it is written in the field, e.g. ``"Nb3Sn"``."""
    name: str
    """Formula, or the name of this form of it (``"beta-Sn"``)."""
    prototype: str
    """Structure type."""
    spacegroup: int
    """Number of the space group, 1 to 230."""
    pressure_gpa: float
    """Pressure at which this crystal exists and ``tc_measured_k`` was measured."""
    tc_measured_k: float | None
    """Measured critical temperature, K; None where there is none, or none well known."""
    sources: tuple[str, ...]
    """References: the structure's, then Tc's where it is another."""
    note: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """Lattice constants and sites as the file has them."""

    @property
    def structure(self) -> Structure:
        """Conventional cell, a fresh copy each time."""
        return self._built.copy()

    @cached_property
    def _built(self) -> Structure:
        from pymatgen.core.structure import Structure
        from pymatgen.symmetry.groups import SpaceGroup

        symbols: list[str] = []
        coordinates: list[list[float]] = []
        for site in self.data["sites"]:
            symbol, *xyz = site.split()
            symbols.append(symbol)
            coordinates.append([float(Fraction(x)) for x in xyz])
        group = SpaceGroup.from_int_number(self.spacegroup)
        return Structure.from_spacegroup(group.symbol, self._lattice(), symbols, coordinates, tol=1e-4)

    def _lattice(self) -> Lattice:
        from pymatgen.core.lattice import Lattice

        a = self.data["a"]
        b, c = self.data.get("b", a), self.data.get("c", a)
        gamma = 120.0 if 143 <= self.spacegroup <= 194 else self.data.get("gamma", 90.0)
        return Lattice.from_parameters(
            a, b, c, self.data.get("alpha", 90.0), self.data.get("beta", 90.0), gamma
        )


@lru_cache(maxsize=1)
def library_entries() -> tuple[LibraryEntry, ...]:
    """All entries, in the order of the files. No structure is built."""
    folder = resources.files(__name__)
    references = tomllib.loads((folder / _REFERENCES).read_text(encoding="utf-8"))
    entries: list[LibraryEntry] = []
    for name in _FILES:
        for row in tomllib.loads((folder / name).read_text(encoding="utf-8"))["entry"]:
            keys = [row["structure_source"], row.get("tc_source")]
            entries.append(
                LibraryEntry(
                    formula=row["formula"],
                    name=row.get("name", row["formula"]),
                    prototype=row["prototype"],
                    spacegroup=row["spacegroup"],
                    pressure_gpa=row.get("pressure_gpa", 0.0),
                    tc_measured_k=row.get("tc_k"),
                    sources=tuple(dict.fromkeys(references[key] for key in keys if key)),
                    note=row.get("note"),
                    data=row,
                )
            )
    return tuple(entries)


@lru_cache(maxsize=1)
def _by_composition() -> dict[tuple[tuple[str, int], ...], tuple[LibraryEntry, ...]]:
    found: dict[tuple[tuple[str, int], ...], tuple[LibraryEntry, ...]] = {}
    for entry in library_entries():
        key = _key(entry.formula)
        found[key] = (*found.get(key, ()), entry)
    return found


def _key(formula: str) -> tuple[tuple[str, int], ...]:
    """The same for all formulas of one composition, to one part in ten thousand of an atom."""
    amounts = formula_amounts(formula)
    total = sum(amounts.values())
    return tuple(sorted((symbol, round(1e4 * n / total)) for symbol, n in amounts.items()))


def entries_of(formula: str) -> list[LibraryEntry]:
    """Entries of a composition at whatever pressure, lowest pressure first.

    Raises:
        FormulaError: ``formula`` is none.
    """
    return sorted(_by_composition().get(_key(formula), ()), key=lambda entry: entry.pressure_gpa)


def pressure_matches(wanted_gpa: float, known_gpa: float) -> bool:
    """Whether a structure known at one pressure may stand for another: within 2 GPa or 10 %."""
    return abs(wanted_gpa - known_gpa) <= max(2.0, 0.1 * max(wanted_gpa, known_gpa))


def structures_for(formula: str, pressure_gpa: float = 0.0) -> list[LibraryEntry]:
    """Entries of a composition near a pressure, nearest first; the file's order among equals.

    Raises:
        FormulaError: ``formula`` is none.
    """
    near = [
        e for e in _by_composition().get(_key(formula), ()) if pressure_matches(pressure_gpa, e.pressure_gpa)
    ]
    return sorted(near, key=lambda entry: abs(entry.pressure_gpa - pressure_gpa))
