"""Labelled materials of several sources: what is read, what is left out, and what a Tc implies."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htc.errors import InputError
from htc.models.network.evaluate import SOURCES
from htc.models.training.data import fold_of
from htc.models.training.dataset import concatenate, implied_omega_2, read_dataset
from htc.theory.empirical import allen_dynes

POSCAR = """{a}{b}
1.0
{x} 0 0
0 {x} 0
0 0 {x}
{a} {b}
1 1
direct
0 0 0
0.5 0.5 0.5
"""


def row(a: str = "Ti", b: str = "Al", x: float = 3.2, **more: Any) -> str:
    return json.dumps({"poscar": POSCAR.format(a=a, b=b, x=x), "lam": 0.5, "wlog_K": 250.0} | more)


def written(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def test_rows_know_their_source_and_their_labels(tmp_path: Path) -> None:
    path = written(
        tmp_path / "mixed.jsonl",
        row(mat_id="agm1", debye_K=400.0, dos_ef=3.0),
        row("V", "Ru", betenet_id=7, w2_K=300.0),
        row("Zr", "Zn", jid="JVASP-1"),
        row("Nb", "Al", source="betenet"),
        row("Hf", "Al", match="ambiguous_polymorph"),
    )
    data = read_dataset(path, tmp_path / "features", kinds=("fast",), workers=1)
    assert [SOURCES[i] for i in data.source] == ["alexandria", "betenet", "jarvis", "betenet", "alexandria"]
    assert data.keys.tolist()[:3] == ["agm1", "7", "JVASP-1"]
    assert data.formulas.tolist() == ["TiAl", "VRu", "ZrZn", "NbAl", "HfAl"]
    assert data.fold.tolist() == [fold_of(f) for f in data.formulas.tolist()]
    assert data.omega_2_k.tolist()[1] == 300.0
    assert math.isnan(data.omega_2_k[0])
    assert data.targets[0] == pytest.approx(
        [
            math.log(0.5),
            math.log(250),
            np.nan,
            math.log(400),
            math.log(1.5),
            math.log(3.0 / 3.2**3),
        ],
        rel=1e-6,
        nan_ok=True,
    )
    assert data.weight.tolist() == [1.0, 1.0, 0.5, 1.0, 0.5]
    assert [sorted(z.tolist()) for z in data.numbers][:2] == [[13, 22], [23, 44]]


def test_rows_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    path = written(
        tmp_path / "bad.jsonl",
        "{",
        row(lam=None),
        json.dumps({"poscar": "not a crystal", "lam": 0.5, "wlog_K": 100.0}),
        row("Zr", "Zn", jid="JVASP-2", lam=6.0),
        row("Zr", "Zn", jid="JVASP-3", lam=-1.0),
        row(),
    )
    data = read_dataset(path, tmp_path / "features", kinds=("fast",), workers=1)
    assert len(data) == 1
    (file,) = data.files
    assert [line.split(":")[0] for line in file.skipped] == [f"line {i}" for i in (1, 2, 3, 4, 5)]
    assert "not stable" in file.skipped[3]


def test_an_unknown_source_is_refused_where_it_stands(tmp_path: Path) -> None:
    path = written(tmp_path / "other.jsonl", row(), row("V", "Ru", source="elsewhere"))
    with pytest.raises(InputError, match="unknown source 'elsewhere'") as caught:
        read_dataset(path, tmp_path / "features", kinds=("fast",), workers=1)
    assert caught.value.where == f"{path}:2"


def test_excluded_formulas_stay_out_and_features_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path / "two.jsonl", row(), row("V", "Ru"))
    folder = tmp_path / "features"
    assert len(read_dataset(path, folder, kinds=("fast",), workers=1)) == 2
    kept = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    data = read_dataset(path, folder, kinds=("fast",), exclude={"TiAl"}, workers=1)
    assert data.formulas.tolist() == ["VRu"]
    assert {p: p.stat().st_mtime_ns for p in folder.iterdir()} == kept


def test_files_one_after_the_other(tmp_path: Path) -> None:
    parts = [
        read_dataset(written(tmp_path / name, *rows), tmp_path / "features", kinds=("fast",), workers=1)
        for name, rows in (("a.jsonl", (row(), row("V", "Ru"))), ("b.jsonl", (row("Nb", "Al"),)))
    ]
    both = concatenate(parts)
    assert both.formulas.tolist() == ["TiAl", "VRu", "NbAl"]
    last = both.select(np.array([False, False, True]))
    assert np.array_equal(last.graphs.distance, parts[1].graphs.distance)
    assert np.array_equal(last.graphs.neighbour, parts[1].graphs.neighbour)
    assert last.rows == pytest.approx(parts[1].rows, nan_ok=True)


@given(
    coupling=st.floats(0.8, 3.0),
    omega_log=st.floats(50.0, 800.0),
    ratio=st.floats(1.02, 2.0),
)
def test_a_full_tc_implies_the_second_moment_it_was_made_with(
    coupling: float, omega_log: float, ratio: float
) -> None:
    """Allen and Dynes, doi:10.1103/PhysRevB.12.905: f2 depends on omega_2/omega_log alone."""
    tc = float(allen_dynes(coupling, omega_log, ratio * omega_log, 0.10))
    found, spread = implied_omega_2(coupling, omega_log, tc)
    if not math.isnan(found):
        # f2 has a maximum in the ratio: either branch gives the same Tc.
        again = float(allen_dynes(coupling, omega_log, found * omega_log, 0.10))
        assert again == pytest.approx(tc, rel=1e-6)
        assert spread >= 0.0


def test_a_tc_too_small_implies_nothing() -> None:
    assert math.isnan(implied_omega_2(0.2, 300.0, 0.01)[0])
    assert math.isnan(implied_omega_2(1.0, 300.0, 0.0)[0])
