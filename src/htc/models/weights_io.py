"""Models on disk: a folder with ``card.json`` and one safetensors file whose hash the card states."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htc.errors import ModelError
from htc.models.calibration import N_GROUPS
from htc.models.card import check_card
from htc.models.coupling import FORESTS, CouplingModel, Head, HeadKind
from htc.models.extrapolation import NEIGHBOURS, Domain
from htc.models.features import FEATURE_NAMES, N_COMPOSITION_FEATURES, N_ELEMENTS
from htc.models.features.elements import PROPERTIES
from htc.models.forest import Forest

__all__ = ["BUNDLED_MODEL", "load_model", "save_model"]

BUNDLED_MODEL = "ambient-trees"
"""Folder under ``htc/models/weights`` of the model in the package."""

CARD_FILE = "card.json"
WEIGHTS_FILE = "model.safetensors"
_HEADS: tuple[HeadKind, ...] = ("structure", "composition")
_DOMAIN_FIELDS = ("centre", "scale", "projection", "points", "levels", "element_count", "bounds", "checked")


def load_model(folder: Path | None = None) -> CouplingModel:
    """Load a model, by default the one in the package. A model is loaded once per process.

    Raises:
        ModelError: no such folder, a damaged card, or weights whose hash is not the card's.
    """
    if folder is None:
        with as_file(files("htc.models").joinpath("weights", BUNDLED_MODEL)) as bundled:
            return _load(bundled)
    return _load(folder.expanduser().resolve())


@lru_cache(maxsize=4)
def _load(folder: Path) -> CouplingModel:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    card_path = folder / CARD_FILE
    hint = "reinstall HTC, or unset HTC_MODEL to use the model in the package"
    try:
        card = json.loads(card_path.read_text("utf-8"))
    except FileNotFoundError:
        raise ModelError("no model here: card.json is missing", where=str(folder), hint=hint) from None
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the model card cannot be read: {error}", where=str(card_path), hint=hint
        ) from error
    check_card(card, str(card_path))

    weights_path = folder / card["weights"]["file"]
    try:
        blob = weights_path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the weights cannot be read: {error}", where=str(weights_path), hint=hint
        ) from error
    digest = hashlib.sha256(blob).hexdigest()
    if digest != card["weights"]["sha256"]:
        raise ModelError(
            "the weights are not the ones the card describes (their SHA-256 differs)",
            where=str(weights_path),
            hint=hint,
        )
    try:
        tensors = load(blob)
        features = [str(name) for name in json.loads(bytes(tensors["feature_names"]).decode("utf-8"))]
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"the weights are damaged: {error}", where=str(weights_path), hint=hint) from error
    if features != list(FEATURE_NAMES):
        raise ModelError(
            "the model was trained on other features than this program computes",
            where=str(weights_path),
            hint="retrain it with `htc model train`, or use the HTC version it was made with",
        )
    try:
        heads: dict[HeadKind, Head] = {kind: _head(kind, tensors) for kind in _HEADS}
        table = tensors["element_table"]
        _expect("element_table", table, (N_ELEMENTS + 1, len(PROPERTIES)), finite=False)
    except (KeyError, ValueError) as error:
        raise ModelError(f"the weights are damaged: {error}", where=str(weights_path), hint=hint) from error
    model_id = f"{card['name']}-{card['version']}+{digest[:12]}"
    return CouplingModel(model_id=model_id, card=card, table=table, heads=heads)


def _head(kind: HeadKind, tensors: Mapping[str, NDArray[Any]]) -> Head:
    own = {
        name.removeprefix(f"{kind}/"): array for name, array in tensors.items() if name.startswith(f"{kind}/")
    }

    def part(prefix: str) -> dict[str, NDArray[Any]]:
        return {k.removeprefix(f"{prefix}/"): v for k, v in own.items() if k.startswith(f"{prefix}/")}

    forests = {name: Forest.from_tensors(part(name)) for name in FORESTS}
    n_features = len(FEATURE_NAMES) if kind == "structure" else N_COMPOSITION_FEATURES
    # The spread forests also see the two predictions and Tc, the quantile forests the two spreads as well.
    for name, more in zip(FORESTS, (0, 0, 3, 3, 5, 5), strict=True):
        if forests[name].n_features != n_features + more:
            raise ValueError(f"{kind}/{name} has {forests[name].n_features} features")
    _expect("shifts", own["shifts"], (N_GROUPS, 2))
    _expect("spread_scale", own["spread_scale"], (2,))
    _expect("correlation", own["correlation"], (1,))
    if not abs(own["correlation"][0]) <= 1.0:
        raise ValueError("a correlation is beyond 1")
    return Head(
        kind=kind,
        forests=forests,
        shifts=own["shifts"],
        spread_scale=own["spread_scale"],
        correlation=float(own["correlation"][0]),
        domain=_domain(part("domain"), n_features),
    )


def _domain(arrays: Mapping[str, NDArray[Any]], n_features: int) -> Domain:
    domain = Domain(**{name: arrays[name] for name in _DOMAIN_FIELDS})
    n_components, n_checked = domain.projection.shape[-1], len(domain.checked)
    _expect("centre", domain.centre, (n_features,))
    _expect("scale", domain.scale, (n_features,))
    _expect("projection", domain.projection, (n_features, n_components))
    _expect("points", domain.points, (max(len(domain.points), NEIGHBOURS), n_components))
    _expect("levels", domain.levels, (3,))
    _expect("element_count", domain.element_count, (N_ELEMENTS + 1,))
    _expect("checked", domain.checked, (n_checked,))
    if n_checked == 0:
        return domain
    _expect("bounds", domain.bounds, (n_checked, 2))
    if not 0 <= domain.checked.min() <= domain.checked.max() < n_features:
        raise ValueError("a checked feature is not there")
    return domain


def _expect(name: str, array: NDArray[Any], shape: tuple[int, ...], *, finite: bool = True) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, not {shape}")
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name} holds numbers that are not finite")


def save_model(
    folder: Path, card: dict[str, Any], table: NDArray[np.float64], heads: Mapping[HeadKind, Head]
) -> CouplingModel:
    """Write a model; the card's ``weights`` entry is filled in here. Returns it as loaded back.

    Raises:
        ModelError: the card does not follow its schema, or the folder cannot be written.
    """
    from safetensors.numpy import save

    names = np.frombuffer(json.dumps(list(FEATURE_NAMES)).encode("utf-8"), dtype=np.uint8)
    tensors: dict[str, NDArray[Any]] = {"element_table": table, "feature_names": names}
    for kind, head in heads.items():
        for name, forest in head.forests.items():
            tensors |= {f"{kind}/{name}/{k}": v for k, v in forest.tensors().items()}
        tensors |= {f"{kind}/domain/{k}": v for k, v in head.domain.tensors().items()}
        tensors[f"{kind}/shifts"] = head.shifts
        tensors[f"{kind}/spread_scale"] = head.spread_scale
        tensors[f"{kind}/correlation"] = np.array([head.correlation])
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
