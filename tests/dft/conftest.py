"""Pseudopotentials that are nothing but headers, and a finished run of our own to be damaged."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

_HEADER = """<UPF version="2.0.1">
<PP_INFO>
Suggested minimum cutoff for wavefunctions: {wave}. Ry
</PP_INFO>
<PP_HEADER element="{element}" pseudo_type="{kind}" is_paw="{paw}" functional="{functional}"
 z_valence="{electrons}" wfc_cutoff="{wave}" rho_cutoff="{density}" has_so="F"/>
<PP_MESH>
"""

Upf = Callable[..., Path]


@pytest.fixture
def upf(tmp_path: Path) -> Upf:
    """``upf("Nb", wave=50)`` writes a file of headers into one folder and returns the folder."""
    folder = tmp_path / "pseudo"
    folder.mkdir()

    def write(
        element: str,
        *,
        name: str | None = None,
        kind: str = "US",
        functional: str = "PBE",
        electrons: float = 3.0,
        wave: float = 0.0,
        density: float = 0.0,
    ) -> Path:
        text = _HEADER.format(
            element=element,
            kind=kind,
            paw="T" if kind == "PAW" else "F",
            functional=functional,
            electrons=electrons,
            wave=wave,
            density=density,
        )
        (folder / (name or f"{element}.UPF")).write_text(text, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def aluminium() -> Structure:
    """The conventional cell, four atoms."""
    return Structure(
        Lattice.cubic(4.05), ["Al"] * 4, [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    )


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A copy of aluminium on 2 x 2 x 2 q points, prepared by `htc dft prepare` and run with QE 6.7."""
    with tarfile.open(Path(__file__).parent / "al_2x2x2.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "al_2x2x2"


@pytest.fixture
def own_spectra() -> Path:
    """The laboratory's own runs of Quantum ESPRESSO and EPW."""
    folder = os.environ.get("HTC_DATA")
    if not folder:
        pytest.skip("HTC_DATA is not set")
    return Path(folder) / "spectra" / "own"
