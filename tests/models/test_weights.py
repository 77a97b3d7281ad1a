"""Models on disk: loaded once, and refused by name when anything about them is not right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htc.errors import ModelError
from htc.models import load_model
from htc.models.calibration import N_GROUPS
from htc.models.card import card_schema, check_card
from htc.models.weights_io import CARD_FILE, WEIGHTS_FILE, save_trees


@pytest.fixture
def folder(small_folder: Path, tmp_path: Path) -> Path:
    """A model to spoil."""
    return Path(shutil.copytree(small_folder, tmp_path / "model"))


def change_card(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    card = json.loads((folder / CARD_FILE).read_text())
    change(card)
    (folder / CARD_FILE).write_text(json.dumps(card))


def change_weights(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change tensors and keep the card's hash right: damage that a checksum does not see."""
    from safetensors.numpy import load, save

    tensors = load((folder / WEIGHTS_FILE).read_bytes())
    change(tensors)
    blob = save(tensors)
    (folder / WEIGHTS_FILE).write_bytes(blob)
    change_card(folder, lambda card: card["weights"].update(sha256=sha256(blob).hexdigest(), bytes=len(blob)))


def refused(folder: Path, match: str, *, file: str | None = None) -> ModelError:
    with pytest.raises(ModelError, match=match) as caught:
        load_model(folder)
    assert caught.value.where == str(folder / file if file else folder)
    assert caught.value.hint
    return caught.value


def test_a_model_is_loaded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_model(folder)
    (folder / WEIGHTS_FILE).unlink()
    assert load_model(folder) is first
    monkeypatch.chdir(folder.parent)
    assert load_model(Path("model")) is first


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    refused(tmp_path / "absent", "no model here")


def test_a_folder_without_card(folder: Path) -> None:
    (folder / CARD_FILE).unlink()
    refused(folder, "card.json is missing")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[]", b"null", b"{}"])
def test_a_card_that_is_none(folder: Path, content: bytes) -> None:
    (folder / CARD_FILE).write_bytes(content)
    refused(folder, ".", file=CARD_FILE)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda card: card.pop("limits"), "'limits' is a required property"),
        (lambda card: card["metrics"].pop("structure"), "metrics: 'structure' is a required property"),
        (lambda card: card["weights"].update(sha256="abc"), "weights/sha256: 'abc' does not match"),
        (lambda card: card["weights"].update(format="pickle"), "weights/format: 'safetensors' was expected"),
        (lambda card: card["weights"].update(file="../../model.safetensors"), "weights/file"),
        (lambda card: card["weights"].update(file="/etc/passwd"), "weights/file"),
        (lambda card: card.update(version="one"), "version: 'one' does not match"),
        (lambda card: card.update(praise="best"), "praise"),
        (
            lambda card: card["metrics"]["structure"]["held_out_fold"].update(coverage_95=1.2),
            "metrics/structure/held_out_fold/coverage_95: 1.2 is greater",
        ),
    ],
)
def test_a_card_against_the_schema_names_the_place(
    folder: Path, change: Callable[[dict[str, Any]], Any], said: str
) -> None:
    change_card(folder, change)
    refused(folder, said, file=CARD_FILE)


def test_weights_that_are_not_there(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    refused(folder, "the weights cannot be read", file=WEIGHTS_FILE)


@pytest.mark.parametrize("where", [0, 1000, -1])
def test_weights_with_one_bit_turned(folder: Path, where: int) -> None:
    blob = bytearray((folder / WEIGHTS_FILE).read_bytes())
    blob[where] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(bytes(blob))
    refused(folder, "SHA-256", file=WEIGHTS_FILE)


def test_weights_cut_short(folder: Path) -> None:
    blob = (folder / WEIGHTS_FILE).read_bytes()[:-100]
    (folder / WEIGHTS_FILE).write_bytes(blob)
    refused(folder, "SHA-256", file=WEIGHTS_FILE)
    change_card(folder, lambda card: card["weights"].update(sha256=sha256(blob).hexdigest()))
    refused(folder, "the weights are damaged", file=WEIGHTS_FILE)


def test_weights_of_a_model_with_other_features(folder: Path) -> None:
    names = np.frombuffer(b'["mass", "luck"]', dtype=np.uint8)
    change_weights(folder, lambda tensors: tensors.update(feature_names=names))
    error = refused(folder, "other features", file=WEIGHTS_FILE)
    assert "retrain" in (error.hint or "")


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("structure/ln_lambda/root", np.array([10**6], np.int32)),
        ("structure/ln_lambda/edges", np.array([])),
        ("structure/shifts", np.zeros((2, 2))),
        ("structure/shifts", np.full((N_GROUPS, 2), np.nan)),
        ("structure/spread_scale", np.zeros(1)),
        ("structure/correlation", np.array([1.5])),
        ("composition/correlation", np.zeros(0)),
        ("composition/domain/points", np.zeros((4, 3), np.float32)),
        ("composition/domain/scale", np.zeros(2)),
        ("composition/domain/levels", np.zeros(2)),
        ("composition/domain/element_count", np.zeros(5, np.int64)),
        ("structure/domain/checked", np.array([10**6])),
        ("structure/domain/bounds", np.zeros((9, 2))),
        ("element_table", np.zeros((3, 3))),
        ("feature_names", np.array([1, 2, 255], np.uint8)),
    ],
)
def test_tensors_that_do_not_fit_each_other(folder: Path, name: str, array: np.ndarray) -> None:
    change_weights(folder, lambda tensors: tensors.update({name: array}))
    refused(folder, "the weights are damaged", file=WEIGHTS_FILE)


@pytest.mark.parametrize(
    "name", ["element_table", "feature_names", "structure/shifts", "composition/low/value"]
)
def test_tensors_that_are_missing(folder: Path, name: str) -> None:
    change_weights(folder, lambda tensors: tensors.pop(name))
    refused(folder, "the weights are damaged", file=WEIGHTS_FILE)


def test_a_card_that_does_not_follow_the_schema_is_not_written(small_folder: Path, tmp_path: Path) -> None:
    model = load_model(small_folder)
    card = {k: v for k, v in model.card.items() if k not in {"weights", "limits"}}
    with pytest.raises(ModelError, match="limits"):
        save_trees(tmp_path / "new", card, model.table, model.heads)
    assert not (tmp_path / "new").exists()


def test_a_saved_model_is_the_loaded_one(small_folder: Path, tmp_path: Path) -> None:
    model = load_model(small_folder)
    again = save_trees(tmp_path / "copy", dict(model.card), model.table, model.heads)
    assert again.model_id == model.model_id


def test_a_folder_that_cannot_be_written(small_folder: Path, tmp_path: Path) -> None:
    model = load_model(small_folder)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match="cannot be written") as caught:
        save_trees(tmp_path / "file" / "model", dict(model.card), model.table, model.heads)
    assert caught.value.where == str(tmp_path / "file" / "model")


def test_the_schema_is_a_schema() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(card_schema())
    with pytest.raises(ModelError):
        check_card({}, "here")
