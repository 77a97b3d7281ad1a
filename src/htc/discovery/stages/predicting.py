"""Stage ``predict``: Tc by a tier of the model, many crystals together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from htc.discovery.stages.columns import columns_of
from htc.discovery.stages.earlier import with_earlier
from htc.discovery.stages.subjects import Finding, Subject

if TYPE_CHECKING:
    from htc.discovery.evaluation import Evaluator, Verdict
    from htc.prediction.record import ModelTier

__all__ = ["predict_stage"]

_TOGETHER: Final = 128
"""Crystals that the model sees together; it bounds memory, and changes no number."""


class predict_stage:  # noqa: N801  # called like a function, kept like an object
    """Predicts Tc.

    Args:
        tier: of the model.
        mu_star: Coulomb pseudopotential.
        model: folder of the model; None for the one shipped.
        full: whether whole records are wanted, with crystal and hash, or their columns only.

    Raises:
        ModelError, MissingExtraError: the model cannot be used.
    """

    def __init__(self, tier: ModelTier, *, mu_star: float, model: str | None, full: bool) -> None:
        """Load the model, once a process."""
        self._evaluator = evaluator(tier, mu_star=mu_star, model=model, full=full)
        self._full = full

    def __call__(self, subjects: Sequence[Subject]) -> list[Finding]:
        """See :class:`~htc.discovery.stages.subjects.Stage`."""
        found: list[Finding] = []
        for start in range(0, len(subjects), _TOGETHER):
            some = subjects[start : start + _TOGETHER]
            verdicts = self._evaluator([(s.item, s.pressure_gpa) for s in some])
            found += [self._finding(s, v) for s, v in zip(some, verdicts, strict=True)]
        return found

    def _finding(self, subject: Subject, verdict: Verdict) -> Finding:
        prediction = verdict.prediction
        if prediction is None:
            return Finding(state="failed", error=verdict.error, formula=subject.formula)
        formula = prediction.reduced_formula
        if not prediction.applicable:
            from htc.errors import InputError

            return Finding(
                state="rejected",
                values={"family": prediction.family},
                prediction=prediction if self._full else None,
                error=InputError(prediction.reason or "outside the theory", where=subject.label),
                formula=formula,
            )
        if subject.prediction is not None:
            prediction = with_earlier(prediction, subject.prediction)
        return Finding(
            state="done",
            values=columns_of(prediction),
            prediction=prediction if self._full else None,
            formula=formula,
        )


def evaluator(tier: ModelTier, *, mu_star: float, model: str | None, full: bool = True) -> Evaluator:
    """What predicts, with the model of this process.

    Raises:
        ModelError, MissingExtraError: the model cannot be used.
    """
    from htc.discovery.evaluation import Evaluator
    from htc.materials.sources import LibrarySource
    from htc.models import load_model
    from htc.prediction import Predictor

    loaded = load_model(None if model is None else Path(model), tier)
    return Evaluator(Predictor(loaded, (LibrarySource(),)), mu_star=mu_star, full=full)
