"""What kind of material it is, and whether electron-phonon theory can give it a Tc.

``recognise`` answers from the composition, and from the structure where there is one. Materials surely
outside the theory (see ``outside.py``) are refused with a reason. Others keep their family's name and, where
something speaks against trusting a number, cautions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from htc.materials.chemistry import (
    ACTINIDES,
    ALKALI,
    ALKALINE_EARTH,
    CHALCOGENS,
    HALOGENS,
    MOMENT_4F,
    NONMETALS,
    PNICTOGENS,
    RARE_EARTH,
    TRANSITION_METALS,
    ionic_charges,
    symbols,
)
from htc.materials.outside import REASONS, Facts, first_finding

if TYPE_CHECKING:
    from pymatgen.core.composition import Composition
    from pymatgen.core.structure import IStructure

__all__ = ["FAMILIES", "Applicability", "Family", "recognise"]

Applicability = Literal["applicable", "doubtful", "outside"]

FAMILIES: Final[Mapping[str, str]] = {
    "elemental": "an element",
    "A15": "A3B compound of the Cr3Si type",
    "boride": "metal boride, MgB2 among them",
    "borocarbide": "compound of metals with boron and carbon or nitrogen",
    "carbide": "metal carbide",
    "nitride": "metal nitride",
    "carbonitride": "metal with carbon and nitrogen",
    "hydride": "compound with a third or more of its atoms hydrogen",
    "chevrel": "molybdenum cluster chalcogenide",
    "chalcogenide": "compound with sulphur, selenium or tellurium",
    "pnictide": "compound with phosphorus, arsenic, antimony or bismuth",
    "silicide": "compound of metals with silicon or germanium",
    "oxide": "oxide",
    "bismuthate": "oxide of bismuth or lead with barium",
    "halide": "compound with a halogen",
    "fulleride": "fullerene with metal",
    "intermetallic": "compound or alloy of metals",
    "covalent": "compound of nonmetals",
    "cuprate": "layered copper oxide",
    "iron_based": "iron pnictide or chalcogenide superconductor",
    "nickelate": "layered nickel oxide",
    "ruthenate": "layered ruthenium oxide",
    "heavy_fermion": "compound of heavy f electrons",
    "magnetic": "magnetically ordered",
    "insulator": "insulator or semiconductor",
    "molecular": "molecular solid",
    "organic": "molecular conductor",
}
"""Names of families and what they mean."""


@dataclass(frozen=True, slots=True)
class Family:
    """Family of a material and the applicability of electron-phonon theory to it."""

    name: str
    """A key of :data:`FAMILIES`."""
    applicability: Applicability
    """``doubtful`` means a Tc is computed, with cautions."""
    reason: str | None = None
    """One sentence why there is no Tc; set exactly where ``applicability`` is ``outside``."""
    evidence: tuple[str, ...] = ()
    """What in the composition or structure decided."""
    cautions: tuple[str, ...] = ()
    """What speaks against trusting a Tc, one phrase each."""
    doi: str | None = None
    """Work that shows the reason."""

    @property
    def applicable(self) -> bool:
        """Whether a Tc is given at all."""
        return self.applicability != "outside"


def recognise(
    composition: Composition, structure: IStructure | None = None, *, pressure_gpa: float = 0.0
) -> Family:
    """Family of a material.

    Args:
        composition: composition as of ``parse_formula``.
        structure: ordered structure where one is known; decides between forms of one composition.
        pressure_gpa: pressure; molecular solids and insulators may be metals under it.
    """
    amounts: dict[str, float] = composition.get_el_amt_dict()
    total = sum(amounts.values())
    facts = Facts(
        amounts=amounts,
        fractions={symbol: n / total for symbol, n in amounts.items()},
        reduced=composition.reduced_formula,
        structure=structure,
        pressure_gpa=pressure_gpa,
    )
    finding = first_finding(facts)
    if finding is not None:
        reason, doi = REASONS[finding.family]
        return Family(finding.family, "outside", reason, (finding.evidence,), (), doi)
    name, evidence = _class(facts)
    cautions = tuple(_cautions(facts, name))
    return Family(name, "doubtful" if cautions else "applicable", None, (evidence,), cautions)


# -- names within the theory ---------------------------------------------------------------------------


def _class(f: Facts) -> tuple[str, str]:
    elements = frozenset(f.amounts)
    if len(elements) == 1:
        return "elemental", f"{next(iter(elements))} alone"
    if _is_a15(f):
        return "A15", "A3B of the Cr3Si type"
    if f.fractions.get("C", 0.0) > 0.86 and elements & (ALKALI | ALKALINE_EARTH):
        return "fulleride", "carbon with a metal in the proportion of C60 salts"
    if f.fractions.get("H", 0.0) >= 1 / 3:
        return "hydride", f"{f.fractions['H']:.0%} of the atoms are hydrogen"
    if "O" in elements:
        if elements & {"Bi", "Pb"} and "Ba" in elements:
            return "bismuthate", "Ba-(Bi, Pb)-O"
        return "oxide", "contains oxygen"
    for name, members, least in _BY_ANION:
        share = f.fraction(members)
        if share >= least:
            return _refined(name, f), f"{share:.0%} of the atoms are {'/'.join(sorted(members & elements))}"
    if elements <= NONMETALS | {"B", "Si", "As"}:
        return "covalent", "nonmetals"
    return "intermetallic", "metals"


_BY_ANION: Final[tuple[tuple[str, frozenset[str], float], ...]] = (
    ("halide", HALOGENS, 0.1),
    ("boride", frozenset({"B"}), 0.1),
    ("nitride", frozenset({"N"}), 0.1),
    ("carbide", frozenset({"C"}), 0.1),
    ("chalcogenide", CHALCOGENS, 0.2),
    ("silicide", frozenset({"Si", "Ge"}), 0.25),
    ("pnictide", PNICTOGENS - {"N"}, 0.2),
)


def _refined(name: str, f: Facts) -> str:
    elements = frozenset(f.amounts)
    if name == "boride" and f.fraction({"C", "N"}) >= 0.1:
        return "borocarbide"
    if name == "nitride" and f.fractions.get("C", 0.0) >= 0.1:
        return "carbonitride"
    if name == "chalcogenide" and "Mo" in elements:
        ratio = f.fraction(CHALCOGENS) / f.fractions["Mo"]
        if 1.15 <= ratio <= 1.4:
            return "chevrel"
    return name


# Compounds that form the Cr3Si type: Stewart, Physica C 514, 28 (2015).
_A15_PARTNERS: Final[Mapping[str, frozenset[str]]] = {
    "Ti": symbols("Sb Ir Pt Au Hg Pd"),
    "Zr": symbols("Au Hg Sn"),
    "V": symbols("Al Si Ga Ge Sn As Sb Au Pt Ir Rh Os Pd Ni Co Pb Cd"),
    "Nb": symbols("Al Si Ga Ge Sn In Sb Au Pt Ir Rh Os Bi Pb Te"),
    "Ta": symbols("Sn Ge Sb Au Pt Ir Os Pb"),
    "Cr": symbols("Si Ge Ga Ru Rh Os Ir Pt Re"),
    "Mo": symbols("Al Si Ga Ge Os Ir Pt Be Sn Tc Re Zr"),
    "W": symbols("Si Re Os Ir"),
}


def _is_a15(f: Facts) -> bool:
    if len(f.amounts) != 2:
        return False
    (minor, a), (major, b) = sorted(f.amounts.items(), key=lambda item: item[1])
    if not 2.8 <= b / a <= 3.2:
        return False
    if f.structure is not None:
        return _has_a15_geometry(f.structure, minor)
    return minor in _A15_PARTNERS.get(major, ())


def _has_a15_geometry(structure: IStructure, minor: str) -> bool:
    """Eight atoms in a cube, each minority atom with twelve majority neighbours at sqrt(5)/4 of the edge."""
    if len(structure) != 8:
        return False
    lengths, angles = np.array(structure.lattice.abc), np.array(structure.lattice.angles)
    edge = float(lengths.mean())
    if np.ptp(lengths) > 0.02 * edge or np.abs(angles - 90.0).max() > 1.5:
        return False
    centre, other, _, distance = structure.get_neighbor_list(0.62 * edge)
    kinds = [site.specie.symbol for site in structure]
    for i, kind in enumerate(kinds):
        if kind != minor:
            continue
        own = centre == i
        if int(own.sum()) != 12 or np.abs(distance[own] / edge - np.sqrt(5) / 4).max() > 0.02:
            return False
        if any(kinds[int(j)] == minor for j in other[own]):
            return False
    return True


# -- cautions ------------------------------------------------------------------------------------------

_LOW_PRESSURE_GPA: Final = 20.0
_MAY_BE_MAGNETIC: Final = {"Cr": 0.05, "Mn": 0.05, "Fe": 0.05, "Co": 0.2, "Ni": 0.65}
"""Atomic fraction from which a 3d metal is suspected: nickel keeps a moment only among itself."""
_DOPED_INSULATORS: Final = symbols("Ti Zr Hf V Nb Ta Mo W")


def _cautions(f: Facts, name: str) -> list[str]:
    elements = frozenset(f.amounts)
    found: list[str] = []
    if len(elements) == 1:
        found += _element_cautions(next(iter(elements)), f)
    magnetic = {s for s, least in _MAY_BE_MAGNETIC.items() if f.fractions.get(s, 0.0) >= least}
    if magnetic:
        found.append(f"may be magnetic ({', '.join(sorted(magnetic))}); computed as if it were not")
    moments = elements & MOMENT_4F
    if moments and len(elements) > 1:
        found.append(f"local 4f moments or valence fluctuations ({', '.join(sorted(moments))}) break pairs")
    heavy = elements & (ACTINIDES - {"Ac", "Th"})
    if heavy:
        found.append(f"correlated 5f electrons ({', '.join(sorted(heavy))})")
    if name == "oxide":
        found.append(_oxide_caution(f))
    elif name == "bismuthate":
        found.append("bismuthates: semilocal density functionals underestimate the coupling")
    elif name == "hydride" and f.fractions["H"] > 0.7 and f.pressure_gpa < _LOW_PRESSURE_GPA:
        found.append("hydrogen-rich: such hydrides are metals only under pressure; none is stated")
    elif name == "fulleride":
        found.append("fullerides: narrow bands, correlations as strong as the coupling to phonons")
    elif name == "halide":
        found += ["halides are rarely metals"] if _may_be_insulating(f) else []
    elif name == "covalent":
        found.append("compound of nonmetals: metallic only in special forms or under pressure")
    elif _may_be_insulating(f):
        found.append("closed electron shells: insulating unless doped or under pressure")
    return found


def _element_cautions(symbol: str, f: Facts) -> list[str]:
    if symbol in {"Pd", "Sc"}:
        return ["nearly ferromagnetic: spin fluctuations suppress Tc and are not in the model"]
    if symbol in {"Pt", "Rh"}:
        return ["spin fluctuations lower Tc and are not in the model"]
    if symbol in MOMENT_4F:
        return ["4f electrons near a valence change; only forms under pressure superconduct"]
    if symbol in {"C", "Si", "Ge", "P", "S", "Se", "Te", "B"}:
        if f.structure is not None and f.pressure_gpa < 1.0:
            return ["a nonmetal at ambient pressure in most forms"]
        return []
    if symbol in {"As", "Sb", "Bi"} and f.pressure_gpa < 1.0:
        return ["a semimetal: very few carriers, far from what the model was trained on"]
    return []


def _oxide_caution(f: Facts) -> str:
    if "Ti" in f.amounts and "Sr" in f.amounts and _may_be_insulating(f):
        return "insulating unless doped; superconducts at carrier densities where the usual theory fails"
    if _may_be_insulating(f):
        return "closed electron shells: insulating unless doped"
    return "oxide: correlations or oxygen content may matter more than the model knows"


def _may_be_insulating(f: Facts) -> bool:
    if f.pressure_gpa >= _LOW_PRESSURE_GPA:
        return False
    elements = frozenset(f.amounts)
    anions = elements & (HALOGENS | CHALCOGENS | {"O", "N"})
    if not anions or not elements - anions:
        return False
    # Metals that are left once alkali, rare earth and the like have given their electrons away.
    metals = elements - anions
    if metals <= {"Mo", "W"} and anions <= CHALCOGENS and abs(f.fraction(anions) - 2 / 3) < 0.01:
        return True  # the trigonal prismatic forms of MoS2 and its like fill a d band
    if metals <= TRANSITION_METALS - RARE_EARTH - _DOPED_INSULATORS:
        return False
    return ionic_charges(f.amounts, anions) is not None
