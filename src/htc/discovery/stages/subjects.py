"""What a stage is asked about, and what it answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from htc.errors import HTCError, InputError, MissingExtraError, ModelError, StorageError
from htc.materials.inputs import InputItem

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.discovery.funnel.tasks import OutcomeState
    from htc.prediction.record import Prediction

__all__ = ["Finding", "Stage", "Subject", "crystal_of", "each", "failed", "rejected"]

_log = logging.getLogger(__name__)

_CHUNK_ERRORS = (MissingExtraError, ModelError, StorageError)
"""What is wrong with the process, not with a candidate: the next one would meet it again."""
_NUMERICAL = (ArithmeticError, ValueError, RuntimeError, np.linalg.LinAlgError)
"""What calculators raise for cells that no crystal has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One candidate at one pressure."""

    number: int
    pressure_gpa: float
    label: str
    structure: Structure | None
    formula: str | None
    notes: tuple[str, ...] = ()
    prediction: Prediction | None = None
    """What the stages before found."""
    values: Mapping[str, float | str | bool | None] = field(default_factory=dict)
    """Columns of the stage before."""

    @property
    def item(self) -> InputItem:
        """The candidate as the predictor takes it."""
        from htc.materials.formulas import parse_formula

        if self.structure is not None:
            return InputItem(self.label, "structure", self.structure, self.notes)
        try:
            if self.formula is None:
                raise InputError("a candidate has neither a crystal nor a formula")
            return InputItem(self.label, "formula", parse_formula(self.formula), self.notes)
        except HTCError as error:
            return InputItem(self.label, "error", error.located(self.label))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a stage found out about a subject."""

    state: OutcomeState
    values: Mapping[str, float | str | bool | None] = field(default_factory=dict)
    prediction: Prediction | None = None
    carry: Mapping[str, Any] | None = None
    error: HTCError | None = None
    formula: str | None = None


class Stage(Protocol):
    """The work of a stage, made ready for one chunk."""

    def __call__(self, subjects: Sequence[Subject]) -> list[Finding]:
        """A finding for every subject, in order.

        Raises:
            MissingExtraError, ModelError, StorageError: nothing can be found out in this process.
        """
        ...


def failed(error: HTCError, subject: Subject) -> Finding:
    """It could not be done."""
    return Finding(state="failed", error=error.located(subject.label), prediction=subject.prediction)


def rejected(reason: str, subject: Subject, *, hint: str | None = None) -> Finding:
    """The theory, or the potential, has no number for such a material."""
    error = InputError(reason, where=subject.label, hint=hint)
    return Finding(state="rejected", error=error, prediction=subject.prediction)


def crystal_of(subject: Subject) -> Structure:
    """The crystal.

    Raises:
        InputError: only a formula is known.
    """
    if subject.structure is None:
        raise InputError(
            "only its formula is known, and this stage needs a crystal",
            where=subject.label,
            hint="give a structure file, or leave formulas to stages of kind predict and eliashberg",
        )
    return subject.structure


def each(judge: Callable[[Subject], Finding]) -> Stage:
    """A stage that looks at one subject after the other; what is wrong with one does not stop the rest."""

    def one(subject: Subject) -> Finding:
        try:
            return judge(subject)
        except _CHUNK_ERRORS:
            raise
        except HTCError as error:
            return failed(error, subject)
        except _NUMERICAL as error:
            return failed(HTCError(f"the numbers broke down: {str(error)[:300]}"), subject)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this candidate's alone
            _log.exception("%s: a fault of the program", subject.label)
            text = f"a fault of the program, {type(error).__name__}: {str(error)[:300]}"
            return failed(HTCError(text, hint="please report it with this candidate"), subject)

    def all_of(subjects: Sequence[Subject]) -> list[Finding]:
        return [replace(one(s), formula=s.formula) for s in subjects]

    return all_of
