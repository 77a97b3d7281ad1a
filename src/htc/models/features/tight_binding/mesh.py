"""Meshes of wave vectors, reduced by the point group and time reversal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Mesh", "SymmetryOperations", "find_operations", "reduced_mesh"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TOLERANCE: Final = 1e-3
"""Å; the cells that come in are idealised to their symmetry."""
_WHOLE: Final = 1e-6
"""What a product of fractions may be off a whole number."""
_SHIFTS: Final = np.array([(1, 1, 1), (0, 0, 1), (0, 0, 0)])


@dataclass(frozen=True, slots=True, eq=False)
class SymmetryOperations:
    """Point operations of a crystal and what they do with its sites."""

    fractional: IntArray
    """Rotations of fractional coordinates, shape ``(n_ops, 3, 3)``."""
    cartesian: FloatArray
    """The same for vectors in Å, shape ``(n_ops, 3, 3)``."""
    image: IntArray
    """Site that each site is taken to, shape ``(n_ops, n_sites)``."""


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Irreducible wave vectors."""

    wave_vectors: FloatArray
    """Cartesian, 1/Å, shape ``(n_k, 3)``."""
    weights: FloatArray
    """Summing to 1, shape ``(n_k,)``."""
    spacing: float
    """Mean distance of neighbouring points of the whole mesh, 1/Å."""


def _distinct(rotations: IntArray) -> IntArray:
    """Index of the first of each rotation, in the order of their elements, shape ``(n_distinct,)``."""
    rows = rotations.reshape(-1, 9)
    if np.abs(rows).max() < 32:
        # One number for each: numpy sorts rows many times more slowly.
        rows = (rows + 32) @ (64 ** np.arange(8, -1, -1))
        return np.asarray(np.unique(rows, return_index=True)[1])
    return np.asarray(np.unique(rows, axis=0, return_index=True)[1])


def find_operations(lattice: FloatArray, positions: FloatArray, numbers: IntArray) -> SymmetryOperations:
    """Symmetry operations of a cell, one for each rotation; the identity alone where the search fails.

    Args:
        lattice: rows are the lattice vectors, Å.
        positions: fractional, shape ``(n_sites, 3)``.
        numbers: atomic numbers, shape ``(n_sites,)``.
    """
    import moyopy

    identity = np.eye(3, dtype=np.int64)[None]
    rotations, translations = identity, np.zeros((1, 3))
    try:
        cell = moyopy.Cell(lattice.tolist(), positions.tolist(), numbers.tolist())
        found = moyopy.MoyoDataset(cell, symprec=_TOLERANCE).operations
        rotations = np.array(found.rotations, dtype=np.int64)
        translations = np.array(found.translations, dtype=np.float64)
    except ValueError:
        pass
    first = _distinct(rotations)
    rotations, translations = rotations[first], translations[first]
    moved = np.einsum("gab,ib->gia", rotations, positions) + translations[:, None]
    apart = moved[:, :, None] - positions[None, None]
    apart -= np.round(apart)
    distance = np.linalg.norm(apart @ lattice, axis=-1) + 1e3 * (numbers[:, None] != numbers[None, :])
    image = distance.argmin(axis=-1)
    # A rotation that does not put every site on another of its kind would mix up their densities of states.
    sound = (distance.min(axis=-1) < 0.1).all(axis=1) & (
        np.sort(image, axis=1) == np.arange(len(numbers))
    ).all(axis=1)
    if not sound.any():
        return SymmetryOperations(identity, np.eye(3)[None], np.arange(len(numbers))[None])
    rotations, image = rotations[sound], image[sound]
    cartesian = lattice.T @ rotations @ np.linalg.inv(lattice.T)
    return SymmetryOperations(rotations, cartesian, image)


def reduced_mesh(
    lattice: FloatArray, operations: SymmetryOperations, spacing: float, most: int
) -> tuple[Mesh, SymmetryOperations]:
    """Uniform mesh, reduced; and the operations that leave the mesh as it is.

    Args:
        lattice: rows are the lattice vectors, Å.
        operations: of the crystal.
        spacing: largest distance of neighbouring points along each reciprocal vector, 1/Å.
        most: largest number of points along each reciprocal vector.
    """
    reciprocal = 2.0 * np.pi * np.linalg.inv(lattice).T
    lengths = np.linalg.norm(reciprocal, axis=1)
    count = np.clip(np.ceil(lengths / spacing - 1e-6), 1, most).astype(np.int64)
    strides = np.array([count[1] * count[2], count[2], 1])
    # A rotation S takes x to S x; the wave vector k (a row in reciprocal coordinates) then goes to k S^-1.
    # The set of the inverses is the set itself.
    turns = np.concatenate([operations.fractional, -operations.fractional])
    turns = turns[_distinct(turns)]
    # In units of 1/(2 count): k_j' = Σ_i k_i S_ij count_j / count_i, whole only where the mesh allows it.
    matrices = turns / count[None, :, None] * count[None, None, :]
    rounded = np.round(matrices)
    # Two neighbours along i are 2 apart and must stay so; where there is only one point, nothing is asked.
    spaced = ((np.abs(matrices - rounded) < _WHOLE) | (count == 1)[None, :, None]).all(axis=(1, 2))
    whole_turns = rounded.astype(np.int64) * (count > 1)[None, :, None]
    points = np.stack(np.meshgrid(*(np.arange(m) for m in count), indexing="ij"), axis=-1).reshape(-1, 3)
    most_kept, kept, chosen = 0, np.zeros(len(turns), dtype=bool), _SHIFTS[-1]
    lowest = points[:, 0]
    for shift in _SHIFTS:
        origin = shift @ matrices
        nearest = np.round(origin)
        same_parity = (np.abs(origin - nearest) < _WHOLE) & (np.mod(nearest - shift, 2.0) == 0.0)
        whole = spaced & same_parity.all(axis=1)
        # A mesh off the centre avoids points of high symmetry and tells more, where it keeps all symmetry.
        if int(whole.sum()) > most_kept:
            most_kept, kept, chosen = int(whole.sum()), whole, shift
            moved = points @ whole_turns[whole] + ((nearest[whole] - shift) / 2.0).astype(np.int64)[:, None]
            lowest = (np.mod(moved, count) @ strides).min(axis=0)
        if most_kept == len(turns):
            break
    representatives, weight = np.unique(lowest, return_counts=True)
    keys = {turn.tobytes() for turn in turns[kept]}
    usable = [turn.tobytes() in keys or (-turn).tobytes() in keys for turn in operations.fractional]
    wave_vectors = (2 * points[representatives] + chosen) / (2.0 * count) @ reciprocal
    used = SymmetryOperations(
        operations.fractional[usable], operations.cartesian[usable], operations.image[usable]
    )
    return Mesh(wave_vectors, weight / weight.sum(), float((lengths / count).mean())), used
