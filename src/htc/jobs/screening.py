"""The work of a screening: every candidate at every pressure, in order."""

from __future__ import annotations

from typing import Any

from htc.discovery import Candidates, ScreenRequest
from htc.jobs.fronts import front_as_json
from htc.jobs.models import evaluator_for
from htc.jobs.task import Entry, Task

__all__ = ["screen"]


def screen(task: Task) -> dict[str, Any]:
    """Do it from where it stands; the result names what no other candidate beats."""
    request = ScreenRequest.model_validate(task.job.request)
    candidates = Candidates(request.candidates, task.database)
    pressures = list(dict.fromkeys(request.pressures_gpa))
    total = len(candidates) * len(pressures)
    task.tell("loading the model", total)
    evaluator = evaluator_for(
        task.settings,
        task.database,
        tier=request.tier,
        mu_star=request.mu_star,
        stability=request.stability,
        pulse=task.pulse,
    )

    def entry(position: int) -> Entry:
        number, which = divmod(position, len(pressures))
        return Entry(position, candidates[number], pressures[which])

    task.judge(
        entry,
        range(task.job.done, total),
        evaluator,
        message=lambda done: f"{done:,} of {total:,} candidates judged",
        one_by_one=request.stability != "none",
    )
    return {"pareto": front_as_json(task.database, task.lease.run_id)}
