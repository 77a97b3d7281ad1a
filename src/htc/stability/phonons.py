"""Phonons of a relaxed crystal by finite displacements, and what they say about its stability."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.materials.symmetry import primitive_standardised
from htc.stability import applicability
from htc.stability.displacements import Displacer
from htc.stability.potentials.protocol import Potential, to_atoms
from htc.stability.relaxation import Progress
from htc.stability.supercells import Supercell, choose_supercell
from htc.stability.verdicts import IMAGINARY_THZ, Evidence, ExactMode, Verdict, judge, lowest_exact
from htc.stability.wave_vectors import (
    WaveVector,
    fits,
    half_points,
    inequivalent,
    nearest_simple,
    smallest_supercell,
)

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Bands", "PhononDos", "PhononSettings", "Phonons", "phonons"]

_DOS_POINTS: Final = 301
_MOST_POCKETS: Final = 4
"""Regions of imaginary interpolated modes that the potential is asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhononSettings:
    """What a phonon calculation depends on besides the structure and the potential."""

    min_length_a: float = 9.0
    """Shortest lattice translation of the supercell that is aimed at, Å."""
    max_atoms: int = 128
    """Most atoms in the supercell; it goes before ``min_length_a``."""
    displacement_a: float = 0.02
    """Displacement of one atom, Å; both signs are taken where symmetry does not make them one."""
    mesh_length_a: float = 25.0
    """Divisions of the reciprocal cell along a vector: this length times the length of the vector, 1/Å."""


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
    """On the whole mesh, shape ``(n_q, 3 n)``; negative for imaginary."""
    mesh: tuple[int, int, int]
    """Divisions of the reciprocal cell, Gamma included."""
    dos: PhononDos
    lowest_frequency_thz: float
    """Lowest on the mesh and the wave vectors that fit a supercell, THz; negative for imaginary, zero where
    nothing is. What interpolation alone makes imaginary, and the potential itself does not, is left out."""
    imaginary_modes_count: int
    """Modes on the mesh below ``verdicts.IMAGINARY_THZ``, likewise."""
    modes_count: int
    """Modes on the mesh."""
    verdict: Verdict
    reason: str
    """Why, one sentence."""
    evidence: Evidence
    supercell: Supercell
    displacements: int
    """Force evaluations it took."""
    potential_id: str
    softness: str
    """How the potential's phonons compare with measured ones: read it before using a frequency."""
    settings: PhononSettings
    cautions: tuple[str, ...] = ()
    """What speaks against trusting the potential here, one sentence each."""
    _phonopy: Any = field(repr=False)

    def bands(self, points: int = 51) -> Bands:
        """Frequencies along the high-symmetry path of the lattice, ``points`` a segment.

        Path of Setyawan & Curtarolo, Comput. Mater. Sci. 49, 299 (2010), doi:10.1016/j.commatsci.2010.05.010.
        """
        from ase.dft.kpoints import parse_path_string

        read_path: Any = parse_path_string  # not annotated in ASE
        path = to_atoms(self.structure).cell.bandpath(npoints=0)
        labels = tuple(pair for part in read_path(path.path) for pair in itertools.pairwise(part))
        special = path.special_points
        segments = [np.linspace(special[a], special[b], points) for a, b in labels]
        self._phonopy.run_band_structure(segments)
        result = self._phonopy.band_structure
        return Bands(
            tuple(np.array(x) for x in result.distances),
            tuple(np.array(x) for x in result.frequencies),
            labels,
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready verdict, counts and settings, without structure, mesh and DOS."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "lowest_frequency_thz": self.lowest_frequency_thz,
            "lowest_exact_mode": asdict(self.evidence.lowest_exact),
            "imaginary_modes_count": self.imaginary_modes_count,
            "modes_count": self.modes_count,
            "mesh": list(self.mesh),
            "supercell": [list(row) for row in self.supercell.matrix],
            "supercell_atoms": self.supercell.atoms,
            "displacements": self.displacements,
            "potential_id": self.potential_id,
            "softness": self.softness,
            "settings": asdict(self.settings),
            "cautions": list(self.cautions),
        }


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
        StorageError: ``cache_dir`` cannot be written.
    """
    settings = settings or PhononSettings()
    allowed = applicability.check(structure, 0.0, potential)
    allowed.require()
    # Translations of a supercell are lattice vectors only of an exact cell.
    cell = primitive_standardised(structure).structure
    displacer = Displacer(cell, potential, settings.displacement_a, cache_dir, progress)
    supercell = choose_supercell(cell, settings.min_length_a, settings.max_atoms)
    calculation, displacements = displacer.force_constants(supercell, "phonons")
    calculation.run_mesh(settings.mesh_length_a, is_mesh_symmetry=False, with_eigenvectors=True)
    frequencies = np.array(calculation.mesh.frequencies)

    exact = _Exact(displacer, calculation, supercell)
    for q in half_points():
        exact.add(q)
    # Interpolation makes imaginary modes of its own: where it has one, the potential itself is asked.
    imaginary = np.array(calculation.mesh.qpoints)[frequencies.min(axis=1) < IMAGINARY_THZ]
    refuted = exact.lowest.frequency_thz >= IMAGINARY_THZ and exact.refute(imaginary, settings.max_atoms)
    evidence = Evidence(
        lowest_interpolated_thz=float(frequencies.min()),
        pockets_refuted=refuted,
        lowest_exact=exact.lowest,
        residual_force=float(np.linalg.norm(potential.energy_forces_stress(cell).forces, axis=1).max()),
    )
    verdict, reason = judge(evidence)
    n1, n2, n3 = (int(n) for n in calculation.mesh.mesh_numbers)
    return Phonons(
        structure=cell,
        frequencies_thz=frequencies,
        mesh=(n1, n2, n3),
        dos=_dos(calculation, frequencies),
        lowest_frequency_thz=min(
            0.0 if refuted else evidence.lowest_interpolated_thz, evidence.lowest_exact.frequency_thz
        ),
        imaginary_modes_count=0 if refuted else int((frequencies < IMAGINARY_THZ).sum()),
        modes_count=frequencies.size,
        verdict=verdict,
        reason=reason,
        evidence=evidence,
        supercell=supercell,
        displacements=displacements + exact.displacements,
        potential_id=potential.potential_id,
        softness=potential.softness,
        settings=settings,
        cautions=allowed.cautions,
        _phonopy=calculation,
    )


class _Exact:
    """Frequencies at wave vectors that fit a supercell: the large one's, and small ones' made for them."""

    def __init__(self, displacer: Displacer, calculation: Any, supercell: Supercell) -> None:
        from phonopy.harmonic.dynmat_to_fc import get_commensurate_points

        self.displacements = 0
        self._displacer = displacer
        self._calculation = calculation
        self._supercell = supercell
        self._rotations = np.array(calculation.primitive_symmetry.pointgroup_operations)
        self._known: dict[WaveVector, ExactMode] = {}
        self._resting = _among_resting_neighbours(calculation)
        fitting = np.array(get_commensurate_points(calculation.supercell_matrix))
        self.lowest = self._lowest_at(calculation, fitting)

    def add(self, q: WaveVector) -> ExactMode:
        """The lowest mode at a wave vector, computed unless it or one equivalent to it is known."""
        at = np.array([[float(x) for x in q]])
        if fits(q, self._supercell.matrix):
            return self._lowest_at(self._calculation, at)
        for known, mode in self._known.items():
            if len(inequivalent([known, q], self._rotations)) == 1:
                return mode
        small = smallest_supercell(q, self._displacer.cell)
        calculation, displacements = self._displacer.force_constants(small, "zone boundary")
        self.displacements += displacements
        self._known[q] = self._lowest_at(calculation, at)
        self.lowest = min(self.lowest, self._known[q], key=lambda mode: mode.frequency_thz)
        return self._known[q]

    def refute(self, imaginary: NDArray[np.float64], max_atoms: int) -> bool:
        """Whether no imaginary mode of the interpolation is one of the potential; False where that is open.

        Args:
            imaginary: wave vectors where the interpolation has imaginary modes, shape ``(n_q, 3)``.
            max_atoms: most atoms of a supercell made to find out.
        """
        pockets = inequivalent(dict.fromkeys(nearest_simple(q) for q in imaginary), self._rotations)
        if len(pockets) > _MOST_POCKETS:
            return False
        for q in pockets:
            if math.lcm(*(x.denominator for x in q)) * len(self._displacer.cell) > max_atoms:
                return False
            at = np.array([[float(x) for x in q]])
            interpolated = self._lowest_at(self._calculation, at).frequency_thz
            if self.add(q).frequency_thz < IMAGINARY_THZ or interpolated > IMAGINARY_THZ:
                return False
        return True

    def _lowest_at(self, calculation: Any, q: NDArray[np.float64]) -> ExactMode:
        """The lowest mode at some wave vectors, shape ``(n_q, 3)``."""
        calculation.run_qpoints(q, with_eigenvectors=True)
        found = calculation.qpoints
        return lowest_exact(q, np.array(found.frequencies), np.array(found.eigenvectors), self._resting)


def _among_resting_neighbours(calculation: Any) -> NDArray[np.float64]:
    """Dynamical matrix of every atom alone, the images of the others at rest, shape ``(3 n, 3 n)``, THz^2.

    Of a large supercell: in a small one an atom's own images move with it.
    """
    cell, constants = calculation.primitive, np.array(calculation.force_constants)
    resting = np.zeros((3 * len(cell), 3 * len(cell)))
    for i, (atom, mass) in enumerate(zip(cell.p2s_map, cell.masses, strict=True)):
        resting[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] = constants[atom, atom] / mass
    return np.asarray(resting * calculation.unit_conversion_factor**2)


def _dos(calculation: Any, frequencies: NDArray[np.float64]) -> PhononDos:
    low, high = float(frequencies.min()), float(frequencies.max())
    margin = 0.02 * (high - low)
    low, high = min(0.0, low) - (margin if low < 0 else 0.0), high + margin
    calculation.run_projected_dos(freq_min=low, freq_max=high, freq_pitch=(high - low) / (_DOS_POINTS - 1))
    projected = np.array(calculation.projected_dos.projected_dos)
    return PhononDos(np.array(calculation.projected_dos.frequency_points), projected.sum(axis=0), projected)
