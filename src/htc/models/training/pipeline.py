"""From labelled materials to a family of models with their cards: the tiers one on top of the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import InputError, ModelError
from htc.models.coupling import Coupling, HeadKind, Tier
from htc.models.ensemble import MIXED, EnsembleModel, SeenCrystals, error_rows, forest_rows
from htc.models.error_model import Point, Speaker
from htc.models.features import FEATURE_NAMES, N_COMPOSITION_FEATURES, element_table
from htc.models.features.tight_binding import SITE_TIGHT_BINDING_FEATURES, TIGHT_BINDING_FEATURES
from htc.models.forest import Forest, pack
from htc.models.model import CouplingModel
from htc.models.network import TARGETS
from htc.models.network.evaluate import SOURCES
from htc.models.training.cards import build_card, calibration_facts
from htc.models.training.data import Progress
from htc.models.training.dataset import Dataset, concatenate, read_dataset
from htc.models.training.feature_cache import FeatureKind
from htc.models.training.fit import OutOfFold, TreeSettings, fit_errors, fit_head, fit_trees
from htc.models.training.kept import is_result_of, parameters_of
from htc.models.training.members import fit_members, members_wanted, predict_out_of_fold, speaking
from htc.models.training.metrics import scores_of, scores_outside
from htc.models.training.mixing import fit_mixing
from htc.models.training.network import NetworkSettings
from htc.models.training.predictions import out_of_fold_rows, stated_rows, write_predictions
from htc.models.trees import Head
from htc.models.weights_io import TIERS, load_model, save_ensemble, save_trees

__all__ = ["KINDS", "TEST_FOLD", "Recipe", "train"]

FloatArray = NDArray[np.float64]

TEST_FOLD: Final = 3
"""Fold that is never trained or tuned on."""

KINDS: Final[dict[Tier, tuple[FeatureKind, ...]]] = {
    "fast": ("fast",),
    "default": ("fast", "tight-binding"),
    "best": ("fast", "tight-binding", "embedding"),
}
"""Features a tier sees."""

_HEADS: Final[tuple[HeadKind, ...]] = ("structure", "composition")
_MODEL: Final[dict[Tier, str]] = {
    "fast": "LightGBM gradient-boosted trees on composition, geometry and hopping-moment features",
    "default": "LightGBM trees and multi-task graph networks, both with tight-binding features",
    "best": "multi-task graph networks with tight-binding features and the states of SevenNet-l3i5 at every "
    "site, mixed with the default tier",
}
_MODEL_NAME: Final[dict[Tier, str]] = {"fast": "trees", "default": "networks", "best": "potential"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything a training depends on but its data."""

    name: str = "ambient"
    version: str = "1"
    tree_seeds: tuple[int, ...] = (0,)
    network_seed: int = 0
    trees: TreeSettings = field(default_factory=TreeSettings)
    networks: NetworkSettings = field(default_factory=lambda: NetworkSettings(hidden=96))
    """Of the default tier."""
    best_networks: NetworkSettings = field(default_factory=lambda: NetworkSettings(hidden=128, epochs=80))
    networks_per_fold: int = 1
    """Networks of the default tier trained without each fold."""
    networks_of_all: int = 0
    """Networks of the default tier trained on all folds, which then speak instead of those without a fold."""
    best_networks_per_fold: int = 1
    best_networks_of_all: int = 0
    exclude_formulas: frozenset[str] = frozenset()
    test_fold: int = TEST_FOLD
    workers: int | None = None
    """Processes that train networks; default one a core."""
    experimental: Path | None = None
    """Folder of tables of measured Tc; None leaves the interval against experiment out."""


