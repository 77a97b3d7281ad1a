"""``htc predict --spectrum``: a surrogate that travels into store and file, and says what it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from htc.cli.exit_codes import ExitCode
from htc.store import Database
from htc.store.predictions import get

Run = Callable[..., Any]


def test_the_file_is_read_by_eliashberg_as_a_surrogate(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "MgB2.a2f"
    done = run("predict", "MgB2", "--no-store", "--spectrum", "--out", str(file), "--json")
    assert done.code == ExitCode.OK
    (entry,) = json.loads(done.out)
    assert entry["spectrum_origin"] == "surrogate"
    solved = run("eliashberg", str(file), "--tc-only", "--json")
    assert solved.code == ExitCode.OK
    (answer,) = json.loads(solved.out)
    assert answer["label"] == "surrogate"
    assert answer["flags"][0].startswith("surrogate: ")
    assert answer["lambda_ep"] == pytest.approx(entry["lambda_ep"], rel=1e-6)
    assert answer["tc_k"] > 0.0


def test_it_is_stored_beside_the_prediction_without_it(run: Run, database_in_settings: Database) -> None:
    (plain,) = json.loads(run("predict", "NbC", "--json").out)
    (made,) = json.loads(run("predict", "NbC", "--spectrum", "--json").out)
    assert plain["spectrum_origin"] is None
    assert plain["id"] != made["id"]
    assert plain["tc_predicted"] == made["tc_predicted"]
    spectrum = get(database_in_settings, made["id"]).prediction.spectrum
    assert spectrum is not None
    assert spectrum.is_surrogate
    assert spectrum.lambda_ep == pytest.approx(made["lambda_ep"], rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["MgB2", "--out", "x.a2f"], "add --spectrum"),
        (["MgB2", "NbC", "--spectrum", "--out", "x.a2f"], "one material at a time"),
        (["MgB2", "--spectrum", "--out", "none/x.a2f"], "does not exist"),
        (["YBa2Cu3O7", "--spectrum", "--out", "x.a2f"], "0 spectra for one file"),
    ],
)
def test_a_file_for_anything_but_one_spectrum(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("predict", "--no-store", *arguments)
    assert done.code not in {ExitCode.OK, None}
    assert said in done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.glob("*.a2f")) == []
