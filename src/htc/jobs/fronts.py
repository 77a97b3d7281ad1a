"""The front of a run, finished or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from htc.discovery import Front, Goal, Objective, front_of
from htc.discovery.elements import ELEMENT_COLUMNS, element_value
from htc.discovery.fronts import Row
from htc.discovery.pool import columns_of
from htc.discovery.requests import Constraint, default_objectives
from htc.store.jobs import item_formulas, objective_rows

if TYPE_CHECKING:
    from htc.store import Database

__all__ = ["front_as_json", "front_dict", "goal_of", "judged_rows", "run_front"]


def goal_of(request: Mapping[str, Any] | None) -> Goal | None:
    """What an optimisation looks for, from its request as it is kept; None for other runs."""
    if request is None or "objectives" not in request:
        return None
    return Goal.model_validate({k: v for k, v in request.items() if k in Goal.model_fields})


def judged_rows(
    database: Database,
    run_id: str,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
) -> list[Row]:
    """Items of a run with their values of the objectives, without those that break a constraint.

    Raises:
        StoreError: the database does not answer.
    """
    columns = columns_of(objectives, constraints)
    stored = [column for column in columns if column not in ELEMENT_COLUMNS]
    rows = objective_rows(database, run_id, stored)
    formulas = {} if len(stored) == len(columns) else item_formulas(database, run_id)
    out: list[Row] = []
    for position, prediction_id, label, found in rows:
        values: dict[str, float | None] = dict(zip(stored, found, strict=True))
        formula = formulas.get(position)
        for column in ELEMENT_COLUMNS:
            if column in columns:
                values[column] = None if formula is None else element_value(column, formula)
        if all(bound.holds(values[bound.column]) for bound in constraints):
            out.append((position, prediction_id, label, tuple(values[one.column] for one in objectives)))
    return out


def run_front(
    database: Database,
    run_id: str,
    objectives: Sequence[Objective] | None = None,
    constraints: Sequence[Constraint] = (),
) -> Front:
    """What no other candidate of a run beats so far, of those that keep the constraints.

    Args:
        database: an open database.
        run_id: of the run.
        objectives: what to compare by; None: Tc, pressure and distance to the hull.
        constraints: what a candidate must keep to count.

    Raises:
        StoreError: the database does not answer.
    """
    chosen = default_objectives() if objectives is None else list(objectives)
    return front_of(judged_rows(database, run_id, chosen, constraints), chosen)


def front_as_json(
    database: Database,
    run_id: str,
    objectives: Sequence[Objective] | None = None,
    constraints: Sequence[Constraint] = (),
) -> dict[str, Any]:
    """:func:`run_front` as it is kept and sent."""
    return front_dict(run_front(database, run_id, objectives, constraints))


def front_dict(front: Front) -> dict[str, Any]:
    """A front, JSON-ready."""
    return {
        "objectives": [
            {"column": one.column, "direction": one.wanted, "reference": one.worst}
            for one in front.objectives
        ],
        "unused": list(front.unused),
        "compared": front.compared,
        "incomplete": front.incomplete,
        "hypervolume": front.hypervolume,
        "points": [
            {
                "position": point.position,
                "prediction_id": point.prediction_id,
                "label": point.label,
                "values": dict(zip([o.column for o in front.objectives], point.values, strict=True)),
            }
            for point in front.points
        ],
    }
