"""Learning curve: what more data would bring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import InputError
from htc.models.calibration import CALIBRATION_MU_STAR
from htc.models.training.report.measures import (
    HIGH_TC_K,
    Figure,
    average_precision,
    bootstrap,
    mean_absolute_error,
    resamples,
)
from htc.theory.empirical import allen_dynes_f1

__all__ = ["SHARES", "LearningPoint", "Trainer", "learning_curve", "tree_trainer"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SHARES: Final = (0.125, 0.25, 0.5, 1.0)

Trainer = Callable[[IntArray, IntArray], tuple[FloatArray, FloatArray]]
"""``trainer(train, test)``: positions to train on and to predict -> predicted lambda, omega_log (K)."""
Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class LearningPoint:
    """Errors at one amount of training data."""

    share: float
    """Of the training folds' formulas."""
    rows: int
    """Materials trained on, mean over the folds."""
    lambda_mae: Figure
    omega_log_mae_k: Figure
    tc_mae_k: Figure
    average_precision_tc_above_5k: Figure


def learning_curve(
    trainer: Trainer,
    formulas: NDArray[np.str_],
    lambda_true: FloatArray,
    omega_log_true: FloatArray,
    folds: IntArray,
    *,
    shares: tuple[float, ...] = SHARES,
    n_groups: int = 3,
    seed: int = 0,
    progress: Told | None = None,
) -> list[LearningPoint]:
    """Cross-validated errors of models trained on parts of the training folds.

    Whole formulas are left out, and a smaller part lies inside the next larger one. The test materials are
    the same at every share.

    Args:
        trainer: trains and predicts.
        formulas: reduced formulas, shape ``(n,)``.
        lambda_true: shape ``(n,)``.
        omega_log_true: K, shape ``(n,)``.
        folds: of each, shape ``(n,)``. Leave the held-out fold out of all of these.
        shares: of the training formulas, 0 to 1.
        n_groups: groups that the folds are joined to; each is predicted once at each share.
        seed: which formulas go first.
        progress: told how far it is.

    Raises:
        InputError: fewer folds than groups.
    """
    known = np.unique(folds)
    if len(known) < n_groups:
        raise InputError(f"{len(known)} folds cannot be joined to {n_groups} groups", where="folds")
    group = np.searchsorted(known, folds) % n_groups
    names, position = np.unique(formulas, return_inverse=True)
    # A formula's place in line is fixed, so that parts are nested whatever fold is left out.
    place = np.random.default_rng(seed).permutation(len(names))[position] / len(names)
    weights = resamples(formulas)
    tc_true = np.asarray(allen_dynes_f1(lambda_true, omega_log_true, CALIBRATION_MU_STAR))
    points = []
    for step, share in enumerate(shares):
        lambda_ep, omega_log = np.empty(len(folds)), np.empty(len(folds))
        rows = []
        for g in range(n_groups):
            test = np.flatnonzero(group == g)
            train = np.flatnonzero((group != g) & (place < share))
            lambda_ep[test], omega_log[test] = trainer(train, test)
            rows.append(len(train))
            if progress is not None:
                progress("learning curve", step * n_groups + g + 1, len(shares) * n_groups)
        tc = np.asarray(allen_dynes_f1(lambda_ep, omega_log, CALIBRATION_MU_STAR))
        figures = bootstrap(
            {
                "lambda_mae": mean_absolute_error(lambda_true, lambda_ep),
                "omega_log_mae_k": mean_absolute_error(omega_log_true, omega_log),
                "tc_mae_k": mean_absolute_error(tc_true, tc),
                "average_precision_tc_above_5k": average_precision(tc_true > HIGH_TC_K, tc),
            },
            weights,
        )
        points.append(LearningPoint(share, round(float(np.mean(rows))), **figures))
    return points


def tree_trainer(rows: FloatArray, lambda_ep: FloatArray, omega_log_k: FloatArray) -> Trainer:
    """Boosted trees on tabular features, as the trees of the shipped tiers but one seed.

    Args:
        rows: features, shape ``(n, n_features)``.
        lambda_ep: labels, shape ``(n,)``.
        omega_log_k: labels, K, shape ``(n,)``.

    Raises:
        MissingExtraError: when called, where LightGBM is not installed.
    """
    from htc.models.training.fit import TreeSettings, fit_trees

    targets = np.log(lambda_ep), np.log(omega_log_k)
    parameters = TreeSettings().as_dict()

    def trainer(train: IntArray, test: IntArray) -> tuple[FloatArray, FloatArray]:
        coupling, omega = (
            np.exp(fit_trees(0, parameters, rows[train], target[train]).predict(rows[test]))
            for target in targets
        )
        return coupling, omega

    return trainer
