"""The front of a run, finished or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from htc.discovery import Front, Objective, front_of
from htc.discovery.requests import default_objectives
from htc.store.jobs import objective_rows

if TYPE_CHECKING:
    from htc.store import Database

__all__ = ["front_as_json", "run_front"]


def run_front(database: Database, run_id: str, objectives: Sequence[Objective] | None = None) -> Front:
    """What no other candidate of a run beats so far.

    Args:
        database: an open database.
        run_id: of the run.
        objectives: what to compare by; None: Tc, pressure and distance to the hull.

    Raises:
        StoreError: the database does not answer.
    """
    chosen = default_objectives() if objectives is None else list(objectives)
    return front_of(objective_rows(database, run_id, [one.column for one in chosen]), chosen)


def front_as_json(
    database: Database, run_id: str, objectives: Sequence[Objective] | None = None
) -> dict[str, Any]:
    """:func:`run_front` as it is kept and sent."""
    front = run_front(database, run_id, objectives)
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
