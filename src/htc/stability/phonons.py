"""Phonons of a relaxed crystal by finite displacements, and what they say about its stability."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from htc.stability.potentials.protocol import Potential
from htc.stability.relaxation import Progress
from htc.stability.verdicts import Verdict

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Bands", "PhononDos", "PhononSettings", "Phonons", "phonons"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhononSettings:
    """What a phonon calculation depends on besides the structure and the potential."""

    min_length_a: float = 9.0
    """Shortest lattice translation of the supercell that is aimed at, Å."""
    max_atoms: int = 128
    """Most atoms in the supercell; it goes before ``min_length_a``."""
    displacement_a: float = 0.01
    """Displacement of one atom, Å; both signs are taken where symmetry does not make them one."""
    mesh_length_a: float = 40.0
    """Divisions of the reciprocal cell: this length over the lattice parameter."""


@dataclass(frozen=True, slots=True, eq=False)
class PhononDos:
    """Density of states; integrates to 3 n over frequency."""

    frequency_thz: NDArray[np.float64]
    """Shape ``(n_freq,)``, increasing; negative where modes are imaginary."""
    total: NDArray[np.float64]
    """Shape ``(n_freq,)``, modes/THz/cell."""
    projected: NDArray[np.float64]
    """Shape ``(n_sites, n_freq)``, modes/THz; its sum over sites is ``total``."""


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """Frequencies along the high-symmetry path."""

    distance: tuple[NDArray[np.float64], ...]
    """One array a segment, shape ``(n_q,)``, 1/Å, going on from segment to segment."""
    frequency_thz: tuple[NDArray[np.float64], ...]
    """One array a segment, shape ``(n_q, 3 n)``."""
    labels: tuple[tuple[str, str], ...]
    """Names of the two ends of each segment."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phonons:
    """Phonons of a primitive cell of n atoms and their verdict."""

    structure: Structure
    """The cell, in whose order of sites ``dos.projected`` is."""
    frequencies_thz: NDArray[np.float64]
    """On the irreducible mesh, shape ``(n_q, 3 n)``; negative for imaginary."""
    weights: NDArray[np.int64]
    """Mesh points each stands for, shape ``(n_q,)``."""
    dos: PhononDos
    lowest_frequency_thz: float
    """Lowest on the mesh, THz; negative for imaginary."""
    imaginary_modes_count: int
    """Modes on the full mesh below ``verdicts.IMAGINARY_THZ``."""
    modes_count: int
    """Modes on the full mesh."""
    verdict: Verdict
    reason: str
    supercell: tuple[tuple[int, int, int], ...]
    """Matrix whose rows times the primitive vectors give the supercell's."""
    supercell_atoms: int
    displacements: int
    """Force evaluations it took."""
    potential_id: str
    softness: str
    """How the potential's phonons compare with measured ones: read it before using a frequency."""
    settings: PhononSettings

    def bands(self, points: int = 51) -> Bands:
        """Frequencies along the high-symmetry path of the lattice, ``points`` a segment."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready verdict, counts and settings, without structure, mesh and DOS."""
        raise NotImplementedError


def phonons(
    structure: Structure,
    potential: Potential,
    *,
    settings: PhononSettings | None = None,
    progress: Progress | None = None,
    cache_dir: Path | None = None,
) -> Phonons:
    """Phonons by symmetry-reduced finite displacements (phonopy).

    The frequencies are those of the potential, which is too soft: they decide on stability and are features,
    and are never to be taken for omega_log.

    Args:
        structure: relaxed by :func:`htc.stability.relaxation.relax` with the same potential.
        potential: gives the forces.
        settings: None for the defaults, which the verdicts are tuned for.
        progress: told after every displacement.
        cache_dir: folder that keeps every displacement's forces, so that a killed run goes on.

    Raises:
        StructureError: the potential must not be asked about this structure (see ``applicability``).
        MissingExtraError: ASE or phonopy is not installed.
    """
    raise NotImplementedError
