"""A stored crystal as the structure viewer draws it: the conventional cell, which people know by sight."""

from __future__ import annotations

import logging
from typing import Any, Final

__all__ = ["crystal_for_view"]

_MOST_SITES: Final = 400
"""Atoms of a conventional cell that are still drawn; above it the primitive cell is."""


def crystal_for_view(document: dict[str, Any]) -> dict[str, Any] | None:
    """What the viewer needs of a pymatgen structure document; None where it is no crystal.

    Returns:
        ``cell`` ("conventional" or "primitive"), ``matrix`` (lattice vectors as rows, angstrom, shape
        (3, 3)), ``sites`` (``{"symbol", "abc", "occupancy"}``), ``lengths`` (angstrom), ``angles`` (degrees),
        ``spacegroup`` (symbol or None), its ``number``, and ``volume`` (cubic angstrom).
    """
    from pymatgen.core.structure import Structure

    try:
        structure = Structure.from_dict(document)
        sites = [_site(site) for site in structure]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError):
        # Whatever an earlier version called a structure.
        return None
    lattice = structure.lattice
    told: dict[str, Any] = {"cell": "primitive", "spacegroup": None, "number": None}
    matrix = lattice.matrix.tolist()
    if structure.is_ordered:
        conventional = _conventional(structure)
        if conventional is not None:
            matrix, sites, told["number"] = conventional
            told |= {"cell": "conventional", "spacegroup": _symbol(told["number"])}
    from pymatgen.core.lattice import Lattice

    shown = Lattice(matrix)
    return told | {
        "matrix": matrix,
        "sites": sites,
        "lengths": list(shown.abc),
        "angles": list(shown.angles),
        "volume": shown.volume,
    }


def _site(site: Any) -> dict[str, Any]:
    species, occupancy = max(site.species.items(), key=lambda one: one[1])
    symbol = getattr(species, "element", species).symbol
    return {
        "symbol": symbol,
        "abc": [float(x) % 1.0 for x in site.frac_coords],
        "occupancy": float(occupancy),
    }


def _conventional(structure: Any) -> tuple[list[list[float]], list[dict[str, Any]], int] | None:
    import moyopy

    from htc.materials.formulas import ELEMENTS
    from htc.materials.symmetry import structure_symprec

    logging.getLogger("moyo").setLevel(logging.ERROR)
    numbers = [int(z) for z in structure.atomic_numbers]
    cell = moyopy.Cell(structure.lattice.matrix.tolist(), structure.frac_coords.tolist(), numbers)
    try:
        dataset = moyopy.MoyoDataset(cell, symprec=structure_symprec(structure))
    except ValueError:
        return None
    found = dataset.std_cell
    if len(found.numbers) > _MOST_SITES:
        return None
    sites = [
        {"symbol": ELEMENTS[z - 1], "abc": [float(x) % 1.0 for x in position], "occupancy": 1.0}
        for z, position in zip(found.numbers, found.positions, strict=True)
    ]
    return [[float(x) for x in row] for row in found.basis], sites, int(dataset.number)


def _symbol(number: int) -> str:
    from pymatgen.symmetry.groups import sg_symbol_from_int_number

    return str(sg_symbol_from_int_number(number))
