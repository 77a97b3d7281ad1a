"""The ranking desk: what the address asks for, in the words of the store's filters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from htc.errors import HTCError, InputError
from htc.materials.families import FAMILIES
from htc.materials.formulas import ELEMENTS, parse_formula
from htc.store import Filters
from htc.store.filters import CONFIDENCE, TIERS

if TYPE_CHECKING:
    from htc.service.state import Service

__all__ = ["PAGE_ROWS", "Wish", "read_wish", "rows_of"]

PAGE_ROWS: Final = 50

_NUMBERS: Final = (
    "min_tc_predicted",
    "max_tc_predicted",
    "min_pressure_required_gpa",
    "max_pressure_required_gpa",
    "max_hull_distance_eV",
)
_LISTS: Final = ("elements", "any_of", "without", "only")
_SYMBOLS: Final = frozenset(ELEMENTS)
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f-]*)?")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reader of the ranking asks for."""

    filters: Filters
    given: Mapping[str, str]
    """The address as it was given, empty parameters left out."""
    problem: HTCError | None = None
    """What is wrong with it; the filters are then none."""
    understood: str | None = None
    """How the search text was taken, in words."""
    prediction_id: str | None = None
    """The search text is the beginning of an id."""
    formula: str | None = None
    """The search text is this formula."""
    implied: tuple[str, ...] = ()
    """Symbols that the search text asks for."""


def read_wish(query: Mapping[str, str]) -> Wish:
    """Read the parameters of an address; what cannot be used is told in ``problem``, not raised."""
    given = {name: text.strip() for name, text in query.items() if text.strip()}
    try:
        return _read(given)
    except HTCError as error:
        return Wish(Filters(), given, problem=error)


def _read(given: Mapping[str, str]) -> Wish:
    wishes: dict[str, Any] = {name: _number(given[name], name) for name in _NUMBERS if name in given}
    lists = {name: _parts(given.get(name, "")) for name in _LISTS}
    for name in ("phonon_stable", "thermo_stable"):
        if name in given:
            wishes[name] = _boolean(given[name], name)
    for name in ("model_tier", "min_confidence_level", "family", "experiment_id", "model_id"):
        if name in given:
            wishes[name] = given[name]
    understood = prediction_id = formula = None
    implied: tuple[str, ...] = ()
    if "q" in given:
        found, understood, prediction_id = _search(given["q"])
        formula, implied = found.get("formula"), found.get("elements", ())
        for name, value in found.items():
            if name in lists:
                lists[name] = (*lists[name], *value)
            else:
                wishes[name] = value
    lists = {name: tuple(dict.fromkeys(symbols)) for name, symbols in lists.items()}
    filters = Filters(**wishes | lists)
    return Wish(filters, given, None, understood, prediction_id, formula, implied)


def rows_of(service: Service, wish: Wish, after: str | None) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the ranking, each row with the measured Tc the library knows, and the next cursor.

    Raises:
        InputError: a damaged cursor.
        StoreError: the database does not answer.
    """
    from htc.store.rankings import top_rows

    rows, cursor = top_rows(service.database, PAGE_ROWS, wish.filters, after)
    for row in rows:
        row["tc_measured"] = _measured(row["reduced_formula"], row["pressure_required_gpa"])
    return rows, cursor


def _search(text: str) -> tuple[dict[str, Any], str | None, str | None]:
    """Filters that a search text stands for, that in words, and the id it begins."""
    if _ID.fullmatch(text.lower()) and any(c.isdigit() for c in text):
        return {}, None, text.lower()
    family = text.casefold().replace("-", "_")
    for name in (family, family.removesuffix("s")):
        if name in {known.casefold() for known in FAMILIES}:
            exact = next(known for known in FAMILIES if known.casefold() == name)
            return {"family": exact}, f"family {exact}", None
    system = [part for part in re.split(r"\s*[-–]\s*", text) if part]
    if len(system) > 1 and set(system) <= _SYMBOLS:
        return {"elements": tuple(system), "only": tuple(system)}, "system " + "–".join(system), None
    symbols = [part for part in re.split(r"[\s,;+]+", text) if part]
    if symbols and set(symbols) <= _SYMBOLS:
        return {"elements": tuple(symbols)}, "with " + ", ".join(symbols), None
    try:
        formula = parse_formula(text).reduced_formula
    except InputError as error:
        said = error.hint or ""
        if said:
            said = f"{said[0].upper()}{said[1:]}{'' if said.endswith(('?', '.')) else '.'} "
        error.hint = (
            f"{said}Search for a formula (Nb3Sn), elements (Nb Sn), a system (Nb-Sn) or a family (boride)."
        )
        raise
    return {"formula": formula}, f"formula {formula}", None


def _measured(formula: str | None, pressure_gpa: float | None) -> float | None:
    from htc.materials.library import entries_of, pressure_matches

    if formula is None:
        return None
    try:
        entries = entries_of(formula)
    except InputError:  # rows of an earlier version may hold any text
        return None
    known = [
        entry.tc_measured_k
        for entry in entries
        if entry.tc_measured_k is not None and pressure_matches(entry.pressure_gpa, pressure_gpa or 0.0)
    ]
    return max(known, default=None)


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"{text[:40]!r} is not a number", where=name) from error


def _boolean(text: str, name: str) -> bool:
    if text not in ("true", "false"):
        raise InputError(f"{text[:40]!r} is neither true nor false", where=name)
    return text == "true"


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "min_confidence_level": CONFIDENCE,
    "model_tier": TIERS,
    "family": tuple(sorted(FAMILIES, key=str.casefold)),
}
"""What the select fields of the desk offer."""
