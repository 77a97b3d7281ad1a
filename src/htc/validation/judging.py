"""Judging cases without a database: what a run writes down of each, and a whole suite at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from htc.errors import HTCError, InputError
from htc.validation.cases import Case, Suite
from htc.validation.summary import Point, points_of, summarise

if TYPE_CHECKING:
    from htc.prediction import Prediction, Predictor

__all__ = ["BATCH", "Judged", "Outcome", "conditions_of", "judge", "values_of"]

BATCH: Final = 32
"""Cases that a model sees together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case."""

    case: Case
    values: dict[str, Any]
    """What is known and the pairs, JSON-ready."""
    error: HTCError | None = None
    """Why it could not be judged."""
    refused: bool = False
    """Whether it lies outside the theory."""


@dataclass(slots=True)
class Judged:
    """What became of a suite so far."""

    points: list[Point] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    failed: list[tuple[str, HTCError]] = field(default_factory=list)

    def take(self, outcome: Outcome) -> None:
        """One case more."""
        if outcome.error is not None:
            self.failed.append((outcome.case.label, outcome.error))
        elif outcome.refused:
            self.refused.append(outcome.case.label)
        else:
            self.points += points_of(outcome.values, label=outcome.case.label)

    def results(self, suite: Suite, conditions: dict[str, Any]) -> dict[str, Any]:
        """The metrics, JSON-ready."""
        return summarise(
            suite, self.points, failed=len(self.failed), refused=self.refused, conditions=conditions
        )


def conditions_of(suite: Suite, *, tier: str, mu_star: float, model_id: str | None) -> dict[str, Any]:
    """What the figures of a suite depend on, beside its data."""
    from htc.version import __version__

    if not suite.uses_model:
        return {"htc_version": __version__}
    return {
        "tier": tier,
        "mu_star": suite.mu_star if suite.mu_star is not None else mu_star,
        "model_id": model_id,
        "htc_version": __version__,
    }


def values_of(case: Case, prediction: Prediction | None) -> dict[str, Any]:
    """What is kept of a case that has a prediction."""
    values = case.as_values()
    if prediction is None or case.pairs_of is None or not prediction.applicable:
        return values | {"pairs": []}
    said = {"family": prediction.family, "confidence_level": prediction.confidence_level}
    return values | said | {"pairs": [pair.as_values() for pair in case.pairs_of(prediction)]}


def judge(
    cases: Sequence[Case],
    predictor: Callable[[], Predictor],
    *,
    mu_star: float,
    batch: int = BATCH,
) -> Iterator[Outcome]:
    """What becomes of each case, in order, some at a time.

    Args:
        cases: of a suite.
        predictor: makes the predictor, where a case needs one.
        mu_star: Coulomb pseudopotential of predictions.
        batch: cases that the model sees together.

    Raises:
        ModelError, MissingExtraError: the model cannot be used.
    """
    stream = iter(cases)
    while some := list(islice(stream, batch)):
        predicted = [case for case in some if case.item is not None]
        found = iter(_predicted(predicted, predictor(), mu_star)) if predicted else iter(())
        for case in some:
            yield next(found) if case.item is not None else _computed(case)


def _computed(case: Case) -> Outcome:
    try:
        if case.compute is None:
            raise InputError("a case with nothing to judge", where=case.label)
        pairs = [pair.as_values() for pair in case.compute()]
    except HTCError as error:
        return Outcome(case, case.as_values(), error)
    return Outcome(case, case.as_values() | {"pairs": pairs})


def _predicted(cases: Sequence[Case], predictor: Predictor, mu_star: float) -> list[Outcome]:
    from htc.prediction import Failure
    from htc.prediction.predictor import Material

    prepared: list[Material | HTCError] = []
    for case in cases:
        if case.item is None:  # the caller chose them by it
            raise TypeError(f"not a case of a model: {case.label}")
        try:
            made = predictor.prepare(case.item(), case.pressure_gpa)
            prepared.append(made.error if isinstance(made, Failure) else made)
        except HTCError as error:
            prepared.append(error.located(case.label))
    found = iter(predictor.predict_prepared([(m, mu_star) for m in prepared if isinstance(m, Material)]))
    outcomes = []
    for case, one in zip(cases, prepared, strict=True):
        if isinstance(one, HTCError):
            outcomes.append(Outcome(case, case.as_values(), one))
            continue
        prediction = next(found)
        outcomes.append(Outcome(case, values_of(case, prediction), refused=not prediction.applicable))
    return outcomes
