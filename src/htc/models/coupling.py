"""What a model says of one material: lambda, omega_log and omega_2 with calibrated uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from htc.models.extrapolation import Nearness
from htc.theory.empirical import allen_dynes, allen_dynes_f1

__all__ = ["Coupling", "HeadKind", "TcEstimate", "Tier", "tc_spread"]

FloatArray = NDArray[np.float64]
HeadKind = Literal["structure", "composition"]
Tier = Literal["fast", "default", "best"]

_N_NODES = 32
_FARTHEST = 12.0
"""Bound of the deviations of ln lambda and ln omega_log: the outermost nodes lie ten standard deviations out
and weigh next to nothing, but a wide spread must not carry them to values that no formula takes."""


@dataclass(frozen=True, slots=True)
class TcEstimate:
    """Tc of one material at one mu*."""

    tc_k: float
    lower_95_k: float
    upper_95_k: float
    std_k: float


@dataclass(frozen=True, slots=True)
class Coupling:
    """Predicted electron-phonon coupling of one material."""

    lambda_ep: float
    lambda_ep_uncertainty: float
    """One standard deviation of lambda_ep."""
    omega_log_k: float
    omega_log_uncertainty_k: float
    """One standard deviation of omega_log, K."""
    correlation: float
    """Between the errors of ln lambda and ln omega_log."""
    effective_low: float
    """Coupling at which Tc reaches the lower end of its 95 % interval."""
    effective_high: float
    """Coupling at which Tc reaches the upper end of its 95 % interval."""
    kind: HeadKind
    """Whether the crystal or only the composition was known."""
    nearness: Nearness
    model_id: str = ""
    """Name, version and weight hash of the model that spoke."""
    tier: Tier = "fast"
    """Which tier that model is."""
    omega_2_k: float | None = None
    """Second-moment frequency, K; None where the model does not predict it."""
    omega_2_uncertainty_k: float | None = None
    """One standard deviation of omega_2, K."""
    note: str | None = None
    """Why another tier spoke than the one asked, or None."""

    def tc(self, mu_star: float, *, strong_coupling: bool = True) -> TcEstimate:
        """Tc by the Allen-Dynes formula, with its interval.

        With f1 and f2 where omega_2 is known, with f1 alone where it is not.

        Args:
            mu_star: Coulomb pseudopotential.
            strong_coupling: False leaves f2 out even where omega_2 is known, to compare with data without it.

        Raises:
            InputError: mu_star is negative or not finite.
        """
        tc, low, high = self.tc_interval(mu_star, strong_coupling=strong_coupling)
        z, weights = _quadrature()
        s_lambda = self.lambda_ep_uncertainty / self.lambda_ep
        s_omega = self.omega_log_uncertainty_k / self.omega_log_k
        across = self.correlation * z[0] + np.sqrt(1.0 - self.correlation**2) * z[1]
        sample = self._formula(
            self.lambda_ep * _factors(s_lambda, z[0]),
            self.omega_log_k * _factors(s_omega, across),
            mu_star,
            strong_coupling,
        )
        mean = weights @ sample
        std = float(np.sqrt(weights @ (sample - mean) ** 2))
        return TcEstimate(tc, low, high, std)

    def tc_interval(self, mu_star: float, *, strong_coupling: bool = True) -> tuple[float, float, float]:
        """Tc and the ends of its 95 % interval, K: :meth:`tc` without the deviation, a tenth of the work.

        Raises:
            InputError: mu_star is negative or not finite.
        """
        ends = np.array([self.lambda_ep, self.effective_low, self.effective_high])
        tc, low, high = self._formula(ends, self.omega_log_k, mu_star, strong_coupling)
        # Ends next to lambda itself may come out on the wrong side of Tc by a rounding error.
        return float(tc), float(min(low, tc)), float(max(high, tc))

    def _formula(
        self, lambda_ep: FloatArray, omega_log: FloatArray | float, mu_star: float, strong_coupling: bool
    ) -> FloatArray:
        if self.omega_2_k is None or not strong_coupling:
            return np.asarray(allen_dynes_f1(lambda_ep, omega_log, mu_star))
        ratio = self.omega_2_k / self.omega_log_k
        return np.asarray(allen_dynes(lambda_ep, omega_log, ratio * np.asarray(omega_log), mu_star))


@lru_cache(maxsize=1)
def _quadrature() -> tuple[FloatArray, FloatArray]:
    """Gauss-Hermite nodes, shape ``(2, n)``, and weights of two independent standard normal variables."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_N_NODES)
    weights = weights / weights.sum()
    return np.array([a.ravel() for a in np.meshgrid(nodes, nodes)]), np.outer(weights, weights).ravel()


def _factors(spread: float, deviations: FloatArray) -> FloatArray:
    """What a value is multiplied by at each node, its logarithm having this spread."""
    return np.asarray(np.exp(np.clip(spread * deviations, -_FARTHEST, _FARTHEST)))


def tc_spread(
    lambda_ep: FloatArray,
    omega_log_k: FloatArray,
    sigma_ln_lambda: FloatArray,
    sigma_ln_omega: FloatArray,
    correlation: float,
    mu_star: float,
) -> FloatArray:
    """One standard deviation of Tc of many materials, f1 times the exponential, K; all of shape ``(n,)``."""
    z, weights = _quadrature()
    across = correlation * z[0] + np.sqrt(1.0 - correlation**2) * z[1]
    out = np.empty(len(lambda_ep))
    for i, (coupling, omega, s, t) in enumerate(
        zip(lambda_ep, omega_log_k, sigma_ln_lambda, sigma_ln_omega, strict=True)
    ):
        sample = allen_dynes_f1(coupling * _factors(s, z[0]), omega * _factors(t, across), mu_star)
        mean = weights @ sample
        out[i] = np.sqrt(weights @ (sample - mean) ** 2)
    return out
