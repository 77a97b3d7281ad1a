"""``htc eliashberg``: the JSON contract, conventions side by side, figures, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from htc.cli.app import app
from htc.cli.exit_codes import ExitCode
from htc.theory.eliashberg.conventions import CONVENTIONS

REPOSITORY = Path(__file__).resolve().parents[2]
AL = str(REPOSITORY / "src/htc/examples/spectra/al_qe/alpha2F.dat")
MGB2 = str(REPOSITORY / "tests/data/spectra/epw_mgb2/MgB2.a2f_iso")
BROKEN = str(REPOSITORY / "tests/data/spectra/qe_al_broken/a2F.dos1")
SCHEMA = json.loads((REPOSITORY / "docs/schemas/eliashberg.schema.json").read_text())


def htc(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["eliashberg", *arguments], catch_exceptions=True)


def entries(*arguments: str) -> list[dict]:
    result = htc(*arguments, "--json")
    assert result.exit_code == ExitCode.OK, result.output
    value = json.loads(result.stdout)
    jsonschema.validate(value, SCHEMA)
    return value


def test_gaps_of_epw_under_its_own_convention():
    # EPW's imag_iso files of that run: Delta(i omega_0) in meV at these temperatures.
    (entry,) = entries(
        MGB2,
        "--mu-star",
        "0.16",
        "--convention",
        "epw",
        "--cutoff",
        "500",
        "--temperatures",
        "5,12,19,26,33",
    )
    assert entry["convention"] == "epw"
    assert entry["omega_c_mev"] == 500.0
    assert entry["tc_k"] == pytest.approx(34.07, abs=0.005)
    assert entry["gap"]["temperature_k"] == [5.0, 12.0, 19.0, 26.0, 33.0]
    assert entry["gap"]["delta0_mev"] == pytest.approx([5.4748, 5.4333, 5.1206, 4.2121, 1.6978], rel=2e-4)
    assert 3.53 < entry["ratio_2delta_ktc"] < 4.0
    assert entry["thermodynamics"]["tc_k"] == pytest.approx(entry["tc_k"], rel=5e-3)


def test_all_conventions_side_by_side():
    found = {
        entry["convention"]: entry["tc_k"] for entry in entries(MGB2, "--convention", "all", "--tc-only")
    }
    assert list(found) == list(CONVENTIONS)
    # The same mu* binds least where it stands at the highest cutoff without being rescaled.
    assert found["asis"] > found["elk"] > found["isome"] > found["ebmb"]


def test_the_table_names_the_convention_and_shows_the_gap():
    result = htc(MGB2, "--mu-star", "0.16", "--temperatures", "5:30:3")
    assert result.exit_code == ExitCode.OK
    for text in ("asis", "2 Delta0", "gap edge", "17.5"):
        assert text in result.stdout


def test_a_real_axis_and_its_figure(tmp_path):
    figure = tmp_path / "mgb2.png"
    (entry,) = entries(MGB2, "--real-axis", "--temperatures", "5,30", "--plot", str(figure))
    axis = entry["real_axis"]
    assert axis["temperature_k"] == pytest.approx(5.0)
    assert axis["exact"]["edge_mev"] == pytest.approx(axis["pade"]["edge_mev"], rel=5e-3)
    dos = np.array([axis["dos"]["omega_mev"], axis["dos"]["ratio"]], dtype=float)
    inside = dos[1][dos[0] < 0.9 * axis["exact"]["edge_mev"]]
    assert np.nanmax(np.abs(inside)) < 0.01
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_nothing_superconducts_is_an_answer_not_an_error(tmp_path):
    path = tmp_path / "weak.dat"
    path.write_text("# w (meV) a2F\n10 0\n20 0.05\n30 0\n")
    (entry,) = entries(str(path), "--mu-star", "0.5", "--plot", str(tmp_path / "weak.svg"))
    assert entry["tc_k"] == 0.0
    assert entry["gap"]["temperature_k"] == []
    assert any(text.startswith("tc-zero: ") for text in entry["warnings"])
    assert "thermodynamics" not in entry


def test_one_bad_file_does_not_stop_the_rest():
    result = htc(BROKEN, MGB2, "--tc-only", "--json")
    assert result.exit_code in (ExitCode.OK, ExitCode.PARTIAL)
    missing = htc("nowhere.dat", MGB2, "--tc-only", "--json")
    assert missing.exit_code == ExitCode.PARTIAL
    assert len(json.loads(missing.stdout)) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--convention", "vasp"), "no convention is called 'vasp'"),
        (("--temperatures", "0,5"), "> 0 K"),
        (("--temperatures", "1:8"), "cannot read the temperatures"),
        (("--temperatures", "1:8:2000"), "cannot read the temperatures"),
        (("--cutoff", "10"), "above the highest phonon frequency"),
        (("--mu-star", "0.4", "--convention", "isome"), "grows without bound"),
        (("--tc-only", "--real-axis"), "--tc-only leaves out the gap"),
        (("--plot", "gap.doc"), "cannot draw"),
    ],
)
def test_bad_options_say_what_to_do(arguments, says, run):
    outcome = run("eliashberg", MGB2, *arguments)
    assert outcome.code == ExitCode.USAGE
    assert says in outcome.err


def test_smearings_of_one_file_each_have_their_row():
    value = entries(AL, "--tc-only")
    assert len(value) == 10
    assert value[0]["label"] == "degauss 0.005 Ry"
    assert all(entry["converged"] and entry["tc_k"] > 0.0 for entry in value)
    assert all("gap" not in entry for entry in value)


def test_a_density_of_states_that_varies(tmp_path):
    """Wide and flat it changes nothing; a dip at the Fermi level does."""
    energy = np.linspace(-20.0, 20.0, 801)
    shapes = {"flat": np.ones_like(energy), "dip": 1.0 - 0.5 * np.exp(-((energy / 0.3) ** 2))}
    tc = {}
    for name, density in shapes.items():
        file = tmp_path / f"{name}.dos"
        rows = "\n".join(f"{e:.4f} {d:.6f} 0.0" for e, d in zip(energy, density, strict=True))
        file.write_text(f"# E (eV) dos(E) Int dos(E) EFermi = 0.000 eV\n{rows}\n")
        (entry,) = entries(MGB2, "--dos", str(file), "--tc-only")
        assert entry["variable_dos"]["converged"]
        tc[name] = entry["variable_dos"]["tc_k"]
    assert tc["flat"] == pytest.approx(entry["tc_k"], rel=0.02)
    assert abs(tc["dip"] / tc["flat"] - 1.0) > 2e-3


def test_one_smearing_of_many(run):
    (entry,) = entries(AL, "--tc-only", "--label", "0.02 Ry")
    assert entry["label"] == "degauss 0.02 Ry"
    outcome = run("eliashberg", AL, "--label", "degauss 7")
    assert outcome.code == ExitCode.USAGE
    assert "degauss 0.05 Ry" in outcome.err


@pytest.fixture
def bands_file(tmp_path):
    """The two-band MgB2 of the examples in ebmb's layout."""
    from htc.examples.mgb2_two_bands import mgb2_two_bands

    spectrum = mgb2_two_bands().spectrum
    path = tmp_path / "bands.dat"
    columns = spectrum.alpha2f.reshape(spectrum.bands**2, -1)
    np.savetxt(path, np.column_stack([1e-3 * spectrum.omega_mev, columns.T]))
    return str(path)


