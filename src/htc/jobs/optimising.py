"""The work of an optimisation: look at the whole pool cheaply, then judge batch after batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from htc.discovery import Candidates, Goal, OptimizeRequest, Pool, Strategy, front_of, strategy_for
from htc.discovery.elements import ELEMENT_COLUMNS, element_value
from htc.discovery.pool import columns_of, pool_of_predictions
from htc.errors import InputError
from htc.jobs.fronts import front_as_json, judged_rows
from htc.jobs.models import evaluator_for
from htc.jobs.task import Entry, Judged, Task
from htc.materials.formulas import parse_formula
from htc.materials.inputs import InputItem
from htc.store.jobs import RunItem, pages_of_values

if TYPE_CHECKING:
    from htc.jobs.search.request import SearchRequest
    from htc.prediction import Prediction
    from htc.store import Database

__all__ = ["history", "optimize"]

_FIELD: Final = {"pressure_required_gpa": "pressure_gpa", "hull_distance_eV": "hull_distance_ev"}
"""Names of the record where those of the columns differ."""
_LOOK: Final = 128
"""Candidates of the pool looked at together."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """What can be chosen from: numbers of the run's candidates, and what the cheap model thinks of them."""

    numbers: list[int]
    pool: Pool
    priors: Sequence[Mapping[str, Any]]
    """Tc and its interval, kept beside each judgement."""
    left_out: int
    """Outside the theory, against a constraint, or not readable."""
    item: Callable[[int], tuple[InputItem, float]]
    """Candidate and pressure (GPa) of a number."""


def optimize(task: Task) -> dict[str, Any]:
    """Do it from where it stands; the result is the front and how it grew."""
    request: Goal
    if "campaign" in task.job.request:
        from htc.jobs.search.request import SearchRequest

        request = search = SearchRequest.model_validate(task.job.request)
        choice = _of_campaign(task, search)
        seed, tier, mu_star, stability = search.seed, search.tier, search.campaign.mu_star, search.stability
    else:
        request = one = OptimizeRequest.model_validate(task.job.request)
        choice = _of_candidates(task, one)
        seed, tier, mu_star, stability = one.seed, one.tier, one.mu_star, one.stability
    if not choice.numbers:
        raise InputError("none of the candidates has a Tc to begin with", where="candidates")
    strategy = strategy_for(request, choice.pool, seed)
    total = min(request.budget, strategy.left)
    task.tell("loading the model that judges", total)
    evaluator = evaluator_for(
        task.settings, task.database, tier=tier, mu_star=mu_star, stability=stability, pulse=task.pulse
    )
    place = {number: i for i, number in enumerate(choice.numbers)}
    known = {i.position: i for page in pages_of_values(task.database, task.lease.run_id) for i in page}
    position = batch = 0
    while position < total:
        chosen = strategy.ask(min(request.batch_size, total - position), batch)
        start = position
        # A batch that another process left half done is chosen again, the same, and only the rest judged.
        done = [known[p] for p in range(start, start + len(chosen)) if p in known]
        results = [(place[int(item.values["candidate"])], _values(strategy, item)) for item in done]

        def entry(at: int, start: int = start, chosen: list[int] = chosen, batch: int = batch) -> Entry:
            which = chosen[at - start]
            number = choice.numbers[which]
            item, pressure = choice.item(number)
            values = {"candidate": number, "batch": batch, "prior": choice.priors[which]}
            return Entry(at, item, pressure, values)

        judged = task.judge(
            entry,
            range(start + len(done), start + len(chosen)),
            evaluator,
            message=lambda n: f"{n:,} of {total:,} judged, of {len(choice.numbers):,} candidates",
            one_by_one=stability != "none",
            together=True,
        )
        results += [(chosen[one.position - start], _judged(strategy, one)) for one in judged]
        for which, values in results:
            strategy.tell(which, values)
        position, batch = start + len(chosen), batch + 1
    return {
        "pareto": front_as_json(task.database, task.lease.run_id, request.objectives, request.constraints),
        "history": history(
            task.database,
            task.lease.run_id,
            request,
        ),
        "pool": len(choice.numbers),
        "left_out": choice.left_out,
    }


