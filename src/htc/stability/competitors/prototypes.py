"""Crystals of pymatgen's AFLOW prototypes: as they are, and with the elements of a system on their sites.

Mehl et al., Comput. Mater. Sci. 136, S1 (2017), doi:10.1016/j.commatsci.2017.01.017. As they are, they are
real crystals of the compound their prototype is named after. With other elements they are guesses, of which
most are far above the hull: the caller screens them before it relaxes any.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from htc.errors import NotFoundError, StructureError
from htc.stability.competitors.source import Competitor, Found, subsystems

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.materials.volumes import PairSums

__all__ = ["DECORATED", "DecoratedPrototypes", "KnownPrototypes", "Prototype", "decorate", "prototype"]

_MOST_SITES: Final = 40
"""Real crystals of the prototypes above this are not relaxed: a minute and more each."""

_PLACES: Final = ("prototypes/aflow_prototypes.json.gz", "aflow_prototypes.json.gz")
"""Of the collection in the package, now and in older versions."""
_SYSTEMS_KEPT: Final = 256
"""Chemical systems whose made-up crystals are held: a campaign comes back to the same binaries."""

DECORATED: Final[dict[int, tuple[str, ...]]] = {
    1: ("A_cF4_225_a Cu", "A_cI2_229_a W", "A_hP2_194_c Mg"),
    2: (
        # AB
        "AB_cF8_225_a_b NaCl",
        "AB_cP2_221_b_a CsCl",
        "AB_cF8_216_c_a ZnS",
        "AB_hP4_194_c_a NiAs",
        "AB_hP2_187_d_a WC",
        "AB_tP2_123_a_d CuAu",
        "AB_oC8_63_c_c CrB",
        "AB_cF16_227_a_b NaTl",
        "AB_oP4_51_e_f CdAu",
        "AB_cP8_198_a_a FeSi",
        "AB_oP8_62_c_c MnP",
        "AB_oP8_62_c_c FeB",
        # AB2
        "AB2_cF12_225_a_c CaF2",
        "AB2_hP3_191_a_d AlB2",
        "AB2_hP3_164_a_d CdI2",
        "AB2_hP6_194_c_f MoS2",
        "AB2_tI6_139_a_e Si2Mo",
        "A2B_cF24_227_d_a MgCu2",
        "A2B_tI12_140_h_a Al2Cu",
        "AB2_hP6_194_c_ad InNi2",
        "AB2_oI6_71_a_g MoPt2",
        "A2B_tP6_129_ac_c Cu2Sb",
        "A2B_oC12_63_2c_c ZrSi2",
        "A2B_tP6_136_f_a TiO2",
        # AB3 and beyond
        "AB3_cP4_221_a_c Cu3Au",
        "A3B_tI8_139_bd_a TiAl3",
        "AB3_cF16_225_a_bc BiF3",
        "A3B_cP8_223_c_a Cr3Si",
        "A3B_hP8_194_h_c Ni3Sn",
        "AB3_hP8_194_c_bf Na3As",
        "A3B2_hP5_164_ad_d Al3Ni2",
        "A4B_tI10_139_de_a BaAl4",
        "AB5_hP6_191_a_cg CaCu5",
        "A6B_cP7_221_f_a CaB6",
    ),
    3: (
        "AB3C_cP5_221_a_c_b CaTiO3",
        "ABC_cF12_216_b_c_a MgAgAs",
        "AB2C_cF16_225_a_c_b MnAlCu2",
        "ABC_hP6_194_c_d_a LiBC",
        "ABC_hP3_187_a_d_f BaSbPt",
        "ABC_tP6_129_c_a_c PbClF",
        "A2BC_oC8_38_e_a_b CeNiC2",
        "ABC2_hR4_166_a_b_c NaCrS2",
        "ABC2_hP8_194_d_a_f AlCr2C",
        "AB4C_hP6_191_a_h_b MgAlB4",
    ),
}
"""Prototypes that elements are put on, by their number of elements: label and the compound it is named after.

The common structure types of intermetallics, borides, carbides, nitrides, oxides and chalcogenides with at
most ten atoms in the primitive cell."""


@dataclass(frozen=True, slots=True)
class Prototype:
    """One crystal of the collection."""

    label: str
    """AFLOW's: stoichiometry, Pearson symbol, space group, Wyckoff letters."""
    formula: str
    """Reduced formula of the compound it is named after."""
    structure: Structure


@lru_cache(maxsize=1)
def _collection() -> tuple[Prototype, ...]:
    # pymatgen's own loader parses thousands of lines of BibTeX first, which takes longer than a relaxation.
    package = importlib.util.find_spec("pymatgen.analysis")
    for folder in () if package is None else package.submodule_search_locations or ():
        for place in _PLACES:
            file = Path(folder) / place
            if file.is_file():
                return tuple(map(_read, json.loads(gzip.decompress(file.read_bytes()))))
    raise NotFoundError(
        "pymatgen's collection of AFLOW prototypes is not there", hint="pip install --upgrade pymatgen"
    )


def _read(row: dict[str, Any]) -> Prototype:
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    written = row["snl"]
    species = [{kind["element"]: kind["occu"] for kind in site["species"]} for site in written["sites"]]
    places = [site["abc"] for site in written["sites"]]
    structure = Structure(Lattice(written["lattice"]["matrix"]), species, places)
    return Prototype(str(row["tags"]["aflow"]), structure.composition.reduced_formula, structure)


