"""Meshes of wave vectors: phonons, electrons and the fine mesh of the double delta, each within the next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from htc.errors import InputError

if TYPE_CHECKING:
    from pymatgen.core.lattice import Lattice

__all__ = ["Mesh", "Meshes", "choose_meshes", "parse_mesh"]

Mesh = tuple[int, int, int]

Q_SPACING: Final = 0.7
"""Greatest distance of neighbouring phonon wave vectors, 1/Å with the factor 2 pi: 4 x 4 x 4 in aluminium."""
K_SPACING: Final = 0.25
"""Likewise of electrons: 12 x 12 x 12 in aluminium."""
FINE_SPACING: Final = 0.2
"""Likewise of the interpolated phonons of the density of states."""
DENSE_FACTOR: Final = 2
_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Meshes:
    """Points along each reciprocal axis. ``k`` is a multiple of ``q`` and ``dense`` of ``k``, because
    electrons at k and k + q must both be points of the mesh."""

    q: Mesh
    """Phonons."""
    k: Mesh
    """Electrons of the phonon calculation."""
    dense: Mesh
    """Electrons that the double delta function is summed over."""
    fine: Mesh
    """Interpolated phonons."""


def choose_meshes(
    lattice: Lattice,
    *,
    q_mesh: Mesh | None = None,
    k_mesh: Mesh | None = None,
    dense_mesh: Mesh | None = None,
    q_spacing: float = Q_SPACING,
    k_spacing: float = K_SPACING,
) -> Meshes:
    """Meshes that suit a lattice and each other.

    Args:
        lattice: of the cell that is calculated.
        q_mesh, k_mesh, dense_mesh: what the user wants; None: from the spacings, the last twice ``k``.
        q_spacing, k_spacing: greatest distance of neighbouring points, 1/Å with the factor 2 pi.

    Raises:
        InputError: a mesh is not a multiple of the one below it, or a number is out of range.
    """
    for name, spacing in (("q spacing", q_spacing), ("k spacing", k_spacing)):
        if not 0.01 <= spacing <= 5.0:
            raise InputError(f"{spacing:g} per Å is no usable {name}", hint="between 0.01 and 5")
    lengths = lattice.reciprocal_lattice.abc
    q = q_mesh or _spaced(lengths, q_spacing, (1, 1, 1))
    k = k_mesh or _spaced(lengths, k_spacing, q)
    dense = dense_mesh or (k[0] * DENSE_FACTOR, k[1] * DENSE_FACTOR, k[2] * DENSE_FACTOR)
    for name, mesh, below, of in (("k mesh", k, q, "q mesh"), ("dense mesh", dense, k, "k mesh")):
        if any(n % m for n, m in zip(mesh, below, strict=True)):
            raise InputError(
                f"the {name} {_text(mesh)} is no multiple of the {of} {_text(below)}",
                where=name,
                hint="k and k + q must both be points of the mesh",
            )
    if max(*q, *k, *dense) > _MOST:
        raise InputError(f"more than {_MOST} points along an axis", where="meshes")
    return Meshes(q, k, dense, _spaced(lengths, FINE_SPACING, q))


def parse_mesh(text: str, where: str) -> Mesh:
    """A mesh as people write it: ``4x4x4``, ``4,4,4`` or ``4`` for all three.

    Raises:
        InputError: it is none.
    """
    parts = text.lower().replace(",", "x").split("x")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3 or not all(1 <= n <= _MOST for n in numbers):
        raise InputError(f"{text!r} is no mesh", where=where, hint="write 4x4x4, or 4 for all three axes")
    return numbers[0], numbers[1], numbers[2]


def _spaced(lengths: tuple[float, float, float], spacing: float, multiple_of: Mesh) -> Mesh:
    # Rounded, so that lengths that differ in their last digit alone get one number.
    a, b, c = (
        n * max(1, math.ceil(round(length / spacing / n, 6)))
        for length, n in zip(lengths, multiple_of, strict=True)
    )
    return a, b, c


def _text(mesh: Mesh) -> str:
    return "x".join(map(str, mesh))
