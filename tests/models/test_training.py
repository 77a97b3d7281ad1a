"""Training end to end on materials made here, whose law is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from htc.errors import FormulaError, InputError
from htc.models import load_model
from htc.models.card import check_card
from htc.models.training.data import N_FOLDS, fold_of, read_formulas, read_labelled

if TYPE_CHECKING:
    from htc.models import CouplingModel


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_reading_checks_every_row(labelled_file: Path) -> None:
    data = read_labelled(labelled_file)
    assert len(data) == 372
    (skipped,) = data.skipped
    assert skipped.startswith("line 373: ")
    assert data.rows.shape[0] == len(data.formulas) == len(data.numbers) == 372
    assert data.fold.tolist() == [fold_of(formula) for formula in data.formulas]
    assert set(np.unique(data.fold)) == set(range(N_FOLDS))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "not a labelled material"),
        ('{"poscar": "x", "lam": 1.0}', "wlog_K"),
        ('{"poscar": "x", "lam": null, "wlog_K": 300}', "not a labelled material"),
        ('{"poscar": "x", "lam": 0.5, "wlog_K": -3}', "unusable labels"),
        ('{"poscar": "x", "lam": NaN, "wlog_K": 300}', "unusable labels"),
        ('{"poscar": "", "lam": 0.5, "wlog_K": 300}', "empty"),
        ("[1, 2]", "not a labelled material"),
    ],
)
def test_a_file_without_a_usable_row_says_why(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(row + "\n")
    with pytest.raises(InputError, match=said) as caught:
        read_labelled(path)
    assert caught.value.where == str(path)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read") as caught:
        read_labelled(tmp_path / "absent.jsonl")
    assert "HTC_DATA" in (caught.value.hint or "")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\x00\xfe")
    with pytest.raises(InputError, match="cannot be read"):
        read_labelled(tmp_path / "binary.jsonl")


def test_folds_never_part_a_formula() -> None:
    # SHA-256 of the reduced formula modulo 10: fixed by the data's own split.
    assert [fold_of(f) for f in ("MgB2", "Nb3Sn", "Al")] == [fold_of(f) for f in ("MgB2", "Nb3Sn", "Al")]
    counts = np.bincount([fold_of(f"A{i}") for i in range(5000)], minlength=N_FOLDS)
    assert counts.min() > 400


def test_formulas_to_exclude_are_read_reduced(tmp_path: Path) -> None:
    path = tmp_path / "formulas.txt"
    path.write_text("# held back\nNb6Sn2  # A15\n\nMgB2\n")
    assert read_formulas(path) == {"Nb3Sn", "MgB2"}
    path.write_text("Mg2B?\n")
    with pytest.raises(FormulaError):
        read_formulas(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_formulas(tmp_path / "absent.txt")


def test_a_trained_model_has_a_valid_card_and_learned_the_law(small_folder: Path) -> None:
    model = load_model(small_folder)
    check_card(model.card, "card")
    assert model.model_id.startswith("small-trees-1+")
    (data,) = model.card["training_data"]
    held_out = model.card["metrics"]["structure"]["held_out_fold"]
    assert held_out["rows"] + data["rows"] == 372
    assert held_out["lambda_r2"] > 0.5
    assert held_out["omega_log_r2"] > 0.8
    # A tenth of the data, some 40 materials: nominal 0.95 scatters by 0.03 or more.
    assert held_out["coverage_95"] > 0.85
    crossed = model.card["metrics"]["structure"]["cross_validation"]
    assert 0.93 <= crossed["coverage_95"] <= 1.0
    assert crossed["width_95_mean_k"] < 1.5 * crossed["constant_width_k"]


def test_a_model_learned_from_both_kinds_of_input(small_folder: Path) -> None:
    from pymatgen.core import Composition, Lattice, Structure

    model = load_model(small_folder)
    crystal = Structure(Lattice.cubic(3.2), ["Ti", "Al"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    (known,) = model.predict_structures([crystal])
    (unknown,) = model.predict_compositions([Composition("TiAl")])
    assert (known.kind, unknown.kind) == ("structure", "composition")
    for coupling in (known, unknown):
        assert 0.02 < coupling.lambda_ep < 2.0
        assert coupling.effective_low <= coupling.lambda_ep <= coupling.effective_high
        assert coupling.lambda_ep_uncertainty > 0.0
        assert -1.0 <= coupling.correlation <= 1.0
    assert model.predict_structures([]) == model.predict_compositions([]) == []


def test_rows_predicted_alone_or_together_are_equal(small_folder: Path) -> None:
    from htc.materials.library import library_entries

    model = load_model(small_folder)
    crystals = [entry.structure for entry in library_entries()[:4]]
    together = model.predict_structures(crystals)
    for coupling, alone in zip(together, [model.predict_structures([c])[0] for c in crystals], strict=True):
        # Matrix products of one row and of many differ in the last bit.
        assert coupling.nearness.distance == pytest.approx(alone.nearness.distance, rel=1e-9)
        assert replace(coupling, nearness=alone.nearness) == alone


def test_equal_seeds_give_equal_weights(
    train_small: Callable[..., CouplingModel], small_folder: Path, tmp_path: Path
) -> None:
    from threadpoolctl import threadpool_info, threadpool_limits

    first = load_model(small_folder).card["weights"]["sha256"]
    # Whatever ran before in this process may have set another number of threads for linear algebra.
    shared = any(pool["num_threads"] > 1 for pool in threadpool_info() if pool["user_api"] == "blas")
    with threadpool_limits(1 if shared else 2, user_api="blas"):
        again = train_small(tmp_path / "again")
    assert again.card["weights"]["sha256"] == first


def test_excluded_formulas_are_not_trained_on(
    train_small: Callable[..., CouplingModel], labelled_file: Path, small_folder: Path, tmp_path: Path
) -> None:
    everything = read_labelled(labelled_file)
    hydrides = frozenset(
        f for f, z in zip(everything.formulas.tolist(), everything.numbers, strict=True) if 1 in z
    )
    model = train_small(tmp_path / "without", exclude=hydrides)
    (data,) = model.card["training_data"]
    rows = data["rows"] + model.card["metrics"]["structure"]["held_out_fold"]["rows"]
    assert rows == 372 - len(hydrides) == 348
    assert f"{len(hydrides)} formulas excluded" in data["held_out"]
    # As many others left out in the same folder: what lies there is not taken for it.
    others = frozenset(sorted(set(everything.formulas.tolist()) - hydrides)[: len(hydrides)])
    assert train_small(tmp_path / "without", exclude=others).model_id != model.model_id
    for head in model.heads.values():
        assert head.errors.domain.element_count[1] == 0
        assert load_model(small_folder).heads[head.kind].errors.domain.element_count[1] > 0
    # What it never saw is what it warns of.
    from pymatgen.core import Composition

    (hydride,) = model.predict_compositions([Composition("TiH")])
    assert hydride.nearness.level == "low"
    assert any("element H" in reason for reason in hydride.nearness.reasons)


def test_too_few_materials_are_refused(labelled_file: Path, tmp_path: Path) -> None:
    from htc.models.training.pipeline import Recipe, train

    path = tmp_path / "few.jsonl"
    path.write_text("\n".join(labelled_file.read_text().splitlines()[:50]))
    with pytest.raises(InputError, match="too few"):
        train([path], tmp_path / "out", Recipe(), tier="fast", work=tmp_path / "work")
    assert not (tmp_path / "out").exists()


def test_evaluating_the_held_out_fold_gives_the_cards_figures(
    small_folder: Path, labelled_file: Path
) -> None:
    from htc.models.training.evaluate import evaluate

    pytest.importorskip("sklearn")
    model = load_model(small_folder)
    scores = evaluate(model, labelled_file, fold=3)
    for kind in ("structure", "composition"):
        card = model.card["metrics"][kind]["held_out_fold"]
        for name in ("rows", "lambda_mae", "omega_log_mae_k", "tc_mae_k", "tc_r2", "coverage_95"):
            assert scores[kind][name] == pytest.approx(card[name], rel=1e-9), (kind, name)
        for name, (low, high) in scores[kind]["intervals_95"].items():
            assert low <= scores[kind][name] <= high, (kind, name)


def test_progress_is_told_to_the_end(labelled_file: Path) -> None:
    said: list[tuple[str, int, int]] = []
    read_labelled(labelled_file, progress=lambda *step: said.append(step))
    assert said[-1][1] == said[-1][2] == 373
    assert [done for _, done, _ in said] == sorted(done for _, done, _ in said)


def test_the_command_trains_without_what_is_held_back(
    train_small: Callable[..., CouplingModel], labelled_file: Path, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from htc.cli.app import app

    held = tmp_path / "held.txt"
    held.write_text("TiN\nScAl  # by another name: AlSc\n")
    arguments = [
        "--data",
        labelled_file,
        "--out",
        tmp_path / "model",
        "--exclude-formulas",
        held,
        "--tier",
        "fast",
    ]
    small = ["--trees", "10", "--seeds", "1", "--name", "by-hand", "--version", "2.1"]
    done = CliRunner().invoke(app, ["model", "train", *map(str, arguments), *small])
    assert done.exit_code == 0, done.output
    model = load_model(tmp_path / "model", "fast")
    assert model.name == "by-hand-trees-2.1"
    assert model.model_id in done.stderr
    rows = model.card["metrics"]["structure"]["held_out_fold"]["rows"]
    assert model.card["training_data"][0]["rows"] + rows == 370
    assert model.card["method"]["parameters"]["n_estimators"] == 10
    assert "λ MAE" in done.stdout
