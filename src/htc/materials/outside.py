"""Families whose superconductivity, or lack of it, the usual electron-phonon theory does not describe.

Each rule looks at atomic amounts (and, where it decides, at the neighbours in the structure) and says why.
The rules are meant to be narrow: a compound that is not surely outside gets a caution elsewhere, not a
refusal here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from htc.materials.chemistry import (
    ALKALI,
    ALKALINE_EARTH,
    CHALCOGENS,
    HALOGENS,
    LANTHANIDES,
    NOBLE_GASES,
    NONMETALS,
    RARE_EARTH,
    TRANSITION_METALS,
    ionic_charges,
    symbols,
)

if TYPE_CHECKING:
    from pymatgen.core.structure import IStructure

__all__ = ["REASONS", "Facts", "Finding", "first_finding", "is_tetrahedral"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules may look at."""

    amounts: Mapping[str, float]
    """Atoms per formula by element symbol."""
    fractions: Mapping[str, float]
    """Atomic fractions."""
    reduced: str
    structure: IStructure | None
    pressure_gpa: float

    def fraction(self, symbols: frozenset[str] | set[str]) -> float:
        """Atomic fraction of a set of elements."""
        return sum(x for s, x in self.fractions.items() if s in symbols)


@dataclass(frozen=True, slots=True)
class Finding:
    """A family outside the theory and what gave it away."""

    family: str
    evidence: str


REASONS: Final[dict[str, tuple[str, str | None]]] = {
    "cuprate": (
        "cuprates pair in the correlated CuO2 planes of a doped Mott insulator; electron-phonon theory gives"
        " no Tc for them",
        "10.1038/nature14165",
    ),
    "iron_based": (
        "iron pnictides and chalcogenides pair near magnetism, and their electron-phonon coupling is several"
        " times too weak for their Tc",
        "10.1103/RevModPhys.83.1589",
    ),
    "nickelate": (
        "layered nickelates are correlated 3d oxides like the cuprates; electron-phonon theory gives no Tc"
        " for them",
        "10.1038/s41586-019-1496-5",
    ),
    "heavy_fermion": (
        "the carriers are heavy f electrons that pair by magnetic fluctuations, not by phonons",
        "10.1103/RevModPhys.81.1551",
    ),
    "ruthenate": (
        "Sr2RuO4 is an unconventional superconductor; phonons do not explain its pairing",
        "10.1103/RevModPhys.75.657",
    ),
    "magnetic": (
        "it orders magnetically, and the exchange field breaks the pairs; a Tc computed without magnetism"
        " means nothing",
        "10.1103/PhysRevLett.1.92",
    ),
    "insulator": ("it is an insulator or semiconductor: without carriers there is nothing to pair", None),
    "molecular": ("it is a molecular solid without carriers at this pressure", None),
    "organic": (
        "molecular conductors are narrow-band correlated metals outside the electron-phonon model",
        "10.48550/arXiv.cond-mat/0607078",
    ),
}
"""One sentence a family, and the DOI of the work that shows it."""


# -- geometry ------------------------------------------------------------------------------------------


def is_tetrahedral(structure: IStructure) -> bool:
    """Whether every atom has exactly four neighbours within 1.2 times its shortest distance."""
    reach = 1.35 * (structure.volume / len(structure)) ** (1 / 3)
    centre, _, _, distance = structure.get_neighbor_list(reach)
    for i in range(len(structure)):
        own = distance[centre == i]
        if not own.size or int((own < 1.2 * own.min()).sum()) != 4:
            return False
    return True


# -- correlated superconductors ------------------------------------------------------------------------

_CUPRATE_SPACERS: Final = symbols("Y La Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Ce Ca Sr Ba Bi Tl Hg Pb Na K")
_OXYANION_FORMERS: Final = symbols("P Si As V Cr Mo W Te Se S N I")