def train(
    files: Sequence[Path],
    out: Path,
    recipe: Recipe,
    *,
    tier: Tier = "default",
    work: Path | None = None,
    progress: Progress | None = None,
) -> CouplingModel:
    """Train a tier and those below it on every fold but one, calibrate, score, write models and cards.

    What is done is kept: features and networks in ``work``, finished tiers in ``out``. A training that was
    killed goes on where it stopped.

    Args:
        files: labelled materials, see :func:`htc.models.training.dataset.read_dataset`.
        out: folder of the family; each tier gets a folder in it.
        recipe: names, seeds, settings, what to leave out.
        tier: the highest tier to train.
        work: folder for what is kept; default ``work`` in ``out``.
        progress: told how far it is.

    Raises:
        InputError: the data cannot be used.
        MissingExtraError: LightGBM, torch or, for the best tier, SevenNet is not installed.
    """
    work = work or out / "work"
    wanted = TIERS[: TIERS.index(tier) + 1]
    model: CouplingModel | None = None
    for one in wanted:
        parts = [
            read_dataset(
                path,
                work / "features",
                kinds=KINDS[one],
                exclude=recipe.exclude_formulas,
                progress=progress,
            )
            for path in files
        ]
        data = concatenate(parts)
        held = data.fold == recipe.test_fold
        # The card states what was trained on, not what the files hold.
        trained = tuple(
            replace(part.files[0], rows=int((part.fold != recipe.test_fold).sum())) for part in parts
        )
        training, test = replace(data.select(~held), files=trained), data.select(held)
        _check_enough(training, test, files)
        ready = _ready(out / one, training, recipe, model)
        if ready is not None:
            model = ready
        elif one == "fast":
            model = _train_fast(training, test, out / one, recipe, progress)
        else:
            if model is None:
                raise RuntimeError("the tiers are trained from the lowest up")
            model = _train_ensemble(one, training, test, out / one, recipe, model, work, progress)
    if model is None:
        raise RuntimeError("there is always a fast tier")
    return model


def _check_enough(training: Dataset, test: Dataset, files: Sequence[Path]) -> None:
    if len(test) < 20 or len(training) < 200 or len(np.unique(training.fold)) < 3:
        raise InputError(
            f"{len(training)} materials to train on and {len(test)} to test on are too few",
            where=", ".join(map(str, files)),
            hint="at least 200 and 20, with formulas that fall into 3 training folds",
        )


def _ready(
    folder: Path, training: Dataset, recipe: Recipe, below: CouplingModel | None
) -> CouplingModel | None:
    """The tier where it was trained before by the same recipe on the same data."""
    if not (folder / "card.json").exists():
        return None
    try:
        model = load_model(folder)
    except ModelError:
        return None
    return model if is_result_of(model, recipe, training, below) else None


def _judged(data: Dataset) -> NDArray[np.bool_]:
    """Rows the calibration and the figures are about: those of the source predicted by default."""
    first = data.source == 0
    return first if first.any() else np.ones(len(data), dtype=bool)


def _train_fast(
    training: Dataset, test: Dataset, folder: Path, recipe: Recipe, progress: Progress | None
) -> CouplingModel:
    training, test = training.select(_judged(training)), test.select(_judged(test))
    heads: dict[HeadKind, Head] = {}
    outside: dict[HeadKind, OutOfFold] = {}
    for kind in _HEADS:
        heads[kind], outside[kind] = fit_head(kind, training, recipe.trees, recipe.tree_seeds, progress)
    predicted: dict[str, list[Coupling]] = {
        kind: head.predict(
            test.rows if kind == "structure" else test.rows[:, :N_COMPOSITION_FEATURES], test.numbers
        )
        for kind, head in heads.items()
    }
    metrics: dict[str, Any] = {
        kind: {
            "held_out_fold": scores_of(test, predicted[kind]),
            "cross_validation": scores_outside(training, outside[kind]),
        }
        for kind in _HEADS
    }
    card = build_card(
        recipe=recipe,
        tier="fast",
        name=f"{recipe.name}-{_MODEL_NAME['fast']}",
        model=_MODEL["fast"],
        parameters=parameters_of("fast", recipe),
        seeds=list(recipe.tree_seeds),
        features={
            "structure": list(FEATURE_NAMES),
            "composition": list(FEATURE_NAMES[:N_COMPOSITION_FEATURES]),
        },
        data=training,
        n_test=len(test),
        metrics=metrics,
        calibration=calibration_facts(test, predicted),
    )
    known = outside["structure"]
    _learn_experiment(folder, training, known.lambda_ep, known.omega_log_k, recipe)
    model = save_trees(folder, card, element_table(), heads)
    write_predictions(folder, [out_of_fold_rows(training, known), stated_rows(test, predicted["structure"])])
    return model


