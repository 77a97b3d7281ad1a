"""Force constants from displaced supercells, every displacement kept as it is done."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.stability.caching import cell_key, read_array, write_array
from htc.stability.potentials.protocol import BatchPotential, Potential, missing_mlip
from htc.stability.relaxation import Progress
from htc.stability.supercells import Supercell

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Displacer"]

_RECIPE: Final = 1
"""Raised whenever equal arguments would no longer give equal forces."""


@dataclass(frozen=True, slots=True)
class Displacer:
    """Takes force constants of one primitive cell from supercells."""

    cell: Structure
    """Primitive standard cell, n sites."""
    potential: Potential
    displacement_a: float
    """Å; both signs are taken where symmetry does not make them one."""
    cache_dir: Path | None
    progress: Progress | None

    def force_constants(self, supercell: Supercell, what: str) -> tuple[Any, int]:
        """A phonopy calculation that has force constants, and how many displacements they took.

        Args:
            supercell: where atoms are displaced.
            what: what the progress is told this is.

        Raises:
            MissingExtraError: ASE or phonopy is not installed.
            StorageError: ``cache_dir`` cannot be written.
        """
        calculation = self._prepare(supercell)
        displaced = list(calculation.supercells_with_displacements)
        calculation.forces = np.array(self._forces(displaced, supercell, what))
        calculation.produce_force_constants(show_drift=False)
        # Newton's third law, which noise breaks: without it the translations have energy.
        calculation.symmetrize_force_constants(level=3, show_drift=False)
        return calculation, len(displaced)

    def _prepare(self, supercell: Supercell) -> Any:
        try:
            from phonopy import Phonopy
            from phonopy.structure.atoms import PhonopyAtoms
        except ImportError as error:
            raise missing_mlip("phonopy", error) from error
        with warnings.catch_warnings():
            # A small supercell made for one wave vector has that wave vector's symmetry, not the crystal's.
            warnings.filterwarnings("ignore", ".*[Pp]oint group symmetries of supercell", UserWarning)
            calculation = Phonopy(
                PhonopyAtoms(
                    symbols=[site.specie.symbol for site in self.cell],
                    cell=np.array(self.cell.lattice.matrix),
                    scaled_positions=np.array(self.cell.frac_coords),
                ),
                # phonopy's matrix multiplies column vectors from the right.
                supercell_matrix=np.array(supercell.matrix).T,
                primitive_matrix=np.eye(3),
            )
        calculation.generate_displacements(distance=self.displacement_a)
        return calculation

    def _forces(self, displaced: list[Any], supercell: Supercell, what: str) -> list[NDArray[np.float64]]:
        """Forces on every displaced supercell in order, shape ``(n_super, 3)`` each, eV/Å."""
        folder = self._folder(supercell)
        files = [None if folder is None else folder / f"forces-{i:04d}.npy" for i in range(len(displaced))]
        forces = [None if file is None else read_array(file, (supercell.atoms, 3)) for file in files]
        missing = [i for i, found in enumerate(forces) if found is None]
        batch = self.potential
        at_once = batch.cells_at_once(supercell.atoms) if isinstance(batch, BatchPotential) else 1
        for start in range(0, len(missing), at_once):
            numbers = missing[start : start + at_once]
            for i, found in zip(numbers, self._evaluate([displaced[i] for i in numbers]), strict=True):
                file = files[i]
                if file is not None:
                    write_array(file, found)
                forces[i] = found
            if self.progress is not None:
                done = len(displaced) - len(missing) + start + len(numbers)
                self.progress(done, len(displaced), what)
        return [found for found in forces if found is not None]

    def _folder(self, supercell: Supercell) -> Path | None:
        if self.cache_dir is None:
            return None
        key = cell_key(
            self.cell,
            recipe=_RECIPE,
            potential=self.potential.potential_id,
            supercell=supercell.matrix,
            displacement_a=self.displacement_a,
        )
        return self.cache_dir / "phonons" / key

    def _evaluate(self, cells: list[Any]) -> list[NDArray[np.float64]]:
        from ase import Atoms

        atoms: list[Any] = [
            Atoms(numbers=cell.numbers, cell=cell.cell, scaled_positions=cell.scaled_positions, pbc=True)
            for cell in cells
        ]
        if isinstance(self.potential, BatchPotential):
            return self.potential.forces_many(atoms)
        for one in atoms:
            one.calc = self.potential.calculator()
        return [np.array(one.get_forces(), dtype=np.float64) for one in atoms]
