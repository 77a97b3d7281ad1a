"""``htc top`` and ``htc show``."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from htc.cli.app import app
from htc.errors import HTCError, InputError, NotFoundError, StorageError
from htc.spectra import Spectrum
from htc.store import Database, refresh_rankings, save, start_run

if TYPE_CHECKING:
    from htc.prediction.record import Prediction

Make = Callable[..., "Prediction"]


def htc(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, HTCError):
        raise result.exception
    return result


@pytest.fixture
def ids(database_in_settings: Database, make_prediction: Make) -> list[str]:
    """Five ranked predictions, best first, and a refused one."""
    predictions = [
        make_prediction(
            i,
            tc_predicted=50.0 - 10 * i,
            tc_lower_95ci=0.5,
            tc_upper_95ci=60.0,
            reduced_formula=f"X{i}",
            extrapolation_warning=i == 0,
            spectrum=Spectrum(np.linspace(1, 10, 20), np.linspace(0.1, 0.2, 20), label="one")
            if i == 1
            else None,
        )
        for i in range(5)
    ]
    nothing = dict.fromkeys(("tc_predicted", "tc_lower_95ci", "tc_upper_95ci", "tc_uncertainty", "lambda_ep"))
    predictions.append(
        make_prediction(9, applicable=False, reason="a cuprate [sic]", reduced_formula="YBa2Cu3O7", **nothing)
    )
    return [saved.id for saved in save(database_in_settings, predictions)]


@pytest.mark.parametrize("kind", ["run", "model"])
def test_an_id_that_nobody_has_is_told(ids: list[str], kind: str) -> None:
    result = htc("top", f"--{kind}", "[typo]")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"no {kind} of the id '[typo]' is known\n"
    result = htc("top", f"--{kind}", "[typo]", "--json")
    assert json.loads(result.stdout) == []
    assert "is known" in result.stderr


def test_an_id_that_is_known_and_fits_nothing(
    ids: list[str], database_in_settings: Database, make_prediction: Make
) -> None:
    run = start_run(database_in_settings, "batch", created_by="me")
    assert "no stored prediction" in htc("top", "--run", run).stderr
    (saved,) = save(database_in_settings, [make_prediction(20, model_id="a model")])
    assert "no stored prediction" in htc("top", "--model", "a model", "--min-tc", "9999").stderr
    assert "is known" not in htc("top", "--model", "a model").stderr
    assert saved.id


def test_help_shows_an_example() -> None:
    for command in ("top", "show"):
        assert f"htc {command} " in htc(command, "--help").stdout


def test_the_table_carries_interval_unit_and_convention(ids: list[str]) -> None:
    out = htc("top", "-n", "2")
    assert out.exit_code == 0
    header, first, second = out.stdout.splitlines()[:3]
    for name in (
        "formula",
        "Tc (K)",
        "95 % (K)",
        "λ",
        "ω_log (K)",
        "μ*",
        "p (GPa)",
        "confidence",
        "method",
        "model",
    ):
        assert name in header
    for value in (
        ids[0][:8],
        "X0",
        "50.00",
        "0.50 – 60.00",
        "0.700",
        "700",
        "0.1",
        "medium (!)",
        "test-model",
    ):
        assert value in first
    assert "X1" in second
    assert "next page: htc top -n 2 --after t1." in out.stderr
    assert "outside what the model has seen" in out.stderr


def test_the_tier_and_what_else_is_known(database_in_settings: Database, make_prediction: Make) -> None:
    spectrum = Spectrum(np.linspace(1, 10, 20), np.linspace(0.1, 0.2, 20))
    examined = {
        "tc_experiment": 21.0,
        "tc_experiment_lower_95ci": 2.0,
        "tc_experiment_upper_95ci": 44.0,
        "omega_2_uncertainty": 12.5,
        "phonon_verdict": "undecided",
        "lowest_frequency_thz": -0.25,
        "hull_distance_ev": 0.031,
        "hull_competitors": 14,
        "thermo_stable": False,
        "stability_potential": "sevennet-l3i5",
    }
    saved = save(
        database_in_settings,
        [
            make_prediction(1, model_tier="best", spectrum=spectrum, spectrum_origin="surrogate", **examined),
            make_prediction(2, model_tier="fast"),
            make_prediction(3, phonon_stable=True),
        ],
    )
    table = htc("top")
    assert "tier" in table.stdout.splitlines()[0]
    (row,) = json.loads(htc("top", "--tier", "best", "--json").stdout)
    assert (row["id"], row["model_tier"]) == (saved[0].id, "best")
    assert json.loads(htc("top", "--tier", "default", "--json").stdout) == []
    with pytest.raises(InputError, match="no tier of the model") as caught:
        htc("top", "--tier", "better")
    assert caught.value.where == "--tier"
    shown = " ".join(htc("show", saved[0].id).stdout.split())
    for words in (
        "in experiment 21.00 K, 95 % interval 2.00 – 44.00 K",
        "ω_2 800.0 ± 12.5 K",
        "surrogate, formed from moments",
        "phonons undecided",
        "lowest frequency -0.25 THz",
        "thermodynamically stable no",
        "above the hull 0.031 eV/atom, among 14 known phases",
        "stability by sevennet-l3i5",
        "tier best",
    ):
        assert words in shown
    assert "dynamically stable" not in shown.replace("thermodynamically stable", "")
    assert "dynamically stable yes" in " ".join(htc("show", saved[2].id).stdout.split())


def test_pages_and_limits(ids: list[str]) -> None:
    rows = json.loads(htc("top", "-n", "2", "--after", ids[1], "--min-tc", "20", "--json").stdout)
    assert [row["id"] for row in rows] == [ids[2], ids[3]]
    with pytest.raises(NotFoundError):
        htc("top", "--after", "nothing")
    with pytest.raises(InputError):
        htc("top", "--json", "--csv")
    with pytest.raises(InputError, match="no place to go on from"):
        htc("top", "--formulas", "--after", ids[0])
    assert htc("top", "-n", "0").exit_code == 2


@pytest.fixture
def varied(database_in_settings: Database, make_prediction: Make) -> dict[str, str]:
    """Predictions of several kinds, by formula."""
    kinds = {
        "MgB2": ("Mg1 B2", 39.0, 0.0, "high"),
        "NbC": ("Nb1 C1", 11.0, 0.0, "medium"),
        "H3S": ("H3 S1", 200.0, 200.0, "low"),
        "NbN": ("Nb1 N1", 16.0, 0.0, "high"),
    }
    made = [
        make_prediction(
            k,
            reduced_formula=formula,
            composition=composition,
            tc_predicted=tc,
            tc_lower_95ci=1.0,
            tc_upper_95ci=300.0,
            pressure_gpa=pressure,
            confidence_level=level,
            model_id="model-1" if k < 2 else "model 2",
        )
        for k, (formula, (composition, tc, pressure, level)) in enumerate(kinds.items())
    ]
    return dict(zip(kinds, (saved.id for saved in save(database_in_settings, made)), strict=True))


@pytest.mark.parametrize(
    ("options", "formulas"),
    [
        (["--elements", "Nb"], ["NbN", "NbC"]),
        (["--elements", "B, Mg"], ["MgB2"]),
        (["--without", "Nb,H"], ["MgB2"]),
        (["--only", "C,N,Nb"], ["NbN", "NbC"]),
        (["--max-pressure", "10"], ["MgB2", "NbN", "NbC"]),
        (["--min-pressure", "10"], ["H3S"]),
        (["--max-tc", "16"], ["NbN", "NbC"]),
        (["--confidence", "medium"], ["MgB2", "NbN", "NbC"]),
        (["--confidence", "low,medium"], ["H3S", "NbC"]),
        (["--model", "model 2"], ["H3S", "NbN"]),
        (["--formula", "B2Mg"], ["MgB2"]),
        (["--stable"], []),
        (["--max-hull", "0.1"], []),
        (["--run", "none"], []),
    ],
)
def test_filters(varied: dict[str, str], options: list[str], formulas: list[str]) -> None:
    rows = json.loads(htc("top", "--json", *options).stdout)
    assert [row["reduced_formula"] for row in rows] == formulas
    if not formulas:
        said = htc("top", *options).stderr
        assert "no stored prediction fulfils all of this" in said or "is known" in said


def test_the_next_page_is_asked_for_as_this_one_was(varied: dict[str, str]) -> None:
    out = htc("top", "-n", "1", "--model", "model 2", "--min-tc", "1")
    again = re.search(r"next page: htc (top .*)", out.stderr)
    assert again is not None
    words = shlex.split(again[1])
    assert words[:7] == ["top", "-n", "1", "--min-tc", "1.0", "--model", "model 2"]
    second = htc(*words)
    assert "NbN" in second.stdout
    assert "next page" not in second.stderr
    assert "nothing more is ranked" in htc("top", "--after", varied["NbC"]).stderr


def test_impossible_filters_name_the_option(database_in_settings: Database) -> None:
    for options, message in (
        (["--elements", "mg"], "--elements: there is no element 'mg'.*did you mean Mg"),
        (["--confidence", "sure"], "--confidence: 'sure' is no level"),
        (["--confidence", ","], "no level of confidence is named"),
        (["--min-tc", "3", "--max-tc", "2"], "--min-tc, --max-tc: nothing lies between"),
        (["--max-pressure", "nan"], "--max-pressure: nan is not a number"),
        (["--formulas", "--elements", "B"], "--elements filters predictions"),
        (["--formula", "Xx2"], "Xx"),
    ):
        with pytest.raises(InputError) as refused:
            htc("top", *options)
        assert re.search(message, str(refused.value))


def test_csv_and_json_agree(ids: list[str]) -> None:
    from_json = json.loads(htc("top", "--json").stdout)
    from_csv = list(csv.DictReader(io.StringIO(htc("top", "--csv").stdout)))
    assert len(from_json) == len(from_csv) == 5
    assert list(from_json[0]) == list(from_csv[0])
    assert [row["id"] for row in from_csv] == ids[:5]


def test_formulas_and_their_freshness(ids: list[str], database_in_settings: Database) -> None:
    stale = htc("top", "--formulas")
    assert "5 newer rows not in it" in stale.stderr
    refresh_rankings(database_in_settings)
    fresh = htc("top", "--formulas", "-n", "1")
    assert "nothing newer stored" in fresh.stderr
    assert "X0" in fresh.stdout
    rows = json.loads(htc("top", "--formulas", "--json").stdout)
    assert rows[0].keys() == {"structure_formula", "avg_tc", "prediction_count", "last_prediction"}


def test_an_empty_ranking_says_what_to_do(database_in_settings: Database) -> None:
    out = htc("top")
    assert out.stdout == ""
    assert "htc predict" in out.stderr
    assert json.loads(htc("top", "--json").stdout) == []


def test_show_tells_everything(ids: list[str]) -> None:
    out = htc("show", ids[1][:10]).stdout
    for text in (
        ids[1],
        "40.00 K",
        "95 % interval 0.50 – 60.00 K",
        "0.700 ± 0.100",
        "20 points",
        "test-model",
    ):
        assert text in out
    refused = htc("show", ids[5]).stdout
    assert "none: a cuprate [sic]" in refused
    value = json.loads(htc("show", ids[1], "--json").stdout)
    assert value["id"] == ids[1]
    assert value["tc_predicted"] == 40.0
    assert len(value["spectrum"]["omega_mev"]) == 20
    assert value["structure"]["sites"]
    with pytest.raises(NotFoundError):
        htc("show", "0000000000")


def test_show_draws_the_spectrum(ids: list[str], tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    assert htc("show", ids[1], "--plot", str(picture)).exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="no spectrum"):
        htc("show", ids[0], "--plot", str(picture))
    with pytest.raises(InputError, match=r"cannot draw a \.xyz file"):
        htc("show", ids[1], "--plot", str(tmp_path / "a.xyz"))
    with pytest.raises(StorageError, match="folder for the figure does not exist"):
        htc("show", ids[1], "--plot", str(tmp_path / "none" / "a.png"))