def _learn_experiment(
    folder: Path, data: Dataset, lambda_ep: FloatArray, omega_log_k: FloatArray, recipe: Recipe
) -> None:
    """The interval against experiment, from predictions for compounds the members had not seen."""
    from htc.models.experiment import experiment_pairs, fit_experiment, read_measured
    from htc.models.experiment.fitting import MIN_COMPOSITIONS

    if recipe.experimental is None:
        return
    measured = read_measured(recipe.experimental)
    pairs = experiment_pairs(measured, data.formulas, lambda_ep, omega_log_k)
    if pairs.n_compositions < MIN_COMPOSITIONS:
        return  # the model then says nothing of measurements, rather than something learned from a few
    folder.mkdir(parents=True, exist_ok=True)
    fit_experiment(
        pairs,
        calculated=experiment_pairs(measured, data.formulas, data.lambda_ep, data.omega_log_k),
    ).save(folder)


def _forests(
    training: Dataset, rows: FloatArray, recipe: Recipe, progress: Progress | None
) -> tuple[dict[str, Forest], FloatArray]:
    """Forests of the default tier, and what they say of each material when they had not seen it."""
    outside = np.empty((len(training), len(MIXED)))
    folds = np.unique(training.fold)
    forests = {}
    done, steps = 0, len(MIXED) * (len(folds) + len(recipe.tree_seeds))
    for k, name in enumerate(MIXED):
        target = training.targets[:, k].astype(np.float64)
        for fold in folds:
            held = training.fold == fold
            model = fit_trees(
                int(fold), recipe.trees.as_dict(), rows[~held], target[~held], training.weight[~held]
            )
            outside[held, k] = model.predict(rows[held])
            done += 1
            if progress is not None:
                progress("trees of the default tier", done, steps)
        members = []
        for seed in recipe.tree_seeds:
            members.append(fit_trees(seed, recipe.trees.as_dict(), rows, target, training.weight).booster_)
            done += 1
            if progress is not None:
                progress("trees of the default tier", done, steps)
        forests[name] = pack(members)
    return forests, outside


