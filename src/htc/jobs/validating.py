"""The work of a validation: every case of a suite, then metrics, and what changed since the run before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from htc.errors import ConflictError, HTCError, NotFoundError
from htc.jobs.models import evaluator_for
from htc.jobs.requests import ValidateRequest
from htc.jobs.task import Entry, Task, as_problem
from htc.materials.inputs import InputItem
from htc.store.jobs import Item, RunSummary, last_finished, pages_of_values, run_summary
from htc.validation import Point, Suite, points_of, suite, summarise
from htc.validation.comparison import compare
from htc.validation.judging import BATCH, Judged, conditions_of, judge, values_of
from htc.validation.report import SuiteReport
from htc.validation.summary import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from htc.prediction import Predictor
    from htc.prediction.record import ModelTier
    from htc.settings import Settings
    from htc.store import Database

__all__ = [
    "before_of",
    "points_of_run",
    "predictor_for",
    "report_of_run",
    "report_unstored",
    "validate",
]

_LOOK_BACK = 50
"""Runs among which one under the same conditions is looked for."""


def validate(task: Task) -> dict[str, Any]:
    """Do it from where it stands; the result is the metrics and the comparison with the run before."""
    request = ValidateRequest.model_validate(task.job.request)
    task.tell("reading the suite")
    chosen = suite(request.suite, task.settings.data)
    total = len(chosen.cases)
    tier, mu_star = _conditions(task.settings, request, chosen)
    _check_same_data(task, chosen)
    task.tell("loading the model" if chosen.uses_model else "working", total)
    if chosen.stores_predictions:
        _judge_and_store(task, chosen, request, mu_star)
    else:
        _judge(task, chosen, tier, mu_star)
    model_id = predictor_for(task.settings, tier).model.model_id if chosen.uses_model else None
    conditions = conditions_of(chosen, tier=tier, mu_star=mu_star, model_id=model_id)
    return results_of(task.database, task.lease.run_id, chosen, conditions)


def results_of(database: Database, run_id: str, chosen: Suite, conditions: dict[str, Any]) -> dict[str, Any]:
    """The metrics of what is written down, and what changed since the run before."""
    points: list[Point] = []
    refused: list[str] = []
    failed: list[str] = []
    for page in pages_of_values(database, run_id):
        for item in page:
            if item.state == "failed":
                failed.append(item.label)
            elif item.values.get("pairs"):
                points += points_of(item.values, label=item.label, prediction_id=item.prediction_id)
            else:
                refused.append(item.label)
    results = summarise(chosen, points, failed=len(failed), refused=refused, conditions=conditions)
    before = before_of(database, chosen.name, conditions, but=run_id)
    if before is not None:
        results["comparison"] = {
            "run_id": before.run_id,
            "finished_at": None if before.finished_at is None else before.finished_at.isoformat(),
            "conditions": (before.result or {}).get("conditions", {}),
            "same_data": (before.result or {}).get("fingerprint") == chosen.fingerprint,
            **compare(
                chosen, points, points_of_run(database, before.run_id), without_pair=[*failed, *refused]
            ),
        }
    return results


def before_of(
    database: Database, suite_name: str, conditions: dict[str, Any], *, but: str | None = None
) -> RunSummary | None:
    """The last finished run of a suite at the same tier and mu*; None: there is none.

    Args:
        database: an open database.
        suite_name: of the suite.
        conditions: of the run that it is to be compared with.
        but: not this run.

    Raises:
        StoreError: the database does not answer.
    """
    for run in last_finished(database, "validate", _LOOK_BACK, suite=suite_name):
        result = run.result or {}
        if run.run_id == but or result.get("schema") != SCHEMA:
            continue
        its = result.get("conditions", {})
        if all(its.get(name) == conditions.get(name) for name in ("tier", "mu_star")):
            return run
    return None


def points_of_run(database: Database, run_id: str) -> list[Point]:
    """All pairs of a run.

    Raises:
        StoreError: the database does not answer.
    """
    return [
        point
        for page in pages_of_values(database, run_id)
        for item in page
        if item.state == "done"
        for point in points_of(item.values, label=item.label, prediction_id=item.prediction_id)
    ]


def predictor_for(settings: Settings, tier: ModelTier) -> Predictor:
    """What predicts crystals that are given; it looks nothing up.

    Raises:
        ModelError, MissingExtraError: the model cannot be used.
    """
    from htc.models import load_model
    from htc.prediction import Predictor

    return Predictor(load_model(settings.model, tier))


def _check_same_data(task: Task, chosen: Suite) -> None:
    """A run that goes on must go on with the data it began with.

    Raises:
        ConflictError: the cases are others.
    """
    if task.job.done == 0:
        return
    first = next(pages_of_values(task.database, task.lease.run_id))[0]
    if first.values.get("fingerprint") not in (None, chosen.fingerprint):
        raise ConflictError(
            f"the data of the suite {chosen.name} are not those this run began with",
            where=f"run {task.lease.run_id}",
            hint="start a new one",
        )


def _judge(task: Task, chosen: Suite, tier: ModelTier, mu_star: float) -> None:
    from htc.store.jobs import record

    total = len(chosen.cases)
    done = task.job.done
    waiting: list[Item] = []

    def write() -> None:
        nonlocal waiting
        if waiting:
            text = f"{waiting[-1].position + 1} of {total} cases"
            task.take(record(task.database, task.lease, waiting, message=text))
            task.pulse()
            task.make_way()
            waiting = []

    def predictor() -> Predictor:
        return predictor_for(task.settings, tier)

    for position, outcome in enumerate(judge(chosen.cases[done:], predictor, mu_star=mu_star), start=done):
        waiting.append(
            Item(
                position=position,
                label=outcome.case.label[:200],
                values=outcome.values | {"fingerprint": chosen.fingerprint},
                error=None if outcome.error is None else as_problem(outcome.error),
            )
        )
        if len(waiting) >= BATCH:
            write()
    write()


def _judge_and_store(task: Task, chosen: Suite, request: ValidateRequest, mu_star: float) -> None:
    total = len(chosen.cases)
    evaluator = evaluator_for(
        task.settings, task.database, tier=request.tier, mu_star=mu_star, pulse=task.pulse
    )

    def entry(position: int) -> Entry:
        case = chosen.cases[position]
        item = InputItem(case.label, "error", HTCError("a case without a material"))
        if case.item is not None:
            item = case.item()
        kept = {**case.as_values(), "fingerprint": chosen.fingerprint}
        return Entry(position, item, case.pressure_gpa, kept, lambda p: values_of(case, p))

    task.judge(
        entry,
        range(task.job.done, total),
        evaluator,
        message=lambda done: f"{done} of {total} cases",
    )


def report_of_run(database: Database, run_id: str, data: Path | None) -> SuiteReport:
    """What a report says of a finished run.

    Args:
        database: an open database.
        run_id: of the run.
        data: the laboratory's data folder.

    Raises:
        NotFoundError: there is no such run, or it has not finished.
        StoreError: the database does not answer.
    """
    run = run_summary(database, run_id)
    if run.result is None or run.result.get("schema") != SCHEMA:
        raise NotFoundError(f"the run {run_id} is no finished validation of this version")
    failures = [
        (item.label, str((item.error or {}).get("what")))
        for page in pages_of_values(database, run_id)
        for item in page
        if item.state == "failed"
    ]
    return SuiteReport.of(
        suite(str(run.result["suite"]), data),
        run.result,
        points_of_run(database, run_id),
        failures=failures,
        run_id=run_id,
        finished_at=None if run.finished_at is None else run.finished_at.isoformat(),
    )


def report_unstored(
    settings: Settings, request: ValidateRequest, *, told: Callable[[int, int], None] = lambda *_: None
) -> SuiteReport:
    """Judge a suite here and now, without a database.

    Args:
        settings: of this process.
        request: what is asked for.
        told: called with how many are done, and of how many.

    Raises:
        InputError: the suite needs data that are not there.
        ModelError, MissingExtraError: the model cannot be used.
    """
    chosen = suite(request.suite, settings.data)
    tier, mu_star = _conditions(settings, request, chosen)
    judged = Judged()
    outcomes = judge(chosen.cases, lambda: predictor_for(settings, tier), mu_star=mu_star)
    for number, outcome in enumerate(outcomes, start=1):
        judged.take(outcome)
        told(number, len(chosen.cases))
    model_id = predictor_for(settings, tier).model.model_id if chosen.uses_model else None
    conditions = conditions_of(chosen, tier=tier, mu_star=mu_star, model_id=model_id)
    return SuiteReport.of(
        chosen,
        judged.results(chosen, conditions),
        judged.points,
        failures=[(label, error.what) for label, error in judged.failed],
    )


def _conditions(settings: Settings, request: ValidateRequest, chosen: Suite) -> tuple[ModelTier, float]:
    """Tier and mu* of a run."""
    mu_star = chosen.mu_star
    if mu_star is None:
        mu_star = settings.mu_star if request.mu_star is None else request.mu_star
    return request.tier or settings.tier, mu_star
