"""What an interatomic potential must offer, whoever made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from htc.errors import MissingExtraError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["BatchPotential", "EnergyForcesStress", "Potential", "evaluate", "missing_mlip", "to_atoms"]


@dataclass(frozen=True, slots=True, eq=False)
class EnergyForcesStress:
    """One evaluation of a potential on a cell of n atoms."""

    energy_ev: float
    """Energy of the cell, eV."""
    forces: NDArray[np.float64]
    """Shape ``(n, 3)``, eV/Å."""
    stress: NDArray[np.float64]
    """Shape ``(3, 3)``, eV/Å^3, positive where the cell is under tension: (1/V) dE/d(strain)."""


@runtime_checkable
class Potential(Protocol):
    """An interatomic potential.

    Relaxation and phonons use nothing else of it, so that any calculator of ASE can be plugged in; the laws
    it must obey are in :func:`htc.stability.potentials.check_potential`.
    """

    @property
    def name(self) -> str:
        """Name as given to :func:`load_potential`."""
        ...

    @property
    def potential_id(self) -> str:
        """Name and hash of the weights: equal id, equal energies. Energies of two ids are never compared."""
        ...

    @property
    def cutoff_a(self) -> float:
        """Longest distance over which two atoms are neighbours, Å."""
        ...

    @property
    def elements(self) -> frozenset[str]:
        """Symbols of the elements it knows."""
        ...

    @property
    def softness(self) -> str:
        """How its phonons compare with measured ones, one sentence; said with every phonon result."""
        ...

    def calculator(self) -> Any:
        """The ``ase.calculators.calculator.Calculator``, made once."""
        ...

    def energy_forces_stress(self, structure: Structure) -> EnergyForcesStress:
        """Evaluate one structure."""
        ...


@runtime_checkable
class BatchPotential(Protocol):
    """A potential that evaluates many cells at once."""

    def cells_at_once(self, n_atoms: int) -> int:
        """How many cells of ``n_atoms`` it is best given at a time."""
        ...

    def forces_many(self, cells: Sequence[Any]) -> list[NDArray[np.float64]]:
        """Forces on each of some ``ase.Atoms``, shapes ``(n_i, 3)``, eV/Å."""
        ...


def missing_mlip(package: str, error: ImportError) -> MissingExtraError:
    """The error for a package of the extra ``[mlip]`` that is not there."""
    return MissingExtraError(
        f"{package} is not installed, and interatomic potentials need it",
        where=str(error.name or package),
        hint="pip install 'htc[mlip]'",
    )


def to_atoms(structure: Structure) -> Any:
    """Periodic ``ase.Atoms`` of a structure, in its order of sites.

    Raises:
        MissingExtraError: ASE is not installed.
    """
    try:
        from ase import Atoms
    except ImportError as error:
        raise missing_mlip("ASE", error) from error
    return Atoms(
        numbers=[int(z) for z in structure.atomic_numbers],
        cell=np.array(structure.lattice.matrix, dtype=float),
        scaled_positions=np.array(structure.frac_coords, dtype=float),
        pbc=True,
    )


def evaluate(calculator: Any, structure: Structure) -> EnergyForcesStress:
    """Energy, forces and stress of a structure by a calculator of ASE."""
    atoms = to_atoms(structure)
    atoms.calc = calculator
    return EnergyForcesStress(
        float(atoms.get_potential_energy()),
        np.array(atoms.get_forces(), dtype=float),
        np.array(atoms.get_stress(voigt=False), dtype=float),
    )
