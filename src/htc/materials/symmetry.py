"""The primitive standard cell of a crystal, and a name for the crystal that does not depend on its cell."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.materials.formulas import ELEMENTS

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Standardised", "primitive_standardised", "structure_hash", "structure_symprec"]

_SYMPREC_RANGE: Final = (1e-2, 1e-1)
"""Å. Relaxed structures of electronic-structure codes scatter by some 1e-3 Å around their symmetry; beyond
0.1 Å real distortions (tilts, dimers) would be taken for noise."""

_HASH_STEP: Final = 1e-3
"""Å. Distances are told apart to this step."""
_HASH_OFFSET: Final = 0.3183098861837907
"""Shift of the rounding edges, in steps, so that round lattice constants do not sit on them."""
_HASH_REACH: Final = 2.35
"""Radius of the environments in units of the cube root of the volume per atom: 50-60 neighbours."""


@dataclass(frozen=True, slots=True)
class Standardised:
    """Primitive standard cell of a crystal."""

    structure: Structure
    spacegroup: int | None
    """Number of the space group, 1 to 230; None where spglib found none."""
    symprec: float | None
    """Tolerance it was found with, Å."""
    n_orbits: int
    """Number of symmetrically distinct sites."""
    note: str | None = None
    """Why the cell is the one that came in, where it is."""
    orbits: tuple[int, ...] = ()
    """Index of the orbit of every site of ``structure``, 0 to ``n_orbits - 1`` in order of appearance."""


def structure_symprec(structure: Structure) -> float:
    """Tolerance in Å that suits how finely the structure's coordinates are written.

    Coordinates given to two or three decimals put an atom up to half a last digit off its place (0.67 for
    2/3); a tolerance below that loses the symmetry of the crystal. Between 0.01 and 0.1 Å.
    """
    frac = np.asarray(structure.frac_coords, dtype=float)
    return float(np.clip(2.0 * _rounding(frac) * max(structure.lattice.abc), *_SYMPREC_RANGE))


def _rounding(frac: NDArray[np.float64]) -> float:
    """Largest rounding error that the coordinates show, as a fraction of a cell edge."""
    # Eighths are exact as written, whatever the number of digits.
    values = frac[np.abs(frac * 8 - np.round(frac * 8)) > 1e-9]
    if not values.size:
        return 0.0
    sixths = np.round(values * 6) / 6
    errors = [0.0]
    for digits in (2, 3, 4):
        written = np.abs(values - np.round(values, digits)) < 1e-9
        if written.all():
            errors.append(0.5 * 10.0**-digits)
        is_sixth = np.abs(values - np.round(sixths, digits)) < 1e-9
        errors.extend(np.abs(values - sixths)[is_sixth].tolist())
    return max(errors)


def primitive_standardised(structure: Structure, symprec: float | None = None) -> Standardised:
    """Primitive cell in the standard setting of spglib and moyo, idealised to its symmetry.

    The tolerance starts at :func:`structure_symprec` and is varied where no symmetry is found or the cell
    does not hold the same crystal. Where nothing works the structure comes back as it is, with a note.

    Args:
        structure: ordered structure, n sites.
        symprec: tolerance in Å; None to choose it from the structure.
    """
    import moyopy

    # moyo warns of every supercell that its symmetry is that of the primitive cell: the one wanted here.
    logging.getLogger("moyo").setLevel(logging.ERROR)
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    numbers = [int(z) for z in structure.atomic_numbers]
    cell = moyopy.Cell(structure.lattice.matrix.tolist(), structure.frac_coords.tolist(), numbers)
    first = structure_symprec(structure) if symprec is None else symprec
    ladder = [first] if symprec is not None else list(dict.fromkeys([first, 1e-2, 3e-2, 1e-1, 1e-3, 1e-4]))
    for tolerance in ladder:
        try:
            dataset = moyopy.MoyoDataset(cell, symprec=tolerance)
        except ValueError:
            continue
        primitive = dataset.prim_std_cell
        matrix, kinds = np.asarray(primitive.basis), primitive.numbers
        if _same_crystal(structure, matrix, kinds, numbers):
            symbols = [ELEMENTS[z - 1] for z in kinds]
            orbits = _primitive_orbits(dataset, len(kinds))
            return Standardised(
                Structure(Lattice(matrix), symbols, np.asarray(primitive.positions) % 1.0),
                int(dataset.number),
                tolerance,
                n_orbits=len(set(orbits)),
                orbits=orbits,
            )
    return Standardised(
        structure,
        None,
        None,
        n_orbits=len(structure),
        note="no symmetry was found; the cell is used as given",
        orbits=tuple(range(len(structure))),
    )


def _primitive_orbits(dataset: Any, n_sites: int) -> tuple[int, ...]:
    """Orbit of every site of the primitive standard cell, numbered in order of appearance."""
    of_site = [-1] * n_sites
    for site, orbit in zip(dataset.mapping_std_prim, dataset.orbits, strict=True):
        of_site[site] = orbit
    first: dict[int, int] = {}
    return tuple(first.setdefault(orbit, len(first)) for orbit in of_site)


def _same_crystal(structure: Structure, matrix: NDArray[np.float64], kinds: Any, numbers: list[int]) -> bool:
    """Same composition and, to 2 %, same volume per atom: too large a tolerance merges or moves atoms."""
    n, m = len(numbers), len(kinds)
    if n % m or sorted(numbers) != sorted([int(z) for z in kinds] * (n // m)):
        return False
    per_atom = abs(float(np.linalg.det(matrix))) / m
    return abs(per_atom * n / structure.volume - 1.0) < 0.02


def structure_hash(structure: Structure, standardised: Standardised | None = None) -> str:
    """SHA-256 (64 hex digits) that names a crystal, not a description of it.

    Taken over the environments of the atoms in the primitive standard cell: for each kind of site its
    share, its element, and the elements and distances (to 0.001 Å) of all neighbours within 2.35 cube
    roots of the volume per atom; the idea of the pointwise distance distribution (Widdowson & Kurlin,
    Adv. Neural Inf. Process. Syst. 35 (2022)). So it does not depend on the choice of cell, supercell,
    origin, axes or order of sites.

    Limits: mirror images share a hash. Two writings of a crystal that differ by real rounding (a lattice
    constant to three decimals against five) may differ in hash; the cost is a computation done twice,
    never a wrong match.

    Args:
        structure: ordered structure, n sites.
        standardised: :func:`primitive_standardised` of it, where the caller has it already.
    """
    primitive = (standardised or primitive_standardised(structure)).structure
    reach = _HASH_REACH * (primitive.volume / len(primitive)) ** (1 / 3)
    symbols = [site.specie.symbol for site in primitive]
    centre, other, _, distance = primitive.get_neighbor_list(reach)
    steps = np.floor(distance / _HASH_STEP + _HASH_OFFSET).astype(int)
    around: list[list[tuple[int, str]]] = [[] for _ in symbols]
    for i, j, step in zip(centre.tolist(), other.tolist(), steps.tolist(), strict=True):
        around[i].append((step, symbols[j]))
    rows: dict[str, int] = {}
    for symbol, neighbours in zip(symbols, around, strict=True):
        row = json.dumps([symbol, sorted(neighbours)])
        rows[row] = rows.get(row, 0) + 1
    # Counts over their divisor: a cell that stayed a supercell names the same crystal.
    divisor = int(np.gcd.reduce(list(rows.values())))
    content = json.dumps([[row, n // divisor] for row, n in sorted(rows.items())])
    return hashlib.sha256(content.encode()).hexdigest()
