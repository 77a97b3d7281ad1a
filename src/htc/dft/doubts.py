"""What about a crystal makes a plain electron-phonon calculation doubtful, said before it is paid for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.dft.pseudopotentials import Pseudopotential

__all__ = ["doubts_about"]

_MAGNETIC: Final = frozenset(["Cr", "Mn", "Fe", "Co", "Ni"])
_OPEN_F: Final = frozenset(
    [
        "Ce",
        "Pr",
        "Nd",
        "Pm",
        "Sm",
        "Eu",
        "Gd",
        "Tb",
        "Dy",
        "Ho",
        "Er",
        "Tm",
        "Yb",
        "Pa",
        "U",
        "Np",
        "Pu",
        "Am",
        "Cm",
        "Bk",
        "Cf",
    ]
)
_HEAVY_FROM: Final = 72
"""Hafnium: from here on spin-orbit coupling can move lambda by tens of per cent, as in lead."""
_HYDROGEN_RICH: Final = 0.5
_MANY_ATOMS: Final = 12


def doubts_about(structure: Structure, pseudopotentials: Iterable[Pseudopotential]) -> tuple[str, ...]:
    """Sentences for the user; none of them stops the calculation.

    Args:
        structure: the cell that is calculated.
        pseudopotentials: of its elements.
    """
    chosen = {p.element: p for p in pseudopotentials}
    symbols = sorted({site.specie.symbol for site in structure})
    said = []
    magnetic = [s for s in symbols if s in _MAGNETIC]
    if magnetic:
        said.append(
            f"{', '.join(magnetic)} may carry a moment: the calculation is not spin-polarised; look for a "
            "magnetic ground state first"
        )
    open_f = [s for s in symbols if s in _OPEN_F]
    if open_f:
        said.append(f"{', '.join(open_f)}: open f shell, which semilocal functionals describe badly")
    heavy = [s for s in symbols if structure.composition[s] and _number(structure, s) >= _HEAVY_FROM]
    if heavy and not any(chosen[s].spin_orbit for s in heavy if s in chosen):
        said.append(
            f"{', '.join(heavy)}: spin-orbit coupling, left out here, may change lambda by tens of per cent"
        )
    if structure.composition.get_atomic_fraction("H") >= _HYDROGEN_RICH:
        said.append("hydrogen-rich: anharmonicity and the zero-point motion of the protons are left out")
    if len(structure) > _MANY_ATOMS:
        said.append(
            f"{len(structure)} atoms in the primitive cell: {3 * len(structure)} modes a q point, a cost "
            "that grows with the fourth power of the size"
        )
    electrons = sum(chosen[site.specie.symbol].z_valence for site in structure)
    if round(electrons) % 2 == 0:
        said.append(
            f"{electrons:g} valence electrons, an even number: it may be an insulator, for which this "
            "calculation means nothing; look at the density of states that dense.out and ph.q1.out print"
        )
    return tuple(said)


def _number(structure: Structure, symbol: str) -> int:
    return next(int(site.specie.Z) for site in structure if site.specie.symbol == symbol)
