"""Hull distances from imported tables."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from htc.errors import FormulaError, InputError, NotFoundError
from htc.stability.table import import_table, look_up, tables

JARVIS = """jid,formula,formation_energy_per_atom,ehull
JVASP-1,MgB2,-0.15,0.04
JVASP-2,B4Mg2,-0.19,0.0
JVASP-3,NbC,-0.5,0.0145
JVASP-4,Xx2,-0.5,0.0
JVASP-5,TiN,nan,0.0
JVASP-6,TiC,,0.1
"""


@pytest.fixture
def jarvis(tmp_path: Path) -> Path:
    file = tmp_path / "dft_3d.csv.gz"
    file.write_bytes(gzip.compress(JARVIS.encode()))
    return file


def test_a_table_is_looked_up_by_composition_and_names_its_functional(jarvis: Path, tmp_path: Path) -> None:
    info = import_table(jarvis, tmp_path)
    assert (info.name, info.functional, info.rows, info.rejected) == ("jarvis-dft-3d", "OptB88vdW", 3, 3)
    for writing in ("MgB2", "B2Mg", "Mg2B4"):
        (answer,) = look_up(writing, tmp_path)
        assert (answer.entry_id, answer.hull_distance_ev, answer.crystals) == ("JVASP-2", 0.0, 2)
        assert "OptB88vdW" in answer.says
        assert "lowest of 2" in answer.says
    assert look_up("NaCl", tmp_path) == []


def test_importing_again_replaces(jarvis: Path, tmp_path: Path) -> None:
    first = import_table(jarvis, tmp_path)
    assert import_table(jarvis, tmp_path) == first
    assert tables(tmp_path) == [first]


def test_another_table_needs_its_functional_and_stands_beside_the_first(jarvis: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("id,formula,formation_energy_ev,hull_distance_ev,remark\na,MgB2,-0.2,0.01,x\n")
    with pytest.raises(InputError, match="functional"):
        import_table(own, tmp_path)
    import_table(own, tmp_path, functional="PBE")
    import_table(jarvis, tmp_path)
    answers = {a.table: (a.functional, a.hull_distance_ev) for a in look_up("MgB2", tmp_path)}
    assert answers == {"own": ("PBE", 0.01), "jarvis-dft-3d": ("OptB88vdW", 0.0)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "comma-separated"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "comma-separated"),
        (b"a,b\n1,2\n", "columns are a, b"),
        (b"jid,formula,formation_energy_per_atom,ehull\n", "no line"),
        (b"jid,formula,formation_energy_per_atom,ehull\nx,MgB2,low,0\n", "no line"),
    ],
    ids=["empty", "an image", "other columns", "no lines", "no numbers"],
)
def test_what_is_no_table_is_said(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message):
        import_table(file, tmp_path)
    assert tables(tmp_path) == []


def test_bad_names_and_formulas_and_missing_files(jarvis: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        import_table(tmp_path / "none.csv", tmp_path)
    with pytest.raises(InputError, match="name"):
        import_table(jarvis, tmp_path, name="../x")
    with pytest.raises(NotFoundError, match="no table"):
        look_up("MgB2", tmp_path)
    import_table(jarvis, tmp_path)
    with pytest.raises(FormulaError):
        look_up("Mg?", tmp_path)


def test_a_damaged_table_is_said(jarvis: Path, tmp_path: Path) -> None:
    import_table(jarvis, tmp_path)
    (tmp_path / "tables/jarvis-dft-3d.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="not an imported table"):
        look_up("MgB2", tmp_path)


@pytest.mark.data
def test_jarvis_dft_3d(tmp_path: Path) -> None:
    data = os.environ.get("HTC_DATA")
    if not data:
        pytest.skip("HTC_DATA is not set")
    info = import_table(Path(data) / "hull/jarvis_dft_3d.csv.gz", tmp_path)
    assert info.rows + info.rejected == 75_993
    assert info.rejected < 10
    assert look_up("MgB2", tmp_path)[0].hull_distance_ev == 0.0
