"""Phonons of a relaxed crystal by finite displacements, and what they say about its stability."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.materials.symmetry import primitive_standardised
from htc.stability import applicability
from htc.stability.caching import cell_key, read_array, write_array
from htc.stability.potentials.protocol import Potential, missing_mlip
from htc.stability.relaxation import Progress
from htc.stability.supercells import Supercell, choose_supercell
from htc.stability.verdicts import IMAGINARY_THZ, Evidence, Verdict, judge, lowest_exact

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Bands", "PhononDos", "PhononSettings", "Phonons", "phonons"]

_RECIPE: Final = 1
"""Raised whenever equal arguments would no longer give equal forces."""
_DOS_POINTS: Final = 401


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
    """Lowest on the mesh and the wave vectors that fit the supercell, THz; negative for imaginary."""
    imaginary_modes_count: int
    """Modes on the mesh below ``verdicts.IMAGINARY_THZ``."""
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
        from ase.cell import Cell

        path = Cell(np.array(self.structure.lattice.matrix)).bandpath(npoints=0)
        ends = [list(_pairs(part)) for part in _parse(path.path)]
        labels = tuple(pair for part in ends for pair in part)
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
            "lowest_exact_frequency_thz": self.evidence.lowest_exact_thz,
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
    # The lattice translations of a supercell are whole ones only of an exact cell.
    cell = primitive_standardised(structure).structure
    supercell = choose_supercell(cell, settings.min_length_a, settings.max_atoms)
    calculation = _prepare(cell, supercell, settings)
    displaced = list(calculation.supercells_with_displacements)
    kept = _Kept.at(cache_dir, cell, potential, supercell, settings)
    calculation.forces = np.array(list(_forces(displaced, potential, kept, progress)))
    calculation.produce_force_constants(show_drift=False)
    # Newton's third law, which noise and the finite supercell break: without it the translations have energy.
    calculation.symmetrize_force_constants(level=3, show_drift=False)

    calculation.run_mesh(settings.mesh_length_a, is_mesh_symmetry=False, with_eigenvectors=True)
    frequencies = np.array(calculation.mesh.frequencies)
    exact_q, exact = _at_fitting_wave_vectors(calculation)
    lowest, where = lowest_exact(exact_q, exact)
    evidence = Evidence(
        lowest_thz=float(frequencies.min()),
        lowest_exact_thz=lowest,
        exact_q=where,
        residual_force=float(np.linalg.norm(potential.energy_forces_stress(cell).forces, axis=1).max()),
    )
    verdict, reason = judge(evidence)
    n1, n2, n3 = (int(n) for n in calculation.mesh.mesh_numbers)
    return Phonons(
        structure=cell,
        frequencies_thz=frequencies,
        mesh=(n1, n2, n3),
        dos=_dos(calculation, frequencies),
        lowest_frequency_thz=min(evidence.lowest_thz, evidence.lowest_exact_thz),
        imaginary_modes_count=int((frequencies < IMAGINARY_THZ).sum()),
        modes_count=frequencies.size,
        verdict=verdict,
        reason=reason,
        evidence=evidence,
        supercell=supercell,
        displacements=len(displaced),
        potential_id=potential.potential_id,
        softness=potential.softness,
        settings=settings,
        cautions=allowed.cautions,
        _phonopy=calculation,
    )


def _prepare(cell: Structure, supercell: Supercell, settings: PhononSettings) -> Any:
    """A phonopy calculation with its displacements made."""
    try:
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
    except ImportError as error:
        raise missing_mlip("phonopy", error) from error
    calculation = Phonopy(
        PhonopyAtoms(
            symbols=[site.specie.symbol for site in cell],
            cell=np.array(cell.lattice.matrix),
            scaled_positions=np.array(cell.frac_coords),
        ),
        # phonopy's matrix multiplies column vectors from the right.
        supercell_matrix=np.array(supercell.matrix).T,
        primitive_matrix=np.eye(3),
    )
    calculation.generate_displacements(distance=settings.displacement_a)
    return calculation


@dataclass(frozen=True, slots=True)
class _Kept:
    """Forces of finished displacements on disk, one file each; nowhere where there is no folder."""

    folder: Path | None

    @classmethod
    def at(
        cls,
        cache_dir: Path | None,
        cell: Structure,
        potential: Potential,
        supercell: Supercell,
        settings: PhononSettings,
    ) -> _Kept:
        if cache_dir is None:
            return cls(None)
        key = cell_key(
            cell,
            recipe=_RECIPE,
            potential=potential.potential_id,
            supercell=supercell.matrix,
            displacement_a=settings.displacement_a,
        )
        return cls(cache_dir / "phonons" / key)

    def read(self, number: int, atoms: int) -> NDArray[np.float64] | None:
        return None if self.folder is None else read_array(self._file(number), (atoms, 3))

    def write(self, number: int, forces: NDArray[np.float64]) -> None:
        if self.folder is not None:
            write_array(self._file(number), forces)

    def _file(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"forces-{number:04d}.npy"


def _forces(
    displaced: list[Any], potential: Potential, kept: _Kept, progress: Progress | None
) -> Iterator[NDArray[np.float64]]:
    """Forces on every displaced supercell in order, shape ``(n_super, 3)`` each, eV/Å."""
    from ase import Atoms

    calculator = potential.calculator()
    for number, cell in enumerate(displaced):
        forces = kept.read(number, len(cell))
        if forces is None:
            atoms = Atoms(numbers=cell.numbers, cell=cell.cell, scaled_positions=cell.scaled_positions, pbc=True)
            atoms.calc = calculator
            forces = np.array(atoms.get_forces(), dtype=float)
            kept.write(number, forces)
        if progress is not None:
            progress(number + 1, len(displaced), "phonons")
        yield forces


def _at_fitting_wave_vectors(calculation: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wave vectors that fit the supercell, shape ``(n_q, 3)``, and their frequencies, ``(n_q, 3 n)`` THz."""
    from phonopy.harmonic.dynmat_to_fc import get_commensurate_points

    q = np.array(get_commensurate_points(calculation.supercell_matrix))
    calculation.run_qpoints(q)
    return q, np.array(calculation.qpoints.frequencies)


def _dos(calculation: Any, frequencies: NDArray[np.float64]) -> PhononDos:
    low, high = float(frequencies.min()), float(frequencies.max())
    margin = 0.02 * (high - low)
    low, high = min(0.0, low) - (margin if low < 0 else 0.0), high + margin
    calculation.run_projected_dos(freq_min=low, freq_max=high, freq_pitch=(high - low) / (_DOS_POINTS - 1))
    projected = np.array(calculation.projected_dos.projected_dos)
    return PhononDos(np.array(calculation.projected_dos.frequency_points), projected.sum(axis=0), projected)


def _parse(path: str) -> list[list[str]]:
    from ase.dft.kpoints import parse_path_string

    return [list(part) for part in parse_path_string(path)]


def _pairs(points: list[str]) -> Iterator[tuple[str, str]]:
    return zip(points, points[1:], strict=False)