def _train_ensemble(
    tier: Tier,
    training: Dataset,
    test: Dataset,
    folder: Path,
    recipe: Recipe,
    below: CouplingModel,
    work: Path,
    progress: Progress | None,
) -> CouplingModel:
    forests: dict[str, Forest] = {}
    if tier == "default":
        rows = forest_rows(training.rows, training.tight_binding, training.source)
        forests, other = _forests(training, rows, recipe, progress)
    else:
        with np.load(work / f"out-of-fold-{below.model_id}.npz") as kept:
            other = kept["mixed"]
    how = recipe.networks if tier == "default" else recipe.best_networks
    counts = (
        (recipe.networks_per_fold, recipe.networks_of_all)
        if tier == "default"
        else (recipe.best_networks_per_fold, recipe.best_networks_of_all)
    )
    wanted = members_wanted(training.fold, recipe.network_seed, *counts)
    members = fit_members(tier, training, how, wanted, work / "members", progress, recipe.workers)
    spoken = speaking(members)
    networks = predict_out_of_fold(members, training)
    judged = _judged(training)
    mixing = fit_mixing(other[judged], networks[judged, :2], training.select(judged))
    mixed = mixing(other, networks[:, :2])
    ratio = networks[:, TARGETS.index("ln_omega_2_ratio")]
    learned = training.select(judged)
    errors, outside = fit_errors(
        error_rows(learned.rows, learned.tight_binding, np.abs(networks[:, :2] - other)[judged]),
        len(FEATURE_NAMES),
        learned,
        mixed[judged, 0],
        mixed[judged, 1],
        recipe.trees,
        ratio[judged],
    )
    draft = EnsembleModel(
        "draft",
        {"name": recipe.name, "version": recipe.version},
        None,
        table=element_table(),
        networks=tuple(spoken.values()),
        forests=forests,
        mixing=mixing,
        errors=errors,
        below=below,
    )
    tested = test.select(_judged(test))
    predicted = draft.couplings(seen_in(tested), SOURCES[int(tested.source[0])])
    metrics: dict[str, Any] = {
        "structure": {
            "held_out_fold": scores_of(tested, predicted),
            "cross_validation": scores_outside(learned, outside),
        }
    }
    for index, source in enumerate(SOURCES[1:], start=1):
        rows_of = test.source == index
        if rows_of.sum() >= 20 and judged.any():
            part = test.select(rows_of)
            metrics[f"{source}, its own rows"] = {
                "held_out_fold": scores_of(part, draft.couplings(seen_in(part), source)),
                "cross_validation": _plain_scores(training, mixed, ratio, index),
            }
    features: dict[str, Any] = {
        "structure": list(FEATURE_NAMES),
        "tight_binding": list(TIGHT_BINDING_FEATURES),
        "tight_binding_of_a_site": list(SITE_TIGHT_BINDING_FEATURES),
    }
    if tier == "best":
        from htc.models.features.embedding import EMBEDDING_NAME, N_EMBEDDING

        features[f"states of {EMBEDDING_NAME} at a site"] = N_EMBEDDING
    card = build_card(
        recipe=recipe,
        tier=tier,
        name=f"{recipe.name}-{_MODEL_NAME[tier]}",
        model=_MODEL[tier],
        parameters=parameters_of(tier, recipe)
        | {
            "mixing": {
                "networks_weight": dict(zip(MIXED, mixing.weight.tolist(), strict=True)),
                "slope": dict(zip(MIXED, mixing.slope.tolist(), strict=True)),
            },
        },
        seeds=[member.seed for member in members],
        features=features,
        data=training,
        n_test=len(test),
        metrics=metrics,
        calibration=calibration_facts(tested, {"structure": predicted}),
    )
    _learn_experiment(folder, training, np.exp(mixed[:, 0]), np.exp(mixed[:, 1]), recipe)
    card["below"] = {"tier": below.tier, "sha256": below.card["weights"]["sha256"]}
    card["method"]["members"] = [member.as_dict() | {"speaks": member in spoken} for member in members]
    model = save_ensemble(
        folder,
        card,
        element_table(),
        networks=tuple(spoken.values()),
        forests=forests,
        mixing=mixing,
        errors=errors,
    )
    np.savez_compressed(
        work / f"out-of-fold-{model.model_id}.npz", mixed=mixed, networks=networks, other=other
    )
    others = _other_sources(draft, training, test, mixed, networks, np.abs(networks[:, :2] - other))
    write_predictions(folder, [out_of_fold_rows(learned, outside), stated_rows(tested, predicted), *others])
    return model


def _other_sources(
    model: EnsembleModel,
    training: Dataset,
    test: Dataset,
    mixed: FloatArray,
    networks: FloatArray,
    disagreement: FloatArray,
) -> list[dict[str, Any]]:
    """Predictions for the rows of sources that the calibration is not about."""
    ratio = networks[:, TARGETS.index("ln_omega_2_ratio")]
    out = []
    for index, source in enumerate(SOURCES[1:], start=1):
        own, held = training.source == index, test.source == index
        if _judged(training)[own].any():
            continue
        if own.any():
            part = training.select(own)
            outside = model.errors.couplings(
                Speaker("structure", model.tier, model.model_id),
                error_rows(part.rows, part.tight_binding, disagreement[own]),
                part.numbers,
                Point(mixed[own, 0], mixed[own, 1], ratio[own]),
            )
            out.append(stated_rows(part, outside, "out_of_fold"))
        if held.any():
            part = test.select(held)
            out.append(stated_rows(part, model.couplings(seen_in(part), source)))
    return out


def seen_in(data: Dataset) -> SeenCrystals:
    """What an ensemble sees of labelled materials."""
    return SeenCrystals(data.rows, data.tight_binding, data.graphs, data.numbers)


def _plain_scores(data: Dataset, mixed: FloatArray, ratio: FloatArray, source: int) -> dict[str, Any]:
    """Out-of-fold errors on the rows of one source, which the calibration is not about."""
    from htc.models.training.metrics import point_scores

    own = data.source == source
    part = data.select(own)
    omega_log = np.exp(mixed[own, 1])
    return point_scores(
        part, np.exp(mixed[own, 0]), omega_log, omega_log * np.exp(np.maximum(ratio[own], 0.0))
    )
