"""Pools of elements: ``"transition_metals -Tc -Hg"`` as the elements it means."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from htc.errors import InputError
from htc.materials.chemistry import (
    ACTINIDES,
    ALKALI,
    ALKALINE_EARTH,
    CHALCOGENS,
    HALOGENS,
    LANTHANIDES,
    NOBLE_GASES,
    NONMETALS,
    PNICTOGENS,
    RARE_EARTH,
    TRANSITION_METALS,
)
from htc.materials.formulas import ELEMENTS

__all__ = ["GROUPS", "PoolWords", "pool_of"]

_ORDER: Final = {symbol: z for z, symbol in enumerate(ELEMENTS, 1)}


def _span(first: str, last: str) -> frozenset[str]:
    return frozenset(ELEMENTS[_ORDER[first] - 1 : _ORDER[last]])


_RADIOACTIVE: Final = frozenset({"Tc", "Pm"}) | _span("Po", "Ac") | _span("Pa", "Es") - {"U"}
_METALLOIDS: Final = frozenset({"B", "Si", "Ge", "As", "Sb", "Te"})
_ALL: Final = frozenset(ELEMENTS[:92])

GROUPS: Final[dict[str, frozenset[str]]] = {
    "all": _ALL,
    "alkali": ALKALI - {"Fr"},
    "alkaline_earth": ALKALINE_EARTH - {"Ra"},
    "transition_metals": TRANSITION_METALS,
    "3d": _span("Sc", "Zn"),
    "4d": _span("Y", "Cd"),
    "5d": _span("Hf", "Hg"),
    "rare_earths": RARE_EARTH,
    "lanthanides": LANTHANIDES,
    "actinides": ACTINIDES & _ALL,
    "post_transition_metals": frozenset({"Al", "Ga", "In", "Tl", "Sn", "Pb", "Bi"}),
    "metalloids": _METALLOIDS,
    "nonmetals": NONMETALS - NOBLE_GASES,
    "light": frozenset({"H", "Be", "B", "C", "N", "O"}),
    "triels": frozenset({"B", "Al", "Ga", "In", "Tl"}),
    "tetrels": frozenset({"C", "Si", "Ge", "Sn", "Pb"}),
    "pnictogens": PNICTOGENS,
    "chalcogens": CHALCOGENS | {"O"},
    "halogens": HALOGENS - {"At"},
    "noble_gases": NOBLE_GASES,
    "radioactive": _RADIOACTIVE & _ALL,
    "toxic": frozenset({"Be", "As", "Cd", "Hg", "Tl", "Pb"}),
    "metals": _ALL - NONMETALS - _METALLOIDS - {"At"},
}
"""Elements up to uranium by name of group. ``toxic``: handling needs a laboratory of its own."""


def _words(value: object) -> object:
    """One text of words, or a list of texts."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return tuple(word for part in value for word in part.replace(",", " ").split())
    return value


PoolWords = Annotated[
    tuple[str, ...],
    BeforeValidator(_words, json_schema_input_type=str | list[str]),
    Field(min_length=1, max_length=200),
]
"""Symbols and names of groups, as a list or as a text with blanks; ``-`` before one takes it out."""


def pool_of(words: Sequence[str], own: Mapping[str, Sequence[str]] | None = None) -> tuple[str, ...]:
    """Elements of a pool, in order of atomic number.

    Args:
        words: symbols and names of groups, later ones last: ``("4d", "5d", "-Tc", "Ti")``. A pool that
            begins with a ``-`` word takes it out of all elements up to uranium.
        own: groups that the campaign defines itself, asked before the built-in ones.

    Raises:
        InputError: a word is neither an element nor a group, or nothing is left.
    """
    return _pool(words, own or {}, ())


def _pool(words: Sequence[str], own: Mapping[str, Sequence[str]], inside: tuple[str, ...]) -> tuple[str, ...]:
    found: set[str] = set(_ALL) if words and words[0].startswith("-") else set()
    for word in words:
        name = word.removeprefix("-")
        meant = _meant(name, own, inside)
        found = found - meant if word.startswith("-") else found | meant
    if not found:
        raise InputError(f"no element is left of {' '.join(words)!r}")
    return tuple(sorted(found, key=_ORDER.__getitem__))


def _meant(name: str, own: Mapping[str, Sequence[str]], inside: tuple[str, ...]) -> frozenset[str]:
    if name in own:
        if name in inside:
            raise InputError(f"the group {name!r} is made of itself")
        return frozenset(_pool(own[name], own, (*inside, name)))
    if name in GROUPS:
        return GROUPS[name]
    if name in _ORDER and _ORDER[name] <= 99:
        return frozenset({name})
    near = difflib.get_close_matches(name, [*own, *GROUPS, *ELEMENTS[:99]], 1, cutoff=0.5)
    raise InputError(
        f"{name!r} is neither an element nor a group of elements",
        hint=f"did you mean {near[0]}?" if near else "groups: " + ", ".join([*own, *GROUPS]),
    )
