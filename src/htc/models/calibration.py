"""From a predicted (lambda, omega_log) and its learned spread to an interval of Tc that holds.

The interval is found along one direction: the *effective* coupling ``lambda_eff`` of a material is the
coupling that, at the predicted omega_log, gives its true Tc. Two quantile forests learn where
``ln(lambda_eff / lambda)`` falls, and a conformal shift per group of predicted Tc corrects them until the
stated share of materials never seen in training lies inside (conformalised quantile regression,
Romano, Patterson and Candes, NeurIPS 2019, arXiv:1905.03222). Tc rises with lambda, so the ends
map to Tc at any mu*, stay above zero, and widen where Tc is steep in lambda.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from htc.theory.empirical import allen_dynes_f1

__all__ = [
    "CALIBRATION_MU_STAR",
    "COVERAGE",
    "GROUP_EDGES_K",
    "conformal_shifts",
    "effective_log_lambda",
    "group_of",
]

FloatArray = NDArray[np.float64]

CALIBRATION_MU_STAR = 0.10
"""mu* at which the intervals were calibrated; coverage at other values is stated in the model card."""
COVERAGE = 0.95
GROUP_EDGES_K = (1.0, 5.0)
"""Edges of predicted Tc (K, at ``CALIBRATION_MU_STAR``) between the groups calibrated apart."""
N_BANDS = 3
"""Bands of distance to the training data (near, between, far) that are calibrated apart."""
N_GROUPS = (len(GROUP_EDGES_K) + 1) * N_BANDS

MIN_GROUP = 39
"""Fewest materials whose ranks reach into both tails of the stated coverage."""

_LOG_LAMBDA_RANGE = (np.log(1e-3), np.log(50.0))


def group_of(tc_k: FloatArray, band: NDArray[np.int64]) -> NDArray[np.int64]:
    """Calibration group of materials, 0 to ``N_GROUPS - 1``.

    Args:
        tc_k: predicted Tc at ``CALIBRATION_MU_STAR``, K, shape ``(n,)``.
        band: band of distance to the training data, 0 to ``N_BANDS - 1``, shape ``(n,)``.
    """
    return np.digitize(tc_k, GROUP_EDGES_K).astype(np.int64) * N_BANDS + band


def effective_log_lambda(
    tc_k: FloatArray, omega_log_k: FloatArray, lambda_true: FloatArray, mu_star: float
) -> FloatArray:
    """ln of the coupling that gives ``tc_k`` at ``omega_log_k``, shape ``(n,)``.

    Where Tc is zero every coupling below the threshold gives it; there the true coupling is
    returned, or the threshold if that is smaller.
    """
    low = np.full(tc_k.shape, _LOG_LAMBDA_RANGE[0])
    high = np.full(tc_k.shape, _LOG_LAMBDA_RANGE[1])
    for _ in range(50):
        middle = 0.5 * (low + high)
        below = allen_dynes_f1(np.exp(middle), omega_log_k, mu_star) < tc_k
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    threshold = np.log(max(mu_star, 1e-3) / (1.0 - 0.62 * mu_star))
    return np.where(tc_k > 0.0, high, np.minimum(np.log(np.maximum(lambda_true, 1e-3)), threshold))


def conformal_shifts(
    residual: FloatArray, low: FloatArray, high: FloatArray, groups: NDArray[np.int64]
) -> FloatArray:
    """Shifts of the two learned quantiles that give the stated coverage within each group.

    Args:
        residual: ``ln(lambda_eff / lambda)`` of materials outside the training folds, shape ``(n,)``.
        low: their learned lower quantile, shape ``(n,)``.
        high: their learned upper quantile, shape ``(n,)``.
        groups: calibration group of each, shape ``(n,)``. A group of fewer than ``MIN_GROUP`` materials takes
            the shifts of its range of Tc, and of all materials where that is too small as well.

    Returns:
        Shape ``(n_groups, 2)``: added to ``low`` and to ``high``.
    """
    tail = 0.5 * (1.0 - COVERAGE)
    shifts = np.zeros((N_GROUPS, 2))
    for group in range(len(shifts)):
        inside = groups == group
        if inside.sum() < MIN_GROUP:
            inside = groups // N_BANDS == group // N_BANDS
        if inside.sum() < MIN_GROUP:
            inside = np.ones_like(inside)
        n = int(inside.sum())
        # The finite-sample rank of split conformal prediction, one-sided at each end.
        rank = min(1.0, np.ceil((n + 1) * (1.0 - tail)) / n)
        shifts[group, 0] = -np.quantile((low - residual)[inside], rank, method="higher")
        shifts[group, 1] = np.quantile((residual - high)[inside], rank, method="higher")
    return shifts
