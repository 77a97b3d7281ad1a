"""Pages of the rankings."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from htc.materials.formulas import parse_formula
from htc.store import Filters, top_formulas
from htc.store.rankings import top_rows

if TYPE_CHECKING:
    from htc.service.schemas import FormulaQuery, RankingQuery
    from htc.service.state import Service
    from htc.store.records import Record

__all__ = ["filters_of", "formula_ranking", "ranking"]

_LISTS = ("elements", "any_of", "without", "only", "confidence_level")
_SAME = (
    "min_tc_predicted",
    "max_tc_predicted",
    "min_pressure_required_gpa",
    "max_pressure_required_gpa",
    "phonon_stable",
    "thermo_stable",
    "max_hull_distance_eV",
    "min_confidence_level",
    "model_id",
    "model_tier",
    "experiment_id",
    "family",
    "best_known",
    "include_set_aside",
)


def filters_of(query: RankingQuery) -> Filters:
    """The filters of a query.

    Raises:
        InputError: an unknown element or level, a range whose ends are swapped, a formula that is none, or
            wishes that exclude each other.
    """
    wishes: dict[str, Any] = {name: getattr(query, name) for name in _SAME}
    wishes |= {name: _parts(getattr(query, name)) for name in _LISTS}
    if query.formula is not None:
        wishes["formula"] = parse_formula(query.formula).reduced_formula
    return Filters(**wishes)


def ranking(service: Service, query: RankingQuery) -> Record:
    """A ``Ranking``.

    Raises:
        InputError: the filters or the cursor cannot be used.
        NotFoundError: no ranked prediction has the id ``after``.
        StoreError: the database does not answer.
    """
    rows, cursor = top_rows(service.database, query.n, filters_of(query), query.after)
    return {"rows": rows, "next_cursor": cursor}


def formula_ranking(service: Service, query: FormulaQuery) -> Record:
    """A ``FormulaRanking``.

    Raises:
        InputError: the cursor cannot be used.
        StoreError: the database does not answer.
    """
    page = top_formulas(service.database, query.n, query.min_avg_tc, query.after)
    return {
        "rows": [asdict(row) for row in page.rows],
        "next_cursor": page.next_cursor,
        "refreshed_at": page.freshness.refreshed_at,
        "newer_rows": page.freshness.newer_rows,
    }


def _parts(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(part.strip() for part in text.split(",") if part.strip())
