"""Scores of a model on any labelled materials."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

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
from htc.models.training.pipeline import KINDS
from htc.models.trees import TreeModel

__all__ = ["evaluate", "predict_labelled"]


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
    """
    with tempfile.TemporaryDirectory(prefix="htc-features-") as scratch:
        data = read_dataset(data_file, work or Path(scratch), kinds=KINDS[model.tier], progress=progress)
    if fold is not None:
        data = data.select(data.fold == fold)
    if len(data) < 2:
        raise InputError(f"{len(data)} materials are too few to score", where=str(data_file))
    return {
        "model": model.model_id,
        "tier": model.tier,
        "data": data_file.name,
        "fold": fold,
        "mu_star": mu_star,
        "skipped": list(data.files[0].skipped),
        **{
            kind: scores_of(data, couplings, mu_star)
            for kind, couplings in predict_labelled(model, data).items()
        },
    }
