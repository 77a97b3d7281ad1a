"""The work of an optimisation: look at the whole pool cheaply, then judge batch after batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from htc.discovery import Candidates, Objective, Optimiser, OptimizeRequest, front_of
from htc.errors import InputError
from htc.jobs.fronts import front_as_json
from htc.jobs.models import evaluator_for
from htc.jobs.task import Entry, Judged, Task
from htc.models.acquisition import fractions_of
from htc.models.predictive import TcDistribution
from htc.store.jobs import RunItem, objective_rows, pages_of_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from htc.prediction import Prediction

    FloatArray = NDArray[np.float64]

__all__ = ["optimize"]

_FIELD: Final = {"pressure_required_gpa": "pressure_gpa", "hull_distance_eV": "hull_distance_ev"}
"""Names of the record where those of the columns differ."""
_LOOK: Final = 128
"""Candidates of the pool looked at together."""


@dataclass(frozen=True, slots=True)
class _Pool:
    """What can be chosen from: numbers of the run's candidates, and what the cheap model thinks of them."""

    numbers: list[int]
    predictions: list[Prediction]
    left_out: int
    """Outside the theory, or not readable."""


def optimize(task: Task) -> dict[str, Any]:
    """Do it from where it stands; the result is the front and how it grew."""
    request = OptimizeRequest.model_validate(task.job.request)
    candidates = Candidates(request.candidates, task.database)
    pressures = list(dict.fromkeys(request.pressures_gpa))
    pool = _look(task, request, candidates, pressures)
    if not pool.numbers:
        raise InputError("none of the candidates has a Tc to begin with", where="candidates")
    total = min(request.budget, len(pool.numbers))
    task.tell("loading the model that judges", total)
    evaluator = evaluator_for(
        task.settings,
        task.database,
        tier=request.tier,
        mu_star=request.mu_star,
        stability=request.stability,
        pulse=task.pulse,
    )
    optimiser = _optimiser(request, pool)
    place = {number: i for i, number in enumerate(pool.numbers)}
    known = _known(task)
    position = batch = 0
    while position < total:
        chosen = optimiser.ask(min(request.batch_size, total - position), batch)
        start = position
        # A batch that another process left half done is chosen again, the same, and only the rest judged.
        done = [known[p] for p in range(start, start + len(chosen)) if p in known]
        results = [(place[int(item.values["candidate"])], _values(request.objectives, item)) for item in done]

        def entry(at: int, start: int = start, chosen: list[int] = chosen, batch: int = batch) -> Entry:
            number = pool.numbers[chosen[at - start]]
            which, pressure = divmod(number, len(pressures))
            return Entry(
                at,
                candidates[which],
                pressures[pressure],
                {"candidate": number, "batch": batch, "prior": _prior(pool, chosen[at - start])},
            )

        judged = task.judge(
            entry,
            range(start + len(done), start + len(chosen)),
            evaluator,
            message=lambda n: f"{n:,} of {total:,} judged, of {len(pool.numbers):,} candidates",
            one_by_one=request.stability != "none",
            together=True,
        )
        results += [(chosen[one.position - start], _judged(request.objectives, one)) for one in judged]
        for which, values in results:
            optimiser.tell(which, values)
        position, batch = start + len(chosen), batch + 1
    return {
        "pareto": front_as_json(task.database, task.lease.run_id, request.objectives),
        "history": _history(task, request.objectives),
        "pool": len(pool.numbers),
        "left_out": pool.left_out,
    }


def _look(task: Task, request: OptimizeRequest, candidates: Candidates, pressures: Sequence[float]) -> _Pool:
    """The cheap model's predictions of the whole pool; not stored, made again by whoever takes over."""
    total = len(candidates) * len(pressures)
    task.tell(f"looking at {total:,} candidates", task.job.total)
    cheap = evaluator_for(
        task.settings,
        task.database,
        tier=request.prior_tier,
        mu_star=request.mu_star,
        pulse=task.pulse,
    )
    numbers: list[int] = []
    predictions: list[Prediction] = []
    for start in range(0, total, _LOOK):
        some = range(start, min(start + _LOOK, total))
        asked = [(candidates[n // len(pressures)], pressures[n % len(pressures)]) for n in some]
        for number, verdict in zip(some, cheap(asked), strict=True):
            if verdict.prediction is not None and verdict.prediction.tc_predicted is not None:
                numbers.append(number)
                predictions.append(verdict.prediction)
        if total > _LOOK:
            task.tell(f"looked at {some.stop:,} of {total:,} candidates")
    return _Pool(numbers, predictions, total - len(numbers))


def _optimiser(request: OptimizeRequest, pool: _Pool) -> Optimiser:
    guesses: dict[str, FloatArray] = {
        one.column: np.array(
            [np.nan if (v := _of(p, one.column)) is None else v for p in pool.predictions], dtype=np.float64
        )
        for one in request.objectives
        if one.column != "tc_predicted"
    }
    pressure = guesses.pop("pressure_required_gpa", None)
    return Optimiser(
        TcDistribution.from_predictions(pool.predictions),
        fractions_of([p.reduced_formula for p in pool.predictions]),
        request.objectives,
        known={} if pressure is None else {"pressure_required_gpa": pressure},
        guesses=guesses,
        seed=request.seed,
    )


def _prior(pool: _Pool, which: int) -> dict[str, float | None]:
    """What the cheap model thought, kept beside the judgement."""
    p = pool.predictions[which]
    return {
        "tc_predicted": p.tc_predicted,
        "tc_lower_95ci": p.tc_lower_95ci,
        "tc_upper_95ci": p.tc_upper_95ci,
    }


def _of(prediction: Prediction, column: str) -> float | None:
    value = getattr(prediction, _FIELD.get(column, column))
    return None if value is None else float(value)


def _known(task: Task) -> dict[int, RunItem]:
    return {
        item.position: item for page in pages_of_values(task.database, task.lease.run_id) for item in page
    }


def _values(objectives: Sequence[Objective], item: RunItem) -> list[float | None] | None:
    said: Mapping[str, Any] | None = item.prediction
    if item.state == "failed" or said is None or said["tc_predicted"] is None:
        return None
    return [said[one.column] for one in objectives]


def _judged(objectives: Sequence[Objective], one: Judged) -> list[float | None] | None:
    if one.prediction is None or one.prediction.tc_predicted is None:
        return None
    return [_of(one.prediction, objective.column) for objective in objectives]


def _history(task: Task, objectives: Sequence[Objective]) -> list[dict[str, Any]]:
    """The front after each batch: how many were judged, how many it has, and its hypervolume."""
    rows = objective_rows(task.database, task.lease.run_id, [one.column for one in objectives])
    batches = {item.position: int(item.values["batch"]) for item in _known(task).values()}
    out: list[dict[str, Any]] = []
    for batch in sorted(set(batches.values())):
        front = front_of([row for row in rows if batches[row[0]] <= batch], objectives)
        out.append(
            {
                "batch": batch,
                "judged": sum(b <= batch for b in batches.values()),
                "front": len(front.points),
                "hypervolume": front.hypervolume,
            }
        )
    return out
