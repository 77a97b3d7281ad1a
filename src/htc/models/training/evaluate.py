"""Scores of a model on any labelled materials."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import InputError
from htc.models.calibration import CALIBRATION_MU_STAR
from htc.models.coupling import Coupling
from htc.models.ensemble import EnsembleModel, SeenCrystals
from htc.models.features import N_COMPOSITION_FEATURES
from htc.models.model import CouplingModel
from htc.models.network.evaluate import SOURCES
from htc.models.training.data import Progress
from htc.models.training.dataset import Dataset, read_dataset
from htc.models.training.metrics import scores_of
from htc.models.training.pipeline import KINDS, TEST_FOLD
from htc.models.training.predictions import stated_rows
from htc.models.training.report.measures import headline
from htc.models.training.report.table import PredictionTable
from htc.models.trees import TreeModel

__all__ = ["evaluate", "predict_labelled"]

_FEWEST_RESAMPLED: Final = 20
"""Below this a bootstrap says nothing."""
_N_RESAMPLES: Final = 500
_FULL: Final = {
    "tc_mae_k": "tc_full_mae_k",
    "tc_r2": "tc_full_r2",
    "average_precision_tc_above_5k": "tc_full_average_precision_above_5k",
    "omega_2_mae_k": "omega_2_mae_k",
}
"""Figures by the full Allen-Dynes formula: their name in the report, and among the scores."""


def predict_labelled(model: CouplingModel, data: Dataset) -> dict[str, list[Coupling]]:
    """What a model says of labelled materials, from the structure and, where it can, the composition.

    A model that knows several sources predicts each row as its own source would have computed it.
    """
    if isinstance(model, TreeModel):
        return {
            "structure": model.heads["structure"].predict(data.rows, data.numbers, model.model_id),
            "composition": model.heads["composition"].predict(
                data.rows[:, :N_COMPOSITION_FEATURES], data.numbers, model.model_id
            ),
        }
    if not isinstance(model, EnsembleModel):
        raise TypeError(f"unknown kind of model: {model!r}")
    known_to_potential = _without_gaps(data)
    out: list[Coupling | None] = [None] * len(data)
    for index, source in enumerate(SOURCES):
        own = data.source == index
        for speaker, rows in ((model, own & known_to_potential), (model.below, own & ~known_to_potential)):
            which = np.flatnonzero(rows)
            if not which.size or not isinstance(speaker, EnsembleModel):
                continue
            part = data.select(rows)
            n_site = speaker.networks[0].shape.n_site
            for i, coupling in zip(
                which, speaker.couplings(_seen(part, n_site), speaker.source_for(source)), strict=True
            ):
                out[int(i)] = coupling
    return {"structure": [coupling for coupling in out if coupling is not None]}


def _seen(data: Dataset, n_site: int) -> SeenCrystals:
    from dataclasses import replace

    graphs = replace(data.graphs, sites=data.graphs.sites[:, :n_site])
    return SeenCrystals(data.rows, data.tight_binding, graphs, data.numbers)


def _without_gaps(data: Dataset) -> NDArray[np.bool_]:
    """Materials all of whose elements the potential knows."""
    from htc.models.features.tight_binding import SITE_TIGHT_BINDING_FEATURES

    states = data.graphs.sites[:, len(SITE_TIGHT_BINDING_FEATURES) :]
    gaps = np.isnan(states).any(axis=1)
    out: NDArray[np.bool_] = np.bincount(data.graphs.crystal, gaps, minlength=len(data)) == 0
    return out


def _intervals(data: Dataset, couplings: list[Coupling], mu_star: float) -> dict[str, list[float]]:
    """95 % bootstrap intervals of the scores that models are compared by."""
    if len(data) < _FEWEST_RESAMPLED:
        return {}
    table = PredictionTable(**stated_rows(data, couplings))
    found = headline(table, mu_star, n_resamples=_N_RESAMPLES)
    known = table.select(table.omega_2_known)
    if len(known) >= _FEWEST_RESAMPLED:
        full = headline(known, mu_star, full=True, n_resamples=_N_RESAMPLES)
        found |= {name: full[key] for key, name in _FULL.items()}
    return {n: [f.lower, f.upper] for n, f in found.items() if np.isfinite([f.lower, f.upper]).all()}


def _trained_on(model: CouplingModel, data: Dataset) -> int | None:
    """How many of the materials the model was trained on, where its card tells; else None."""
    known = {entry["sha256"] for entry in model.card["training_data"]}
    if data.files[0].sha256 not in known or model.card["method"].get("excluded_formulas"):
        return None
    return int((data.fold != TEST_FOLD).sum())


def evaluate(
    model: CouplingModel,
    data_file: Path,
    *,
    fold: int | None = None,
    mu_star: float = CALIBRATION_MU_STAR,
    work: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Scores of a model on labelled materials.

    Args:
        model: the model.
        data_file: labelled materials, see :func:`htc.models.training.dataset.read_dataset`.
        fold: only this fold; None for all rows.
        mu_star: Coulomb pseudopotential of the Tc that is scored.
        work: folder for computed features; None forgets them.
        progress: told how far it is.

    Raises:
        InputError: the data cannot be used.
        MissingExtraError: scikit-learn or, for the best tier, SevenNet is not installed.

    Returns:
        ``trained_on``, how many of the materials the model was trained on (None where its card does not
        tell), ``structure`` and, where the model answers to compositions, ``composition``: the scores of
        :func:`htc.models.training.metrics.scores_of` and ``intervals_95``, lower and upper end of the 95 %
        bootstrap interval of each, compositions resampled (none below 20 materials).
    """
    with tempfile.TemporaryDirectory(prefix="htc-features-") as scratch:
        data = read_dataset(
            data_file, work or Path(scratch), kinds=KINDS[model.tier], fold=fold, progress=progress
        )
    if len(data) < 2:
        raise InputError(f"{len(data)} materials are too few to score", where=str(data_file))
    return {
        "model": model.model_id,
        "tier": model.tier,
        "data": data_file.name,
        "fold": fold,
        "mu_star": mu_star,
        "skipped": list(data.files[0].skipped),
        "trained_on": _trained_on(model, data),
        **{
            kind: scores_of(data, couplings, mu_star) | {"intervals_95": _intervals(data, couplings, mu_star)}
            for kind, couplings in predict_labelled(model, data).items()
        },
    }
