"""The electron-phonon model: a material in, lambda and omega_log with calibrated uncertainty out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from htc.materials.symmetry import Standardised, primitive_standardised
from htc.models.calibration import CALIBRATION_MU_STAR, group_of
from htc.models.extrapolation import Domain, Nearness
from htc.models.features import (
    FEATURE_NAMES,
    features_of_composition,
    features_of_structure,
)
from htc.models.forest import Forest
from htc.theory.empirical import allen_dynes_f1

if TYPE_CHECKING:
    from pymatgen.core.composition import Composition
    from pymatgen.core.structure import Structure

__all__ = ["FORESTS", "Coupling", "CouplingModel", "Head", "HeadKind", "TcEstimate"]

FloatArray = NDArray[np.float64]
HeadKind = Literal["structure", "composition"]

FORESTS = ("ln_lambda", "ln_omega", "spread_lambda", "spread_omega", "low", "high")
"""The forests of a head: the two targets, ln of their spread, and the quantiles of effective coupling."""

CHECKED_FEATURES = {"volume_ratio": "volume relative to the elements'", "n_sites": "number of sites"}
"""Features whose range is checked one by one, and what to call them."""

_N_NODES = 32


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

    def tc(self, mu_star: float) -> TcEstimate:
        """Tc by f1 times the Allen-Dynes exponential, with its interval.

        Raises:
            InputError: mu_star is negative or not finite.
        """
        ends = np.array([self.lambda_ep, self.effective_low, self.effective_high])
        tc, low, high = allen_dynes_f1(ends, self.omega_log_k, mu_star)
        z, weights = _quadrature()
        s_lambda = self.lambda_ep_uncertainty / self.lambda_ep
        s_omega = self.omega_log_uncertainty_k / self.omega_log_k
        across = self.correlation * z[0] + np.sqrt(1.0 - self.correlation**2) * z[1]
        sample = allen_dynes_f1(
            self.lambda_ep * np.exp(s_lambda * z[0]), self.omega_log_k * np.exp(s_omega * across), mu_star
        )
        mean = weights @ sample
        std = float(np.sqrt(weights @ (sample - mean) ** 2))
        # Ends next to lambda itself may come out on the wrong side of Tc by a rounding error.
        return TcEstimate(float(tc), float(min(low, tc)), float(max(high, tc)), std)


@lru_cache(maxsize=1)
def _quadrature() -> tuple[FloatArray, FloatArray]:
    """Gauss-Hermite nodes, shape ``(2, n)``, and weights of two independent standard normal variables."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_N_NODES)
    weights = weights / weights.sum()
    return np.array([a.ravel() for a in np.meshgrid(nodes, nodes)]), np.outer(weights, weights).ravel()


@dataclass(frozen=True, eq=False)
class Head:
    """The forests and calibration for one kind of input."""

    kind: HeadKind
    forests: Mapping[str, Forest]
    shifts: FloatArray
    """Conformal shifts, shape ``(n_groups, 2)``."""
    spread_scale: FloatArray
    """Factors that give the learned spreads of ln lambda and ln omega_log unit variance, shape ``(2,)``."""
    correlation: float
    domain: Domain

    def predict(self, rows: FloatArray, numbers: list[NDArray[np.int64]]) -> list[Coupling]:
        """Coupling of materials.

        Args:
            rows: features, shape ``(n, n_features)``.
            numbers: atomic numbers in each material, length n.
        """
        if len(rows) == 0:
            return []
        ln_lambda = self.forests["ln_lambda"].predict(rows)
        ln_omega = self.forests["ln_omega"].predict(rows)
        lambda_ep, omega_log = np.exp(ln_lambda), np.exp(ln_omega)
        wide = spread_rows(rows, ln_lambda, ln_omega)
        log_spread = [self.forests[name].predict(wide) for name in ("spread_lambda", "spread_omega")]
        spread_lambda, spread_omega = np.exp(log_spread) * self.spread_scale[:, None]
        wider = np.column_stack([wide, *log_spread])
        labels = [CHECKED_FEATURES[FEATURE_NAMES[column]] for column in self.domain.checked]
        near = self.domain.nearness(rows, numbers, labels)
        shift = self.shifts[group_of(wide[:, -1], np.array([n.band for n in near]))]
        low = np.minimum(self.forests["low"].predict(wider) + shift[:, 0], 0.0)
        high = np.maximum(self.forests["high"].predict(wider) + shift[:, 1], 0.0)
        return [
            Coupling(
                lambda_ep=float(lambda_ep[i]),
                lambda_ep_uncertainty=float(lambda_ep[i] * spread_lambda[i]),
                omega_log_k=float(omega_log[i]),
                omega_log_uncertainty_k=float(omega_log[i] * spread_omega[i]),
                correlation=self.correlation,
                effective_low=float(lambda_ep[i] * np.exp(low[i])),
                effective_high=float(lambda_ep[i] * np.exp(high[i])),
                kind=self.kind,
                nearness=near[i],
            )
            for i in range(len(rows))
        ]


def spread_rows(rows: FloatArray, ln_lambda: FloatArray, ln_omega: FloatArray) -> FloatArray:
    """Rows of the spread forests: the features and what was predicted from them.

    The quantile forests see the two learned spreads as well.
    """
    tc = np.asarray(allen_dynes_f1(np.exp(ln_lambda), np.exp(ln_omega), CALIBRATION_MU_STAR))
    return np.column_stack([rows, ln_lambda, ln_omega, tc])


@dataclass(frozen=True, eq=False)
class CouplingModel:
    """Structure or composition -> lambda, omega_log. Made by :func:`htc.models.load_model`."""

    model_id: str
    card: Mapping[str, Any]
    table: FloatArray
    """Element properties the model was trained with."""
    heads: Mapping[HeadKind, Head]

    @property
    def name(self) -> str:
        """Name and version, for people."""
        return f"{self.card['name']}-{self.card['version']}"

    def predict_structures(self, structures: Sequence[Structure | Standardised]) -> list[Coupling]:
        """Coupling of ordered crystals, one for each, in order.

        A crystal that was standardised before is taken as it is, without a second search for symmetry.
        """
        if not structures:
            return []
        found = [s if isinstance(s, Standardised) else primitive_standardised(s) for s in structures]
        rows = np.array([features_of_structure(s.structure, self.table, s) for s in found])
        numbers = [np.unique(s.structure.atomic_numbers) for s in found]
        return self.heads["structure"].predict(rows, numbers)

    def predict_compositions(self, compositions: Sequence[Composition]) -> list[Coupling]:
        """Coupling of compositions whose crystal is unknown, one for each, in order."""
        if not compositions:
            return []
        rows = np.array([features_of_composition(c, self.table) for c in compositions])
        numbers = [np.array([e.Z for e in c.elements], dtype=np.int64) for c in compositions]
        return self.heads["composition"].predict(rows, numbers)