def _cuprate(f: Facts) -> Finding | None:
    """Cu-O planes between large cations: Cu is the main transition metal and oxygen is plentiful."""
    cu, o = f.amounts.get("Cu", 0.0), f.amounts.get("O", 0.0)
    spacers = sum(n for s, n in f.amounts.items() if s in _CUPRATE_SPACERS)
    if f.fractions.get("Cu", 0.0) < 0.05 or not spacers or o < 1.3 * cu or spacers < 0.3 * cu:
        return None
    other_metals = sum(n for s, n in f.amounts.items() if s in TRANSITION_METALS - RARE_EARTH - {"Cu", "Hg"})
    oxyanions = sum(n for s, n in f.amounts.items() if s in _OXYANION_FORMERS)
    if other_metals > cu + 1e-6 or oxyanions > cu + 1e-6 or o > 8.0 * cu:
        return None
    names = "-".join(s for s in f.amounts if s in _CUPRATE_SPACERS)
    return Finding("cuprate", f"copper oxide with O/Cu = {o / cu:.3g} between {names} layers")


_IRON_PARTNERS: Final = symbols("Co Ni Mn Cr Ru Rh Ir Pd Pt Cu")
_IRON_SPACERS: Final = ALKALI | ALKALINE_EARTH | RARE_EARTH | {"Th", "Np", "Pu", "Tl"}


def _iron_based(f: Facts) -> Finding | None:
    """Layers of iron in tetrahedra of P, As, S, Se or Te: X/Fe about 1, more with a spacer of its own."""
    fe = f.amounts.get("Fe", 0.0)
    if f.fractions.get("Fe", 0.0) < 0.04:
        return None
    square = fe + sum(n for s, n in f.amounts.items() if s in _IRON_PARTNERS)
    pnictogen = sum(f.amounts.get(s, 0.0) for s in ("P", "As", "Sb"))
    chalcogen = sum(f.amounts.get(s, 0.0) for s in ("S", "Se", "Te"))
    ligands = pnictogen + chalcogen
    if fe < 0.5 * square or not ligands:
        return None
    spacers = sum(n for s, n in f.amounts.items() if s in _IRON_SPACERS)
    ratio = ligands / fe
    if spacers >= 0.2 * fe:
        # Antimonides with a spacer (skutterudites, Zintl phases) are no iron-based superconductors.
        if not 0.8 <= ratio <= 2.2 or f.amounts.get("Sb", 0.0) > 0.5 * ligands:
            return None
        evidence = f"Fe-{'pnictogen' if pnictogen >= chalcogen else 'chalcogen'} layers, X/Fe = {ratio:.3g}"
        return Finding("iron_based", evidence)
    bare = fe + ligands >= 0.85 * sum(f.amounts.values())
    if bare and chalcogen > 0.8 * ligands and 0.8 <= ligands / square <= 1.2:
        return Finding("iron_based", f"iron monochalcogenide, X/Fe = {ratio:.3g}")
    return None


def _nickelate(f: Facts) -> Finding | None:
    """Ni-O with rare earths: infinite-layer, Ruddlesden-Popper and perovskite nickelates."""
    ni, o = f.amounts.get("Ni", 0.0), f.amounts.get("O", 0.0)
    if f.fractions.get("Ni", 0.0) < 0.1 or o < 1.8 * ni:
        return None
    rare_earth = sum(n for s, n in f.amounts.items() if s in LANTHANIDES | {"Y"})
    others = sum(n for s, n in f.amounts.items() if s in TRANSITION_METALS - RARE_EARTH - {"Ni"})
    if rare_earth < 0.5 * ni or others > 0.5 * ni or f.fraction(_OXYANION_FORMERS) > 0:
        return None
    return Finding("nickelate", f"rare-earth nickel oxide with O/Ni = {o / ni:.3g}")


def _ruthenate(f: Facts) -> Finding | None:
    ru = f.amounts.get("Ru", 0.0)
    if not ru or set(f.amounts) - {"Sr", "Ca", "Ru", "O", "Ti", "Ir"} or "O" not in f.amounts:
        return None
    large = f.amounts.get("Sr", 0.0) + f.amounts.get("Ca", 0.0)
    if abs(large / ru - 2) < 0.3 and abs(f.amounts["O"] / ru - 4) < 0.3:
        return Finding("ruthenate", "K2NiF4-type ruthenate composition")
    return None


