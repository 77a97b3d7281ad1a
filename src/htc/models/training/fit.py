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
from htc.models.coupling import HeadKind, tc_spread
from htc.models.error_model import CHECKED_FEATURES, ErrorModel, spread_rows
from htc.models.extrapolation import Domain, fit_domain
from htc.models.features import FEATURE_NAMES, N_COMPOSITION_FEATURES, N_ELEMENTS
from htc.models.forest import pack
from htc.models.training.data import Progress
from htc.models.training.dataset import Dataset
from htc.models.trees import Head
from htc.theory.empirical import allen_dynes_f1

__all__ = ["OutOfFold", "TreeSettings", "fit_errors", "fit_head", "fit_trees"]

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
    ln_ratio: FloatArray | None
    """omega_2/omega_log, where it is predicted."""
    spread_lambda: FloatArray
    """One standard deviation of ln lambda."""
    spread_omega: FloatArray
    """One standard deviation of ln omega_log."""
    tc_std_k: FloatArray
    """One standard deviation of Tc at ``CALIBRATION_MU_STAR``, K."""
    band: NDArray[np.int64]
    """Band of distance to the materials of other formulas: 0 near, 1 between, 2 far."""


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


def fit_trees(
    seed: int,
    parameters: dict[str, Any],
    rows: FloatArray,
    target: FloatArray,
    weight: FloatArray | None = None,
) -> Any:
    """A trained LightGBM regressor; rows of shape ``(n, n_features)``, target and weight ``(n,)``.

    Raises:
        MissingExtraError: LightGBM is not installed.
    """
    return _regressor(seed, parameters).fit(rows, target, sample_weight=weight)


def fit_head(
    kind: HeadKind,
    data: Dataset,
    settings: TreeSettings,
    seeds: tuple[int, ...],
    progress: Progress | None = None,
) -> tuple[Head, OutOfFold]:
    """Train a head of the fast tier and calibrate it.

    Raises:
        MissingExtraError: LightGBM is not installed.
    """
    rows = data.rows if kind == "structure" else data.rows[:, :N_COMPOSITION_FEATURES]
    targets = {"ln_lambda": np.log(data.lambda_ep), "ln_omega": np.log(data.omega_log_k)}
    folds = np.unique(data.fold)
    steps = len(folds) * 2 + len(seeds) * 2
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
            model = fit_trees(int(fold), settings.as_dict(), rows[~held], target[~held])
            outside[name][held] = model.predict(rows[held])
            tick()
    errors, out = fit_errors(rows, rows.shape[1], data, outside["ln_lambda"], outside["ln_omega"], settings)
    boosters: dict[str, list[Any]] = {}
    for name, target in targets.items():
        boosters[name] = []
        for seed in seeds:
            boosters[name].append(fit_trees(seed, settings.as_dict(), rows, target).booster_)
            tick()
    forests = {name: pack(members) for name, members in boosters.items()}
    return Head(kind=kind, forests=forests, errors=errors), out


def fit_errors(
    rows: FloatArray,
    n_domain: int,
    data: Dataset,
    ln_lambda: FloatArray,
    ln_omega: FloatArray,
    settings: TreeSettings,
    ln_ratio: FloatArray | None = None,
) -> tuple[ErrorModel, OutOfFold]:
    """Learn the errors of predictions made for materials the members had not seen.

    Args:
        rows: what the errors are learned from, shape ``(n, n_features)``.
        n_domain: the first columns, in which the distance to the training data is measured.
        data: the materials predicted.
        ln_lambda: predictions, shape ``(n,)``.
        ln_omega: predictions of omega_log in K, shape ``(n,)``.
        settings: of the trees.
        ln_ratio: predictions of omega_2/omega_log, shape ``(n,)``, if there are any.
    """
    residual = [np.log(data.lambda_ep) - ln_lambda, np.log(data.omega_log_k) - ln_omega]
    wide = spread_rows(rows, ln_lambda, ln_omega)
    tc_true = np.asarray(allen_dynes_f1(data.lambda_ep, data.omega_log_k, CALIBRATION_MU_STAR))
    effective = effective_log_lambda(tc_true, np.exp(ln_omega), data.lambda_ep, CALIBRATION_MU_STAR)
    targets: dict[str, tuple[FloatArray, dict[str, Any]]] = {
        "spread_lambda": (np.log(np.abs(residual[0]) + 1e-3), {}),
        "spread_omega": (np.log(np.abs(residual[1]) + 1e-3), {}),
        "low": (effective - ln_lambda, {"objective": "quantile", "alpha": QUANTILE}),
        "high": (effective - ln_lambda, {"objective": "quantile", "alpha": 1.0 - QUANTILE}),
    }
    outside = {name: np.empty(len(data)) for name in targets}
    forests = {}
    for name, (target, extra) in targets.items():
        parameters = settings.for_spread() | extra
        # The quantiles come last and see the spreads, each from models that had not seen the row.
        spreads = [outside["spread_lambda"], outside["spread_omega"]] if extra else []
        inputs = np.column_stack([wide, *spreads])
        for fold in np.unique(data.fold):
            held = data.fold == fold
            model = fit_trees(int(fold), parameters, inputs[~held], target[~held])
            outside[name][held] = model.predict(inputs[held])
        forests[name] = pack([fit_trees(0, parameters, inputs, target).booster_])

    standard = [
        error / np.exp(outside[spread])
        for error, spread in zip(residual, ("spread_lambda", "spread_omega"), strict=True)
    ]
    domain, distance = _domain(rows[:, :n_domain], data)
    groups = group_of(wide[:, -1], domain.band(distance))
    shifts = conformal_shifts(targets["low"][0], outside["low"], outside["high"], groups)
    low = np.minimum(outside["low"] + shifts[groups, 0], 0.0)
    high = np.maximum(outside["high"] + shifts[groups, 1], 0.0)
    ratio_spread: float | None = None
    known = np.isfinite(data.omega_2_k)
    if ln_ratio is not None and known.any():
        true = np.log(data.omega_2_k[known] / data.omega_log_k[known])
        ratio_spread = float(np.sqrt(np.mean((true - np.maximum(ln_ratio[known], 0.0)) ** 2)))
    errors = ErrorModel(
        forests=forests,
        shifts=shifts,
        spread_scale=np.std(standard, axis=1),
        correlation=float(np.corrcoef(standard[0], standard[1])[0, 1]),
        domain=domain,
        ratio_spread=ratio_spread,
    )
    lambda_ep, omega_log = np.exp(ln_lambda), np.exp(ln_omega)
    spread_lambda = np.exp(outside["spread_lambda"]) * errors.spread_scale[0]
    spread_omega = np.exp(outside["spread_omega"]) * errors.spread_scale[1]
    return errors, OutOfFold(
        lambda_ep=lambda_ep,
        omega_log_k=omega_log,
        effective_low=lambda_ep * np.exp(low),
        effective_high=lambda_ep * np.exp(high),
        ln_ratio=ln_ratio,
        spread_lambda=spread_lambda,
        spread_omega=spread_omega,
        tc_std_k=tc_spread(
            lambda_ep, omega_log, spread_lambda, spread_omega, errors.correlation, CALIBRATION_MU_STAR
        ),
        band=domain.band(distance),
    )


def _domain(rows: FloatArray, data: Dataset) -> tuple[Domain, FloatArray]:
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
