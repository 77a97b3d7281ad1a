"""The best materials: pages by key under any filters, and the ranking by formula."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from htc.errors import InputError, NotFoundError
from htc.store import cursors
from htc.store.calendar import in_calendar
from htc.store.filters import Filters
from htc.store.naming import file_name
from htc.store.refreshing import (
    Freshness,
    freshness,
    is_populated,
    read_freshness,
    refresh_rankings,
)
from htc.store.tables import htc_predictions, top_superconductors
from htc.store.walk import Place, walk

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = [
    "CANDIDATES",
    "MAX_PAGE",
    "Formula",
    "FormulaPage",
    "Freshness",
    "Page",
    "Ranked",
    "check_page",
    "freshness",
    "refresh_rankings",
    "top",
    "top_formulas",
    "top_rows",
]

MAX_PAGE: Final = 10_000

CANDIDATES: Final = 20_000
"""Rows looked at for a page before what was found so far is given: about a tenth of a second."""

_BY_TC: Final = "t"
_BY_FORMULA: Final = "f"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A row of the ranking. Temperatures in K, pressure in GPa."""

    id: str
    reduced_formula: str | None
    tc_predicted: float
    tc_lower_95ci: float | None
    tc_upper_95ci: float | None
    tc_uncertainty: float | None
    lambda_ep: float | None
    omega_log: float | None
    mu_star: float | None
    prediction_method: str | None
    confidence_level: str | None
    extrapolation_warning: bool | None
    pressure_required_gpa: float | None
    family: str | None
    model_tier: str | None
    model_id: str | None
    structure_origin: str | None
    source: str | None


_ROW: Final = {
    name: name
    for name in (
        "id",
        "reduced_formula",
        "tc_predicted",
        "tc_lower_95ci",
        "tc_upper_95ci",
        "tc_uncertainty",
        "tc_experiment",
        "lambda_ep",
        "omega_log",
        "mu_star",
        "pressure_required_gpa",
        "phonon_stable",
        "phonon_verdict",
        "thermo_stable",
        "confidence_level",
        "extrapolation_warning",
        "prediction_method",
        "family",
        "model_tier",
        "model_id",
        "structure_origin",
        "structure_hash",
        "source",
        "experiment_id",
    )
} | {
    "hull_distance_eV": '"hull_distance_eV"',
    "created_at": f"CASE WHEN {in_calendar('created_at')} THEN created_at AT TIME ZONE 'UTC' END"
    " AS created_at",
}
"""Columns of :func:`top_rows`, and how they are asked for."""

