"""Judging candidates, a few dozen together; what is wrong with one does not stop the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from htc.errors import HTCError, MissingExtraError, ModelError, StoreError
from htc.materials.inputs import InputItem
from htc.prediction import Failure, Material, Prediction, Predictor

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.stability import Stability

__all__ = ["Assess", "Evaluator", "Verdict"]

_log = logging.getLogger(__name__)


class Assess(Protocol):
    """Something that finds out whether a crystal would exist."""

    def __call__(self, structure: Structure, source: str, pressure_gpa: float) -> Stability:
        """Assess one crystal.

        Raises:
            HTCError: it cannot be assessed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """A prediction, or the reason why there is none."""

    label: str
    prediction: Prediction | None = None
    error: HTCError | None = None


class Evaluator:
    """Predicts, and where wished assesses, candidates.

    Args:
        predictor: the model that judges.
        mu_star: Coulomb pseudopotential of all.
        assess: for their stability; None leaves it open.
        pulse: called between candidates; it may raise to stop.
        full: False leaves crystal and hash out of the records, for a first look at very many.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        mu_star: float,
        assess: Assess | None = None,
        pulse: Callable[[], None] = lambda: None,
        full: bool = True,
    ) -> None:
        """Keep the model and the conditions."""
        self._predictor = predictor
        self._mu_star = mu_star
        self._assess = assess
        self._pulse = pulse
        self._full = full

    def __call__(self, items: Sequence[tuple[InputItem, float]]) -> list[Verdict]:
        """A verdict for every candidate and its pressure (GPa), in order.

        Raises:
            ModelError, MissingExtraError: nothing can be predicted at all.
            StoreError: the database, asked for a crystal, does not answer.
        """
        prepared: list[Material | HTCError] = []
        for item, pressure_gpa in items:
            self._pulse()
            prepared.append(self._prepared(item, pressure_gpa))
        sound = [one for one in prepared if isinstance(one, Material)]
        found = iter(self._predicted(sound))
        verdicts: list[Verdict] = []
        for (item, pressure_gpa), one in zip(items, prepared, strict=True):
            result = one if isinstance(one, HTCError) else next(found)
            if isinstance(result, HTCError):
                verdicts.append(Verdict(item.source, error=result))
            else:
                verdicts.append(Verdict(item.source, prediction=self._assessed(result, pressure_gpa)))
        return verdicts

    def _prepared(self, item: InputItem, pressure_gpa: float) -> Material | HTCError:
        try:
            material = self._predictor.prepare(item, pressure_gpa)
        except StoreError:
            raise
        except HTCError as error:
            return error.located(item.source)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this candidate's alone
            _log.exception("%s could not be prepared", item.source)
            return _fault(error, item.source)
        return material.error if isinstance(material, Failure) else material

    def _predicted(self, materials: Sequence[Material]) -> list[Prediction | HTCError]:
        """All together; where that fails, one by one, so that one cannot spoil the rest."""
        if not materials:
            return []
        self._pulse()
        try:
            return list(
                self._predictor.predict_prepared([(m, self._mu_star) for m in materials], full=self._full)
            )
        except (ModelError, MissingExtraError, StoreError):
            raise
        except Exception as error:  # noqa: BLE001  # one by one it will be known whose fault it is
            if len(materials) == 1:
                source = materials[0].source
                if isinstance(error, HTCError):
                    return [error.located(source)]
                _log.exception("%s could not be predicted", source)
                return [_fault(error, source)]
        return [self._predicted([one])[0] for one in materials]

    def _assessed(self, prediction: Prediction, pressure_gpa: float) -> Prediction:
        """With its stability; a crystal that cannot be assessed keeps its Tc and says so."""
        if self._assess is None or not prediction.applicable or prediction.structure is None:
            return prediction
        from htc.materials.reading import as_structure
        from htc.prediction.stability import with_stability

        self._pulse()
        try:
            crystal = as_structure(prediction.structure, source=prediction.source)
            return with_stability(prediction, self._assess(crystal, prediction.source, pressure_gpa))
        except (MissingExtraError, StoreError):
            raise
        except HTCError as error:
            notes = [*prediction.notes, f"no stability: {error.what}"]
            return replace(prediction, provenance={**prediction.provenance, "notes": notes})


def _fault(error: Exception, source: str) -> HTCError:
    """A fault of the program that one candidate brought out, as an error with that candidate's name."""
    return HTCError(
        f"a fault of the program, {type(error).__name__}: {str(error)[:300]}",
        where=source,
        hint="the log of the worker has the rest; please report it with this candidate",
    )
