"""What an optimisation chooses from, as arrays: what is thought of each candidate before any is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.discovery.elements import ELEMENT_COLUMNS, element_column
from htc.discovery.requests import Column, Constraint, Objective
from htc.errors import InputError
from htc.models.acquisition import fractions_of
from htc.models.predictive import PredictedTc, TcDistribution

__all__ = ["FIELD", "Pool", "columns_of", "pool_of_predictions"]

FloatArray = NDArray[np.float64]

FIELD: Final = {"pressure_required_gpa": "pressure_gpa", "hull_distance_eV": "hull_distance_ev"}
"""Names of the record where those of the columns differ."""


def columns_of(objectives: Sequence[Objective], constraints: Sequence[Constraint] = ()) -> tuple[Column, ...]:
    """Columns that a judgement has a value for: of the objectives, then of constraints on others."""
    return tuple(dict.fromkeys([one.column for one in objectives] + [one.column for one in constraints]))


@dataclass(frozen=True)
class Pool:
    """n candidates; arrays of shape ``(n,)`` unless said otherwise.

    Raises:
        InputError: arrays that do not belong together.
    """

    tc: TcDistribution
    """What the cheap model thinks of their Tc."""
    fractions: FloatArray
    """Atomic fraction of each element, shape ``(n, n_elements)``."""
    known: Mapping[str, FloatArray] = field(default_factory=dict)
    """Values that are certain, by column, e.g. the pressure; NaN where there is none."""
    guesses: Mapping[str, FloatArray] = field(default_factory=dict)
    """First guesses by column, e.g. of the cheap model; NaN where there is none."""

    def __post_init__(self) -> None:
        """Check the shapes."""
        arrays = [self.fractions, *self.known.values(), *self.guesses.values()]
        if any(len(array) != len(self.tc) for array in arrays):
            raise InputError(f"not everything has {len(self.tc)} rows", where="pool")

    def __len__(self) -> int:
        """Number of candidates."""
        return len(self.tc)


def pool_of_predictions(
    predictions: Sequence[PredictedTc], formulas: Sequence[str], columns: Sequence[Column]
) -> Pool:
    """A pool from records such as ``htc.prediction.Prediction``.

    Args:
        predictions: each with a Tc and its interval.
        formulas: theirs, reduced.
        columns: from :func:`columns_of`.

    Raises:
        InputError: one of them has no Tc, or no interval.
        FormulaError: a formula cannot be read.
    """
    known: dict[str, FloatArray] = {}
    guesses: dict[str, FloatArray] = {}
    for column in columns:
        if column in ELEMENT_COLUMNS:
            known[column] = element_column(column, formulas)
        elif column != "tc_predicted":
            name = FIELD.get(column, column)
            values = [getattr(one, name, None) for one in predictions]
            array = np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)
            (known if column == "pressure_required_gpa" else guesses)[column] = array
    return Pool(TcDistribution.from_predictions(predictions), fractions_of(formulas), known, guesses)
