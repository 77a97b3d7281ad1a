"""Model cards: what a model was made of, how good it is on materials it never saw, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from htc.models.calibration import CALIBRATION_MU_STAR, GROUP_EDGES_K
from htc.models.coupling import Coupling, Tier
from htc.models.network.evaluate import SOURCES
from htc.models.training.dataset import Dataset
from htc.models.training.fit import TreeSettings
from htc.models.training.kept import digest_of_formulas
from htc.models.training.metrics import scores_of
from htc.theory.empirical import allen_dynes_f1

if TYPE_CHECKING:
    from htc.models.training.pipeline import Recipe

__all__ = ["build_card", "calibration_facts"]

_CHECKED_MU_STAR: Final = (0.05, 0.10, 0.13, 0.16, 0.20)

_SOURCES: Final = {
    "alexandria": ("Alexandria: Cerqueira, Sanna, Marques, Adv. Mater. 36, 2307085 (2024)", "CC BY 4.0"),
    "betenet": ("BETE-NET training set: Gibson et al., npj Comput. Mater. 11, 7 (2025)", "Apache-2.0"),
    "jarvis": ("JARVIS-SuperconDB: Choudhary and Garrity, npj Comput. Mater. 8, 244 (2022)", "CC BY 4.0"),
}

_FORMULA: Final[dict[Tier, str]] = {
    "fast": "Tc by f1 times the Allen-Dynes exponential (this tier does not predict omega_2)",
    "default": "Tc by the full Allen-Dynes formula with the predicted omega_2",
    "best": "Tc by the full Allen-Dynes formula with the predicted omega_2",
}

_DESCRIPTION: Final[dict[Tier, str]] = {
    "fast": "Electron-phonon coupling of crystals and compositions at ambient pressure, for the first cut.",
    "default": "Electron-phonon coupling of crystals at ambient pressure: lambda, omega_log and omega_2.",
    "best": "Electron-phonon coupling of crystals at ambient pressure, with an interatomic potential's help.",
}


def calibration_facts(test: Dataset, predicted: Mapping[str, Sequence[Coupling]]) -> dict[str, Any]:
    """How the intervals were made and how well they hold on the held-out fold."""
    return {
        "method": "conformalised quantile regression of the effective coupling, grouped by predicted Tc and "
        "by distance to the training data",
        "nominal_coverage": 0.95,
        "mu_star": CALIBRATION_MU_STAR,
        "group_edges_k": list(GROUP_EDGES_K),
        "held_out_fold_by_mu_star": {
            kind: {f"{mu:.2f}": scores_of(test, couplings, mu)["coverage_95"] for mu in _CHECKED_MU_STAR}
            for kind, couplings in predicted.items()
        },
        "held_out_fold_by_confidence": {
            kind: _by_confidence(test, couplings) for kind, couplings in predicted.items()
        },
    }


def _by_confidence(data: Dataset, couplings: Sequence[Coupling]) -> dict[str, Any]:
    true = np.asarray(allen_dynes_f1(data.lambda_ep, data.omega_log_k, CALIBRATION_MU_STAR))
    estimates = [c.tc(CALIBRATION_MU_STAR, strong_coupling=False) for c in couplings]
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


def build_card(
    *,
    recipe: Recipe,
    tier: Tier,
    name: str,
    model: str,
    parameters: dict[str, Any],
    seeds: list[int],
    features: dict[str, Any],
    data: Dataset,
    n_test: int,
    metrics: dict[str, Any],
    calibration: dict[str, Any],
) -> dict[str, Any]:
    """The card of a model, all but its weights."""
    files = data.files[:1] if tier == "fast" else data.files
    excluded = len(recipe.exclude_formulas)
    held_out = f"fold {recipe.test_fold} of sha256(reduced formula) mod 10: {n_test} rows"
    return {
        "name": name,
        "version": recipe.version,
        "tier": tier,
        "description": _DESCRIPTION[tier],
        "targets": ["ln lambda_ep", "ln omega_log (K)"]
        + ([] if tier == "fast" else ["ln omega_2/omega_log", "Debye temperature and N(E_F), to learn from"]),
        "method": {
            "model": model,
            "parameters": parameters,
            "seeds": seeds,
            "features": features,
            "formula": _FORMULA[tier],
            "excluded_formulas": excluded,
            **({"excluded_formulas_sha256": digest_of_formulas(recipe.exclude_formulas)} if excluded else {}),
            "sources": sorted({file.source for file in files}, key=SOURCES.index),
        },
        "training_data": [
            {
                "name": file.name,
                "source": _SOURCES[file.source][0],
                "licence": _SOURCES[file.source][1],
                "rows": file.rows if len(files) > 1 else len(data),
                "sha256": file.sha256,
                "held_out": held_out + (f"; {excluded} formulas excluded" if excluded else ""),
            }
            for file in files
        ],
        "metrics": metrics,
        "calibration": calibration,
        "intended_use": [
            "Screening ordered, non-magnetic metals at ambient pressure for conventional superconductivity.",
            "Ranking candidates before a first-principles electron-phonon calculation.",
        ],
        "limits": [
            "The first interval is for what a first-principles calculation of the training data's kind would "
            "give at the stated mu*, not for experiment: such calculations miss measured Tc by about 4 K.",
            "The kind of features and the size of the trees were chosen in earlier work that had seen the "
            "scores on the held-out fold; the cross-validation figures are the more cautious ones.",
            "Not for unconventional superconductors (cuprates, iron-based, heavy fermions) or insulators.",
            "Nothing compressed was trained on: at pressure every answer is an extrapolation and is flagged.",
            "Materials with Tc above 10 K carry most of the error and are underestimated on average.",
        ],
        "licence": "Apache-2.0",
        "reproduce": " ".join(_command(tier, recipe, data)),
    }


def _command(tier: Tier, recipe: Recipe, data: Dataset) -> list[str]:
    """What to type for the same training; options at their default are left out."""
    words = ["htc model train", f"--tier {tier}", "--out FOLDER"]
    words += [f"--data {file.name}.jsonl" for file in data.files]
    if len(recipe.tree_seeds) > 1:
        words.append(f"--seeds {len(recipe.tree_seeds)}")
    if recipe.trees.n_estimators != TreeSettings().n_estimators:
        words.append(f"--trees {recipe.trees.n_estimators}")
    if recipe.exclude_formulas:
        words.append("--exclude-formulas FILE")
    return words
