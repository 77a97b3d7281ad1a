"""Inputs: what a person gives becomes a stream in which one bad item never stops the others."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from htc.materials.structures import InputItem, Limits, iter_inputs

NB_CIF = str(CifWriter(Structure(Lattice.cubic(3.3004), ["Nb", "Nb"], [[0, 0, 0], [0.5, 0.5, 0.5]])))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    (tmp_path / "a.cif").write_text(NB_CIF)
    (tmp_path / "b" / "POSCAR").write_text("Nb\n1.0\n3.3 0 0\n0 3.3 0\n0 0 3.3\nNb\n1\ndirect\n0 0 0\n")
    (tmp_path / "b" / "broken.cif").write_text(NB_CIF[:-40])
    (tmp_path / ".hidden.cif").write_text("x")
    (tmp_path / "readme.txt").write_text("x")
    return tmp_path


def kinds(items: list[InputItem]) -> list[str]:
    return [item.kind for item in items]


def errors(items: list[InputItem]) -> list[str]:
    return [item.error.what for item in items if item.error]


def test_items_come_in_order_and_faults_stay_with_their_item(folder: Path) -> None:
    items = list(iter_inputs(["MgB2", folder, "Mg2B?", str(folder / "a.cif"), "gone.cif"]))
    assert kinds(items) == ["formula", "structure", "structure", "error", "error", "structure", "error"]
    assert items[0].source == "MgB2"
    assert items[1].source.endswith("a.cif")
    assert items[0].composition is not None
    assert items[0].composition.reduced_formula == "MgB2"
    assert items[1].structure is not None
    assert items[-1].error is not None
    assert items[-1].error.what == "no such file"
    assert all(item.error.where for item in items if item.error)


@pytest.mark.parametrize("text", ["gone.cif", "dir/MgB2", "./MgB2", "POSCAR_3", "x.json", "results.zip"])
def test_what_looks_like_a_path_is_not_taken_for_a_formula(text: str) -> None:
    assert errors(list(iter_inputs([text]))) == ["no such file"]


@pytest.mark.parametrize("text", ["La1.85Sr0.15CuO4", "MgB2", "YBa2Cu3O6.9"])
def test_what_looks_like_a_formula_is_one(text: str) -> None:
    assert kinds(list(iter_inputs([text]))) == ["formula"]


def test_an_existing_path_wins_over_a_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("MgB2").write_text(NB_CIF)
    (item,) = iter_inputs(["MgB2"])
    assert item.kind == "structure"


def test_nothing_is_read_before_it_is_asked_for(folder: Path) -> None:
    stream = iter_inputs([folder / "a.cif", folder / "b" / "POSCAR"])
    next(stream)
    (folder / "b" / "POSCAR").unlink()
    assert next(stream).kind == "error"


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    assert errors(list(iter_inputs([tmp_path]))) == ["the folder holds no structure files"]


def test_a_folder_that_links_to_itself_ends(folder: Path) -> None:
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    assert len(list(iter_inputs([folder]))) == 3


@pytest.mark.parametrize("text", ["", " ", "\x00", "A" * 5000, "/" + "x" * 5000])
def test_strange_arguments_are_errors_not_crashes(text: str) -> None:
    assert kinds(list(iter_inputs([text]))) == ["error"]


# -- archives ------------------------------------------------------------------------------------------


def archive(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as stream:
        for name, content in members.items():
            stream.writestr(name, content)
    return path


def test_members_are_read_in_natural_order(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "many.zip", {f"s/{i}.cif": NB_CIF for i in (10, 9, 1)} | {"LICENSE": "x", "s/": ""}
    )
    items = list(iter_inputs([path]))
    assert [item.source.rpartition("/")[2] for item in items] == ["1.cif", "9.cif", "10.cif"]
    assert kinds(items) == ["structure"] * 3


def test_hostile_archives(tmp_path: Path) -> None:
    path = archive(
        tmp_path / "bad.zip",
        {
            "../../escape.cif": NB_CIF,
            "/abs.cif": NB_CIF,
            "bomb.cif": b"0" * 60_000_000,
            "deep.zip": b"PK",
            "good.cif": NB_CIF,
        },
    )
    items = {item.source.rpartition("/")[2]: item for item in iter_inputs([path])}
    assert items["good.cif"].kind == "structure"
    assert "outside the archive" in items["escape.cif"].error.what  # type: ignore[union-attr]
    assert "outside the archive" in items["abs.cif"].error.what  # type: ignore[union-attr]
    assert "60.0 MB unpacked" in items["bomb.cif"].error.what  # type: ignore[union-attr]
    assert "archive within an archive" in items["deep.zip"].error.what  # type: ignore[union-attr]
    assert not (tmp_path.parent / "escape.cif").exists()


def test_a_member_larger_than_it_claims(tmp_path: Path) -> None:
    path = archive(tmp_path / "liar.zip", {"x.cif": b"0" * 400_000})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = data.index(signature) + offset
        data[at : at + 4] = struct.pack("<I", 100)
    path.write_bytes(data)
    assert kinds(list(iter_inputs([path], Limits(max_bytes=1000)))) == ["error"]


def test_archives_that_cannot_be_read(tmp_path: Path) -> None:
    cut = archive(tmp_path / "cut.zip", {"x.cif": NB_CIF * 50})
    cut.write_bytes(cut.read_bytes()[:-30])
    empty = archive(tmp_path / "empty.zip", {"LICENSE": "x"})
    crowd = archive(tmp_path / "crowd.zip", {f"{i}.cif": "" for i in range(20)})
    found = errors(list(iter_inputs([cut, empty, crowd], Limits(max_members=10))))
    assert found[0].startswith("not a readable zip archive")
    assert found[1:] == [
        "the archive holds no structure files",
        "the archive has 20 entries, more than the limit of 10",
    ]


def test_a_damaged_member_stays_alone(tmp_path: Path) -> None:
    path = archive(tmp_path / "x.zip", {"a.cif": NB_CIF, "b.cif": NB_CIF})
    data = bytearray(path.read_bytes())
    at = data.index(b"a.cif") + len("a.cif") + 20
    data[at : at + 10] = b"\xff" * 10
    path.write_bytes(data)
    assert kinds(list(iter_inputs([path]))) == ["error", "structure"]
