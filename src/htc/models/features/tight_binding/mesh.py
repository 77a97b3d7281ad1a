"""Meshes of wave vectors, reduced by the point group and time reversal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Mesh", "SymmetryOperations", "find_operations", "reduced_mesh"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TOLERANCE: Final = 1e-3
"""Å; the cells that come in are idealised to their symmetry."""
_WHOLE: Final = 1e-6
"""What a product of fractions may be off a whole number."""
_IDENTITY: Final = np.eye(3, dtype=np.int64)[None]
_RIGID: Final = 0.02
"""What the product of a rotation with its transpose may be off the unit matrix."""
_PLANS: Final = 512
"""Meshes remembered: some 5 kB each, at most 45."""
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


def find_operations(
    lattice: FloatArray, positions: FloatArray, numbers: IntArray, spacegroup: int | None = None
) -> SymmetryOperations:
    """Symmetry operations of a cell, one for each rotation; the identity alone where the search fails.

    Args:
        lattice: rows are the lattice vectors, Å.
        positions: fractional, shape ``(n_sites, 3)``.
        numbers: atomic numbers, shape ``(n_sites,)``.
        spacegroup: of a primitive cell in the standard setting, whose operations are tabulated; None to
            search for them, which takes ten times as long.
    """
    if spacegroup is not None:
        known = _sound(lattice, positions, numbers, *_tabulated(spacegroup))
        # All of them, or it is not the setting of the table.
        if known is not None and len(known.fractional) == len(_tabulated(spacegroup)[0]):
            return known
    found = _sound(lattice, positions, numbers, *_searched(lattice, positions, numbers))
    if found is None:
        return SymmetryOperations(_IDENTITY, np.eye(3)[None], np.arange(len(numbers))[None])
    return found


@lru_cache(maxsize=230)
def _tabulated(spacegroup: int) -> tuple[IntArray, FloatArray]:
    import moyopy

    known = moyopy.operations_from_number(spacegroup, setting=moyopy.Setting.standard(), primitive=True)
    return _one_each(known)


def _searched(lattice: FloatArray, positions: FloatArray, numbers: IntArray) -> tuple[IntArray, FloatArray]:
    import moyopy

    try:
        cell = moyopy.Cell(lattice.tolist(), positions.tolist(), numbers.tolist())
        return _one_each(moyopy.MoyoDataset(cell, symprec=_TOLERANCE).operations)
    except ValueError:
        return _IDENTITY, np.zeros((1, 3))


def _one_each(operations: Any) -> tuple[IntArray, FloatArray]:
    """Rotations and translations of moyo's operations, the first of each rotation."""
    rotations = np.array(operations.rotations, dtype=np.int64)
    first = _distinct(rotations)
    return rotations[first], np.array(operations.translations, dtype=np.float64)[first]


