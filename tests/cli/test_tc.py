"""``htc tc``: the JSON contract, the table, exit codes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from htc.cli.app import app
from htc.cli.exit_codes import ExitCode

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "src/htc/examples/spectra"
AL = str(EXAMPLES / "al_qe/alpha2F.dat")
MGB2 = str(EXAMPLES / "mgb2_epw/MgB2.a2f")
BROKEN = str(REPOSITORY / "tests/data/spectra/qe_al_broken/alpha2F.dat")
SCHEMA = json.loads((REPOSITORY / "docs/schemas/tc.schema.json").read_text())


def htc(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tc", *arguments], catch_exceptions=True)


def entries(*arguments: str) -> list[dict]:
    result = htc(*arguments, "--json")
    assert result.exit_code == ExitCode.OK, result.output
    value = json.loads(result.stdout)
    jsonschema.validate(value, SCHEMA)
    return value


def test_json_contract():
    value = entries(AL, MGB2)
    assert len(value) == 20
    for entry in value:
        assert list(entry) == [
            "source",
            "format",
            "label",
            "lambda_ep",
            "omega_log_k",
            "omega_2_k",
            "mu_star",
            "convention",
            "tc_k",
            "flags",
        ]
        assert list(entry["tc_k"]) == ["exponential", "allen_dynes", "xie_2022", "eliashberg"]
        assert entry["mu_star"] == 0.10
    assert value[0]["source"] == AL
    assert value[0]["format"] == "qe-lambda"
    assert value[3]["label"] == "degauss 0.02 Ry"
    assert value[3]["tc_k"]["allen_dynes"] == pytest.approx(1.1687, abs=1e-4)
    assert value[3]["flags"][0].startswith("negative-weight: ")


def test_mu_star_and_formula_set():
    (entry, *_) = entries(
        MGB2, "--mu-star", "0.16", "--formula-set", "xie_2022", "--formula-set", "exponential"
    )
    assert list(entry["tc_k"]) == ["xie_2022", "exponential"]
    assert entry["tc_k"]["exponential"] == pytest.approx(25.6625, abs=5e-5)
    assert entry["tc_k"]["xie_2022"] == pytest.approx(29.60, abs=5e-3)
    (entry, *_) = entries(MGB2, "--formula-set", "all")
    assert set(entry["tc_k"]) == {"exponential", "allen_dynes", "allen_dynes_f1", "xie_2022", "eliashberg"}


def test_negative_weight_is_the_callers_choice():
    kept, clipped = entries(AL)[3], entries(AL, "--negative", "clip")[3]
    assert clipped["lambda_ep"] > kept["lambda_ep"]
    assert clipped["flags"][0].startswith("negative-clipped: ")
    assert htc(AL, "--negative", "refuse").exit_code == ExitCode.USAGE


def test_intervals():
    (entry, *_) = entries(
        MGB2, "--sigma-lambda", "0.05", "--sigma-omega-log", "20", "--sigma-mu-star", "0.02"
    )
    for name, (low, high) in entry["tc_95ci_k"].items():
        assert low < entry["tc_k"][name] < high


def test_no_solution_is_zero_and_says_why(tmp_path):
    path = tmp_path / "weak.dat"
    path.write_text("# w (meV) a2F\n10 0\n20 0.05\n30 0\n")
    (entry,) = entries(str(path), "--mu-star", "0.15")
    assert set(entry["tc_k"].values()) == {0.0}
    assert [flag.split(":")[0] for flag in entry["flags"]] == ["tc-zero"] * 4


def test_undefined_moments_are_null(tmp_path):
    path = tmp_path / "odd.dat"
    path.write_text("# w (meV) a2F\n5 0\n6 0.5\n7 0\n40 0\n41 -0.5\n42 0\n")
    (entry,) = entries(str(path))
    assert entry["omega_2_k"] is None
    assert entry["tc_k"]["allen_dynes"] is None
    assert entry["tc_k"]["exponential"] > 0.0
    assert any(flag.startswith("no-moments: allen_dynes: ") for flag in entry["flags"])


def test_the_table_has_every_number_of_every_smearing():
    result = htc(AL, "--mu-star", "0.12")
    assert result.exit_code == ExitCode.OK
    for text in (
        "degauss 0.02 Ry",
        "0.3895",
        "320.8",
        "340.6",
        "0.12",
        "negative-weight",
        "plateau 0.01 to 0.05",
    ):
        assert text in result.stdout
    assert "…" not in result.stdout


def test_one_bad_file_does_not_stop_the_rest():
    result = htc(AL, BROKEN, "--json")
    assert result.exit_code == ExitCode.PARTIAL
    assert len(json.loads(result.stdout)) == 10
    assert "elph.inp_lambda.3" in result.stderr
    assert "qe_al_broken" in result.stderr


def test_exit_codes_where_nothing_could_be_read(tmp_path):
    alone = htc(BROKEN, "--json")
    assert alone.exit_code == ExitCode.USAGE
    assert json.loads(alone.stdout) == []
    assert htc(BROKEN, str(tmp_path / "absent")).exit_code == ExitCode.FAILED
    assert htc(str(tmp_path)).exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    "arguments",
    [("--mu-star", "-1"), ("--negative", "hide"), ("--sigma-lambda", "-0.1"), ("--no-such-option",)],
)
def test_wrong_options_are_usage_errors(arguments):
    assert htc(AL, *arguments).exit_code == 2


def test_unknown_unit_and_formula_are_named():
    from htc.errors import InputError

    for arguments in (("--unit", "parsec"), ("--formula-set", "guess")):
        result = htc(AL, *arguments)
        assert isinstance(result.exception, InputError)
        assert arguments[1] in str(result.exception)


def test_unit_of_a_bare_table(tmp_path):
    path = tmp_path / "a2f"
    path.write_text("0.001 0.1\n0.002 0.3\n0.003 0.0\n")
    assert htc(str(path)).exit_code == ExitCode.USAGE
    (entry,) = entries(str(path), "--unit", "Ry")
    assert entry["format"] == "table"


def test_a_folder():
    sources = {entry["source"] for entry in entries(str(EXAMPLES))}
    assert sources == {AL, MGB2}


def test_plot(tmp_path):
    path = tmp_path / "a2f.png"
    result = htc(MGB2, "--plot", str(path))
    assert result.exit_code == ExitCode.OK
    assert path.read_bytes().startswith(b"\x89PNG")


def test_help_documents_every_option_and_has_an_example():
    result = htc("--help")
    assert "Example: htc tc alpha2F.dat" in result.stdout
    for option in (
        "--mu-star",
        "--unit",
        "--formula-set",
        "--negative",
        "--json",
        "--plot",
        "--sigma-lambda",
    ):
        assert option in result.stdout


@pytest.mark.data
def test_every_spectrum_of_the_laboratory_is_read_or_refused_with_a_reason():
    folder = os.environ.get("HTC_DATA")
    if not folder:
        pytest.skip("HTC_DATA is not set")
    result = htc(str(Path(folder) / "spectra"), "--json")
    assert result.exit_code == ExitCode.PARTIAL
    value = json.loads(result.stdout)
    jsonschema.validate(value, SCHEMA)
    assert len(value) > 90
    assert not any("qe_al_broken" in entry["source"] for entry in value)