# Head element first; groups are alternatives on the same sites. Members: Pfleiderer, Rev. Mod. Phys. 81, 1551
# (2009), doi:10.1103/RevModPhys.81.1551, and Stewart, Rev. Mod. Phys. 56, 755 (1984),
# doi:10.1103/RevModPhys.56.755, except where a line names its own.
_HEAVY: Final[tuple[tuple[str, tuple[tuple[str, float], ...]], ...]] = tuple(
    (line.split()[0].split(":")[0], tuple((g.split(":")[0], float(g.split(":")[1])) for g in line.split()))
    for line in """
    Ce:1 Cu|Ni|Pd|Rh|Ru|Au|Ag:2 Si|Ge:2
    Ce:1 Co|Rh|Ir:1 In|Cd|Sn|Hg:5
    Ce:2 Co|Rh|Ir|Pd|Pt:1 In:8
    Ce:1 In:3
    Ce:1 Pt:3 Si:1
    Ce:1 Rh|Ir|Co:1 Si|Ge:3
    Ce:1 Al:3
    Ce:1 Cu|Au:6
    Ce:1 Rh:2 As:2
    Ce:3 Pd|Pt:1 In:11
    Ce:1 Al:2
    U:1 Pt:3
    U:1 Be:13
    U:1 Ru|Os|Re|Rh:2 Si:2
    U:1 Pd|Ni:2 Al:3
    U:1 Ge:2
    U:1 Rh|Co|Ir:1 Ge:1
    U:1 Ir:1
    U:1 Te:2
    U:2 Zn:17
    U:1 Cd:11
    Np:1 Pd:5 Al:2
    Pu:1 Co|Rh|Ir:1 Ga|In:5
    Yb:1 Rh|Ir|Co:2 Si:2
    Yb:1 Al:1 B:4
    Pr:1 Os|Ru:4 Sb:12
    Pr:1 Ti|V|Nb:2 Al:20
    Li:1 V:2 O:4
    """.strip().splitlines()
)
_DILUTANTS: Final = symbols("La Y Ce Pr Nd Gd Yb Lu Th Sc")
"""Elements that substitute for the f element of a heavy-fermion compound."""


def _heavy_fermion(f: Facts) -> Finding | None:
    for head, groups in _HEAVY:
        if head not in f.fractions:
            continue
        total = sum(n for _, n in groups)
        rest = 1.0
        for position, (alternatives, n) in enumerate(groups):
            allowed = set(alternatives.split("|"))
            if position == 0 and head != "Li":
                allowed |= _DILUTANTS
            have = f.fraction(allowed)
            if abs(have - n / total) > 0.03 * (1 + n / total):
                break
            rest -= have
        else:
            head_share = f.fractions[head] / (groups[0][1] / total)
            if rest < 0.05 and head_share > 0.5:
                return Finding("heavy_fermion", f"known heavy-fermion composition of {head}")
    return None


# -- magnets -------------------------------------------------------------------------------------------

_FERROMAGNETIC_ELEMENTS: Final = symbols("Fe Co Ni")
_MAGNETIC_ELEMENTS: Final = symbols("Cr Mn Fe Co Ni Nd Sm Eu Gd Tb Dy Ho Er Tm")
_EPSILON_IRON_GPA: Final = 13.0
"""Above, iron is hexagonal and a superconductor below 2 K (Shimizu et al. 2001, doi:10.1038/35085536)."""

_ORDERED_MAGNETS: Final = symbols(
    """
    Fe3C Fe3Si Nd2Fe14B SmCo5 Sm2Co17 YCo5 FePt CoPt FePd CrO2 MnBi MnSb MnAs MnSi Co2MnSi Co2MnGe Co2FeSi
    NiMnSb Ni2MnGa EuO EuS EuB6 GdN SrRuO3 CrI3 Fe3GeTe2 Mn3Sn MnPt CrB2 Cr2Te3 ZrZn2 Sc3In
    """
)
_MOTT: Final = symbols(
    """
    MnO FeO CoO NiO CuO Fe2O3 Fe3O4 Mn3O4 Mn2O3 MnO2 Cr2O3 Co3O4 LaMnO3 LaFeO3 LaCoO3 LaCrO3 LaVO3
    YVO3 LaTiO3 YTiO3 YMnO3 CaMnO3 BiFeO3 MnS MnSe MnTe NiS2 UO2 FeS2 CuFeS2
    """
)


def _same_formula(reduced: str, names: frozenset[str]) -> bool:
    return reduced in _canonical(names)


_CANONICAL: dict[frozenset[str], frozenset[str]] = {}


