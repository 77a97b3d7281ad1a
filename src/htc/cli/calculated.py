"""What first principles have said of the materials of an answer: it stands before the model's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from htc.prediction import Failure, Prediction
    from htc.store import Database

__all__ = ["CALCULATED_FIELDS", "Calculated", "calculated_for", "with_calculated"]

Calculated = dict[str, Any]

CALCULATED_FIELDS: Final = (
    "id",
    "tc_predicted",
    "tc_lower_95ci",
    "tc_upper_95ci",
    "lambda_ep",
    "omega_log",
    "mu_star",
    "pressure_required_gpa",
    "prediction_method",
    "confidence_level",
)
"""Fields of ``calculated`` in an entry of ``htc predict --json``."""


def calculated_for(
    database: Database, results: Sequence[Prediction | Failure]
) -> dict[tuple[str, float], Calculated]:
    """The surest stored calculation by reduced formula and pressure, for those of the results that have one.

    Raises:
        StoreError: the database does not answer.
    """
    from htc.prediction import Failure
    from htc.store.calculated import calculated_records

    wanted: dict[float, set[str]] = {}
    for result in results:
        if not isinstance(result, Failure) and result.model_id is not None:
            wanted.setdefault(result.pressure_gpa, set()).add(result.reduced_formula)
    found = {}
    for pressure, formulas in wanted.items():
        for formula, records in calculated_records(database, sorted(formulas), pressure_gpa=pressure).items():
            found[formula, pressure] = {name: records[0][name] for name in CALCULATED_FIELDS}
    return found


def with_calculated(
    database: Database,
    results: Sequence[tuple[Prediction | Failure, str | None]],
    calculated: dict[tuple[str, float], Calculated],
) -> list[tuple[Prediction | Failure, str | None]]:
    """The results with each calculation before the first prediction of its material.

    Raises:
        StoreError: the database does not answer.
    """
    from htc.prediction import Failure
    from htc.store import get

    shown: list[tuple[Prediction | Failure, str | None]] = []
    told: set[str] = set()
    for result, id_ in results:
        if not isinstance(result, Failure):
            found = calculated.get((result.reduced_formula, result.pressure_gpa))
            if found is not None and found["id"] not in told:
                told.add(found["id"])
                shown.append((get(database, found["id"]).prediction, found["id"]))
        shown.append((result, id_))
    return shown
