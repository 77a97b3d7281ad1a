"""The table of predictions that training leaves beside a model: what every figure of the report comes from.

One row is one labelled material with the prediction of a model that had not seen its formula. The file is
``predictions.parquet`` with the columns :data:`COLUMNS`; others are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from htc.errors import InputError
from htc.models.calibration import CALIBRATION_MU_STAR, effective_log_lambda
from htc.theory.empirical import allen_dynes, allen_dynes_f1

__all__ = ["COLUMNS", "FILE_NAME", "SOURCES", "SPLITS", "PredictionTable", "read_predictions"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
TextArray = NDArray[np.str_]
Split = Literal["out_of_fold", "held_out"]

FILE_NAME: Final = "predictions.parquet"
SOURCES: Final = ("alexandria", "jarvis", "betenet")
SPLITS: Final[tuple[Split, ...]] = ("out_of_fold", "held_out")
LEVELS: Final = ("high", "medium", "low")

_TEXT = ("source", "key", "formula", "split", "level")
_COUNTS = ("fold", "n_sites")
_POSITIVE = ("lambda_true", "omega_log_true", "lambda_ep", "omega_log", "sigma_ln_lambda", "sigma_ln_omega")
_NOT_NEGATIVE = ("tc_std", "tc_lower_95", "tc_upper_95")
_MAY_BE_NAN = ("omega_2_true", "omega_2")
COLUMNS: Final = (*_TEXT, *_COUNTS, *_POSITIVE, *_NOT_NEGATIVE, *_MAY_BE_NAN)
"""Columns that a file must have."""


@dataclass(frozen=True, eq=False)
class PredictionTable:
    """Labels and predictions of n materials; every array has shape ``(n,)``, frequencies and Tc are in K."""

    source: TextArray
    """Data set of the label: one of :data:`SOURCES`, or another name."""
    key: TextArray
    """Identifier within the data set."""
    formula: TextArray
    """Reduced formula; rows of one formula never stood on both sides of a split."""
    split: TextArray
    """``out_of_fold``: predicted in cross-validation; ``held_out``: in the fold that nothing was tuned on."""
    level: TextArray
    """Confidence: high, medium or low."""
    fold: NDArray[np.int64]
    n_sites: NDArray[np.int64]
    """Atoms in the cell."""
    lambda_true: FloatArray
    omega_log_true: FloatArray
    lambda_ep: FloatArray
    omega_log: FloatArray
    sigma_ln_lambda: FloatArray
    """One standard deviation of ln lambda."""
    sigma_ln_omega: FloatArray
    tc_std: FloatArray
    """One standard deviation of Tc at mu* 0.10."""
    tc_lower_95: FloatArray
    """At mu* 0.10, as the next."""
    tc_upper_95: FloatArray
    omega_2_true: FloatArray
    """NaN where unknown."""
    omega_2: FloatArray
    """NaN where the model gives none."""

    def __len__(self) -> int:
        """Number of materials."""
        return len(self.formula)

    def select(self, mask: BoolArray | NDArray[np.int64]) -> PredictionTable:
        """The materials where ``mask`` is true, or of these positions."""
        return replace(self, **{f.name: getattr(self, f.name)[mask] for f in fields(self)})

    def of(self, source: str, split: Split | None = None) -> PredictionTable:
        """The materials of one data set, of one split or of both."""
        wanted = self.source == source
        return self.select(wanted if split is None else wanted & (self.split == split))

    @cached_property
    def omega_2_known(self) -> BoolArray:
        """Where omega_2 is known on both sides, the calculated and the predicted."""
        return np.isfinite(self.omega_2_true) & np.isfinite(self.omega_2)

    def tc_true(self, mu_star: float = CALIBRATION_MU_STAR, *, full: bool = False) -> FloatArray:
        """Tc from the labels, K: f1 times the exponential, or full Allen-Dynes (needs omega_2)."""
        if full:
            return np.asarray(allen_dynes(self.lambda_true, self.omega_log_true, self.omega_2_true, mu_star))
        return np.asarray(allen_dynes_f1(self.lambda_true, self.omega_log_true, mu_star))

    def tc(self, mu_star: float = CALIBRATION_MU_STAR, *, full: bool = False) -> FloatArray:
        """Predicted Tc, K, by the same formula as :meth:`tc_true`."""
        if full:
            return np.asarray(allen_dynes(self.lambda_ep, self.omega_log, self.omega_2, mu_star))
        return np.asarray(allen_dynes_f1(self.lambda_ep, self.omega_log, mu_star))

    def interval(self, mu_star: float = CALIBRATION_MU_STAR) -> tuple[FloatArray, FloatArray]:
        """Ends of the 95 % interval of Tc, K, at another mu* than the calibrated one.

        The ends belong to couplings at the predicted omega_log (see ``htc.models.calibration``), which do
        not depend on mu*.
        """
        if mu_star == CALIBRATION_MU_STAR:
            return self.tc_lower_95, self.tc_upper_95
        low, high = (
            np.asarray(allen_dynes_f1(np.exp(end), self.omega_log, mu_star)) for end in self.log_lambda_ends
        )
        return low, high

    @cached_property
    def log_lambda_ends(self) -> tuple[FloatArray, FloatArray]:
        """ln of the effective couplings at the two ends of the 95 % interval."""
        low, high = (
            effective_log_lambda(end, self.omega_log, self.lambda_ep, CALIBRATION_MU_STAR)
            for end in (self.tc_lower_95, self.tc_upper_95)
        )
        return low, high

    @cached_property
    def log_lambda_needed(self) -> FloatArray:
        """ln of the effective coupling: what gives the true Tc at the predicted omega_log, mu* 0.10."""
        return effective_log_lambda(self.tc_true(), self.omega_log, self.lambda_true, CALIBRATION_MU_STAR)

    def write(self, path: Path) -> None:
        """Write the table as Parquet."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({name: getattr(self, name) for name in COLUMNS}), path, compression="zstd")