def _canonical(names: frozenset[str]) -> frozenset[str]:
    """The names in pymatgen's order of elements, worked out once."""
    if names not in _CANONICAL:
        from pymatgen.core.composition import Composition

        _CANONICAL[names] = frozenset(Composition(name).reduced_formula for name in names)
    return _CANONICAL[names]


def _magnet(f: Facts) -> Finding | None:
    if f.pressure_gpa >= _EPSILON_IRON_GPA:
        return None
    if len(f.amounts) == 1:
        (symbol,) = f.amounts
        if symbol not in _MAGNETIC_ELEMENTS:
            return None
        return Finding("magnetic", f"{symbol} is magnetically ordered as an element")
    if f.fraction(_FERROMAGNETIC_ELEMENTS | {"Mn", "Cr"}) > 0.9 and f.fraction({"Fe", "Co"}) > 0.2:
        return Finding("magnetic", "an alloy of the ferromagnetic 3d metals")
    if _same_formula(f.reduced, _ORDERED_MAGNETS):
        return Finding("magnetic", "a known magnet")
    return None


# -- no carriers ---------------------------------------------------------------------------------------

_METALLISES_GPA: Final = 50.0
"""Pressure from which molecular and elemental insulators may be metals (S at 90, H3S at 100, I at 16 GPa)."""

_SEMICONDUCTING_ELEMENTS: Final = symbols("B C Si Ge P S Se Te")
_TETRAHEDRAL_ELEMENTS: Final = symbols("C Si Ge")
_MOLECULAR_ELEMENTS: Final = symbols("H N O F Cl Br I")
_METAL_ABOVE_GPA: Final = {
    "Si": 10.0, "Ge": 9.0, "P": 5.0, "Te": 4.0, "Se": 13.0, "I": 14.0, "Br": 55.0, "S": 90.0, "O": 95.0,
    "B": 150.0, "Xe": 130.0, "C": 1000.0, "H": 400.0, "N": 500.0, "F": 1000.0, "Cl": 200.0,
}  # fmt: skip
"""About where the elements become metals. Buzea & Robbie 2005, doi:10.1088/0953-2048/18/1/R01, and references
there; a large number where no metal has been shown."""


def _elemental_insulator(f: Facts) -> Finding | None:
    if len(f.amounts) != 1:
        return None
    (symbol,) = f.amounts
    if symbol not in _SEMICONDUCTING_ELEMENTS | _MOLECULAR_ELEMENTS | NOBLE_GASES:
        return None
    if f.pressure_gpa >= _METAL_ABOVE_GPA.get(symbol, 1000.0):
        return None
    if symbol in NOBLE_GASES:
        return Finding("insulator", f"{symbol} is a noble gas")
    if symbol in _TETRAHEDRAL_ELEMENTS and f.structure is not None:
        if is_tetrahedral(f.structure):
            return Finding("insulator", f"{symbol} with four bonds an atom")
        return None
    if f.structure is not None and symbol not in _MOLECULAR_ELEMENTS:
        # Dense metallic forms of P, S, Se, Te are real; only the formula says nothing about the form.
        return None
    if symbol in _MOLECULAR_ELEMENTS:
        return Finding("molecular", f"{symbol} is a molecular solid")
    return Finding("insulator", f"{symbol} is no metal at {f.pressure_gpa:g} GPa")


_IONIC_ANIONS: Final = HALOGENS | {"O"}
_D0: Final = symbols("Ti Zr Hf V Nb Ta Mo W Re")
"""Transition metals whose closed-shell oxides become metals, and superconductors, on light doping."""
_SALT_CATIONS: Final = ALKALI | ALKALINE_EARTH | {"Al", "B", "Ga", "Zn", "Cd"}
_COVALENT_PAIRS: Final = (
    (symbols("B Al Ga In"), symbols("N P As Sb")),
    (symbols("Be Mg Zn Cd Hg"), symbols("S Se Te")),
)


