"""From labelled materials to a model folder with its card, and from a model to its scores."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from htc.errors import InputError
from htc.models.calibration import CALIBRATION_MU_STAR, GROUP_EDGES_K
from htc.models.coupling import Coupling, CouplingModel, Head, HeadKind
from htc.models.features import FEATURE_NAMES, N_COMPOSITION_FEATURES, element_table
from htc.models.training.data import LabelledMaterials, Progress, read_labelled
from htc.models.training.fit import OutOfFold, TreeSettings, fit_head
from htc.models.training.metrics import scores
from htc.models.weights_io import save_model
from htc.theory.empirical import allen_dynes_f1

__all__ = ["TEST_FOLD", "evaluate", "train"]

TEST_FOLD = 3
"""Fold that is never trained or tuned on."""

_KINDS: tuple[HeadKind, ...] = ("structure", "composition")
_CHECKED_MU_STAR = (0.05, 0.10, 0.13, 0.16, 0.20)


def _scored(data: LabelledMaterials, couplings: list[Coupling], mu_star: float) -> dict[str, Any]:
    estimates = [coupling.tc(mu_star) for coupling in couplings]
    return scores(
        data.lambda_ep,
        data.omega_log_k,
        np.array([c.lambda_ep for c in couplings]),
        np.array([c.omega_log_k for c in couplings]),
        np.array([e.lower_95_k for e in estimates]),
        np.array([e.upper_95_k for e in estimates]),
        mu_star,
    )


def _scored_outside(data: LabelledMaterials, out: OutOfFold) -> dict[str, Any]:
    lower, upper = (
        np.asarray(allen_dynes_f1(end, out.omega_log_k, CALIBRATION_MU_STAR))
        for end in (out.effective_low, out.effective_high)
    )
    return scores(data.lambda_ep, data.omega_log_k, out.lambda_ep, out.omega_log_k, lower, upper)


def _head_predictions(head: Head, data: LabelledMaterials) -> list[Coupling]:
    rows = data.rows if head.kind == "structure" else data.rows[:, :N_COMPOSITION_FEATURES]
    return head.predict(rows, data.numbers)


def _by_confidence(data: LabelledMaterials, couplings: list[Coupling]) -> dict[str, Any]:
    true = np.asarray(allen_dynes_f1(data.lambda_ep, data.omega_log_k, CALIBRATION_MU_STAR))
    estimates = [c.tc(CALIBRATION_MU_STAR) for c in couplings]
    tc = np.array([e.tc_k for e in estimates])
    inside = np.array([e.lower_95_k <= t <= e.upper_95_k for e, t in zip(estimates, true, strict=True)])
    level = np.array([c.nearness.level for c in couplings])
    log_error = np.abs(np.log([c.lambda_ep for c in couplings]) - np.log(data.lambda_ep))
    return {
        name: {
            "share": float((level == name).mean()),
            "ln_lambda_mae": float(log_error[level == name].mean()),
            "tc_mae_k": float(np.abs(tc - true)[level == name].mean()),
            "coverage_95": float(inside[level == name].mean()),
        }
        for name in ("high", "medium", "low")
        if (level == name).any()
    }


def train(
    data_file: Path,
    out: Path,
    *,
    name: str,
    version: str,
    seeds: tuple[int, ...] = (0, 1),
    settings: TreeSettings | None = None,
    exclude_formulas: Collection[str] = (),
    test_fold: int = TEST_FOLD,
    progress: Progress | None = None,
) -> CouplingModel:
    """Train both heads on every fold but one, calibrate, score, write model and card.

    Args:
        data_file: labelled materials, see :func:`htc.models.training.data.read_labelled`.
        out: folder to write.
        name: of the model.
        version: of the model.
        seeds: one member of the ensemble each.
        settings: of the trees.
        exclude_formulas: reduced formulas that must not be trained on.
        test_fold: fold held out for the card's figures.
        progress: told how far it is.

    Raises:
        InputError: the data cannot be used.
        MissingExtraError: LightGBM is not installed.
    """
    settings = settings or TreeSettings()
    everything = read_labelled(data_file, exclude=exclude_formulas, progress=progress)
    test = everything.select(everything.fold == test_fold)
    training = everything.select(everything.fold != test_fold)
    if len(test) < 20 or len(training) < 200 or len(np.unique(training.fold)) < 3:
        raise InputError(
            f"{len(training)} materials to train on and {len(test)} to test on are too few",
            where=str(data_file),
            hint="at least 200 and 20, with formulas that fall into 3 training folds",
        )
    heads: dict[HeadKind, Head] = {}
    metrics: dict[str, Any] = {}
    calibration: dict[str, Any] = {
        "method": "conformalised quantile regression of the effective coupling, grouped by predicted Tc and "
        "by distance to the training data",
        "nominal_coverage": 0.95,
        "mu_star": CALIBRATION_MU_STAR,
        "group_edges_k": list(GROUP_EDGES_K),
        "held_out_fold_by_mu_star": {},
        "held_out_fold_by_confidence": {},
    }
    for kind in _KINDS:
        head, outside = fit_head(kind, training, settings, seeds, progress)
        heads[kind] = head
        couplings = _head_predictions(head, test)
        metrics[kind] = {
            "held_out_fold": _scored(test, couplings, CALIBRATION_MU_STAR),
            "cross_validation": _scored_outside(training, outside),
        }
        calibration["held_out_fold_by_mu_star"][kind] = {
            f"{mu:.2f}": _scored(test, couplings, mu)["coverage_95"] for mu in _CHECKED_MU_STAR
        }
        calibration["held_out_fold_by_confidence"][kind] = _by_confidence(test, couplings)
    card = {
        "name": name,
        "version": version,
        "description": "Electron-phonon coupling of crystals and compositions at ambient pressure.",
        "targets": ["ln lambda_ep", "ln omega_log (K)"],
        "method": {
            "model": "LightGBM gradient-boosted trees on composition, geometry and hopping-moment features",
            "parameters": asdict(settings) | {"spread": settings.for_spread()},
            "seeds": list(seeds),
            "features": {"structure": len(FEATURE_NAMES), "composition": N_COMPOSITION_FEATURES},
            "formula": "Tc by f1 times the Allen-Dynes exponential (omega_2 is not in the training data)",
        },
        "training_data": [
            {
                "name": data_file.stem,
                "source": "Alexandria: Cerqueira, Sanna, Marques, Adv. Mater. 36, 2307085 (2024)",
                "licence": "CC BY 4.0",
                "rows": len(training),
                "sha256": everything.sha256,
                "held_out": f"fold {test_fold} of sha256(reduced formula) mod 10: {len(test)} rows"
                + (f"; {len(exclude_formulas)} formulas excluded" if exclude_formulas else ""),
            }
        ],
        "metrics": metrics,
        "calibration": calibration,
        "intended_use": [
            "Screening ordered, non-magnetic metals at ambient pressure for conventional superconductivity.",
            "Ranking candidates before a first-principles electron-phonon calculation.",
        ],
        "limits": [
            "The interval is for what a first-principles calculation of the training data's kind would "
            "give at the stated mu*, not for experiment: such calculations miss measured Tc by about 4 K.",
            "The kind of features and the size of the trees were chosen in earlier work that had seen the "
            "scores on the held-out fold; the cross-validation figures are the more cautious ones.",
            "Not for unconventional superconductors (cuprates, iron-based, heavy fermions) or insulators.",
            "Nothing compressed was trained on: at pressure every answer is an extrapolation and is flagged.",
            "Materials with Tc above 10 K carry most of the error and are underestimated on average.",
        ],
        "licence": "Apache-2.0",
        "reproduce": f"htc model train --data {data_file.name} --out FOLDER --seeds {len(seeds)}",
    }
    return save_model(out, card, element_table(), heads)


def evaluate(
    model: CouplingModel,
    data_file: Path,
    *,
    fold: int | None = None,
    mu_star: float = CALIBRATION_MU_STAR,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Scores of a model on labelled materials, per head.

    Args:
        model: the model.
        data_file: labelled materials.
        fold: only this fold; None for all rows.
        mu_star: Coulomb pseudopotential of the Tc that is scored.
        progress: told how far it is.

    Raises:
        InputError: the data cannot be used.
    """
    data = read_labelled(data_file, progress=progress)
    if fold is not None:
        data = data.select(data.fold == fold)
    if len(data) < 2:
        raise InputError(f"{len(data)} materials are too few to score", where=str(data_file))
    return {
        "model": model.model_id,
        "data": data_file.name,
        "fold": fold,
        "mu_star": mu_star,
        "skipped": list(data.skipped),
        **{kind: _scored(data, _head_predictions(model.heads[kind], data), mu_star) for kind in _KINDS},
    }
