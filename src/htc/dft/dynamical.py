"""Dynamical matrices as ph.x writes them: wave vectors, frequencies, and the crystal in their head."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import SpectrumError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["DynamicalMatrix", "QMesh", "read_dynamical_matrix", "read_q_mesh"]

FloatArray = NDArray[np.float64]

BOHR_ANGSTROM: Final = 0.529177210903
"""CODATA 2018, as Quantum ESPRESSO has it."""
_STAR: Final = re.compile(r"^\s*Dynamical\s+Matrix in cartesian axes", re.MULTILINE)
_FREQUENCY: Final = re.compile(r"freq\s*\(\s*\d+\)\s*=\s*(\S+)\s*\[THz\]")
_Q: Final = re.compile(r"Diagonalizing the dynamical matrix\s+q = \(\s*(\S+)\s+(\S+)\s+(\S+)\s*\)")


@dataclass(frozen=True, slots=True)
class QMesh:
    """``PREFIX0``: the mesh, and the q points that symmetry leaves of it."""

    file: Path
    mesh: tuple[int, int, int]
    points: FloatArray
    """2 pi/alat, shape ``(n, 3)``."""

    @property
    def prefix(self) -> str:
        """What the files of the q points are called, without their number."""
        return self.file.name[:-1]


@dataclass(frozen=True, slots=True)
class DynamicalMatrix:
    """One ``PREFIXn``."""

    file: Path
    q: FloatArray
    """2 pi/alat, shape ``(3,)``."""
    frequencies_thz: FloatArray
    """Shape ``(modes,)``, negative where imaginary."""
    star: int
    """How many points of the mesh it stands for."""
    symbols: tuple[str, ...]
    """Of the atoms."""
    structure: Structure | None
    """None where the lattice is given by a Bravais index rather than by vectors."""


def read_q_mesh(file: Path) -> QMesh:
    """Read the list of q points.

    Raises:
        SpectrumError: it is damaged.
    """
    try:
        lines = file.read_text(encoding="latin-1").split("\n")
        a, b, c = (int(token) for token in lines[0].split())
        count = int(lines[1])
        points = np.array([[float(t) for t in line.split()] for line in lines[2 : 2 + count]])
    except (OSError, ValueError, IndexError) as error:
        raise SpectrumError(f"no list of q points: {error}", where=str(file)) from error
    if points.shape != (count, 3) or count < 1:
        raise SpectrumError(f"{count} q points are announced, {len(points)} are there", where=str(file))
    return QMesh(file, (a, b, c), points)


def read_dynamical_matrix(file: Path) -> DynamicalMatrix:
    """Read what ph.x found at one q point.

    Raises:
        SpectrumError: the file is not whole, or holds NaN.
    """
    try:
        text = file.read_text(encoding="latin-1")
    except OSError as error:
        raise SpectrumError(f"cannot be read: {error.strerror}", where=str(file)) from error
    try:
        symbols, structure = _crystal(text.split("\n"))
    except (ValueError, IndexError, KeyError) as error:
        raise SpectrumError(f"its head is damaged: {error}", where=str(file)) from error
    q = _Q.search(text)
    try:
        frequencies = np.array([float(x) for x in _FREQUENCY.findall(text)])
    except ValueError as error:
        raise SpectrumError(f"a frequency is no number: {error}", where=str(file)) from error
    if q is None or frequencies.size != 3 * len(symbols):
        raise SpectrumError(
            f"{frequencies.size} of {3 * len(symbols)} frequencies are there",
            where=str(file),
            hint="ph.x did not finish this q point; start run.sh again",
        )
    if not np.isfinite(frequencies).all():
        raise SpectrumError("its frequencies are NaN", where=str(file))
    return DynamicalMatrix(
        file,
        np.array([float(x) for x in q.groups()]),
        frequencies,
        len(_STAR.findall(text)),
        symbols,
        structure,
    )


def _crystal(lines: list[str]) -> tuple[tuple[str, ...], Structure | None]:
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    head = lines[2].split()
    n_types, n_atoms, ibrav, alat = int(head[0]), int(head[1]), int(head[2]), float(head[3])
    at = 3
    vectors = None
    if ibrav == 0:
        vectors = np.array([[float(t) for t in line.split()] for line in lines[at + 1 : at + 4]])
        at += 4
    names = {}
    for line in lines[at : at + n_types]:
        number, rest = line.split("'", 1)
        names[int(number)] = re.sub(r"[^A-Za-z].*", "", rest.split("'")[0].strip()).capitalize()
    at += n_types
    atoms = [line.split() for line in lines[at : at + n_atoms]]
    symbols = tuple(names[int(tokens[1])] for tokens in atoms)
    if vectors is None:
        return symbols, None
    scale = alat * BOHR_ANGSTROM
    positions = np.array([[float(t) for t in tokens[2:5]] for tokens in atoms])
    lattice = Lattice(scale * vectors)
    return symbols, Structure(lattice, list(symbols), scale * positions, coords_are_cartesian=True)
