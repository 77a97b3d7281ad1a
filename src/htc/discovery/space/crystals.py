"""Crystals as plain numbers: small, picklable, the same everywhere, quickly made into structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from htc.materials.formulas import settle_electronegativity

if TYPE_CHECKING:
    from pymatgen.core.composition import Composition
    from pymatgen.core.structure import IStructure, Structure

__all__ = ["Crystal"]


@dataclass(frozen=True, slots=True)
class Crystal:
    """An ordered crystal of n sites."""

    matrix: tuple[tuple[float, float, float], ...]
    """Lattice vectors as rows, Å, shape (3, 3)."""
    symbols: tuple[str, ...]
    """Element of each site."""
    frac: tuple[tuple[float, float, float], ...]
    """Fractional coordinates, shape (n, 3)."""

    @classmethod
    def of(cls, structure: IStructure) -> Crystal:
        """The numbers of a structure that :func:`htc.materials.reading.as_structure` would let pass."""
        return cls(
            _rows(structure.lattice.matrix),
            tuple(site.specie.symbol for site in structure),
            _rows(structure.frac_coords),
        )

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Crystal:
        """The crystal of :meth:`as_json`."""
        return cls(_rows(kept["matrix"]), tuple(kept["symbols"]), _rows(kept["frac"]))

    def as_json(self) -> dict[str, Any]:
        """JSON that gives exactly this crystal back."""
        return {"matrix": self.matrix, "symbols": self.symbols, "frac": self.frac}

    @property
    def volume_per_atom(self) -> float:
        """Å^3 an atom."""
        return abs(float(np.linalg.det(np.array(self.matrix)))) / len(self.symbols)

    def structure(self) -> Structure:
        """As pymatgen's."""
        return made(np.array(self.matrix), self.symbols, np.array(self.frac))


def made(matrix: NDArray[np.float64], symbols: Sequence[str], frac: NDArray[np.float64]) -> Structure:
    """A structure from arrays of shapes (3, 3), (n,) and (n, 3)."""
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    # Compositions that are there already save a third of the time that a structure takes.
    return Structure(Lattice(matrix), [_composition(symbol) for symbol in symbols], frac)


@lru_cache(maxsize=128)
def _composition(symbol: str) -> Composition:
    from pymatgen.core.composition import Composition

    settle_electronegativity([symbol])
    return Composition({symbol: 1})


def _rows(values: Any) -> tuple[tuple[float, float, float], ...]:
    return tuple((float(x), float(y), float(z)) for x, y, z in values)
