"""Which supercell force constants are taken from."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Supercell", "choose_supercell", "shortest_translation"]

_MOST_REPEATS: Final = 8


@dataclass(frozen=True, slots=True)
class Supercell:
    """A supercell of a primitive cell."""

    matrix: tuple[tuple[int, int, int], ...]
    """Rows times the primitive vectors (rows) give the supercell's vectors."""
    atoms: int
    shortest_a: float
    """Shortest lattice translation, Å: how far an atom is from its own image."""


def choose_supercell(structure: Structure, min_length_a: float, max_atoms: int) -> Supercell:
    """The supercell with the fewest atoms whose images are far enough apart.

    Candidates are multiples of the primitive and of the conventional standard cell that keep the point
    group. Where none under ``max_atoms`` reaches ``min_length_a``, the one that comes closest is taken.

    Args:
        structure: primitive standard cell, n sites.
        min_length_a: shortest translation that is asked for, Å.
        max_atoms: most atoms.
    """
    primitive = np.array(structure.lattice.matrix)
    candidates = [
        Supercell(_rows(matrix), atoms, shortest_translation(matrix @ primitive))
        for matrix in _matrices(structure)
        if (atoms := len(structure) * round(abs(float(np.linalg.det(matrix))))) <= max_atoms
    ]
    if not candidates:
        one = np.eye(3, dtype=np.int64)
        candidates = [Supercell(_rows(one), len(structure), shortest_translation(primitive))]
    enough = [c for c in candidates if c.shortest_a >= min_length_a]
    if enough:
        return min(enough, key=lambda c: (c.atoms, -round(c.shortest_a, 6), c.matrix))
    # Within a tenth of the longest reach, fewer atoms are worth more than the last bit of length.
    longest = max(c.shortest_a for c in candidates)
    near = [c for c in candidates if c.shortest_a >= 0.9 * longest]
    return min(near, key=lambda c: (c.atoms, -round(c.shortest_a, 6), c.matrix))


def _matrices(structure: Structure) -> list[NDArray[np.int64]]:
    """Multiples of the primitive and the conventional cell that keep the point group."""
    transform, equal = _conventional(structure)
    repeats = itertools.product(range(1, _MOST_REPEATS + 1), repeat=3)
    found = [np.diag(n) @ transform for n in repeats if all(n[i] == n[j] for i, j in equal)]
    if abs(round(float(np.linalg.det(transform)))) > 1:
        found.extend(np.eye(3, dtype=np.int64) * n for n in range(1, _MOST_REPEATS + 1))
    return found


def _rows(matrix: NDArray[np.int64]) -> tuple[tuple[int, int, int], ...]:
    return tuple((int(a), int(b), int(c)) for a, b, c in matrix)


def _conventional(structure: Structure) -> tuple[NDArray[np.int64], tuple[tuple[int, int], ...]]:
    """Conventional cell in primitive vectors, shape (3, 3), and the pairs of its axes that are equivalent."""
    import moyopy

    numbers = [int(z) for z in structure.atomic_numbers]
    cell = moyopy.Cell(structure.lattice.matrix.tolist(), structure.frac_coords.tolist(), numbers)
    identity = np.eye(3, dtype=np.int64)
    try:
        dataset = moyopy.MoyoDataset(cell, symprec=1e-4)
    except ValueError:
        return identity, ()
    conventional = np.array(dataset.std_cell.basis)
    transform = conventional @ np.linalg.inv(np.array(dataset.prim_std_cell.basis))
    rounded = np.round(transform).astype(np.int64)
    # The cell must be the standard one for the transformation to hold for its vectors.
    same = np.allclose(
        np.array(dataset.prim_std_cell.basis) @ np.array(dataset.prim_std_cell.basis).T,
        structure.lattice.matrix @ structure.lattice.matrix.T,
        atol=1e-3,
    )
    if not same or np.abs(transform - rounded).max() > 1e-3:
        return identity, ((0, 1), (1, 2))
    if dataset.number >= 195:
        return rounded, ((0, 1), (1, 2))
    return rounded, ((0, 1),) if dataset.number >= 75 else ()


def shortest_translation(lattice: NDArray[np.float64]) -> float:
    """Length of the shortest lattice vector, Å.

    Args:
        lattice: vectors as rows, shape ``(3, 3)``, Å.
    """
    from pymatgen.core.lattice import Lattice

    reduced = np.array(Lattice(lattice).get_lll_reduced_lattice().matrix)
    around = np.array([n for n in itertools.product((-1, 0, 1), repeat=3) if any(n)])
    return float(np.linalg.norm(around @ reduced, axis=1).min())
