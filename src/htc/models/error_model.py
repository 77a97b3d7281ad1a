"""How wrong a prediction may be: learned from predictions for materials the members had not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.models.calibration import CALIBRATION_MU_STAR, N_GROUPS, group_of
from htc.models.coupling import Coupling, HeadKind, Tier
from htc.models.extrapolation import NEIGHBOURS, Domain
from htc.models.features import FEATURE_NAMES, N_ELEMENTS
from htc.models.forest import Forest
from htc.theory.empirical import allen_dynes_f1

__all__ = ["CHECKED_FEATURES", "ERROR_FORESTS", "ErrorModel", "Point", "Speaker", "spread_rows"]

FloatArray = NDArray[np.float64]

ERROR_FORESTS: Final = ("spread_lambda", "spread_omega", "low", "high")
"""ln of the spread of the two logarithms, and the quantiles of the effective coupling."""

CHECKED_FEATURES: Final = {"volume_ratio": "volume relative to the elements'", "n_sites": "number of sites"}
"""Features whose range is checked one by one, and what to call them."""

_DOMAIN_FIELDS: Final = (
    "centre",
    "scale",
    "projection",
    "points",
    "levels",
    "element_count",
    "bounds",
    "checked",
)


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """Predictions for n materials, before anything is said of their errors."""

    ln_lambda: FloatArray
    """Shape ``(n,)``."""
    ln_omega_log: FloatArray
    """omega_log in K, shape ``(n,)``."""
    ln_omega_2_ratio: FloatArray | None = None
    """omega_2/omega_log, shape ``(n,)``; None where it is not predicted."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who makes a statement."""

    kind: HeadKind
    tier: Tier
    model_id: str


