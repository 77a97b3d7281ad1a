"""The ranking as a CSV file that grows while it is read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from htc.store.rankings import top_rows

if TYPE_CHECKING:
    from htc.service.state import Service
    from htc.store import Filters

__all__ = ["MOST_ROWS", "csv_of"]

MOST_ROWS: Final = 100_000
_AT_ONCE: Final = 1000

_COLUMNS: Final = {
    "id": "id",
    "reduced_formula": "reduced_formula",
    "tc_predicted": "tc_predicted_K",
    "tc_lower_95ci": "tc_lower_95ci_K",
    "tc_upper_95ci": "tc_upper_95ci_K",
    "tc_uncertainty": "tc_uncertainty_K",
    "tc_experiment": "tc_experiment_K",
    "lambda_ep": "lambda_ep",
    "omega_log": "omega_log_K",
    "mu_star": "mu_star",
    "pressure_required_gpa": "pressure_GPa",
    "phonon_verdict": "phonon_verdict",
    "phonon_stable": "phonon_stable",
    "thermo_stable": "thermo_stable",
    "hull_distance_eV": "hull_distance_eV_per_atom",
    "confidence_level": "confidence_level",
    "extrapolation_warning": "extrapolation_warning",
    "family": "family",
    "prediction_method": "prediction_method",
    "model_tier": "model_tier",
    "model_id": "model_id",
    "structure_origin": "structure_origin",
    "source": "source",
    "created_at": "created_at_UTC",
}
"""Column of a row, and its heading with the unit."""

# A cell that begins so is run as a formula by the spreadsheets that people open such files in.
_RUNNABLE: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_of(service: Service, filters: Filters) -> Iterator[str]:
    """The rows that pass, best first, at most ``MOST_ROWS``, in pieces of text.

    Raises:
        StoreError: the database does not answer.
    """
    after: str | None = None
    left = MOST_ROWS
    yield _text([list(_COLUMNS.values())])
    while left > 0:
        rows, after = top_rows(service.database, min(_AT_ONCE, left), filters, after)
        if rows:
            yield _text([[_cell(row[name]) for name in _COLUMNS] for row in rows])
        left -= len(rows)
        if after is None:
            return


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_RUNNABLE):
        return f"'{value}"
    return value


def _text(rows: list[list[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
