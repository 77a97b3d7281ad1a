"""Features of a crystal: shape and density, distances, contacts, and Harrison-type hopping moments.

All of them are the same for any cell, origin, orientation and order of sites of one crystal, up to the
tolerance with which its primitive cell is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from htc.materials.symmetry import Standardised, primitive_standardised
from htc.models.features.elements import PROPERTIES

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["STRUCTURE_FEATURES", "Crystal", "crystal_of", "structure_features"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# The 32 crystal classes in the order of the space group numbers: last number and order of the point group.
_LAST_OF_CLASS = (
    1, 2, 5, 9, 15, 24, 46, 74, 80, 82, 88, 98, 110, 122, 142, 146,
    148, 155, 161, 167, 173, 174, 176, 182, 186, 190, 194, 199, 206, 214, 220, 230,
)  # fmt: skip
_POINT_GROUP_ORDERS = (
    1, 2, 2, 2, 4, 4, 4, 8, 4, 4, 8, 8, 8, 8, 16, 3,
    6, 6, 6, 12, 6, 6, 12, 12, 12, 12, 24, 12, 24, 24, 24, 48,
)  # fmt: skip

CUTOFF = 6.0
"""Neighbour cutoff, Å."""

STRUCTURE_FEATURES: tuple[str, ...] = (
    "volume_per_atom",
    "n_sites",
    "n_orbits",
    "axis_short",
    "axis_middle",
    "angle_min",
    "angle_mid",
    "angle_max",
    "density",
    "spacegroup",
    "crystal_system",
    "point_group_order",
    *(
        f"{what}_{stat}"
        for stat in ("mean", "min", "max")
        for what in ("nearest", "near_6", "near_12", "coordination")
    ),
    "electrons_per_volume",
    "d_electrons_per_volume",
    "p_electrons_per_volume",
    "electrons_per_cell",
    "electrons_odd",
    "volume_ratio",
    "packing",
    "bond_ratio_min",
    "bond_ratio_mean",
    "bond_electronegativity",
    "bond_same_element",
    "bond_reduced_mass",
    "bond_inverse_mass",
    "contacts_lightest",
    "contacts_heaviest",
    "d_bandwidth",
    "sp_bandwidth",
    "pd_bandwidth",
    "repulsion",
    "d_filling_over_width",
    "stiffness_mean",
    "stiffness_max",
    "stiffness_min",
    "nearest_same_light",
    "nearest_same_d",
    "light_fraction_contacts",
)
"""Names of the features, in order."""


@dataclass(frozen=True, slots=True)
class Crystal:
    """A primitive, Niggli-reduced cell with its symmetry."""

    structure: Structure
    numbers: IntArray
    """Atomic numbers, shape ``(n_sites,)``."""
    n_orbits: int
    spacegroup: int


def crystal_of(structure: Structure, standardised: Standardised | None = None) -> Crystal:
    """Reduce a structure to its primitive Niggli cell and find its symmetry.

    The cell stays as given, in P1, where no symmetry is recognised at any tolerance.

    Args:
        structure: ordered structure.
        standardised: ``primitive_standardised(structure)`` where the caller has it already.
    """
    import moyopy
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    found = standardised or primitive_standardised(structure)
    primitive = found.structure
    numbers = np.array(primitive.atomic_numbers, dtype=np.int64)
    lattice = primitive.lattice.matrix
    try:
        reduced = np.asarray(moyopy.niggli_reduce(lattice.tolist())[0])
    except ValueError:  # the reduction did not settle: any cell of the crystal is better than none
        reduced = lattice
    fractions = (primitive.frac_coords @ lattice @ np.linalg.inv(reduced)) % 1.0
    return Crystal(
        structure=Structure(Lattice(reduced), primitive.species, fractions),
        numbers=numbers,
        n_orbits=found.n_orbits,
        spacegroup=found.spacegroup or 1,
    )


def _point_group_order(spacegroup: int) -> int:
    """Order of the point group of a space group (International Tables for Crystallography A)."""
    return _POINT_GROUP_ORDERS[int(np.searchsorted(_LAST_OF_CLASS, spacegroup))]


def _shells(centre: IntArray, distance: FloatArray, n_sites: int) -> FloatArray:
    """Nearest distance, mean of 6 and of 12 nearest, and coordination (within 1.15 nearest) of every site."""
    shells = np.full((n_sites, 4), np.nan)
    order = np.lexsort((distance, centre))
    centre, distance = centre[order], distance[order]
    starts = np.searchsorted(centre, np.arange(n_sites + 1))
    for site in range(n_sites):
        near = distance[starts[site] : starts[site + 1]]
        if near.size:
            shells[site] = near[0], near[:6].mean(), near[:12].mean(), (near < 1.15 * near[0]).sum()
    return shells


def structure_features(crystal: Crystal, table: FloatArray) -> FloatArray:
    """Features of one crystal.

    Args:
        crystal: from :func:`crystal_of`.
        table: element properties from ``element_table()``.

    Returns:
        Shape ``(len(STRUCTURE_FEATURES),)``; NaN where a feature has no meaning (no neighbour in reach).
    """
    structure, numbers = crystal.structure, crystal.numbers
    n = len(numbers)
    column = {name: table[numbers, i] for i, name in enumerate(PROPERTIES)}
    lattice = structure.lattice
    volume = float(lattice.volume)
    lengths = np.sort(lattice.abc)
    angles = np.sort(lattice.angles)
    mass = column["atomic_mass"]
    radius = np.where(np.isnan(column["atomic_radius"]), 1.5, column["atomic_radius"])
    chi = np.where(np.isnan(column["X"]), 1.5, column["X"])
    valence = column["valence"]
    d_count = column["valence_d"]
    is_d = (column["group"] >= 3) & (column["group"] <= 12)

    centre, other, _, distance = structure.get_neighbor_list(CUTOFF, exclude_self=True)
    shells = _shells(centre, distance, n)
    if np.isnan(shells).all():
        summary = np.full(12, np.nan)
    else:
        summary = np.concatenate(
            [np.nanmean(shells, axis=0), np.nanmin(shells, axis=0), np.nanmax(shells, axis=0)]
        )

    cell = [
        volume / n,
        n,
        crystal.n_orbits,
        lengths[0] / lengths[2],
        lengths[1] / lengths[2],
        *angles,
        mass.sum() / volume,
        crystal.spacegroup,
        float(np.digitize(crystal.spacegroup, [3, 16, 75, 143, 168, 195])),
        _point_group_order(crystal.spacegroup),
    ]
    molar = column["molar_volume"] / 0.602214076
    electrons = [
        valence.sum() / volume,
        d_count.sum() / volume,
        column["valence_p"].sum() / volume,
        valence.sum(),
        valence.sum() % 2,
        volume / np.nansum(np.where(np.isnan(molar), volume / n, molar)),
        (4 / 3 * np.pi * radius**3).sum() / volume,
    ]
    if distance.size == 0:
        return np.array([*cell, *summary, *electrons, *[np.nan] * 19])

    # Contacts: neighbours weighted by how well they touch, so that no cutoff has to be tuned.
    ratio = distance / (radius[centre] + radius[other])
    touch = np.exp(-((ratio / 0.9) ** 4))
    weight = touch / touch.sum()
    reduced = 1.0 / (1.0 / mass[centre] + 1.0 / mass[other])
    light, heavy = numbers == numbers.min(), numbers == numbers.max()
    same = numbers[centre] == numbers[other]
    bonds = [
        ratio.min(),
        weight @ ratio,
        weight @ np.abs(chi[centre] - chi[other]),
        weight @ same,
        weight @ reduced,
        weight @ (1.0 / reduced),
        touch[light[centre]].sum() / light.sum(),
        touch[heavy[centre]].sum() / heavy.sum(),
    ]
    # Second moments of Harrison's hopping integrals: sp ~ d^-2, pd ~ d^-7/2, dd ~ d^-5.
    r_d = column["d_radius"]
    dd, pd = is_d[centre] & is_d[other], is_d[centre] ^ is_d[other]
    r_pd = np.where(is_d[centre], r_d[centre], r_d[other])
    per_atom = 1.0 / n
    d_width = np.sqrt((dd * (10 * (r_d[centre] * r_d[other]) ** 1.5 / distance**5) ** 2).sum() * per_atom)
    moments = [
        d_width,
        np.sqrt((~(is_d[centre] | is_d[other]) * distance**-4.0).sum() * per_atom),
        np.sqrt((pd * (r_pd**1.5 / distance**3.5) ** 2).sum() * per_atom),
        (distance**-6.0).sum() * per_atom,
        d_count.sum() / n / (d_width + 0.05),
    ]
    # An Einstein-like frequency of every site from a bond stiffness that decays with the contact.
    stiffness = np.bincount(centre, touch / ratio**2, minlength=n) / mass
    same_light = distance[same & light[centre]]
    same_d = distance[same & is_d[centre]]
    vibration = [
        np.sqrt(stiffness.mean()),
        np.sqrt(stiffness.max()),
        np.sqrt(stiffness.min()),
        same_light.min() if same_light.size else np.nan,
        same_d.min() if same_d.size else np.nan,
        weight @ (mass[centre] < 20.0),
    ]
    return np.array([*cell, *summary, *electrons, *bonds, *moments, *vibration])
