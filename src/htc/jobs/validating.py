"""The work of a validation: every case of a suite, then metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from htc.errors import HTCError
from htc.jobs.models import evaluator_for
from htc.jobs.requests import ValidateRequest
from htc.jobs.task import Entry, Task, as_problem
from htc.materials.inputs import InputItem
from htc.store.jobs import Item, pages_of_values
from htc.validation import Case, Suite, suite, summarise
from htc.validation.summary import compared

if TYPE_CHECKING:
    from htc.prediction import Prediction
    from htc.store import Database

__all__ = ["validate"]


def validate(task: Task) -> dict[str, Any]:
    """Do it from where it stands; the result is the metrics."""
    request = ValidateRequest.model_validate(task.job.request)
    chosen = suite(request.suite)
    total = len(chosen.cases)
    task.tell("loading the model", total)
    if request.suite == "formulas":
        _put_formulas_on_spectra(task, chosen, request)
    else:
        evaluator = evaluator_for(
            task.settings, task.database, tier=request.tier, mu_star=request.mu_star, pulse=task.pulse
        )

        def entry(position: int) -> Entry:
            case = chosen.cases[position]
            item = InputItem(case.label, "error", HTCError("a case without a material"))
            if case.item is not None:
                item = case.item()
            return Entry(position, item, case.pressure_gpa, case.as_values(), _about)

        task.judge(
            entry,
            range(task.job.done, total),
            evaluator,
            message=lambda done: f"{done} of {total} cases",
        )
    return results_of(task.database, task.lease.run_id, chosen)


def results_of(database: Database, run_id: str, chosen: Suite) -> dict[str, Any]:
    """The metrics of what is written down so far."""
    pairs, refused, failed = [], [], 0
    for page in pages_of_values(database, run_id):
        for item in page:
            failed += item.state == "failed"
            if item.prediction is not None and not item.prediction["applicable"]:
                refused.append(item.label)
            elif item.state == "done":
                pairs += compared(
                    item.values, item.prediction, label=item.label, prediction_id=item.prediction_id
                )
    return summarise(chosen.name, pairs, failed=failed, refused=refused)


def _about(prediction: Prediction) -> dict[str, Any]:
    return {
        "tc_experiment_lower_95ci": prediction.tc_experiment_lower_95ci,
        "tc_experiment_upper_95ci": prediction.tc_experiment_upper_95ci,
    }


def _put_formulas_on_spectra(task: Task, chosen: Suite, request: ValidateRequest) -> None:
    from htc.store.jobs import record

    mu_star = task.settings.mu_star if request.mu_star is None else request.mu_star
    for position in range(task.job.done, len(chosen.cases)):
        task.pulse()
        case = chosen.cases[position]
        try:
            item = Item(position=position, label=case.label, values=_by_formula(case, mu_star))
        except HTCError as error:
            item = Item(position=position, label=case.label, values=case.as_values(), error=as_problem(error))
        task.take(record(task.database, task.lease, [item]))


def _by_formula(case: Case, mu_star: float) -> dict[str, Any]:
    from htc.theory.empirical import FORMULAS

    if case.spectrum is None:
        raise HTCError("a case without a spectrum", where=case.label)
    spectrum = case.spectrum()
    tc = {
        name: float(formula(spectrum.lambda_ep, spectrum.omega_log_k, mu_star, omega_2_k=spectrum.omega_2_k))
        for name, formula in FORMULAS.items()
    }
    return {
        **case.as_values(),
        "lambda_ep": spectrum.lambda_ep,
        "omega_log": spectrum.omega_log_k,
        "mu_star": mu_star,
        "formulas": tc,
    }