def prototype(label: str, formula: str) -> Prototype:
    """One prototype by AFLOW's label and the compound it is named after: labels alone are not unique.

    Raises:
        NotFoundError: pymatgen's collection does not hold it.
    """
    from pymatgen.core.composition import Composition

    wanted = Composition(formula).reduced_composition
    for row in _collection():
        if row.label == label and row.structure.composition.reduced_composition == wanted:
            return row
    raise NotFoundError(
        f"pymatgen's collection has no prototype {label} of {formula}", hint="update pymatgen"
    )


class KnownPrototypes:
    """The compounds the prototypes are named after, where they belong to the system."""

    name = "prototypes"

    def find(self, elements: Sequence[str], pressure_gpa: float = 0.0) -> Found:
        """See :class:`~htc.stability.competitors.CompetitorSource`; real crystals at ambient pressure."""
        if pressure_gpa > 0.0:
            return Found()
        wanted = set(elements)
        found: list[Competitor] = []
        notes: list[str] = []
        for row in _collection():
            symbols = {element.symbol for element in row.structure.composition.elements}
            # A cell of mixed elements stands for an alloy; elements have a source of their own.
            if not symbols <= wanted or len(symbols) == 1:
                continue
            if len(row.structure) > _MOST_SITES:
                notes.append(f"{row.formula} ({row.label}) has {len(row.structure)} sites: not relaxed")
                continue
            found.append(Competitor(row.structure.copy(), row.formula, f"prototype: {row.label}"))
        return Found(tuple(found), tuple(notes))


class DecoratedPrototypes:
    """Elements of the system on the sites of common structure types.

    Binary systems of any, ternary ones only where the whole system has no more than three elements: their
    number grows beyond what relaxation can follow.
    """

    name = "made-up crystals"

    def find(self, elements: Sequence[str], pressure_gpa: float = 0.0) -> Found:  # noqa: ARG002  # at any pressure
        """See :class:`~htc.stability.competitors.CompetitorSource`."""
        found: list[Competitor] = []
        most = 3 if len(elements) <= 3 else 2
        for system in subsystems(elements):
            if len(system) <= most:
                found += _decorations(system)
        larger = len(set(elements)) > most
        notes = (f"no crystals of more than {most} elements were made up",) if larger else ()
        return Found(tuple(found), notes)


@lru_cache(maxsize=_SYSTEMS_KEPT)
def _decorations(system: tuple[str, ...]) -> tuple[Competitor, ...]:
    found: list[Competitor] = []
    for entry in DECORATED.get(len(system), ()):
        label, formula = entry.split()
        template = prototype(label, formula)
        for order in _orders(label, formula):
            try:
                structure = decorate(template, [system[i] for i in order])
            except StructureError:
                continue
            reduced = structure.composition.reduced_formula
            sites = ", ".join(f"{system[i]} for {own}" for i, own in zip(order, _own(template), strict=True))
            name = f"{reduced} (as {formula}, made up)"
            origin = f"made up: {reduced} as {formula} ({label}: {sites})"
            found.append(Competitor(structure, name, origin, made_up=True))
    return tuple(found)


def _own(template: Prototype) -> list[str]:
    """Elements of a prototype in the order that others take their places."""
    return sorted(element.symbol for element in template.structure.composition.elements)


@lru_cache(maxsize=256)
def _orders(label: str, formula: str) -> tuple[tuple[int, ...], ...]:
    """Orders of elements on the kinds of sites that give different crystals, whatever the elements are."""
    from htc.materials.symmetry import structure_hash

    template = prototype(label, formula)
    own = _own(template)
    seen: dict[str, tuple[int, ...]] = {}
    for order in permutations(range(len(own))):
        exchanged = template.structure.copy()
        exchanged.replace_species({own[place]: own[i] for place, i in enumerate(order)})
        seen.setdefault(structure_hash(exchanged), order)
    return tuple(seen.values())


def decorate(template: Prototype, elements: Sequence[str]) -> Structure:
    """A prototype with other elements on its sites and its volume estimated for them.

    Args:
        template: from :func:`prototype`.
        elements: as many as the prototype has, in the order of its own, alphabetically.

    Raises:
        StructureError: an element of unknown radius.
    """
    from htc.materials.volumes import volume_per_atom

    own = _own(template)
    structure = template.structure.copy()
    try:
        per_atom = volume_per_atom(_sums(template.label, template.formula), elements)
    except StructureError:
        per_atom = 0.0
    structure.replace_species(dict(zip(own, elements, strict=True)))
    volume = per_atom * len(structure) or structure.volume * _touching(structure) ** 3
    structure.scale_lattice(volume)
    return structure


@lru_cache(maxsize=256)
def _sums(label: str, formula: str) -> PairSums:
    """What the estimate of volumes needs of a prototype."""
    from htc.materials.volumes import pair_sums

    template = prototype(label, formula)
    structure, own = template.structure, _own(template)
    return pair_sums(structure, [own.index(site.specie.symbol) for site in structure])


def _touching(structure: Structure) -> float:
    """Factor on all lengths that makes the closest pair of atoms as far apart as their covalent radii say.

    Radii of Cordero et al., Dalton Trans. 2832 (2008), doi:10.1039/b801115j. For elements that
    no volume is known of: a start for a search of the volume, no more.
    """
    from pymatgen.analysis.molecule_structure_comparator import CovalentRadius

    radii = CovalentRadius.radius
    symbols = [site.specie.symbol for site in structure]
    unknown = sorted(set(symbols) - set(radii))
    if unknown:
        raise StructureError(f"no radius is known of {', '.join(unknown)}", where=structure.formula)
    reach = 3.0 * (structure.volume / len(structure)) ** (1 / 3)
    first, second, _, distance = structure.get_neighbor_list(reach)
    sums = np.array([radii[symbols[i]] + radii[symbols[j]] for i, j in zip(first, second, strict=True)])
    return float((sums / distance).max())
