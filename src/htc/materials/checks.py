"""Whether a structure is a crystal that can be computed: the same questions for every way in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from htc.errors import StructureError
from htc.materials.formulas import ELEMENTS, settle_electronegativity

if TYPE_CHECKING:
    from pymatgen.core.structure import IStructure, Structure

__all__ = ["DEFAULT_MAX_SITES", "MIN_DISTANCE", "VOLUME_PER_ATOM", "check_site_count", "checked"]

DEFAULT_MAX_SITES: Final = 200
"""Most sites in a cell. The models are trained on cells of up to some ten sites; this is generous."""

MIN_DISTANCE: Final = 0.5
"""Shortest interatomic distance, Å. The shortest bond there is, H-H in H2, has 0.74 Å."""

VOLUME_PER_ATOM: Final = (0.8, 250.0)
"""Cell volume per atom, Å^3: below are pressures no experiment reaches, above is vacuum (bcc Cs has 117)."""

_SYMBOLS: Final = frozenset(ELEMENTS[:99])


def check_site_count(n: int, max_sites: int, source: str) -> None:
    """Refuse cells larger than ``max_sites``.

    Raises:
        StructureError: ``n`` is zero or above ``max_sites``.
    """
    if n == 0:
        raise StructureError("the structure has no atoms", where=source)
    if n > max_sites:
        raise StructureError(
            f"the cell has {n} sites, more than the limit of {max_sites}",
            where=source,
            hint="give the primitive cell; the model knows cells of up to a dozen sites",
        )


def checked(
    structure: IStructure, source: str, *, max_sites: int = DEFAULT_MAX_SITES
) -> tuple[Structure, tuple[str, ...]]:
    """A clean copy of a structure, with what was dropped or looks odd.

    The copy has plain elements (no charges, moments, labels or site properties) and fractional
    coordinates in [0, 1). Order of sites and the cell are kept.

    Raises:
        StructureError: more than ``max_sites`` sites, disorder, no real element, numbers that are not
            finite, a flat cell, a density beyond belief, or atoms on top of each other.
    """
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    check_site_count(len(structure), max_sites, source)
    notes: list[str] = []
    symbols = [_symbol(site, source, notes) for site in structure]
    settle_electronegativity(symbols)
    matrix = np.array(structure.lattice.matrix, dtype=float)
    frac = np.array(structure.frac_coords, dtype=float)
    if not (np.isfinite(matrix).all() and np.isfinite(frac).all()):
        raise StructureError("the cell or a coordinate is not a finite number", where=source)
    if np.abs(matrix).max() > 1e4 or np.abs(frac).max() > 1e6:
        raise StructureError("a cell vector or a coordinate is absurdly large", where=source, hint="units: Å")

    _check_volume(abs(float(np.linalg.det(matrix))), len(symbols), source)
    if structure.site_properties:
        dropped = ", ".join(sorted(structure.site_properties))
        notes.append(f"site properties not used: {dropped}")

    frac -= np.floor(frac)
    frac[frac >= 1.0] = 0.0  # -1e-17 wraps to 1.0 in floating point
    clean = Structure(Lattice(matrix), symbols, frac)
    _check_distances(clean, source)
    return clean, tuple(dict.fromkeys(notes))


def _symbol(site: Any, source: str, notes: list[str]) -> str:
    """The element on a site, which must be there alone and entirely."""
    if not site.is_ordered:
        at = _point(site.frac_coords)
        raise StructureError(
            f"the site at {at} is disordered or partly occupied ({site.species_string})",
            where=source,
            hint="give an ordered structure, e.g. an ordered approximant of the alloy",
        )
    symbol = str(getattr(site.specie, "symbol", site.specie))
    # pymatgen's deuterium answers 'H' for its symbol and 'D' for its name.
    if {symbol, getattr(site.specie, "name", "")} & {"D", "T"}:
        notes.append("deuterium or tritium taken as hydrogen of natural isotopes")
        return "H"
    if symbol not in _SYMBOLS:
        raise StructureError(
            f"'{symbol}' at {_point(site.frac_coords)} is not an element with data", where=source
        )
    if getattr(site.specie, "oxi_state", None):
        notes.append("oxidation states not used")
    return symbol


def _point(frac: Any) -> str:
    return "(" + ", ".join(f"{x:.3f}" for x in frac) + ")"


def _check_volume(volume: float, n: int, source: str) -> None:
    if not volume > 1e-6:
        raise StructureError("the cell has no volume", where=source, hint="check the lattice vectors")
    low, high = VOLUME_PER_ATOM
    per_atom = volume / n
    if per_atom < low:
        raise StructureError(
            f"{per_atom:.3g} Å^3 per atom is denser than any known matter in a laboratory",
            where=source,
            hint="check the unit of the lattice constants: Å is expected",
        )
    if per_atom > high:
        raise StructureError(
            f"{per_atom:.4g} Å^3 per atom is emptier than any crystal",
            where=source,
            hint="molecules, slabs and wires in vacuum are not crystals; lattice constants are in Å",
        )


def _check_distances(structure: IStructure, source: str) -> None:
    """Refuse atoms closer than ``MIN_DISTANCE`` to each other or to their own images."""
    i, j, _, distance = structure.get_neighbor_list(MIN_DISTANCE)
    if len(distance):
        k = int(np.argmin(distance))
        a, b = structure[int(i[k])], structure[int(j[k])]
        raise StructureError(
            f"{a.specie} at {_point(a.frac_coords)} and {b.specie} at {_point(b.frac_coords)} "
            f"are {distance[k]:.2f} Å apart, less than {MIN_DISTANCE} Å",
            where=source,
            hint="overlapping atoms: a site may be listed twice, or coordinates mixed up",
        )