_COLUMNS: Final = tuple(Ranked.__dataclass_fields__)
_WIDTH: Final = len(_COLUMNS)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of the ranking and where the next ones begin."""

    rows: tuple[Ranked, ...]
    next_cursor: str | None
    """For ``after``; None on the last page. A page with fewer rows than asked for, even none, and a cursor:
    the search was stopped after many rows that do not pass, and goes on from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A row of the materialized view ``top_superconductors``."""

    structure_formula: str | None
    avg_tc: float
    """Average Tc over all stored predictions above 1 K for structures of this formula, K."""
    prediction_count: int
    last_prediction: datetime | None


@dataclass(frozen=True, slots=True)
class FormulaPage:
    """Some rows of the ranking by formula, where the next ones begin, and how old it is."""

    rows: tuple[Formula, ...]
    next_cursor: str | None
    """For ``after``; None on the last page."""
    freshness: Freshness


def top(
    database: Database,
    n: int = 20,
    filters: Filters | None = None,
    after: str | None = None,
    *,
    candidates: int | None = CANDIDATES,
) -> Page:
    """The predictions of highest Tc, equal ones by id. Page 10,000 costs what page 1 costs.

    Each filter has an index in this order; the most selective one is walked and the others are checked on
    the way. What costs time is therefore rows that fulfil that one and not the others: after ``candidates``
    of them the page ends early, with a cursor that goes on. Tc below 1 K is outside the filters' indexes
    and looked for among all rows, no more than a tenth of ``candidates`` once something was found.

    Args:
        database: an open database.
        n: rows a page, 1 to 10,000.
        filters: which predictions; all when None.
        after: ``next_cursor`` of the page before, or the id of its last row: only what ranks below. It may be
            used under other filters too.
        candidates: rows to look at before giving what was found so far; None: as many as it takes.

    Raises:
        InputError: n out of range, or a damaged cursor.
        NotFoundError: no ranked prediction has the id ``after``.
        StoreError: the database does not answer.
    """
    check_page(n)
    if candidates is not None and candidates < 1:
        raise InputError(f"{candidates} candidates are too few to find anything", hint="1 or more, or None")
    with database.connect() as connection:
        place = None if after is None else _place(connection, after)
        found = walk(connection, _COLUMNS, filters or Filters(), place, n, candidates)
    rows = tuple(Ranked(*row[:_WIDTH]) for row in found.rows)
    return Page(rows, cursors.pack(_BY_TC, found.next.tc, found.next.id) if found.next else None)


def top_rows(
    database: Database, n: int = 20, filters: Filters | None = None, after: str | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """What :func:`top` finds, as plain rows under the names of the columns, and ``next_cursor``.

    Of a ``source`` that is a path they have the file's name, see :mod:`htc.store.naming`.

    Same arguments and errors; times are in UTC and say no zone.
    """
    check_page(n)
    with database.connect() as connection:
        place = None if after is None else _place(connection, after)
        found = walk(connection, tuple(_ROW.values()), filters or Filters(), place, n, CANDIDATES)
    rows = [dict(zip(_ROW, row, strict=False)) for row in found.rows]
    for row in rows:
        if row["source"] is not None:
            row["source"] = file_name(row["source"])
    return rows, cursors.pack(_BY_TC, found.next.tc, found.next.id) if found.next else None


def top_formulas(
    database: Database, n: int = 20, min_avg_tc: float | None = None, after: str | None = None
) -> FormulaPage:
    """The formulas of highest average Tc as of the last refresh, and how long ago that was.

    Args:
        database: an open database.
        n: rows a page, 1 to 10,000.
        min_avg_tc: only an average Tc at or above this, K.
        after: ``next_cursor`` of the page before. A refresh between two pages may move formulas across.

    Raises:
        InputError: n out of range, min_avg_tc not a number, or a damaged cursor.
        SchemaError: the view is missing.
    """
    check_page(n)
    if min_avg_tc is not None and math.isnan(min_avg_tc):
        raise InputError("the least Tc must be a number")
    v = top_superconductors.c
    query = (
        sa.select(top_superconductors)
        .order_by(v.avg_tc.desc(), v.structure_formula)
        .limit(sa.literal_column(str(n + 1)))
    )
    if min_avg_tc is not None:
        query = query.where(v.avg_tc >= min_avg_tc)
    if after is not None:
        tc, formula = cursors.unpack(_BY_FORMULA, after, float, (str, type(None)))
        # A row without a formula comes last among equals.
        below = v.avg_tc < tc
        if formula is not None:
            below = sa.or_(below, v.structure_formula > formula, v.structure_formula.is_(None))
        query = query.where(v.avg_tc <= tc, below)
    with database.connect() as connection:
        populated = is_populated(connection)
        rows = [Formula(**row) for row in connection.execute(query).mappings()] if populated else []
        fresh = read_freshness(connection)
    cursor = None
    if len(rows) > n:
        cursor = cursors.pack(_BY_FORMULA, rows[n - 1].avg_tc, rows[n - 1].structure_formula)
    return FormulaPage(tuple(rows[:n]), cursor, fresh)


def check_page(n: int) -> None:
    """Refuse a page of another size than 1 to ``MAX_PAGE`` rows.

    Raises:
        InputError: n is out of range.
    """
    if not 1 <= n <= MAX_PAGE:
        raise InputError(f"{n} rows cannot be asked for at once", hint=f"ask for 1 to {MAX_PAGE}")


def _place(connection: sa.Connection, after: str) -> Place:
    if cursors.is_cursor(_BY_TC, after):
        return Place(*cursors.unpack(_BY_TC, after, float, str))
    t = htc_predictions.c
    tc = None
    if "\0" not in after:
        tc = connection.execute(sa.select(t.tc_predicted).where(t.id == after)).scalar_one_or_none()
    if tc is None:
        raise NotFoundError(
            f"there is no ranked prediction {after!r} to go on after",
            hint="give the cursor of the page before, or the whole id of its last row",
        )
    return Place(tc, after)
