"""Models on disk: a folder a tier, with ``card.json`` and one safetensors file whose hash the card states.

A family of models is a folder with the tiers in it: ``fast``, ``default`` and ``best``. A tier names the one
below it by its hash, so that no half of a family is taken for the half of another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from htc.errors import ModelError
from htc.models.card import check_card
from htc.models.coupling import HeadKind, Tier
from htc.models.ensemble import MIXED, EnsembleModel, Mixing
from htc.models.error_model import ErrorModel, expect, under
from htc.models.experiment import ExperimentCalibration
from htc.models.features import FEATURE_NAMES, N_ELEMENTS
from htc.models.features.elements import PROPERTIES
from htc.models.features.tight_binding import SITE_TIGHT_BINDING_FEATURES, TIGHT_BINDING_FEATURES
from htc.models.forest import Forest
from htc.models.model import CouplingModel
from htc.models.network import Network
from htc.models.trees import Head, TreeModel

__all__ = ["TIERS", "load_model", "save_ensemble", "save_trees"]

TIERS: Final[tuple[Tier, ...]] = ("fast", "default", "best")
"""From the quickest to the most exact."""

CARD_FILE: Final = "card.json"
WEIGHTS_FILE: Final = "model.safetensors"
_HEADS: Final[tuple[HeadKind, ...]] = ("structure", "composition")
_HINT: Final = "reinstall HTC, or unset HTC_MODEL to use the models in the package"


def load_model(folder: Path | None = None, tier: Tier = "default") -> CouplingModel:
    """Load a model, by default one in the package. A model is loaded once per process.

    Args:
        folder: of a family of models, or of one tier (then ``tier`` is not asked); None for the package's.
        tier: which tier of the family.

    Raises:
        ModelError: no such folder, a damaged card, or weights whose hash is not the card's.
    """
    if folder is None:
        with as_file(files("htc.models").joinpath("weights")) as bundled:
            return _load(bundled / tier)
    folder = folder.expanduser().resolve()
    if (folder / CARD_FILE).exists() or not any((folder / name).is_dir() for name in TIERS):
        return _load(folder)
    if not (folder / tier).is_dir():
        have = ", ".join(name for name in TIERS if (folder / name).is_dir())
        raise ModelError(
            f"this family of models has no tier {tier!r}, only {have}",
            where=str(folder),
            hint=f"choose one of them, or train it: htc model train --tier {tier} --out {folder}",
        )
    return _load(folder / tier)


def _blob(folder: Path) -> tuple[dict[str, Any], str, bytes]:
    """Card, digest and bytes of the weights of a model folder."""
    card_path = folder / CARD_FILE
    try:
        card = json.loads(card_path.read_text("utf-8"))
    except FileNotFoundError:
        raise ModelError("no model here: card.json is missing", where=str(folder), hint=_HINT) from None
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the model card cannot be read: {error}", where=str(card_path), hint=_HINT
        ) from error
    check_card(card, str(card_path))
    weights_path = folder / card["weights"]["file"]
    try:
        blob = weights_path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the weights cannot be read: {error}", where=str(weights_path), hint=_HINT
        ) from error
    digest = hashlib.sha256(blob).hexdigest()
    if digest != card["weights"]["sha256"]:
        raise ModelError(
            "the weights are not the ones the card describes (their SHA-256 differs)",
            where=str(weights_path),
            hint=_HINT,
        )
    return card, digest, blob


@lru_cache(maxsize=8)
def _load(folder: Path) -> CouplingModel:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    card, digest, blob = _blob(folder)
    weights_path = folder / card["weights"]["file"]
    try:
        tensors = load(blob)
        features = [str(name) for name in _json(tensors["feature_names"])]
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"the weights are damaged: {error}", where=str(weights_path), hint=_HINT) from error
    tier = cast("Tier", card.get("tier", "fast"))
    if features != _feature_names(tier):
        raise ModelError(
            "the model was trained on other features than this program computes",
            where=str(weights_path),
            hint="retrain it with `htc model train`, or use the HTC version it was made with",
        )
    model_id = f"{card['name']}-{card['version']}+{digest[:12]}"
    experiment = ExperimentCalibration.load(folder)
    try:
        table = tensors["element_table"]
        expect("element_table", table, (N_ELEMENTS + 1, len(PROPERTIES)), finite=False)
        if tier == "fast":
            heads = {kind: Head.from_tensors(kind, under(tensors, kind)) for kind in _HEADS}
            return TreeModel(model_id, card, experiment, table=table, heads=heads)
        return _ensemble(model_id, card, experiment, tensors, table, _below(folder, card))
    except (KeyError, ValueError) as error:
        raise ModelError(f"the weights are damaged: {error}", where=str(weights_path), hint=_HINT) from error


def _json(array: NDArray[np.uint8]) -> Any:
    return json.loads(bytes(array).decode("utf-8"))


def _as_bytes(value: Any) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(value).encode("utf-8"), dtype=np.uint8)


def _feature_names(tier: Tier) -> list[str]:
    if tier == "fast":
        return list(FEATURE_NAMES)
    from htc.models.features.embedding import EMBEDDING_NAME, N_EMBEDDING

    names = [*FEATURE_NAMES, *TIGHT_BINDING_FEATURES, *(f"site {n}" for n in SITE_TIGHT_BINDING_FEATURES)]
    return names if tier == "default" else [*names, f"site {EMBEDDING_NAME} x {N_EMBEDDING}"]


def _below(folder: Path, card: Mapping[str, Any]) -> CouplingModel:
    """The tier below, checked to be the one this model was trained on."""
    stated = card["below"]
    path = folder.parent / stated["tier"]
    below = _load(path)
    if below.card["weights"]["sha256"] != stated["sha256"]:
        raise ModelError(
            f"the {stated['tier']} tier beside it is not the one it was trained on (its SHA-256 differs)",
            where=str(path),
            hint=_HINT,
        )
    return below


def _ensemble(
    model_id: str,
    card: Mapping[str, Any],
    experiment: ExperimentCalibration | None,
    tensors: Mapping[str, NDArray[Any]],
    table: NDArray[np.float64],
    below: CouplingModel,
) -> EnsembleModel:
    shapes = _json(tensors["networks"])
    networks = tuple(
        Network.from_tensors(shape, under(tensors, f"network{k}")) for k, shape in enumerate(shapes)
    )
    if not networks:
        raise ValueError("there is no network")
    n_fast, n_tb = len(FEATURE_NAMES), len(TIGHT_BINDING_FEATURES)
    forests: dict[str, Forest] = {}
    if card["tier"] == "default":
        forests = {name: Forest.from_tensors(under(tensors, name)) for name in MIXED}
        for name, forest in forests.items():
            if forest.n_features != n_fast + n_tb + 1:
                raise ValueError(f"{name} has {forest.n_features} features")
    mixing = Mixing(**{name: tensors[f"mixing/{name}"] for name in ("weight", "slope", "centre")})
    for name in ("weight", "slope", "centre"):
        expect(name, getattr(mixing, name), (len(MIXED),))
    return EnsembleModel(
        model_id,
        card,
        experiment,
        table=table,
        networks=networks,
        forests=forests,
        mixing=mixing,
        errors=ErrorModel.from_tensors(under(tensors, "errors"), n_fast + n_tb + len(MIXED), n_fast),
        below=below,
    )


def save_trees(
    folder: Path, card: dict[str, Any], table: NDArray[np.float64], heads: Mapping[HeadKind, Head]
) -> CouplingModel:
    """Write a fast tier; the card's ``weights`` entry is filled in here. Returns it as loaded back.

    Raises:
        ModelError: the card does not follow its schema, or the folder cannot be written.
    """
    tensors: dict[str, NDArray[Any]] = {}
    for kind, head in heads.items():
        tensors |= {f"{kind}/{k}": v for k, v in head.tensors().items()}
    return _save(folder, card, "fast", table, tensors)


def save_ensemble(
    folder: Path,
    card: dict[str, Any],
    table: NDArray[np.float64],
    *,
    networks: tuple[Network, ...],
    forests: Mapping[str, Forest],
    mixing: Mixing,
    errors: ErrorModel,
) -> CouplingModel:
    """Write a default or best tier, the tier below beside it; see :func:`save_trees`.

    Raises:
        ModelError: the card does not follow its schema, or the folder cannot be written.
    """
    tensors: dict[str, NDArray[Any]] = {"networks": _as_bytes([n.shape_dict() for n in networks])}
    for k, network in enumerate(networks):
        tensors |= {f"network{k}/{name}": v for name, v in network.tensors().items()}
    for name, forest in forests.items():
        tensors |= {f"{name}/{k}": v for k, v in forest.tensors().items()}
    tensors |= {f"mixing/{name}": getattr(mixing, name) for name in ("weight", "slope", "centre")}
    tensors |= {f"errors/{k}": v for k, v in errors.tensors().items()}
    return _save(folder, card, cast("Tier", card["tier"]), table, tensors)


def _save(
    folder: Path,
    card: dict[str, Any],
    tier: Tier,
    table: NDArray[np.float64],
    tensors: dict[str, NDArray[Any]],
) -> CouplingModel:
    from safetensors.numpy import save

    tensors = {"element_table": table, "feature_names": _as_bytes(_feature_names(tier)), **tensors}
    blob = save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
    card = {
        **card,
        "weights": {
            "file": WEIGHTS_FILE,
            "sha256": hashlib.sha256(blob).hexdigest(),
            "format": "safetensors",
            "bytes": len(blob),
        },
    }
    check_card(card, str(folder / CARD_FILE))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS_FILE).write_bytes(blob)
        (folder / CARD_FILE).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise ModelError(f"the model cannot be written: {error}", where=str(folder)) from error
    _load.cache_clear()
    return _load(folder)
