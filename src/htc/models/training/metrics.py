"""Scores of a coupling model, on both sides by one formula at one mu*."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from htc.models.calibration import CALIBRATION_MU_STAR
from htc.theory.empirical import allen_dynes_f1

__all__ = ["scores"]

FloatArray = NDArray[np.float64]

HIGH_TC_K = 5.0
_BINS = {"tc_below_1k": (-np.inf, 1.0), "tc_1_to_5k": (1.0, 5.0), "tc_above_5k": (5.0, np.inf)}


def scores(
    lambda_true: FloatArray,
    omega_true: FloatArray,
    lambda_ep: FloatArray,
    omega_log: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    mu_star: float = CALIBRATION_MU_STAR,
) -> dict[str, float | int | dict[str, float]]:
    """Scores of n materials; all arguments of shape ``(n,)``, frequencies and temperatures in K.

    Tc is f1 times the exponential at ``mu_star`` from the true and from the predicted pair. The
    interval is scored by its coverage, overall and by true Tc, and its width; beside it stands the
    interval of constant width with the same nominal coverage, tuned on the scored materials themselves.
    """
    from sklearn.metrics import average_precision_score, r2_score

    tc_true = np.asarray(allen_dynes_f1(lambda_true, omega_true, mu_star))
    tc = np.asarray(allen_dynes_f1(lambda_ep, omega_log, mu_star))
    inside = (tc_true >= lower) & (tc_true <= upper)
    constant = float(np.quantile(np.abs(tc - tc_true), 0.95))
    constant_inside = np.abs(tc - tc_true) <= constant
    bins = {name: (tc_true > low) & (tc_true <= high) for name, (low, high) in _BINS.items()}
    high = tc_true > HIGH_TC_K
    return {
        "rows": len(tc),
        "lambda_mae": float(np.abs(lambda_ep - lambda_true).mean()),
        "lambda_r2": float(r2_score(lambda_true, lambda_ep)),
        "omega_log_mae_k": float(np.abs(omega_log - omega_true).mean()),
        "omega_log_r2": float(r2_score(omega_true, omega_log)),
        "tc_mae_k": float(np.abs(tc - tc_true).mean()),
        "tc_r2": float(r2_score(tc_true, tc)),
        "average_precision_tc_above_5k": float(average_precision_score(high, tc)) if high.any() else 0.0,
        "coverage_95": float(inside.mean()),
        "coverage_95_by_true_tc": {n: float(inside[b].mean()) for n, b in bins.items() if b.any()},
        "width_95_mean_k": float((upper - lower).mean()),
        "width_95_median_k": float(np.median(upper - lower)),
        "width_95_mean_k_by_true_tc": {
            n: float((upper - lower)[b].mean()) for n, b in bins.items() if b.any()
        },
        "constant_width_k": 2.0 * constant,
        "constant_width_coverage_by_true_tc": {
            n: float(constant_inside[b].mean()) for n, b in bins.items() if b.any()
        },
    }
