"""Learned stacking: how much of each kind of member, and how far from the mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from htc.models.calibration import CALIBRATION_MU_STAR
from htc.models.ensemble import MIXED, Mixing
from htc.models.training.dataset import Dataset
from htc.theory.empirical import allen_dynes_f1

__all__ = ["fit_mixing"]

FloatArray = NDArray[np.float64]

_BOUNDS = ((0.0, 1.0), (0.0, 1.0), (0.9, 1.15), (0.9, 1.15))


def fit_mixing(other: FloatArray, networks: FloatArray, data: Dataset) -> Mixing:
    """Find the mixture whose errors of lambda, omega_log and Tc are least on materials outside the training.

    Four numbers are learned from thousands of materials, by their mean absolute errors, each in units of
    that of the even mixture.

    Args:
        other: ln lambda and ln omega_log (K) of one kind of member, shape ``(n, 2)``.
        networks: those of the networks, shape ``(n, 2)``.
        data: the n materials.
    """
    from scipy.optimize import minimize

    true_tc = np.asarray(allen_dynes_f1(data.lambda_ep, data.omega_log_k, CALIBRATION_MU_STAR))
    centre = (0.5 * (other + networks)).mean(axis=0)

    def mixing(x: FloatArray) -> Mixing:
        return Mixing(weight=x[:2], slope=x[2:], centre=centre)

    def errors(x: FloatArray) -> FloatArray:
        lambda_ep, omega_log = np.exp(mixing(x)(other, networks)).T
        tc = np.asarray(allen_dynes_f1(lambda_ep, omega_log, CALIBRATION_MU_STAR))
        return np.array(
            [
                np.abs(lambda_ep - data.lambda_ep).mean(),
                np.abs(omega_log - data.omega_log_k).mean(),
                np.abs(tc - true_tc).mean(),
            ]
        )

    even = np.array([0.5] * len(MIXED) + [1.0] * len(MIXED))
    yardstick = errors(even)
    found = minimize(
        lambda x: float((errors(x) / yardstick) @ np.array([1.0, 1.0, 2.0])),
        even,
        method="Powell",
        bounds=_BOUNDS,
        options={"xtol": 1e-3, "ftol": 1e-6},
    )
    return mixing(np.asarray(found.x))
