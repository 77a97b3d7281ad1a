"""Scores of a coupling model, on both sides by one formula at one mu*."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htc.models.calibration import CALIBRATION_MU_STAR
from htc.models.coupling import Coupling
from htc.models.training.dataset import Dataset
from htc.models.training.fit import OutOfFold
from htc.theory.empirical import allen_dynes, allen_dynes_f1

__all__ = ["point_scores", "scores", "scores_of", "scores_outside"]

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
        "share_tc_above_5k": float(high.mean()),
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


def point_scores(
    data: Dataset, lambda_ep: FloatArray, omega_log: FloatArray, omega_2: FloatArray | None
) -> dict[str, Any]:
    """Errors of predictions without intervals; with omega_2 also those of the full Allen-Dynes Tc.

    The latter on the materials whose omega_2 is known, f1 and f2 on both sides at ``CALIBRATION_MU_STAR``.
    """
    from sklearn.metrics import average_precision_score, r2_score

    mu_star = CALIBRATION_MU_STAR
    tc_true = np.asarray(allen_dynes_f1(data.lambda_ep, data.omega_log_k, mu_star))
    tc = np.asarray(allen_dynes_f1(lambda_ep, omega_log, mu_star))
    high = tc_true > HIGH_TC_K
    out: dict[str, Any] = {
        "rows": len(data),
        "lambda_mae": float(np.abs(lambda_ep - data.lambda_ep).mean()),
        "lambda_r2": float(r2_score(data.lambda_ep, lambda_ep)),
        "omega_log_mae_k": float(np.abs(omega_log - data.omega_log_k).mean()),
        "omega_log_r2": float(r2_score(data.omega_log_k, omega_log)),
        "tc_mae_k": float(np.abs(tc - tc_true).mean()),
        "tc_r2": float(r2_score(tc_true, tc)),
        "average_precision_tc_above_5k": float(average_precision_score(high, tc)) if high.any() else 0.0,
    }
    return out | _with_omega_2(data, lambda_ep, omega_log, omega_2)


def _with_omega_2(
    data: Dataset,
    lambda_ep: FloatArray,
    omega_log: FloatArray,
    omega_2: FloatArray | None,
    mu_star: float = CALIBRATION_MU_STAR,
) -> dict[str, Any]:
    from sklearn.metrics import average_precision_score, r2_score

    known = np.isfinite(data.omega_2_k)
    if omega_2 is None or known.sum() < 2:
        return {}
    true = data.omega_2_k[known]
    ratio_error = omega_2[known] / omega_log[known] - true / data.omega_log_k[known]
    tc_true = np.asarray(allen_dynes(data.lambda_ep[known], data.omega_log_k[known], true, mu_star))
    tc = np.asarray(allen_dynes(lambda_ep[known], omega_log[known], omega_2[known], mu_star))
    high = tc_true > HIGH_TC_K
    return {
        "omega_2": {
            "rows": int(known.sum()),
            "omega_2_mae_k": float(np.abs(omega_2[known] - true).mean()),
            "omega_2_over_omega_log_mae": float(np.abs(ratio_error).mean()),
            "tc_full_mae_k": float(np.abs(tc - tc_true).mean()),
            "tc_full_r2": float(r2_score(tc_true, tc)),
            "tc_full_average_precision_above_5k": float(average_precision_score(high, tc))
            if high.any()
            else 0.0,
        }
    }


def scores_of(
    data: Dataset, predicted: Sequence[Coupling], mu_star: float = CALIBRATION_MU_STAR
) -> dict[str, Any]:
    """Scores of a model's statements about labelled materials; Tc by f1 times the exponential."""
    estimates = [coupling.tc(mu_star, strong_coupling=False) for coupling in predicted]
    lambda_ep = np.array([c.lambda_ep for c in predicted])
    omega_log = np.array([c.omega_log_k for c in predicted])
    lower = np.array([e.lower_95_k for e in estimates])
    upper = np.array([e.upper_95_k for e in estimates])
    omega_2 = None
    if all(c.omega_2_k is not None for c in predicted):
        omega_2 = np.array([c.omega_2_k for c in predicted], dtype=np.float64)
    plain = scores(data.lambda_ep, data.omega_log_k, lambda_ep, omega_log, lower, upper, mu_star)
    return plain | _with_omega_2(data, lambda_ep, omega_log, omega_2, mu_star)


def scores_outside(data: Dataset, out: OutOfFold) -> dict[str, Any]:
    """Scores of out-of-fold predictions."""
    lower, upper = (
        np.asarray(allen_dynes_f1(end, out.omega_log_k, CALIBRATION_MU_STAR))
        for end in (out.effective_low, out.effective_high)
    )
    plain = scores(data.lambda_ep, data.omega_log_k, out.lambda_ep, out.omega_log_k, lower, upper)
    omega_2 = None if out.ln_ratio is None else out.omega_log_k * np.exp(np.maximum(out.ln_ratio, 0.0))
    return plain | _with_omega_2(data, out.lambda_ep, out.omega_log_k, omega_2)
