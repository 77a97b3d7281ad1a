"""What the error of Tc is made of: which predicted quantity, and how few materials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.models.calibration import CALIBRATION_MU_STAR
from htc.models.training.report.measures import Figure, average, bootstrap, mean_absolute_error, resamples
from htc.models.training.report.table import PredictionTable
from htc.theory.empirical import allen_dynes_f1

__all__ = ["WORST_SHARE", "error_budget", "worst_share"]

FloatArray = NDArray[np.float64]

WORST_SHARE: Final = 0.05


def error_budget(
    table: PredictionTable, mu_star: float = CALIBRATION_MU_STAR, *, n_resamples: int = 1000
) -> Mapping[str, Figure]:
    """MAE of Tc, K, with the predicted quantities and with one of them replaced by its true value.

    Where exact omega_log makes Tc *worse*, the errors of the two cancel: an overestimated lambda usually
    comes with an underestimated omega_log, because soft phonons couple strongly.

    Returns:
        ``as_predicted``, ``lambda_exact``, ``omega_log_exact``; ``lambda_5_percent``, what an error of
        5 % in lambda alone would cost (both signs averaged); and ``median_tc``, the median for all.
    """
    true = table.tc_true(mu_star)

    def tc(lambda_ep: FloatArray, omega_log: FloatArray) -> FloatArray:
        return np.asarray(allen_dynes_f1(lambda_ep, omega_log, mu_star))

    predictions = {
        "as_predicted": table.tc(mu_star),
        "lambda_exact": tc(table.lambda_true, table.omega_log),
        "omega_log_exact": tc(table.lambda_ep, table.omega_log_true),
        "median_tc": np.full(len(table), np.median(true)),
    }
    measures = {name: mean_absolute_error(true, predicted) for name, predicted in predictions.items()}
    off = [tc(table.lambda_true * factor, table.omega_log_true) - true for factor in (0.95, 1.05)]
    small = np.mean(np.abs(off), axis=0)
    measures["lambda_5_percent"] = average(small)
    return bootstrap(measures, resamples(table.formula, n_resamples))


def worst_share(
    table: PredictionTable, share: float = WORST_SHARE, mu_star: float = CALIBRATION_MU_STAR
) -> tuple[float, NDArray[np.int64]]:
    """Part of the summed Tc error that the worst materials carry, and which they are.

    Args:
        table: the materials.
        share: how many of them are looked at, 0 to 1.
        mu_star: of Tc.

    Returns:
        Part of the error, 0 to 1, and their positions, worst first.
    """
    error = np.abs(table.tc(mu_star) - table.tc_true(mu_star))
    n = max(1, round(share * len(table)))
    worst = np.argsort(-error, kind="stable")[:n]
    total = float(error.sum())
    return (float(error[worst].sum()) / total if total > 0.0 else 0.0), worst
