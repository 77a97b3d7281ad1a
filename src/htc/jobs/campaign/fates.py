"""What became of single candidates of a campaign, in words: where one fell out, and by what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from htc.discovery.campaign import Keep
from htc.discovery.funnel.rules import rule_of
from htc.errors import InputError
from htc.store.campaigns import fates_of, read_frozen, stages_of
from htc.store.jobs import run_summary

if TYPE_CHECKING:
    from htc.store import Database
    from htc.store.campaigns import Fate, StoredStage

__all__ = ["Told", "told", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A candidate in a stage. Temperatures in K, pressure in GPa."""

    stage: int | None
    """From 1; None: it entered none."""
    kind: str | None
    label: str
    formula: str | None
    pressure_gpa: float | None
    outcome: Literal["passed", "did not pass", "duplicate", "failed", "rejected", "unreadable", "waiting"]
    says: str
    """Why, in a sentence; empty for one that passed."""
    tc_predicted: float | None
    tc_lower_95ci: float | None
    tc_upper_95ci: float | None
    prediction_id: str | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def told(
    database: Database,
    run_id: str,
    n: int,
    *,
    formula: str | None = None,
    state: Literal["failed", "rejected"] | None = None,
) -> list[Told]:
    """What became of candidates, in the order of candidate, then stage.

    Those that the rules of plausibility reject have no rows, and neither have those that were pruned.

    Args:
        database: an open database.
        run_id: of a campaign's run, over or not.
        n: rows at most.
        formula: only of this reduced formula.
        state: only those that failed, or that the theory says nothing about.

    Raises:
        InputError: not a campaign's run.
        NotFoundError: no such run.
        StoreError: the database does not answer.
    """
    stages = _stages(database, run_id)
    return [
        _told(fate, stages[fate.stage])
        for fate in fates_of(database, run_id, n, formula=formula, state=state)
    ]


def unreadable(database: Database, run_id: str, n: int) -> list[Told]:
    """Files, formulas and stored crystals that could not be read as the run began, with the reason.

    Args:
        database: an open database.
        run_id: of a campaign's run.
        n: at most so many.

    Raises:
        StoreError: the database does not answer.
    """
    return list(islice(_unreadable(database, run_id), n))


def _unreadable(database: Database, run_id: str) -> Iterator[Told]:
    for document in read_frozen(database, run_id):
        for entry in document.get("entries", ()):
            if "error" in entry:
                yield Told(
                    stage=None,
                    kind=None,
                    label=entry["label"],
                    formula=None,
                    pressure_gpa=None,
                    outcome="unreadable",
                    says=entry["error"],
                    tc_predicted=None,
                    tc_lower_95ci=None,
                    tc_upper_95ci=None,
                    prediction_id=None,
                )


def _stages(database: Database, run_id: str) -> dict[int, StoredStage]:
    summary = run_summary(database, run_id)
    if summary.kind != "campaign":
        raise InputError(
            f"run {run_id[:8]} is of kind {summary.kind}, not a campaign",
            hint="`htc runs show` lists its items",
        )
    return {one.stage: one for one in stages_of(database, run_id)}


def _told(fate: Fate, stage: StoredStage) -> Told:
    outcome: Literal["passed", "did not pass", "duplicate", "failed", "rejected", "waiting"]
    says = ""
    if fate.state == "duplicate":
        outcome, says = "duplicate", f"the same crystal as {fate.duplicate_of}"
    elif fate.state in {"failed", "rejected"}:
        outcome = "failed" if fate.state == "failed" else "rejected"
        error = fate.error or {}
        says = str(error.get("what", ""))
        if error.get("hint"):
            says = f"{says} ({error['hint']})"
    elif not fate.selected:
        outcome, says = "waiting", "who passes is not known yet"
    elif fate.rank is not None:
        outcome, says = "passed", f"place {fate.rank + 1:,}"
    else:
        outcome, says = "did not pass", _why_not(fate, stage)
    return Told(
        stage=fate.stage + 1,
        kind=" ".join(part for part in (stage.kind, stage.spec.get("tier")) if part),
        label=fate.label,
        formula=fate.formula,
        pressure_gpa=fate.pressure_gpa,
        outcome=outcome,
        says=says,
        tc_predicted=fate.values.get("tc_predicted"),
        tc_lower_95ci=fate.values.get("tc_lower_95ci"),
        tc_upper_95ci=fate.values.get("tc_upper_95ci"),
        prediction_id=fate.prediction_id,
    )


def _why_not(fate: Fate, stage: StoredStage) -> str:
    """The first condition that it does not fulfil; else its value, which was not among the best."""
    keep = Keep.model_validate(stage.spec.get("keep", {}))
    rule = rule_of(keep)
    values = {**fate.values, "pressure_required_gpa": fate.pressure_gpa}
    for column, (low, high) in rule.bounds.items():
        value = values.get(column)
        if value is None:
            return f"{column} is not known"
        if low is not None and value < low:
            return f"{column} is {value:.4g}, at least {low:g} was asked for"
        if high is not None and value > high:
            return f"{column} is {value:.4g}, at most {high:g} was asked for"
    for column, allowed in rule.among.items():
        if values.get(column) not in allowed:
            return f"{column} is {values.get(column)}, {' or '.join(map(str, allowed))} was asked for"
    value = values.get(rule.by)
    if value is None:
        return f"{rule.by} is not known"
    return f"not among the best {stage.passed or 0:,}: {rule.by} is {value:.4g}"
