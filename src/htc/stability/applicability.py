"""What the interatomic potentials must not be asked, and where their answer needs care.

The potentials have learned from relaxations of known and guessed crystals near zero pressure, without
metallic hydrogen: outside, they give numbers without meaning (of H3S at 200 GPa a third of the modes come out
imaginary, LaH10 collapses).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from htc.errors import StructureError
from htc.materials.chemistry import ACTINIDES, MOMENT_4F, symbols
from htc.stability.potentials.protocol import Potential

if TYPE_CHECKING:
    from pymatgen.core.structure import IStructure

__all__ = ["Applicability", "check"]

MAX_SITES: Final = 100
"""Most sites of a cell: beyond, a phonon calculation takes hours."""
MAX_PRESSURE_GPA: Final = 50.0
CAUTION_PRESSURE_GPA: Final = 10.0
HYDROGEN_PRESSURE_GPA: Final = 10.0
"""Above, hydrogen may leave its ambient chemistry, which the potentials know no other than."""
HYDROGEN_RICH: Final = 0.65
"""Atomic fraction of hydrogen: more than the dihydrides have."""
VACUUM_A: Final = 6.5
"""Gap without atoms across the whole cell, Å; layered crystals have 3 to 4."""

_UNBOUND_HH: Final = (0.85, 1.45)
"""H-H distances in Å between those of the molecule (0.74) and of H atoms bound elsewhere (1.5 in water, 2.1
and more in metals: Switendick, Z. Phys. Chem. 117, 89 (1979), doi:10.1524/zpch.1979.117.117.089): found in
compressed hydrides."""
_DENSE_METAL: Final = 0.6
_DENSE_HYDROGEN_A3: Final = 1.5
"""Below 0.6 of the volume of its elements and 1.5 Å^3 per hydrogen, no hydrogen-rich compound exists at
ambient pressure (BeH2 25, MgH2 31, LaH2 45 Å^3 lie far above), and the compressed superconductors do (H3S at
200 GPa has 13, LaH10 at 150 GPa 32 Å^3)."""

_MOMENT_3D: Final = symbols("Cr Mn Fe Co Ni")
_LONE_REACH_A: Final = 6.0


@dataclass(frozen=True, slots=True)
class Applicability:
    """Whether a potential may be asked about a structure."""

    refusals: tuple[str, ...] = ()
    """Why no number may be given, one sentence each; empty where one may."""
    cautions: tuple[str, ...] = ()
    """What speaks against trusting a number that is given, one sentence each."""

    @property
    def allowed(self) -> bool:
        """Whether there is no refusal."""
        return not self.refusals

    def require(self) -> None:
        """Raise where there is a refusal.

        Raises:
            StructureError: the first refusal.
        """
        if self.refusals:
            raise StructureError(
                self.refusals[0],
                where="stability",
                hint="leave the stability out, or compute it from first principles",
            )


def check(
    structure: IStructure, pressure_gpa: float = 0.0, potential: Potential | None = None
) -> Applicability:
    """Reasons not to ask a potential about a structure, or not to trust its answer.

    Args:
        structure: any structure, also one with partial occupancy.
        pressure_gpa: pressure it is to be relaxed at, GPa.
        potential: whose elements and cutoff are looked at as well.
    """
    if not structure.is_ordered:
        return Applicability(("sites are partly occupied, and a potential needs an atom on every site",))
    return Applicability(
        tuple(_refusals(structure, pressure_gpa, potential)), tuple(_cautions(structure, pressure_gpa))
    )


def _refusals(structure: IStructure, pressure_gpa: float, potential: Potential | None) -> Iterator[str]:
    if len(structure) > MAX_SITES:
        yield f"the cell has {len(structure)} sites, more than the {MAX_SITES} that phonons are computed for"
    if not np.isfinite(pressure_gpa):
        yield "the pressure is not a finite number"
    hydrogen = structure.composition.get_atomic_fraction("H")
    if hydrogen > 0.0 and pressure_gpa >= HYDROGEN_PRESSURE_GPA:
        yield (
            f"hydrides at {pressure_gpa:g} GPa are outside what the potentials have learned: H3S and LaH10"
            " come out as nonsense"
        )
    elif pressure_gpa > MAX_PRESSURE_GPA:
        yield f"{pressure_gpa:g} GPa is beyond the {MAX_PRESSURE_GPA:g} GPa that the potentials are used to"
    elif hydrogen >= HYDROGEN_RICH:
        evidence = _compressed_hydride(structure)
        if evidence:
            yield f"a compressed hydride ({evidence}) is outside what the potentials have learned"
    if potential is not None:
        unknown = sorted({site.specie.symbol for site in structure} - potential.elements)
        if unknown:
            yield f"{potential.name} does not know {', '.join(unknown)}"
    reach = _LONE_REACH_A if potential is None else potential.cutoff_a
    lone = _without_neighbours(structure, reach)
    if lone:
        yield f"{lone} has no neighbour within {reach:g} Å: an atom in vacuum has no phonons"


def _cautions(structure: IStructure, pressure_gpa: float) -> Iterator[str]:
    present = {site.specie.symbol for site in structure}
    magnetic = sorted(present & _MOMENT_3D)
    if magnetic:
        yield f"{', '.join(magnetic)} may be magnetic, and the potential does not say in which state it is"
    f_electrons = sorted(present & (MOMENT_4F | ACTINIDES))
    if f_electrons:
        yield (
            f"{', '.join(f_electrons)} has f electrons, which the PBE reference of the potential freezes or"
            " describes poorly"
        )
    if structure.composition.get_atomic_fraction("H") >= HYDROGEN_RICH:
        yield "hydrogen-rich: the potential's phonons of hydrides have not been compared with calculations"
    if CAUTION_PRESSURE_GPA <= pressure_gpa <= MAX_PRESSURE_GPA:
        yield f"at {pressure_gpa:g} GPa the potential extrapolates from relaxations near zero pressure"
    gap = _widest_gap(structure)
    if gap > VACUUM_A:
        yield f"{gap:.1f} Å of vacuum: a slab or molecule, whose soft bending modes say nothing of a crystal"


def _compressed_hydride(structure: IStructure) -> str | None:
    """What shows that a hydride is under pressure, or None."""
    from pymatgen.core.periodic_table import Element

    hydrogens = sum(site.specie.symbol == "H" for site in structure)
    ambient = sum(
        float(Element(site.specie.symbol).molar_volume or 0.0) / 0.602214076
        for site in structure
        if site.specie.symbol != "H"
    )
    if structure.volume < _DENSE_METAL * ambient + _DENSE_HYDROGEN_A3 * hydrogens:
        return f"{structure.volume / len(structure):.1f} Å^3 per atom"
    first, second, _, distance = structure.get_neighbor_list(_UNBOUND_HH[1])
    for i, j, d in zip(first.tolist(), second.tolist(), distance.tolist(), strict=True):
        if d > _UNBOUND_HH[0] and structure[i].specie.symbol == structure[j].specie.symbol == "H":
            return f"H-H distance of {d:.2f} Å"
    return None


def _without_neighbours(structure: IStructure, reach: float) -> str | None:
    """Element of a site without any neighbour within ``reach`` Å, or None."""
    first, _, _, _ = structure.get_neighbor_list(reach)
    alone = set(range(len(structure))) - set(np.unique(first).tolist())
    return structure[min(alone)].specie.symbol if alone else None


def _widest_gap(structure: IStructure) -> float:
    """Widest empty slice parallel to a face of the cell, Å."""
    widest = 0.0
    for axis in range(3):
        heights = np.sort(np.asarray(structure.frac_coords)[:, axis] % 1.0)
        gaps = np.diff(np.append(heights, heights[0] + 1.0))
        spacing = 1.0 / float(np.linalg.norm(structure.lattice.inv_matrix[:, axis]))
        widest = max(widest, float(gaps.max()) * spacing)
    return widest