def read_predictions(path: Path) -> PredictionTable:
    """Read and check a table of predictions.

    Args:
        path: the file, or the folder that holds ``predictions.parquet``.

    Raises:
        InputError: the file cannot be read, lacks a column, or holds values that cannot be.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = path / FILE_NAME if path.is_dir() else path
    hint = "training writes it beside the model"
    try:
        stored = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"the predictions cannot be read: {error}", where=str(file), hint=hint) from error
    missing = [name for name in COLUMNS if name not in stored.column_names]
    if missing:
        raise InputError(f"columns are missing: {', '.join(missing)}", where=str(file), hint=hint)
    columns: dict[str, NDArray[Any]] = {}
    for name in COLUMNS:
        values = stored.column(name).to_numpy()
        try:
            if name in _TEXT:
                columns[name] = np.array([_text(value) for value in values], dtype=np.str_)
            elif name in _COUNTS:
                columns[name] = values.astype(np.int64)
            else:
                columns[name] = values.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"column {name}: {error}", where=str(file), hint=hint) from error
    table = PredictionTable(**columns)
    problem = _problem(table)
    if problem is not None:
        raise InputError(problem, where=str(file), hint=hint)
    return table


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _problem(table: PredictionTable) -> str | None:
    """What in the table cannot be, or None."""
    if len(table) == 0:
        return "the table has no rows"
    for name in (*_POSITIVE, *_NOT_NEGATIVE):
        values = getattr(table, name)
        allowed = values > 0.0 if name in _POSITIVE else values >= 0.0
        bad = np.flatnonzero(~(np.isfinite(values) & allowed))
        if bad.size:
            least = "> 0" if name in _POSITIVE else ">= 0"
            return f"column {name} must be finite and {least}; row {bad[0] + 1} is {values[bad[0]]!r}"
    if not (table.tc_lower_95 <= table.tc_upper_95).all():
        return "an interval's lower end lies above its upper end"
    for name, known in (("split", SPLITS), ("level", LEVELS)):
        strange = sorted(set(getattr(table, name)) - set(known))
        if strange:
            return f"column {name} must be one of {', '.join(known)}; found {strange[0]!r}"
    return None
