"""A pack that holds is said to hold; whatever was changed in one is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.evidence.conftest import KINDS, sources_of
from typer.testing import CliRunner

from htc.cli import app
from htc.cli.exit_codes import ExitCode
from htc.errors import InputError
from htc.evidence import build_pack, verify_pack
from htc.evidence.pack import zip_bytes
from htc.prediction import Prediction

Files = Mapping[str, bytes]
Repacked = Callable[..., bytes]

ALL_FILES = {
    "surrogate": (
        "README.md", "environment.json", "figures/alpha2f.svg", "input/structure.cif", "input/structure.json",
        "manifest-sha256.txt", "model/card.json", "model/experiment.json", "prediction.json",
        "prediction.schema.json", "ro-crate-metadata.json", "ro-crate-preview.html", "spectrum/alpha2f.csv",
        "spectrum/alpha2f.dat", "spectrum/alpha2f.json", "worksheet.html", "worksheet.json", "worksheet.md",
    )
}  # fmt: skip


def test_what_was_packed_comes_out(kind: str, packs: Mapping[str, Files]) -> None:
    found = verify_pack(zip_bytes(packs[kind]))
    assert found.holds, found.summary
    assert not [check for check in found.checks if check.status == "unchecked"]
    names = {group.name for group in found.groups()}
    assert {"files", "record", "worksheet", "model", "words"} <= names
    if kind != "refusal":
        assert "theory" in names
        assert any(c.what.startswith("tc_predicted") and c.group == "model" for c in found.checks)


def test_the_list_of_files_is_the_pack(packs: Mapping[str, Files]) -> None:
    assert set(ALL_FILES["surrogate"]) == set(packs["surrogate"])


@pytest.mark.parametrize("path", ALL_FILES["surrogate"])
def test_a_changed_byte_is_named(path: str, packs: Mapping[str, Files], repacked: Repacked) -> None:
    files = dict(packs["surrogate"])
    middle = len(files[path]) // 2
    swapped = b"8" if files[path][middle : middle + 1] != b"8" else b"9"
    files[path] = files[path][:middle] + swapped + files[path][middle + 1 :]
    found = verify_pack(repacked(files, sealed=False), with_model=False)
    assert not found.holds
    if path != "manifest-sha256.txt":
        assert path in found.wrong_files


@pytest.mark.parametrize("path", ALL_FILES["surrogate"])
def test_a_missing_file_is_named(path: str, packs: Mapping[str, Files], repacked: Repacked) -> None:
    files = {name: content for name, content in packs["surrogate"].items() if name != path}
    found = verify_pack(repacked(files, sealed=False), with_model=False)
    assert not found.holds
    assert path in found.wrong_files


def test_a_file_too_many_is_named(packs: Mapping[str, Files], repacked: Repacked) -> None:
    files = {**packs["refusal"], "input/more.txt": b"more"}
    for sealed in (False, True):
        found = verify_pack(repacked(files, sealed=sealed), with_model=False)
        assert "input/more.txt" in found.wrong_files


@pytest.mark.parametrize("path", [p for p in ALL_FILES["surrogate"] if p != "manifest-sha256.txt"])
def test_a_change_under_a_new_seal_is_named_too(
    path: str, packs: Mapping[str, Files], repacked: Repacked
) -> None:
    """Checksums that fit again hide nothing: every file follows from the record, the inputs and the model."""
    files = dict(packs["surrogate"])
    text = files[path].decode()
    # The longest number of the file, 7 % larger; where there is none, a word.
    numbers = sorted(re.findall(r"(?<![\w.+-])[1-9]\d*\.\d+(?![\w.])", text), key=len)
    changed = (
        text.replace(numbers[-1], f"{float(numbers[-1]) * 1.07:.8f}")
        if numbers
        else text.replace("a", "b", 1)
    )
    assert changed != text
    files[path] = changed.encode()
    found = verify_pack(repacked(files, sealed=True))
    assert not found.holds, path
    named = set(found.wrong_files)
    # What others are computed from shows in these: the crystal's cell in the prediction made from it.
    assert path in named or named & {"prediction.json", "worksheet.json", "ro-crate-metadata.json"}, (
        path,
        named,
    )


def change(files: Files, path: str, **values: Any) -> dict[str, bytes]:
    content = json.loads(files[path])
    content |= values
    return {
        **files,
        path: (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode(),
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tc_predicted", 14.0),
        ("lambda_ep", 1.4),
        ("omega_log", 150.0),
        ("omega_2", 180.0),
        ("mu_star", 0.1),
        ("tc_lower_95ci", 12.0),
        ("tc_upper_95ci", 15.0),
        ("tc_experiment", 18.3),
        ("tc_experiment_lower_95ci", 10.0),
        ("tc_uncertainty", 0.1),
        ("lambda_ep_uncertainty", 0.01),
        ("xi_parameter", 0.5),
        ("confidence_level", "low"),
        ("family", "boride"),
        ("model_tier", "best"),
        ("input_hash", "0" * 64),
        ("extrapolation_warning", True),
        ("pressure_required_gpa", 10.0),
        ("composition", "Nb3 Ge1"),
    ],
)
def test_every_number_of_the_record_is_recomputed(
    field: str, value: Any, packs: Mapping[str, Files], repacked: Repacked
) -> None:
    files = change(packs["crystal"], "prediction.json", **{field: value})
    found = verify_pack(repacked(files, sealed=True))
    assert not found.holds
    assert any(
        field in check.what or check.group in {"model", "structure"}
        for check in found.checks
        if check.status == "differs"
    )


@pytest.mark.parametrize(
    ("field", "value"), [("tc_lower_95ci", 30.0), ("tc_uncertainty", 1.0), ("omega_2", 800.0)]
)
def test_the_record_of_a_given_spectrum_is_recomputed(
    field: str, value: float, packs: Mapping[str, Files], repacked: Repacked
) -> None:
    files = change(packs["measured"], "prediction.json", **{field: value})
    found = verify_pack(repacked(files, sealed=True))
    assert any(field in c.what and c.status == "differs" for c in found.checks)


def test_another_version_is_said_and_its_words_left_alone(
    packs: Mapping[str, Files], repacked: Repacked
) -> None:
    files = change(packs["crystal"], "environment.json", htc="0.0.1")
    files["README.md"] = b"# Another README\n"
    found = verify_pack(repacked(files, sealed=True))
    assert found.holds
    assert found.made_by == "0.0.1"
    said = [c for c in found.checks if c.status == "unchecked"]
    assert {c.where for c in said} >= {"README.md"}
    assert all("0.0.1" in str(c.note) for c in said)


def test_stability_is_in_the_pack_and_its_hash_is_left_alone(
    predictions: Mapping[str, Prediction],
) -> None:
    known = replace(
        predictions["crystal"],
        phonon_stable=True,
        phonon_verdict="stable",
        imaginary_modes_count=0,
        lowest_frequency_thz=0.1,
        hull_distance_ev=0.012,
        hull_competitors=7,
        thermo_stable=False,
        stability_potential="SevenNet-l3i5",
        input_hash="5" * 64,
    )
    files = build_pack(sources_of(known)).files
    for words in (b"SevenNet-l3i5", b"0.012 eV/atom", b"7 competitors"):
        assert words in files["worksheet.md"]
    found = verify_pack(zip_bytes(files))
    assert found.holds, found.summary
    assert [c.what for c in found.checks if c.status == "unchecked"] == ["input_hash"]


def test_a_model_that_is_not_installed_is_said(packs: Mapping[str, Files], repacked: Repacked) -> None:
    files = dict(packs["crystal"])
    card = json.loads(files["model/card.json"])
    card["weights"]["sha256"] = "ab" * 32
    identity = f"{card['name']}-{card['version']}+{'ab' * 6}"
    files = change(files, "model/card.json", weights=card["weights"])
    files = change(files, "prediction.json", model_id=identity)
    found = verify_pack(repacked(files, sealed=True))
    said = [c for c in found.checks if c.status == "unchecked"]
    assert any(identity in str(c.note) for c in said)
    assert not any(c.status == "differs" and c.group == "model" for c in found.checks)


def test_the_expressions_of_a_pack_do_nothing_but_arithmetic(
    packs: Mapping[str, Files], repacked: Repacked
) -> None:
    files = dict(packs["composition"])
    sheet = json.loads(files["worksheet.json"])
    step = next(section for section in sheet["sections"] if section["steps"])["steps"][0]
    for expression in ("__import__('os').system('true')", "9**9**9**9**9", "(" * 5000, 7, None, ["x"]):
        step["expression"] = expression
        files["worksheet.json"] = json.dumps(sheet).encode()
        found = verify_pack(repacked(files, sealed=True), with_model=False)
        assert "worksheet.json" in found.wrong_files


BROKEN_JSON = [
    b"", b"null", b"[]", b"7", b'"x"', b"{", b"\xff\xfe", b"[" * 5000, b'{"a": NaN}', b'{"a": 1e999}',
    b'{"a": ' + b"9" * 6000 + b"}", b'{"a": 1, "a": 2}', b'{"sections": 5}', b'{"sections": [1, null, {}]}',
    b'{"sections": [{"id": 1, "steps": [{"symbol": 1}], "outcomes": [1], "given": [2]}], "given": 3}',
    b'{"@graph": [{"@id": "./", "license": 4}]}', b'{"htc": {"a": []}}', b'{"lattice": 1, "sites": 2}',
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (path, number)
        for path in ALL_FILES["surrogate"]
        if path.endswith(".json")
        # The two that most follows from meet all of them, the others every third.
        for number in range(0, len(BROKEN_JSON), 1 if path in {"prediction.json", "worksheet.json"} else 3)
    ],
)
def test_json_of_any_form_gives_an_answer(
    path: str, number: int, packs: Mapping[str, Files], repacked: Repacked
) -> None:
    files = {**packs["surrogate"], path: BROKEN_JSON[number]}
    found = verify_pack(repacked(files, sealed=True), with_model=False)
    assert not found.holds
    assert path in found.wrong_files or {"worksheet.json", "prediction.json"} & set(found.wrong_files)


@pytest.mark.parametrize(
    "content",
    [b"", b"omega_mev,alpha2f\n1,2\n", b"\xff" * 50, b"x" * 1000],
    ids=["empty", "columns", "bytes", "letters"],
)
def test_tables_of_any_form_give_an_answer(
    content: bytes, packs: Mapping[str, Files], repacked: Repacked
) -> None:
    for path in ("spectrum/alpha2f.csv", "spectrum/alpha2f.dat"):
        found = verify_pack(repacked({**packs["measured"], path: content}, sealed=True), with_model=False)
        assert path in found.wrong_files


@pytest.mark.parametrize(
    "row", ["1e308,1e308,0,0,0,0", "nan,1,0,0,0,0", "-5,1,0,0,0,0", "1,inf,0,0,0,0", "1,2", "1,2,3,4,5,6,7"]
)
def test_rows_that_no_spectrum_has_give_an_answer(
    row: str, packs: Mapping[str, Files], repacked: Repacked
) -> None:
    path = "spectrum/alpha2f.csv"
    lines = packs["measured"][path].decode().splitlines()
    lines[5] = row
    files = {**packs["measured"], path: ("\n".join(lines) + "\n").encode()}
    found = verify_pack(repacked(files, sealed=True), with_model=False)
    assert path in found.wrong_files


# -- the command -----------------------------------------------------------------------------------------


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["evidence", *arguments])


@pytest.mark.parametrize("kind_", KINDS)
def test_the_command_says_that_a_pack_holds(kind_: str, packs: Mapping[str, Files], tmp_path: Path) -> None:
    file = tmp_path / "pack.zip"
    file.write_bytes(zip_bytes(packs[kind_]))
    ran = run("verify", str(file))
    assert ran.exit_code == ExitCode.OK
    assert "everything comes out" in ran.stdout


def test_the_command_names_what_does_not_come_out(
    packs: Mapping[str, Files], tmp_path: Path, repacked: Repacked
) -> None:
    file = tmp_path / "pack.zip"
    file.write_bytes(repacked(change(packs["crystal"], "prediction.json", tc_predicted=15.0), sealed=True))
    ran = run("verify", str(file))
    assert ran.exit_code == ExitCode.FAILED
    assert "DIFFERS" in ran.stdout
    assert "prediction.json" in ran.stdout
    told = json.loads(run("verify", str(file), "--no-model", "--json").stdout)
    assert told["holds"] is False
    assert "prediction.json" in told["wrong_files"]
    row = next(c for c in told["checks"] if c["what"].startswith("tc_predicted (K)"))
    assert row["stated"] == 15.0
    assert row["again"] == pytest.approx(13.86, abs=0.1)
    assert row["status"] == "differs"


def test_no_pack_is_an_error_of_the_input(tmp_path: Path) -> None:
    ran = run("verify", str(tmp_path / "nothing.zip"))
    assert isinstance(ran.exception, InputError)
    (tmp_path / "empty.zip").write_bytes(b"")
    assert isinstance(run("verify", str(tmp_path / "empty.zip")).exception, InputError)
