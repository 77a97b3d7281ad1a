"""``htc predict``: the JSON contract, mixed and bad input, and whatever can happen to the database."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from htc.cli.exit_codes import ExitCode
from htc.settings import Settings
from htc.store import Database
from htc.store.embedded import EmbeddedServer

Run = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]
Rows = Callable[[Database], dict[str, Any]]
Example = Callable[[str], Path]

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/predict.schema.json").read_text("utf-8"))
CONTRACT = (
    "source", "reduced_formula", "tc_predicted", "tc_lower_95ci", "tc_upper_95ci", "tc_uncertainty",
    "lambda_ep", "omega_log", "mu_star", "xi_parameter", "prediction_method", "confidence_level",
    "extrapolation_warning", "applicable", "reason", "id", "error",
)  # fmt: skip


def entries(said: str) -> list[dict[str, Any]]:
    value = json.loads(said)
    jsonschema.validate(value, SCHEMA)
    return value


def test_json_contract(run: Run, database_in_settings: Database, rows: Rows) -> None:
    done = run("predict", "MgB2", "YBa2Cu3O7", "Mg2B?", "--json", "--mu-star", "0.1")
    metal, refused, bad = entries(done.out)
    assert done.code == ExitCode.PARTIAL
    for entry in (metal, refused, bad):
        assert tuple(entry)[: len(CONTRACT)] == CONTRACT
    assert (metal["source"], metal["reduced_formula"], metal["mu_star"]) == ("MgB2", "MgB2", 0.1)
    assert metal["tc_lower_95ci"] <= metal["tc_predicted"] <= metal["tc_upper_95ci"]
    assert metal["applicable"] is True
    assert metal["reason"] is metal["error"] is None
    assert (refused["applicable"], refused["tc_predicted"], refused["error"]) == (False, None, None)
    assert refused["reason"]
    assert {k for k, v in bad.items() if v is not None} == {"source", "error"}
    assert "'?' is not an element" in bad["error"]
    assert rows(database_in_settings)["predictions"] == 2


def test_files_folders_archives_and_formulas_in_one_go(
    run: Run, database_in_settings: Database, tmp_path: Path, example: Example
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("Al.cif", "Pb.vasp", "broken.cif"):
        (folder / name).write_bytes(example(name).read_bytes())
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        archive.write(example("V.json"), "below/V.json")
        archive.write(example("NbC.cif"), "NbC.cif")
        archive.writestr("readme.txt", "not a structure")
    done = run("predict", "Nb3Sn", folder, tmp_path / "pack.zip", example("MgB2.cif"), "--json")
    assert done.code == ExitCode.PARTIAL
    found = entries(done.out)
    assert [Path(entry["source"]).name for entry in found] == [
        "Nb3Sn", "Al.cif", "Pb.vasp", "broken.cif", "NbC.cif", "V.json", "MgB2.cif",
    ]  # fmt: skip
    assert [entry["error"] is None for entry in found] == [True, True, True, False, True, True, True]
    assert str(tmp_path / "pack.zip/below/V.json") in {entry["source"] for entry in found}


def test_the_same_question_twice_is_stored_once(run: Run, database_in_settings: Database, rows: Rows) -> None:
    (first,) = entries(run("predict", "MgB2", "--json").out)
    again, twice = entries(run("predict", "MgB2", "Mg2B4", "--json").out)
    assert first["id"] == again["id"] == twice["id"]
    assert rows(database_in_settings)["predictions"] == 1
    assert "1 stored as new" in run("predict", "MgB2", "Nb").err
    assert "0 stored as new" in run("predict", "MgB2", "Nb").err


def test_the_ranking_is_refreshed_after_a_run(run: Run, database_in_settings: Database) -> None:
    run("predict", "Nb3Sn", "Al")
    ranked = json.loads(run("top", "--formulas", "--json").out)
    assert ranked[0]["structure_formula"] == "Nb3Sn"


def test_nothing_is_stored_on_request(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HTC_HOME", str(tmp_path / "untouched"))
    done = run("predict", "Nb", "--no-store", "--json")
    (entry,) = entries(done.out)
    assert (done.code, entry["id"]) == (0, None)
    assert entry["tc_predicted"] > 0
    assert not (tmp_path / "untouched").exists()
    assert "nothing stored" in run("predict", "Nb", "--no-store").err


def test_the_table_says_what_matters(run: Run) -> None:
    done = run("predict", "Nb3Sn", "YBa2Cu3O7", "H3S", "--pressure", "155", "--no-store")
    for text in (
        "Nb3Sn",
        "Ba2YCu3O7",
        "cuprate",
        "low",
        "155 GPa: the model was trained at ambient pressure",
    ):
        assert text in done.out
    assert done.code == 0
    assert "3 inputs: 2 predicted, 1 outside the theory, 0 not readable" in done.err


def test_a_plot_is_written(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "tc.png"
    assert run("predict", "Nb", "NbC", "--no-store", "--plot", picture).code == 0
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")
    done = run("predict", "Nb", "--no-store", "--plot", tmp_path / "tc.bmp")
    assert done.code == ExitCode.USAGE
    assert "cannot draw a .bmp file" in done.err
    done = run("predict", "Nb", "--no-store", "--plot", tmp_path / "absent/tc.png")
    assert done.code not in {ExitCode.OK, ExitCode.FAILED}
    assert "the folder for the figure does not exist" in done.err
    # Both are said before anything is computed.
    assert done.out == ""


CELL = "TiAl\n1.0\n3.1 0 0\n0 3.1 0\n0 0 3.1\nTi Al\n1 1\nDirect\n0 0 0\n{x} {x} {x}\n"


def many_atoms(n: int) -> str:
    edge = 3.0 * n
    lines = "\n".join(f"0 0 {i / n:.6f}" for i in range(n))
    return f"Nb\n1.0\n6 0 0\n0 6 0\n0 0 {edge}\nNb\n{n}\nDirect\n{lines}\n"


def cif(example: Example, *, cut: float = 1.0, half: bool = False) -> str:
    text = example("MgB2.cif").read_text()
    if half:
        lines = text.rstrip().splitlines()
        return "\n".join([*lines[:-1], " ".join([*lines[-1].split()[:-1], "0.5"])]) + "\n"
    return text[: int(len(text) * cut)]


Write = Callable[[Path, Example], Any]
BAD: dict[str, tuple[str, Write, str]] = {
    "empty file": ("a.cif", lambda p, _: p.write_bytes(b""), "the file is empty"),
    "blank file": ("a.cif", lambda p, _: p.write_text("\n \n"), "the file is empty"),
    "truncated CIF": ("a.cif", lambda p, e: p.write_text(cif(e, cut=0.5)), "CIF"),
    "disordered sites": (
        "a.cif",
        lambda p, e: p.write_text(cif(e, half=True)),
        "is disordered or partly occupied",
    ),
    "500 atoms": (
        "a.vasp",
        lambda p, _: p.write_text(many_atoms(500)),
        "the cell has 500 sites, more than the limit of 200",
    ),
    "overlapping atoms": (
        "a.vasp",
        lambda p, _: p.write_text(CELL.format(x=0.01)),
        "are 0.05 Å apart, less than 0.5 Å",
    ),
    "binary junk": ("a.cif", lambda p, _: p.write_bytes(bytes(range(256)) * 20), "is binary, not text"),
    "200 MB": ("a.cif", lambda p, _: sparse(p), "the file has 200.0 MB, more than the limit of 5 MB"),
    "a letter": ("a.cif", lambda p, _: p.write_text("dear all,\n"), "not a structure in a known format"),
    "no archive": ("a.zip", lambda p, _: p.write_bytes(b"PK\x03\x04junk"), "not a readable zip archive"),
    "no file": ("a.cif", lambda p, _: None, "no such file"),
    "empty folder": ("a", lambda p, _: p.mkdir(), "the folder holds no structure files"),
}


def sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(200_000_000)


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_named_and_does_not_stop_the_rest(
    run: Run, tmp_path: Path, example: Example, kind: str
) -> None:
    name, write, message = BAD[kind]
    path = tmp_path / name
    write(path, example)
    alone = run("predict", path, "--no-store", "--json")
    assert alone.code == ExitCode.FAILED
    (entry,) = entries(alone.out)
    assert message in entry["error"]
    assert str(path) in entry["error"]
    assert entry["tc_predicted"] is None
    beside = run("predict", path, "Nb", "--no-store")
    assert beside.code == ExitCode.PARTIAL
    assert "1 predicted" in beside.err
    assert "1 not readable" in beside.err


@pytest.mark.parametrize("formula", ["Mg2B?", " ", "mgb2x", "Zz", "Mg-1", "H" * 400, "../etc/passwd"])
def test_bad_formulas_are_errors_never_another_material(run: Run, formula: str) -> None:
    done = run("predict", "--no-store", "--json", "--", formula)
    assert done.code == ExitCode.FAILED
    (entry,) = entries(done.out)
    assert entry["error"]
    assert entry["reduced_formula"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pressure", "-5"), "pressure must be between 0 and 1000 GPa, not -5"),
        (("--pressure", "nan"), "pressure must be between 0 and 1000 GPa, not nan"),
        (("--pressure", "deep"), "Invalid value for '--pressure'"),
        (("--mu-star", "-0.1"), "mu* must be between 0 and 0.5, not -0.1"),
        (("--mu-star", "nan"), "mu* must be between 0 and 0.5"),
        (("--no-such-option",), "No such option"),
    ],
)
def test_options_out_of_range(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run("predict", "Nb", *arguments)
    assert done.code == ExitCode.USAGE
    assert message in done.err
    assert done.out == ""


def test_no_input_is_a_usage_error(run: Run) -> None:
    assert run("predict").code == ExitCode.USAGE


def test_a_file_in_the_way_of_the_data_folder(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "home").write_text("in the way")
    monkeypatch.setenv("HTC_HOME", str(tmp_path / "home"))
    done = run("predict", "Nb")
    assert done.code == ExitCode.DATABASE
    assert str(tmp_path / "home") in done.err
    assert done.out == ""
    assert (tmp_path / "home").read_text() == "in the way"


def test_a_disk_without_room(start: Start, tmpfs: Callable[[str], Path]) -> None:
    home = tmpfs("size=12m")
    process = start(home, "predict", "Nb", "NbC")
    out, err = process.communicate(timeout=120)
    assert process.returncode == ExitCode.DATABASE
    assert "Traceback" not in err
    assert "room" in err or "space" in err
    assert out == ""


def test_a_disk_that_fills_up_between_runs(
    start: Start, tmpfs: Callable[[str], Path], ready_home: Path, many_files: Path, rows: Rows
) -> None:
    import shutil

    home = tmpfs("size=120m")
    shutil.copytree(ready_home / "postgres", home / "postgres")
    filler = home / "filler"
    room = shutil.disk_usage(home).free
    filler.write_bytes(b"\0" * (room - 300_000))
    process = start(home, "predict", many_files)
    _, err = process.communicate(timeout=120)
    assert process.returncode == ExitCode.DATABASE, err
    assert "Traceback" not in err
    filler.unlink()
    process = start(home, "predict", many_files)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    with Database.open(Settings(home=home)) as database:
        assert rows(database) == {
            "predictions": 300, "hashes": 300, "bete_runs": 300, "without_their_run": 0,
        }  # fmt: skip


def wait_for_rows(home: Path, process: subprocess.Popen[str], rows: Rows) -> None:
    """Until the first hundred are stored, while the rest is still on its way."""
    deadline = time.monotonic() + 120
    with Database.open(Settings(home=home)) as database:
        while rows(database)["predictions"] < 100:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_killed_in_the_middle_it_goes_on_where_it_stopped(
    start: Start, home: Path, many_files: Path, rows: Rows
) -> None:
    process = start(home, "predict", many_files, "--json")
    wait_for_rows(home, process, rows)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    with Database.open(Settings(home=home)) as database:
        left = rows(database)
    assert left["predictions"] in {100, 200}
    assert left["bete_runs"] == left["hashes"] == left["predictions"]
    assert left["without_their_run"] == 0
    again = start(home, "predict", many_files, "--json")
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert len({entry["id"] for entry in entries(out)}) == 300
    with Database.open(Settings(home=home)) as database:
        assert rows(database) == {
            "predictions": 300, "hashes": 300, "bete_runs": 300, "without_their_run": 0,
        }  # fmt: skip


def test_interrupted_by_a_person_it_says_what_is_stored(
    start: Start, home: Path, many_files: Path, rows: Rows
) -> None:
    process = start(home, "predict", many_files)
    wait_for_rows(home, process, rows)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "predictions are stored" in err
    assert "Traceback" not in err
    assert EmbeddedServer(home).status().state == "stopped"


def test_the_database_dies_in_the_middle(start: Start, home: Path, many_files: Path, rows: Rows) -> None:
    import os

    process = start(home, "predict", many_files)
    wait_for_rows(home, process, rows)
    pid = EmbeddedServer(home).status().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == ExitCode.DATABASE
    assert "error" in err
    assert "predictions are stored" in err
    assert "Traceback" not in err
    assert out == ""
    with Database.open(Settings(home=home)) as database:
        left = rows(database)
    assert left["predictions"] in {100, 200}
    assert left["bete_runs"] == left["predictions"]
    assert left["without_their_run"] == 0