def _sound(
    lattice: FloatArray,
    positions: FloatArray,
    numbers: IntArray,
    rotations: IntArray,
    translations: FloatArray,
) -> SymmetryOperations | None:
    """Those that keep lengths and put every site on another of its kind; None where none does.

    Any other would mix up the densities of states of sites.
    """
    cartesian = lattice.T @ rotations @ np.linalg.inv(lattice.T)
    moved = np.einsum("gab,ib->gia", rotations, positions) + translations[:, None]
    apart = moved[:, :, None] - positions[None, None]
    apart -= np.round(apart)
    distance = np.linalg.norm(apart @ lattice, axis=-1) + 1e3 * (numbers[:, None] != numbers[None, :])
    image = distance.argmin(axis=-1)
    sound = (distance.min(axis=-1) < 0.1).all(axis=1) & (
        np.sort(image, axis=1) == np.arange(len(numbers))
    ).all(axis=1)
    sound &= (np.abs(cartesian @ cartesian.transpose(0, 2, 1) - np.eye(3)) < _RIGID).all(axis=(1, 2))
    if not sound.any():
        return None
    return SymmetryOperations(rotations[sound], cartesian[sound], image[sound])


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
    plan = _plan(operations.fractional.tobytes(), tuple(count.tolist()))
    used = SymmetryOperations(
        operations.fractional[plan.usable], operations.cartesian[plan.usable], operations.image[plan.usable]
    )
    wave_vectors = plan.points @ reciprocal
    return Mesh(wave_vectors, plan.weights, float((lengths / count).mean())), used


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What of a mesh does not depend on lengths and angles."""

    points: FloatArray
    """In reciprocal coordinates, shape ``(n_k, 3)``."""
    weights: FloatArray
    usable: NDArray[np.bool_]
    """Which operations leave the mesh as it is."""


@lru_cache(maxsize=_PLANS)
def _plan(fractional: bytes, counts: tuple[int, ...]) -> _Plan:
    """The irreducible points of a mesh; crystals of one type share them.

    Args:
        fractional: the rotations, as the bytes of their array.
        counts: points along each reciprocal vector.
    """
    rotations = np.frombuffer(fractional, dtype=np.int64).reshape(-1, 3, 3)
    count = np.array(counts)
    # A rotation S takes x to S x; the wave vector k (a row in reciprocal coordinates) then goes to k S^-1.
    # The set of the inverses is the set itself.
    turns = np.concatenate([rotations, -rotations])
    turns = turns[_distinct(turns)]
    # In units of 1/(2 count): k_j' = Σ_i k_i S_ij count_j / count_i, whole only where the mesh allows it.
    matrices = turns / count[None, :, None] * count[None, None, :]
    rounded = np.round(matrices)
    # Two neighbours along i are 2 apart and must stay so; where there is only one point, nothing is asked.
    spaced = ((np.abs(matrices - rounded) < _WHOLE) | (count == 1)[None, :, None]).all(axis=(1, 2))
    # Whole numbers, but floating: they are small, and their products are ten times as fast.
    whole_turns = rounded * (count > 1)[None, :, None]
    points = np.stack(np.meshgrid(*(np.arange(float(m)) for m in count), indexing="ij"), axis=-1)
    points = points.reshape(-1, 3)
    kept, chosen, moves = np.zeros(len(turns), dtype=bool), _SHIFTS[-1], np.zeros((0, 3))
    for shift in _SHIFTS:
        origin = shift @ matrices
        nearest = np.round(origin)
        same_parity = (np.abs(origin - nearest) < _WHOLE) & (np.mod(nearest - shift, 2.0) == 0.0)
        whole = spaced & same_parity.all(axis=1)
        # A mesh off the centre avoids points of high symmetry and tells more, where it keeps all symmetry.
        if whole.sum() > kept.sum():
            kept, chosen, moves = whole, shift, (nearest - shift) / 2.0
        if kept.all():
            break
    few = np.flatnonzero(kept)[_generators(turns[kept])]
    lowest = _lowest_images(points, whole_turns[few], moves[few], count)
    representatives, weight = np.unique(lowest, return_counts=True)
    keys = {turn.tobytes() for turn in turns[kept]}
    usable = [turn.tobytes() in keys or (-turn).tobytes() in keys for turn in rotations]
    return _Plan(
        (2 * points[representatives] + chosen) / (2.0 * count), weight / weight.sum(), np.array(usable)
    )


def _generators(group: IntArray) -> IntArray:
    """Indices of some elements whose products are all of the group, shape ``(n,)``."""
    place = {element.tobytes(): i for i, element in enumerate(group)}
    reached = np.zeros(len(group), dtype=bool)
    chosen: list[int] = []
    for i in range(len(group)):
        if reached[i]:
            continue
        chosen.append(i)
        front = np.unique(np.append(np.flatnonzero(reached), i))
        while len(front):
            reached[front] = True
            products = group[front][:, None] @ group[chosen][None]
            known = {place.get(product.tobytes(), i) for product in products.reshape(-1, 3, 3)}
            front = np.array([k for k in sorted(known) if not reached[k]], dtype=np.int64)
    return np.array(chosen, dtype=np.int64)


def _lowest_images(points: FloatArray, turns: FloatArray, offsets: FloatArray, count: IntArray) -> IntArray:
    """Lowest index among the points that each is taken to, shape ``(n_points,)``.

    Args:
        points: whole numbers, shape ``(n_points, 3)``.
        turns: generators of what takes rows of them to others, shape ``(n_turns, 3, 3)``.
        offsets: added, shape ``(n_turns, 3)``.
        count: points along each vector, where they begin again.
    """
    strides = np.array([count[1] * count[2], count[2], 1], dtype=np.float64)
    images = []
    for turn, offset in zip(turns, offsets, strict=True):
        moved = points @ turn + offset
        moved -= np.floor((moved + 0.5) / count) * count
        images.append((moved @ strides).astype(np.int64))
    lowest = np.arange(len(points))
    while True:
        before = lowest
        for image in images:
            lowest = np.minimum(lowest, lowest[image])
        if np.array_equal(lowest, before):
            return lowest
