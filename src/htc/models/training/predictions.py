"""Every prediction a model was judged by, one row a material, beside its card (not part of the model)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from htc.models.calibration import CALIBRATION_MU_STAR
from htc.models.coupling import Coupling
from htc.models.network.evaluate import SOURCES
from htc.models.training.dataset import Dataset
from htc.models.training.fit import OutOfFold
from htc.theory.empirical import allen_dynes_f1

__all__ = ["PREDICTIONS_FILE", "out_of_fold_rows", "stated_rows", "write_predictions"]

PREDICTIONS_FILE: Final = "predictions.parquet"


def _labels(data: Dataset, split: str) -> dict[str, Any]:
    n_sites = np.bincount(data.graphs.crystal, data.graphs.multiplicity, minlength=len(data))
    return {
        "source": np.array(SOURCES)[data.source],
        "key": data.keys,
        "formula": data.formulas,
        "fold": data.fold,
        "split": np.full(len(data), split),
        "lambda_true": data.lambda_ep,
        "omega_log_true": data.omega_log_k,
        "omega_2_true": data.omega_2_k,
        "n_sites": n_sites.astype(int),
    }


def out_of_fold_rows(training: Dataset, outside: OutOfFold) -> dict[str, Any]:
    """Columns of the training materials, predicted by members that had not seen them."""
    low, high = (
        np.asarray(allen_dynes_f1(end, outside.omega_log_k, CALIBRATION_MU_STAR))
        for end in (outside.effective_low, outside.effective_high)
    )
    levels = np.array(["high", "medium", "low"])
    return _labels(training, "out_of_fold") | {
        "lambda_ep": outside.lambda_ep,
        "omega_log": outside.omega_log_k,
        "omega_2": np.full(len(training), np.nan)
        if outside.ln_ratio is None
        else outside.omega_log_k * np.exp(np.maximum(outside.ln_ratio, 0.0)),
        "sigma_ln_lambda": outside.spread_lambda,
        "sigma_ln_omega": outside.spread_omega,
        "tc_std": outside.tc_std_k,
        "tc_lower_95": low,
        "tc_upper_95": high,
        "level": levels[outside.band],
    }


def stated_rows(data: Dataset, predicted: Sequence[Coupling], split: str = "held_out") -> dict[str, Any]:
    """Columns of materials and what a model states of them."""
    estimates = [c.tc(CALIBRATION_MU_STAR, strong_coupling=False) for c in predicted]
    return _labels(data, split) | {
        "lambda_ep": np.array([c.lambda_ep for c in predicted]),
        "omega_log": np.array([c.omega_log_k for c in predicted]),
        "omega_2": np.array([np.nan if c.omega_2_k is None else c.omega_2_k for c in predicted]),
        "sigma_ln_lambda": np.array([c.lambda_ep_uncertainty / c.lambda_ep for c in predicted]),
        "sigma_ln_omega": np.array([c.omega_log_uncertainty_k / c.omega_log_k for c in predicted]),
        "tc_std": np.array([e.std_k for e in estimates]),
        "tc_lower_95": np.array([e.lower_95_k for e in estimates]),
        "tc_upper_95": np.array([e.upper_95_k for e in estimates]),
        "level": np.array([c.nearness.level for c in predicted]),
    }


def write_predictions(folder: Path, parts: Sequence[dict[str, Any]]) -> Path:
    """Write predictions of one material a row, part after part.

    Tc and its interval are f1 times the exponential at mu* 0.10.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / PREDICTIONS_FILE
    pq.write_table(pa.concat_tables([pa.table(part) for part in parts]), path)
    return path