def _insulator(f: Facts) -> Finding | None:
    if f.pressure_gpa >= _METALLISES_GPA or len(f.amounts) < 2:
        return None
    if _same_formula(f.reduced, _MOTT):
        return Finding("insulator", "a known Mott or charge-transfer insulator")
    elements = frozenset(f.amounts)
    ionic = elements & _IONIC_ANIONS
    if "Bi" in elements and elements & (CHALCOGENS | {"Ba", "K", "Rb"}):
        return None  # parents of the BiS2 and bismuthate superconductors, whose doping is often left unsaid
    if ionic and not elements & {"H"} and not (elements & _D0 and not ionic <= HALOGENS):
        anions = elements & (_IONIC_ANIONS | CHALCOGENS | {"N"})
        if not elements & _D0 or anions <= HALOGENS:
            charges = ionic_charges(f.amounts, anions)
            if charges:
                return _closed_shell(charges)
    if _correlated_halide(f):
        return Finding("insulator", "a transition-metal halide")
    if elements - CHALCOGENS <= _SALT_CATIONS and elements & CHALCOGENS:
        return _covalent(f, ionic_charges(f.amounts, elements & CHALCOGENS))
    if elements - {"N"} <= ALKALI | ALKALINE_EARTH | symbols("B Al Ga In Si Ge Zn") and "N" in elements:
        return _covalent(f, ionic_charges(f.amounts, frozenset({"N"})))
    if elements - {"H"} <= ALKALI | ALKALINE_EARTH | {"Al", "B"} and "H" in elements:
        charges = ionic_charges(f.amounts, frozenset({"H"}))
        return _closed_shell(charges) if charges else None
    if f.reduced == "SiC":
        return _covalent(f, {"Si": 4, "C": -4})
    for cations, anions in _COVALENT_PAIRS:
        if elements <= cations | anions and elements & cations and elements & anions:
            return _covalent(f, ionic_charges(f.amounts, elements & anions))
    return None


def _closed_shell(charges: Mapping[str, int]) -> Finding:
    shown = " ".join(f"{s}{abs(v)}{'+' if v > 0 else '-'}" for s, v in charges.items())
    return Finding("insulator", f"closed shells: {shown}")


def _covalent(f: Facts, charges: Mapping[str, int] | None) -> Finding | None:
    """Octet compounds; a structure without tetrahedra may be one of their metallic high-pressure forms."""
    if not charges:
        return None
    elements = frozenset(f.amounts)
    tetrahedral = any(elements <= c | a for c, a in _COVALENT_PAIRS) or f.reduced == "SiC"
    if tetrahedral and f.structure is not None and len(elements) == 2 and not is_tetrahedral(f.structure):
        return None
    return _closed_shell(charges)


def _correlated_halide(f: Facts) -> bool:
    """Di- and trihalides of the magnetic 3d metals, alone or with alkali."""
    metals = sum(f.amounts.get(s, 0.0) for s in ("V", "Cr", "Mn", "Fe", "Co", "Ni"))
    halogens = sum(f.amounts.get(s, 0.0) for s in HALOGENS)
    rest = set(f.amounts) - {"V", "Cr", "Mn", "Fe", "Co", "Ni"} - HALOGENS
    return bool(metals) and halogens >= 2 * metals and rest <= ALKALI


def _molecular(f: Facts) -> Finding | None:
    elements = frozenset(f.amounts)
    if len(elements) < 2 or f.pressure_gpa >= _METALLISES_GPA:
        return None
    carbon, hydrogen = f.amounts.get("C", 0.0), f.amounts.get("H", 0.0)
    if elements <= NONMETALS:
        if elements & NOBLE_GASES and not elements & HALOGENS:
            return None
        if elements & (HALOGENS | {"O"}) or (hydrogen and elements & {"C", "N"}):
            return Finding("molecular", "nonmetals only")
        if hydrogen and f.reduced in {"H2S", "H2Se", "PH3"}:
            return Finding("molecular", "nonmetals only")
        return None
    metals = 1.0 - f.fraction(NONMETALS)
    if carbon and hydrogen > 0.3 * carbon and f.fractions["C"] > 0.25 and metals < 0.2:
        return Finding("organic", "carbon and hydrogen in the proportions of molecules")
    return None


_RULES: Final[tuple[Callable[[Facts], Finding | None], ...]] = (
    _elemental_insulator,
    _magnet,
    _cuprate,
    _iron_based,
    _nickelate,
    _ruthenate,
    _heavy_fermion,
    _molecular,
    _insulator,
)


def first_finding(facts: Facts) -> Finding | None:
    """The first rule that places the material outside the theory, or None."""
    for rule in _RULES:
        finding = rule(facts)
        if finding is not None:
            return finding
    return None
