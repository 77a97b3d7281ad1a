"""Filters as SQL: what an index can be walked for, and what is checked row by row.

Every filter has indexes that begin with it and go on in the order of the ranking. It is seen as the *walks*
along them that together visit its rows, each row once: "with Mg" is Mg in first place, in second place, ...,
"at most 10 GPa" is four bands of pressure. One filter drives a query by its walks; the others are *checks* on
the rows that come by.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

from htc.store.calculated import SAME_PRESSURE
from htc.store.filters import Filters
from htc.store.tables import (
    ELEMENT_SLOTS,
    HULL_BAND,
    HULL_BANDS,
    LIVE,
    PRESSURE_BAND,
    PRESSURE_BANDS,
    RANKED,
)

__all__ = ["EVERYTHING", "Condition", "conditions_of"]

_MOST_ALTERNATIVES: Final = 8
"""Symbols of which one is enough that are walked one by one."""

_MOST_SYSTEMS: Final = 31
"""Chemical systems within a wish for "only these elements" that are walked one by one: five elements."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter. Values are bound under the names in ``values``; names are unique within a query."""

    name: str
    check: str
    """What a row must fulfil."""
    values: Mapping[str, Any] = field(default_factory=dict)
    walks: tuple[str, ...] = ()
    """Index conditions, disjoint, that together hold for every ranked row that passes ``check``."""
    walk_values: Mapping[str, Any] = field(default_factory=dict)
    covers: frozenset[str] | None = None
    """Names of conditions that every row visited fulfils; None: this one."""
    indexed: str = RANKED
    """Condition of the partial indexes walked."""
    ordered: bool = True
    """The indexes are in the order of the ranking."""


EVERYTHING: Final = Condition("everything", "true", walks=("true",), indexed=LIVE)
"""The ranking itself."""


OUTRANKED: Final = (
    "(model_id IS NOT NULL AND EXISTS (SELECT 1 FROM htc_predictions AS c"  # noqa: S608  # own text
    " JOIN bete_runs AS b ON b.id = c.bete_run_id AND b.spectrum_origin = 'measured'"
    " WHERE c.reduced_formula = htc_predictions.reduced_formula AND c.model_id IS NULL AND c.applicable"
    " AND c.deleted_at IS NULL AND abs(coalesce(c.pressure_required_gpa, 0)"
    " - coalesce(htc_predictions.pressure_required_gpa, 0))"
    f" <= {SAME_PRESSURE} * coalesce(htc_predictions.pressure_required_gpa, 0)))"
)
"""A model's prediction of what first principles were asked about: same formula, same pressure."""


def conditions_of(filters: Filters) -> list[Condition]:
    """The conditions of filters, but for the range of Tc, which every walk begins and ends with."""
    found = [_element(n, symbol) for n, symbol in enumerate(filters.elements)]
    if filters.any_of:
        found.append(_any_of(filters.any_of))
    if filters.without:
        found.append(
            Condition("without", "NOT elements && %(without)s::text[]", {"without": list(filters.without)})
        )
    if filters.only:
        found.append(_system(filters))
    if filters.min_pressure_required_gpa is not None or filters.max_pressure_required_gpa is not None:
        found.append(
            _range(
                "pressure",
                "pressure_required_gpa",
                (filters.min_pressure_required_gpa, filters.max_pressure_required_gpa),
                (PRESSURE_BAND, PRESSURE_BANDS),
            )
        )
    if filters.max_hull_distance_eV is not None:
        found.append(
            _range(
                "hull", '"hull_distance_eV"', (None, filters.max_hull_distance_eV), (HULL_BAND, HULL_BANDS)
            )
        )
    for column in ("phonon_stable", "thermo_stable"):
        wanted = getattr(filters, column)
        if wanted is not None:
            # As text: a partial index is found for the words it was made with.
            check = column if wanted else f"NOT {column}"
            found.append(Condition(column, check, walks=(f"{check} AND {column} IS NOT NULL",)))
    if filters.levels:
        levels = {f"level_{n}": level for n, level in enumerate(filters.levels)}
        found.append(
            Condition(
                "confidence",
                "confidence_level = ANY(%(levels)s::text[])",
                {"levels": list(filters.levels)},
                tuple(f"confidence_level = %({name})s" for name in levels),
                levels,
            )
        )
    if filters.model_id is not None:
        equal = "model_id = %(model)s"
        value = {"model": filters.model_id}
        found.append(Condition("model", equal, value, (f"{equal} AND model_id IS NOT NULL",), value))
    if filters.model_tier is not None:
        found.append(Condition("tier", "model_tier = %(tier)s", {"tier": filters.model_tier}))
    if filters.best_known:
        found.append(Condition("best_known", f"NOT {OUTRANKED}"))
    if filters.experiment_id is not None:
        found.append(_whole("run", "experiment_id", filters.experiment_id))
    if filters.formula is not None:
        found.append(_whole("formula", "reduced_formula", filters.formula, ordered=False))
    if filters.family is not None:
        found.append(Condition("family", "family = %(family)s", {"family": filters.family}))
    return found


