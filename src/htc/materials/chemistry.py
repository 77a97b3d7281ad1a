"""Sets of elements and the counting of valences that the recognition of families stands on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final

__all__ = [
    "ACTINIDES",
    "ALKALI",
    "ALKALINE_EARTH",
    "CHALCOGENS",
    "HALOGENS",
    "LANTHANIDES",
    "MOMENT_4F",
    "NOBLE_GASES",
    "NONMETALS",
    "PNICTOGENS",
    "RARE_EARTH",
    "TRANSITION_METALS",
    "ionic_charges",
    "symbols",
]


def symbols(text: str) -> frozenset[str]:
    """The words of a text as a set: ``symbols("Li Na K")``."""
    return frozenset(text.split())


ALKALI: Final = symbols("Li Na K Rb Cs Fr")
ALKALINE_EARTH: Final = symbols("Be Mg Ca Sr Ba Ra")
LANTHANIDES: Final = symbols("La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu")
RARE_EARTH: Final = LANTHANIDES | {"Sc", "Y"}
ACTINIDES: Final = symbols("Ac Th Pa U Np Pu Am Cm Bk Cf Es")
HALOGENS: Final = symbols("F Cl Br I At")
CHALCOGENS: Final = symbols("S Se Te")
PNICTOGENS: Final = symbols("N P As Sb Bi")
NOBLE_GASES: Final = symbols("He Ne Ar Kr Xe Rn")
NONMETALS: Final = symbols("H C N O F P S Cl Se Br I") | NOBLE_GASES
TRANSITION_METALS: Final = symbols(
    "Sc Ti V Cr Mn Fe Co Ni Cu Zn Y Zr Nb Mo Tc Ru Rh Pd Ag Cd Hf Ta W Re Os Ir Pt Au Hg"
)
MOMENT_4F: Final = symbols("Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb")

# Valences that leave a closed shell. Elements that are left out (most transition metals; Pb4+ and Bi5+,
# whose oxides BaPbO3 and (Ba,K)BiO3 are metals) are never counted as ionic.
_CATIONS: Final[dict[str, tuple[int, ...]]] = {
    **dict.fromkeys(ALKALI, (1,)),
    **dict.fromkeys(ALKALINE_EARTH, (2,)),
    **dict.fromkeys(LANTHANIDES | {"Sc", "Y"}, (3,)),
    "Ce": (3, 4), "Eu": (2, 3), "Yb": (2, 3), "Sm": (2, 3), "Th": (4,),
    "Cu": (1,), "Ag": (1,), "Zn": (2,), "Cd": (2,), "Hg": (2,),
    "B": (3,), "Al": (3,), "Ga": (3,), "In": (3,), "Tl": (1,),
    "Si": (4,), "Ge": (4,), "Sn": (2, 4), "Pb": (2,), "As": (3, 5), "Sb": (3, 5), "Bi": (3,),
    "Ti": (4,), "Zr": (4,), "Hf": (4,), "V": (5,), "Nb": (5,), "Ta": (5,), "Mo": (6,), "W": (6,), "Re": (7,),
}  # fmt: skip
_IN_OXYANIONS: Final = {"C": 4, "N": 5, "P": 5, "S": 6, "Se": 6, "Te": 6, "Cl": 7, "Br": 5, "I": 5}
_ANIONS: Final = {
    **dict.fromkeys(HALOGENS, -1),
    "O": -2, "S": -2, "Se": -2, "Te": -2, "N": -3, "P": -3, "As": -3, "Sb": -3, "H": -1, "C": -4,
}  # fmt: skip


def ionic_charges(amounts: Mapping[str, float], anions: frozenset[str]) -> dict[str, int] | None:
    """Closed-shell valences under which the composition is neutral, or None.

    Args:
        amounts: atoms per formula by element symbol.
        anions: the elements taken as anions; all others must be cations of fixed valence.
    """
    choices: list[tuple[int, ...]] = []
    for symbol in amounts:
        if symbol in anions:
            options: tuple[int, ...] = (_ANIONS[symbol],)
            if symbol != "O" and "O" in amounts and "O" in anions and symbol in _IN_OXYANIONS:
                options += (_IN_OXYANIONS[symbol],)
        elif symbol in _IN_OXYANIONS and "O" in amounts and "O" in anions:
            options = (_IN_OXYANIONS[symbol],)
        else:
            options = _CATIONS.get(symbol, ())
        if not options:
            return None
        choices.append(options)
    total = sum(amounts.values())
    for valences in itertools.islice(itertools.product(*choices), 256):
        charge = sum(n * v for n, v in zip(amounts.values(), valences, strict=True))
        if abs(charge) < 2e-3 * total and min(valences) < 0 < max(valences):
            return dict(zip(amounts, valences, strict=True))
    return None