@dataclass(frozen=True, slots=True, eq=False)
class ErrorModel:
    """Spread and interval of predictions, and how far a material lies from the training data."""

    forests: Mapping[str, Forest]
    """The ``ERROR_FORESTS``."""
    shifts: FloatArray
    """Conformal shifts, shape ``(n_groups, 2)``."""
    spread_scale: FloatArray
    """Factors that give the learned spreads of ln lambda and ln omega_log unit variance, shape ``(2,)``."""
    correlation: float
    domain: Domain
    ratio_spread: float | None = None
    """Standard deviation of the error of ln(omega_2/omega_log); None where nothing was learned of it."""

    def couplings(
        self, speaker: Speaker, rows: FloatArray, numbers: list[NDArray[np.int64]], point: Point
    ) -> list[Coupling]:
        """Statements about materials.

        Args:
            speaker: whose predictions they are.
            rows: what the errors are learned from, shape ``(n, n_features)``; the first columns are those the
                distance to the training data is measured in.
            numbers: atomic numbers in each material, length n.
            point: the predictions.
        """
        lambda_ep, omega_log = np.exp(point.ln_lambda), np.exp(point.ln_omega_log)
        wide = spread_rows(rows, point.ln_lambda, point.ln_omega_log)
        log_spread = [self.forests[name].predict(wide) for name in ERROR_FORESTS[:2]]
        spread_lambda, spread_omega = np.exp(log_spread) * self.spread_scale[:, None]
        wider = np.column_stack([wide, *log_spread])
        labels = [CHECKED_FEATURES[FEATURE_NAMES[column]] for column in self.domain.checked]
        near = self.domain.nearness(rows[:, : len(self.domain.centre)], numbers, labels)
        shift = self.shifts[group_of(wide[:, -1], np.array([n.band for n in near]))]
        low = np.minimum(self.forests["low"].predict(wider) + shift[:, 0], 0.0)
        high = np.maximum(self.forests["high"].predict(wider) + shift[:, 1], 0.0)
        omega_2: list[float | None] = [None] * len(rows)
        omega_2_spread: list[float | None] = [None] * len(rows)
        if point.ln_omega_2_ratio is not None and self.ratio_spread is not None:
            # Never below omega_log: the moments of one spectrum are ordered.
            second = omega_log * np.exp(np.maximum(point.ln_omega_2_ratio, 0.0))
            omega_2 = second.tolist()
            omega_2_spread = (second * np.hypot(spread_omega, self.ratio_spread)).tolist()
        return [
            Coupling(
                lambda_ep=float(lambda_ep[i]),
                lambda_ep_uncertainty=float(lambda_ep[i] * spread_lambda[i]),
                omega_log_k=float(omega_log[i]),
                omega_log_uncertainty_k=float(omega_log[i] * spread_omega[i]),
                correlation=self.correlation,
                effective_low=float(lambda_ep[i] * np.exp(low[i])),
                effective_high=float(lambda_ep[i] * np.exp(high[i])),
                kind=speaker.kind,
                nearness=near[i],
                model_id=speaker.model_id,
                tier=speaker.tier,
                omega_2_k=omega_2[i],
                omega_2_uncertainty_k=omega_2_spread[i],
            )
            for i in range(len(rows))
        ]

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays by name, as stored."""
        out: dict[str, NDArray[Any]] = {}
        for name, forest in self.forests.items():
            out |= {f"{name}/{k}": v for k, v in forest.tensors().items()}
        out |= {f"domain/{k}": v for k, v in self.domain.tensors().items()}
        if self.ratio_spread is not None:
            out["ratio_spread"] = np.array([self.ratio_spread])
        return out | {
            "shifts": self.shifts,
            "spread_scale": self.spread_scale,
            "correlation": np.array([self.correlation]),
        }

    @classmethod
    def from_tensors(cls, own: Mapping[str, NDArray[Any]], n_features: int, n_domain: int) -> ErrorModel:
        """Inverse of :meth:`tensors`.

        Args:
            own: arrays by name.
            n_features: columns of the rows it is asked about.
            n_domain: how many of them the distance to the training data is measured in.

        Raises:
            KeyError: an array is missing.
            ValueError: an array does not have its shape, or holds numbers that are not finite.
        """
        forests = {name: Forest.from_tensors(under(own, name)) for name in ERROR_FORESTS}
        # The spread forests also see the two predictions and Tc, the quantile forests the two spreads too.
        for name, more in zip(ERROR_FORESTS, (3, 3, 5, 5), strict=True):
            if forests[name].n_features != n_features + more:
                raise ValueError(f"{name} has {forests[name].n_features} features")
        expect("shifts", own["shifts"], (N_GROUPS, 2))
        expect("spread_scale", own["spread_scale"], (2,))
        expect("correlation", own["correlation"], (1,))
        if not abs(own["correlation"][0]) <= 1.0:
            raise ValueError("a correlation is beyond 1")
        ratio_spread: float | None = None
        if "ratio_spread" in own:
            expect("ratio_spread", own["ratio_spread"], (1,))
            ratio_spread = float(own["ratio_spread"][0])
        return cls(
            forests=forests,
            shifts=own["shifts"],
            spread_scale=own["spread_scale"],
            correlation=float(own["correlation"][0]),
            domain=_domain(under(own, "domain"), n_domain),
            ratio_spread=ratio_spread,
        )


def spread_rows(rows: FloatArray, ln_lambda: FloatArray, ln_omega: FloatArray) -> FloatArray:
    """Rows of the spread forests: the features and what was predicted from them.

    The quantile forests see the two learned spreads as well.
    """
    tc = np.asarray(allen_dynes_f1(np.exp(ln_lambda), np.exp(ln_omega), CALIBRATION_MU_STAR))
    return np.column_stack([rows, ln_lambda, ln_omega, tc])


def under(tensors: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """Arrays whose name begins with ``prefix/``, by the rest of their name."""
    return {k.removeprefix(f"{prefix}/"): v for k, v in tensors.items() if k.startswith(f"{prefix}/")}


def expect(name: str, array: NDArray[Any], shape: tuple[int, ...], *, finite: bool = True) -> None:
    """Check an array.

    Raises:
        ValueError: it has another shape, or holds numbers that are not finite.
    """
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, not {shape}")
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name} holds numbers that are not finite")


def _domain(arrays: Mapping[str, NDArray[Any]], n_features: int) -> Domain:
    domain = Domain(**{name: arrays[name] for name in _DOMAIN_FIELDS})
    n_components, n_checked = domain.projection.shape[-1], len(domain.checked)
    expect("centre", domain.centre, (n_features,))
    expect("scale", domain.scale, (n_features,))
    expect("projection", domain.projection, (n_features, n_components))
    expect("points", domain.points, (max(len(domain.points), NEIGHBOURS), n_components))
    expect("levels", domain.levels, (3,))
    expect("element_count", domain.element_count, (N_ELEMENTS + 1,))
    expect("checked", domain.checked, (n_checked,))
    if n_checked == 0:
        return domain
    expect("bounds", domain.bounds, (n_checked, 2))
    if not 0 <= domain.checked.min() <= domain.checked.max() < n_features:
        raise ValueError("a checked feature is not there")
    return domain
