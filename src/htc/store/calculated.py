"""What first principles have said of a formula: the rows that outrank every model's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from htc.store.records import RECORD_COLUMNS, RECORD_SOURCE, Record, prediction_rows

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["SAME_PRESSURE", "calculated_records"]

SAME_PRESSURE: Final = 0.05
"""Relative difference of pressure up to which a calculation speaks for another pressure."""


def calculated_records(
    database: Database, reduced_formulas: Sequence[str], *, pressure_gpa: float | None = None
) -> dict[str, list[Record]]:
    """Live predictions from a calculated spectrum, by reduced formula; the surest first, then the newest.

    A spectrum of first principles that was checked as a whole run (`htc.dft`) comes before one that was given
    as it is.

    Args:
        database: an open database.
        reduced_formulas: as pymatgen writes them.
        pressure_gpa: only at this pressure, within 5 %; None: at any.

    Raises:
        StoreError: the database does not answer.
    """
    text = (
        f"SELECT {RECORD_COLUMNS}, p.provenance ? 'first_principles' AS first_principles{RECORD_SOURCE}"
        " WHERE p.reduced_formula = ANY(%(formulas)s) AND p.deleted_at IS NULL AND p.model_id IS NULL"
        " AND p.applicable AND p.tc_predicted IS NOT NULL AND b.spectrum_origin = 'measured'"
        " AND (%(pressure)s::float8 IS NULL OR"
        " abs(coalesce(p.pressure_required_gpa, 0) - %(pressure)s::float8) <= %(tolerance)s::float8)"
        " ORDER BY p.reduced_formula, first_principles DESC,"
        " array_position(ARRAY['high', 'medium', 'low']::varchar[], p.confidence_level),"
        " p.created_at DESC NULLS LAST, p.id"
    )
    values = {
        "formulas": list(reduced_formulas),
        "pressure": pressure_gpa,
        "tolerance": SAME_PRESSURE * (pressure_gpa or 0.0),
    }
    found: dict[str, list[Record]] = {}
    if not reduced_formulas:
        return found
    with database.connect() as connection:
        for record in prediction_rows(connection, text, values):
            found.setdefault(record["reduced_formula"], []).append(record)
    return found
