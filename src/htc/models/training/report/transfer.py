"""How the model does on labels of other codes: rows of data sets beside the main one."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.models.training.report.measures import Figure, bootstrap, headline, mean_absolute_error, resamples
from htc.models.training.report.table import PredictionTable

__all__ = ["MAIN_SOURCE", "MODERATE_LAMBDA", "between_sources", "transfer"]

MAIN_SOURCE: Final = "alexandria"
MODERATE_LAMBDA: Final = 1.5
"""Stronger couplings among the JARVIS labels often belong to one collapsing mode."""


def transfer(table: PredictionTable, source: str, *, n_resamples: int = 1000) -> dict[str, Any]:
    """Figures on rows of another data set.

    Args:
        table: all rows of all data sets.
        source: which data set.
        n_resamples: bootstrap resamples.

    Returns:
        ``all`` rows; ``new``, those whose composition the main data set lacks; ``new_moderate``, of these
        the ones with a calculated coupling up to :data:`MODERATE_LAMBDA`; ``held_out``, those that nothing
        was trained on, where that is not all. Each has ``rows`` and ``figures``; with omega_2 on both sides
        also ``full_allen_dynes``, the figures with Tc by f1 and f2. A part of fewer than 2 rows is left out.
    """
    rows = table.of(source)
    known = np.isin(rows.formula, np.unique(table.formula[table.source == MAIN_SOURCE]))
    parts = {"all": np.ones(len(rows), dtype=np.bool_), "new": ~known}
    parts["new_moderate"] = ~known & (rows.lambda_true <= MODERATE_LAMBDA)
    held_out = rows.split == "held_out"
    if not held_out.all():
        parts["held_out"] = held_out
    return {name: _scored(rows.select(mask), n_resamples) for name, mask in parts.items() if mask.sum() >= 2}


def _scored(rows: PredictionTable, n_resamples: int) -> dict[str, Any]:
    out: dict[str, Any] = {"rows": len(rows), "figures": headline(rows, n_resamples=n_resamples)}
    full = rows.select(rows.omega_2_known)
    if len(full) >= 2:
        out["full_allen_dynes"] = {
            "rows": len(full),
            "figures": headline(full, full=True, n_resamples=n_resamples),
        }
    return out


def between_sources(table: PredictionTable, a: str, b: str) -> dict[str, Figure] | None:
    """How far the *labels* of two data sets are apart where both have a composition.

    Of several crystals of one composition the pair with the nearest couplings is taken, so that different
    forms are not counted as disagreement; this flatters the agreement.

    Returns:
        ``lambda_mae``, ``omega_log_mae_k`` and ``tc_mae_k`` at mu* 0.10; None where they share too few.
    """
    first, second = table.of(a), table.of(b)
    shared = np.intersect1d(first.formula, second.formula)
    if len(shared) < 2:
        return None
    pairs = np.array([_nearest(first, second, formula) for formula in shared.tolist()])
    left, right = first.select(pairs[:, 0]), second.select(pairs[:, 1])
    return bootstrap(
        {
            "lambda_mae": mean_absolute_error(left.lambda_true, right.lambda_true),
            "omega_log_mae_k": mean_absolute_error(left.omega_log_true, right.omega_log_true),
            "tc_mae_k": mean_absolute_error(left.tc_true(), right.tc_true()),
        },
        resamples(left.formula),
    )


def _nearest(first: PredictionTable, second: PredictionTable, formula: str) -> NDArray[np.int64]:
    """Positions of the two rows of one composition whose couplings are nearest."""
    i, j = np.flatnonzero(first.formula == formula), np.flatnonzero(second.formula == formula)
    apart = np.abs(np.log(first.lambda_true[i])[:, None] - np.log(second.lambda_true[j])[None, :])
    row, column = np.unravel_index(int(np.argmin(apart)), apart.shape)
    return np.array([i[row], j[column]])
