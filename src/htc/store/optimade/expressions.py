"""A filter as a tree, checked before it comes here: known properties, values of their kinds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

__all__ = [
    "MIRRORED",
    "Always",
    "And",
    "Compare",
    "Constant",
    "Expression",
    "Has",
    "Item",
    "Known",
    "Length",
    "Match",
    "Never",
    "Not",
    "Operator",
    "Or",
    "Quantifier",
    "Reference",
    "properties",
]

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
Quantifier = Literal["one", "all", "any", "only"]
Constant = str | int | float | bool | datetime

MIRRORED: Final[dict[Operator, Operator]] = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""``a < b`` says what ``b > a`` says."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Another property as the value to compare with."""

    name: str


@dataclass(frozen=True, slots=True)
class Compare:
    """``name operator value``."""

    name: str
    operator: Operator
    value: Constant | Reference


@dataclass(frozen=True, slots=True)
class Match:
    """Part of a text."""

    name: str
    where: Literal["contains", "starts", "ends"]
    part: str


@dataclass(frozen=True, slots=True)
class Known:
    """Whether there is a value at all."""

    name: str
    known: bool


@dataclass(frozen=True, slots=True)
class Item:
    """What a list's item, or the items at one place of several lists, must fulfil."""

    parts: tuple[tuple[Operator, Constant], ...]
    """One for each list."""


@dataclass(frozen=True, slots=True)
class Has:
    """Items of a list, or of lists walked together (``elements:elements_ratios``)."""

    names: tuple[str, ...]
    quantifier: Quantifier
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Length:
    """The number of items of a list."""

    name: str
    operator: Operator
    value: int


@dataclass(frozen=True, slots=True)
class Never:
    """A comparison with what is unknown for every entry: it holds for none, and neither does its negation."""


@dataclass(frozen=True, slots=True)
class Always:
    """Holds for every entry: what is unknown for all of them IS UNKNOWN."""


@dataclass(frozen=True, slots=True)
class Not:
    """The negation; entries whose value is unknown fulfil neither a comparison nor its negation."""

    of: Expression


@dataclass(frozen=True, slots=True)
class And:
    """All hold."""

    of: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one holds."""

    of: tuple[Expression, ...]


Expression = Compare | Match | Known | Has | Length | Never | Always | Not | And | Or


def properties(wish: Expression | None) -> set[str]:
    """Names of all properties that a filter speaks of."""
    match wish:
        case Not(inner):
            return properties(inner)
        case And(parts) | Or(parts):
            return set().union(*(properties(part) for part in parts))
        case Has(names):
            return set(names)
        case Compare(name, _, Reference(other)):
            return {name, other}
        case Compare(name) | Match(name) | Known(name) | Length(name):
            return {name}
        case _:
            return set()