def history(database: Database, run_id: str, goal: Goal) -> list[dict[str, Any]]:
    """The front after each batch: how many were judged, how many it has, and its hypervolume.

    Raises:
        StoreError: the database does not answer.
    """
    rows = judged_rows(database, run_id, goal.objectives, goal.constraints)
    batches: dict[int, int] = {}
    last = 0
    for page in pages_of_values(database, run_id):
        for item in page:
            # What nobody asked for counts to the batch that was told before it.
            given = item.values.get("batch")
            last = max(last, 0 if given is None else int(given))
            batches[item.position] = last if given is None else int(given)
    out: list[dict[str, Any]] = []
    for batch in sorted(set(batches.values())):
        front = front_of([row for row in rows if batches[row[0]] <= batch], goal.objectives)
        out.append(
            {
                "batch": batch,
                "judged": sum(b <= batch for b in batches.values()),
                "front": len(front.points),
                "hypervolume": front.hypervolume,
            }
        )
    return out


def _of_campaign(task: Task, request: SearchRequest) -> _Choice:
    """The pool kept with the run, looked at to its end first."""
    from htc.jobs.search.looking import fill, pool_from
    from htc.materials.reading import as_structure
    from htc.store.optimisation import pool_rows, structure_of

    run_id = task.lease.run_id

    def told(done: int, total: int) -> None:
        task.tell(f"looked at {done:,} of {total:,} candidates")

    fill(task.database, task.settings, run_id, request, told=told, pulse=task.pulse)
    rows = pool_rows(task.database, run_id)
    usable = [row for row in rows if row.prior is not None]
    by_number = {row.number: row for row in usable}

    def item(number: int) -> tuple[InputItem, float]:
        row = by_number[number]
        structure = structure_of(task.database, run_id, number)
        if structure is None:
            return InputItem(row.label, "formula", parse_formula(row.formula or "")), row.pressure_gpa
        return InputItem(row.label, "structure", as_structure(structure, source=row.label)), row.pressure_gpa

    priors = [_prior(row.prior or {}) for row in usable]
    return _Choice(
        [row.number for row in usable],
        pool_from(request, usable),
        priors,
        len(rows) - len(usable),
        item,
    )


def _of_candidates(task: Task, request: OptimizeRequest) -> _Choice:
    """The cheap model's predictions of the whole pool; not stored, made again by whoever takes over."""
    candidates = Candidates(request.candidates, task.database)
    pressures = list(dict.fromkeys(request.pressures_gpa))
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

    def item(number: int) -> tuple[InputItem, float]:
        which, place = divmod(number, len(pressures))
        return candidates[which], pressures[place]

    unwanted = set(request.without)
    for start in range(0, total, _LOOK):
        some = range(start, min(start + _LOOK, total))
        for number, verdict in zip(some, cheap([item(n) for n in some]), strict=True):
            found = verdict.prediction
            if found is None or found.tc_predicted is None:
                continue
            if unwanted and unwanted & set(parse_formula(found.reduced_formula).get_el_amt_dict()):
                continue
            numbers.append(number)
            predictions.append(found)
        if total > _LOOK:
            task.tell(f"looked at {some.stop:,} of {total:,} candidates")
    columns = columns_of(request.objectives, request.constraints)
    pool = pool_of_predictions(predictions, [p.reduced_formula for p in predictions], columns)
    priors = [_prior({name: getattr(p, name) for name in _KEPT}) for p in predictions]
    return _Choice(numbers, pool, priors, total - len(numbers), item)


_KEPT: Final = ("tc_predicted", "tc_lower_95ci", "tc_upper_95ci")


def _prior(said: Mapping[str, Any]) -> dict[str, float | None]:
    """What the cheap model thought, kept beside the judgement."""
    return {name: said.get(name) for name in _KEPT}


def _values(strategy: Strategy, item: RunItem) -> list[float | None] | None:
    said: Mapping[str, Any] | None = item.prediction
    if item.state == "failed" or said is None or said["tc_predicted"] is None:
        return None
    return [_element_or(column, said["reduced_formula"], said.get(column)) for column in strategy.columns]


def _judged(strategy: Strategy, one: Judged) -> list[float | None] | None:
    found = one.prediction
    if found is None or found.tc_predicted is None:
        return None
    return [
        _element_or(column, found.reduced_formula, getattr(found, _FIELD.get(column, column), None))
        for column in strategy.columns
    ]


def _element_or(column: str, formula: str, value: float | None) -> float | None:
    for name in ELEMENT_COLUMNS:
        if column == name:
            return element_value(name, formula)
    return None if value is None else float(value)
