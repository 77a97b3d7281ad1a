"""Training of one head: boosted trees, their spread, their calibration, all cross-validated by formula.

Everything that describes the model's errors is learned from predictions for materials whose formula was
not in the training folds of the model that made them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htc.errors import MissingExtraError
from htc.models.calibration import (
    CALIBRATION_MU_STAR,
    conformal_shifts,
    effective_log_lambda,
    group_of,
)
from htc.models.coupling import CHECKED_FEATURES, Head, HeadKind, spread_rows
from htc.models.extrapolation import Domain, fit_domain
from htc.models.features import FEATURE_NAMES, N_COMPOSITION_FEATURES, N_ELEMENTS
from htc.models.forest import pack
from htc.models.training.data import LabelledMaterials, Progress
from htc.theory.empirical import allen_dynes_f1

__all__ = ["OutOfFold", "TreeSettings", "fit_head"]

FloatArray = NDArray[np.float64]

QUANTILE = 0.05
"""Tail learned by the quantile forests; the conformal shift takes them to the stated coverage."""


@dataclass(frozen=True, slots=True)
class TreeSettings:
    """Parameters of the boosted trees, LightGBM's names."""

    n_estimators: int = 1000
    learning_rate: float = 0.03
    num_leaves: int = 63
    min_child_samples: int = 4
    colsample_bytree: float = 0.4
    subsample: float = 0.8
    subsample_freq: int = 1

    def for_spread(self) -> dict[str, Any]:
        """Parameters of the small forests that learn errors: there is far less to learn in them."""
        return {
            "n_estimators": min(200, self.n_estimators),
            "learning_rate": 0.04,
            "num_leaves": 12,
            "min_child_samples": 40,
            "colsample_bytree": 0.3,
            "subsample": 0.7,
            "subsample_freq": 1,
        }

    def as_dict(self) -> dict[str, Any]:
        """LightGBM keyword arguments."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """Predictions for the training materials by models that had not seen their formula, shape ``(n,)``."""

    lambda_ep: FloatArray
    omega_log_k: FloatArray
    effective_low: FloatArray
    effective_high: FloatArray


def _regressor(seed: int, parameters: dict[str, Any]) -> Any:
    try:
        from lightgbm import LGBMRegressor
    except ImportError as error:
        raise MissingExtraError(
            "training needs LightGBM",
            hint="pip install 'htc[train]' (on Linux also the system library libgomp1)",
        ) from error
    # Deterministic at a given number of threads; column-wise histograms do not depend on that number.
    return LGBMRegressor(
        **parameters, random_state=seed, deterministic=True, force_col_wise=True, verbose=-1, n_jobs=0
    )


def _fit(seed: int, parameters: dict[str, Any], rows: FloatArray, target: FloatArray) -> Any:
    return _regressor(seed, parameters).fit(rows, target)


def fit_head(
    kind: HeadKind,
    data: LabelledMaterials,
    settings: TreeSettings,
    seeds: tuple[int, ...],
    progress: Progress | None = None,
) -> tuple[Head, OutOfFold]:
    """Train a head and calibrate it.

    Raises:
        MissingExtraError: LightGBM is not installed.
    """
    rows = data.rows if kind == "structure" else data.rows[:, :N_COMPOSITION_FEATURES]
    targets = {"ln_lambda": np.log(data.lambda_ep), "ln_omega": np.log(data.omega_log_k)}
    folds = np.unique(data.fold)
    steps = len(folds) * 6 + len(seeds) * 2 + 4
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(f"training on the {kind}", done, steps)

    outside = {name: np.empty(len(data)) for name in targets}
    for fold in folds:
        held = data.fold == fold
        for name, target in targets.items():
            model = _fit(int(fold), settings.as_dict(), rows[~held], target[~held])
            outside[name][held] = model.predict(rows[held])
            tick()

    residual = {name: targets[name] - outside[name] for name in targets}
    wide = spread_rows(rows, outside["ln_lambda"], outside["ln_omega"])
    tc_true = np.asarray(allen_dynes_f1(data.lambda_ep, data.omega_log_k, CALIBRATION_MU_STAR))
    effective = effective_log_lambda(
        tc_true, np.exp(outside["ln_omega"]), data.lambda_ep, CALIBRATION_MU_STAR
    )
    error_targets: dict[str, tuple[FloatArray, dict[str, Any]]] = {
        "spread_lambda": (np.log(np.abs(residual["ln_lambda"]) + 1e-3), {}),
        "spread_omega": (np.log(np.abs(residual["ln_omega"]) + 1e-3), {}),
        "low": (effective - outside["ln_lambda"], {"objective": "quantile", "alpha": QUANTILE}),
        "high": (effective - outside["ln_lambda"], {"objective": "quantile", "alpha": 1.0 - QUANTILE}),
    }
    errors_outside = {name: np.empty(len(data)) for name in error_targets}
    boosters: dict[str, list[Any]] = {}
    for name, (target, extra) in error_targets.items():
        parameters = settings.for_spread() | extra
        if extra:  # the quantiles come last and see the spreads, each from models that had not seen the row
            spreads = [errors_outside["spread_lambda"], errors_outside["spread_omega"]]
            inputs = np.column_stack([wide, *spreads])
        else:
            inputs = wide
        for fold in folds:
            held = data.fold == fold
            model = _fit(int(fold), parameters, inputs[~held], target[~held])
            errors_outside[name][held] = model.predict(inputs[held])
            tick()
        boosters[name] = [_fit(0, parameters, inputs, target).booster_]
        tick()

    standard = [
        residual[name] / np.exp(errors_outside[spread])
        for name, spread in (("ln_lambda", "spread_lambda"), ("ln_omega", "spread_omega"))
    ]
    domain, distance = _domain(rows, data)
    groups = group_of(wide[:, -1], domain.band(distance))
    shifts = conformal_shifts(error_targets["low"][0], errors_outside["low"], errors_outside["high"], groups)
    low = np.minimum(errors_outside["low"] + shifts[groups, 0], 0.0)
    high = np.maximum(errors_outside["high"] + shifts[groups, 1], 0.0)

    for name, target in targets.items():
        boosters[name] = []
        for seed in seeds:
            boosters[name].append(_fit(seed, settings.as_dict(), rows, target).booster_)
            tick()

    head = Head(
        kind=kind,
        forests={name: pack(members) for name, members in boosters.items()},
        shifts=shifts,
        spread_scale=np.std(standard, axis=1),
        correlation=float(np.corrcoef(standard[0], standard[1])[0, 1]),
        domain=domain,
    )
    lambda_ep = np.exp(outside["ln_lambda"])
    return head, OutOfFold(
        lambda_ep=lambda_ep,
        omega_log_k=np.exp(outside["ln_omega"]),
        effective_low=lambda_ep * np.exp(low),
        effective_high=lambda_ep * np.exp(high),
    )


def _domain(rows: FloatArray, data: LabelledMaterials) -> tuple[Domain, FloatArray]:
    names = FEATURE_NAMES[: rows.shape[1]]
    checked = [i for i, name in enumerate(names) if name in CHECKED_FEATURES]
    described = [i for i, name in enumerate(names) if not name.startswith("fraction_")]
    return fit_domain(
        rows,
        data.numbers,
        data.formulas,
        described=np.array(described, dtype=np.int64),
        checked=np.array(checked, dtype=np.int64),
        n_elements=N_ELEMENTS,
    )
