"""mu*_ij of several bands at another cutoff.

The sum over pairs between two cutoffs (Morel and Anderson, doi:10.1103/PhysRev.125.1263) is a geometric
series in mu*; of bands it is one of matrices, ``mu*(w2) = mu*(w1) [1 - ln(w2/w1) mu*(w1)]^-1``. Taken by
elements, the series leaves out pairs that go through other bands, so that two equal bands are no longer one.
ebmb's programs ``ebmb`` and ``tc`` do the former, its ``critical`` the latter.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rescaling", "is_bounded", "rescaled", "rescaling_slope"]

FloatArray = NDArray[np.float64]

Rescaling = Literal["matrix", "elementwise"]
"""Rescale mu*_ij as a matrix, or every element as if there were no other."""


def rescaled(mu_star: FloatArray, log_ratio: float, rescaling: Rescaling = "matrix") -> FloatArray:
    """mu*_ij at a cutoff higher by the factor ``exp(log_ratio)``, shape ``(b, b)``; see `is_bounded`."""
    if rescaling == "elementwise":
        return mu_star / (1.0 - log_ratio * mu_star)
    return np.asarray(np.linalg.solve(np.eye(mu_star.shape[0]) - log_ratio * mu_star, mu_star))


def rescaling_slope(mu_star: FloatArray, rescaling: Rescaling = "matrix") -> FloatArray:
    """d mu*_ij / d ln(cutoff) where mu*_ij stands, shape ``(b, b)``."""
    return mu_star * mu_star if rescaling == "elementwise" else mu_star @ mu_star


def is_bounded(mu_star: FloatArray, log_ratio: float, rescaling: Rescaling = "matrix") -> bool:
    """Whether the series from one cutoff to the other has no pole on the way."""
    if rescaling == "elementwise":
        return bool((log_ratio * mu_star < 1.0).all())
    values = np.linalg.eigvals(mu_star)
    # Only real eigenvalues cross the pole; a pair of complex ones passes beside it.
    real = values.real[np.abs(values.imag) <= 1e-12 * np.abs(values)]
    return bool((log_ratio * real < 1.0).all())