def test_two_bands_have_two_gaps(bands_file):
    (entry,) = entries(
        bands_file, "--mu-matrix", "0.21,0.095;0.069,0.172", "--cutoff", "500", "--temperatures", "4,20"
    )
    assert entry["tc_k"] == pytest.approx(40.28, abs=0.02)
    sigma, pi = entry["bands"]["delta0_mev"]
    assert (sigma[0], pi[0]) == (pytest.approx(7.069, abs=5e-3), pytest.approx(2.434, abs=5e-3))
    assert np.array(entry["bands"]["lambda_ep"]) == pytest.approx(np.array([[1.017, 0.213], [0.155, 0.448]]))


def test_several_conventions_of_bands_in_a_table(bands_file, run):
    outcome = run(
        "eliashberg", bands_file, "--mu-matrix", "0.1,0.05;0.05,0.1", "--convention", "all", "--tc-only"
    )
    assert outcome.code == ExitCode.OK
    for name in CONVENTIONS:
        assert f"{name}, cutoff" in outcome.out


def test_matrices_and_columns_that_do_not_fit(bands_file, run):
    for arguments, says in (
        (("--mu-matrix", "0.1,0.2;0.3"), "is not a square matrix"),
        (("--mu-matrix", "0.1,x;0.3,0.1"), "is not a matrix of numbers"),
        (("--mu-matrix", "0.1"), "columns"),
        (("--mu-matrix", "-0.1,0;0,0.1"), "mu_star"),
        (("--mu-matrix", "0.1,0;0,0.1", "--real-axis"), "for one band"),
        ((), "--mu-matrix"),
    ):
        outcome = run("eliashberg", bands_file, *arguments)
        assert outcome.code == ExitCode.USAGE
        assert says in outcome.err


def test_one_convention_that_cannot_be_does_not_stop_the_others(bands_file):
    result = htc(bands_file, "--mu-matrix", "0.3,0;0,0.3", "--convention", "all", "--tc-only", "--json")
    assert result.exit_code == ExitCode.PARTIAL
    value = json.loads(result.stdout)
    jsonschema.validate(value, SCHEMA)
    assert [entry["convention"] for entry in value] == ["asis", "epw", "ebmb", "elk"]
    assert bands_file in result.stderr


def test_the_table_says_how_far_to_believe_the_real_axis():
    result = htc(MGB2, "--real-axis", "--temperatures", "5")
    assert "gap edge at 5 K: exact" in result.stdout
    assert "trusted" in result.stdout