def _element(n: int, symbol: str) -> Condition:
    name = f"element_{n}"
    return Condition(
        name, f"elements @> ARRAY[%({name})s::text]", {name: symbol}, _slots(name), {name: symbol}
    )


def _slots(name: str) -> tuple[str, ...]:
    """Where the symbol bound under ``name`` may stand in a row, each place with an index."""
    slots = (f"elements[{slot}] = %({name})s" for slot in range(1, ELEMENT_SLOTS + 1))
    beyond = (
        f"cardinality(elements) > {ELEMENT_SLOTS} AND %({name})s::text = ANY(elements[{ELEMENT_SLOTS + 1}:])"
    )
    return (*slots, beyond)


def _any_of(symbols: tuple[str, ...]) -> Condition:
    check, values = "elements && %(any_of)s::text[]", {"any_of": list(symbols)}
    if len(symbols) > _MOST_ALTERNATIVES:
        return Condition("any_of", check, values)
    walks: list[str] = []
    bound: dict[str, Any] = {}
    for n, symbol in enumerate(symbols):
        # A row with two of them is visited for the first alone.
        seen = f" AND NOT elements && %(any_before_{n})s::text[]" if n else ""
        bound[f"any_{n}"] = symbol
        if n:
            bound[f"any_before_{n}"] = list(symbols[:n])
        walks += [f"{slot}{seen}" for slot in _slots(f"any_{n}")]
    return Condition("any_of", check, values, tuple(walks), bound)


def _system(filters: Filters) -> Condition:
    check, values = "elements <@ %(only)s::text[] AND elements <> '{}'", {"only": list(filters.only)}
    optional = [symbol for symbol in filters.only if symbol not in {*filters.elements, *filters.without}]
    systems = [
        sorted((*filters.elements, *chosen))
        for size in range(len(optional) + 1)
        for chosen in combinations(optional, size)
    ]
    systems = [system for system in systems if system]
    if len(systems) > _MOST_SYSTEMS:
        return Condition("only", check, values)
    named = {f"system_{n}": system for n, system in enumerate(systems)}
    covers = frozenset({"only", "without", *(f"element_{n}" for n in range(len(filters.elements)))})
    walks = tuple(f"elements = %({name})s::text[] AND elements IS NOT NULL" for name in named)
    return Condition("only", check, values, walks, named, covers)


def _range(
    name: str,
    column: str,
    ends: tuple[float | None, float | None],
    bands: tuple[str, tuple[float, ...]],
) -> Condition:
    low, high = ends
    expression, edges = bands
    # NaN, which rows of an earlier version may hold, is above every number: the upper end keeps it out.
    checks = [f"{column} <= " + ("'Infinity'" if high is None else f"%({name}_high)s")]
    values = {} if high is None else {f"{name}_high": high}
    if low is not None:
        checks.insert(0, f"{column} >= %({name}_low)s")
        values[f"{name}_low"] = low
    first = 0 if low is None else bisect_right(edges, low)
    last = len(edges) if high is None else bisect_right(edges, high)
    wanted = range(first, last + 1)
    if len(wanted) > len(edges):  # every band: then the bands are no help
        return Condition(name, " AND ".join(checks), values)
    named = {f"{name}_band_{band}": band for band in wanted}
    walks = [f"{expression} = %({key})s" for key in named]
    if name == "hull":
        walks = [f"{walk} AND {column} IS NOT NULL" for walk in walks]
    return Condition(name, " AND ".join(checks), values, tuple(walks), named, frozenset())


def _whole(name: str, column: str, value: str, *, ordered: bool = True) -> Condition:
    equal = f"{column} = %({name})s"
    return Condition(name, equal, {name: value}, (equal,), {name: value}, indexed=LIVE, ordered=ordered)
