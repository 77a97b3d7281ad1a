"""The laws any interatomic potential must obey before relaxation and phonons may rest on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import InputError
from htc.stability.potentials.protocol import EnergyForcesStress, Potential

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Conformance", "LawResult", "check_potential"]

_SHIFT_A: Final = 0.02
"""Step of the numerical derivative along a displacement, Å."""
_STRAIN: Final = 0.005
"""Step of the numerical derivative along a strain."""
_RATTLE_A: Final = 0.05
"""How far atoms are moved off their places for the laws that need no symmetry, Å."""

# Tolerances leave room for networks evaluated in single precision, whose energies carry some 1e-5 eV of
# rounding; a wrong sign, unit or missing factor is orders of magnitude outside.
_TOLERANCE: Final[dict[str, tuple[float, str]]] = {
    "energy grows with the cell": (2e-4, "eV/atom"),
    "forces are the slope of the energy": (5e-3, "eV/Å"),
    "stress is the slope of the energy": (2e-4, "eV/Å^3"),
    "forces add up to zero": (1e-3, "eV/Å"),
    "rotation turns forces and keeps the energy": (1e-3, "eV, eV/Å"),
    "translation changes nothing": (1e-3, "eV, eV/Å"),
    "order of atoms changes nothing": (1e-3, "eV, eV/Å"),
    "forces vanish by symmetry": (1e-3, "eV/Å"),
    "the same question has the same answer": (0.0, "eV, eV/Å"),
}


@dataclass(frozen=True, slots=True)
class LawResult:
    """One law, tried."""

    law: str
    deviation: float
    """Largest deviation found, in ``unit``."""
    tolerance: float
    unit: str

    @property
    def holds(self) -> bool:
        """Whether the deviation is within the tolerance."""
        return self.deviation <= self.tolerance


@dataclass(frozen=True, slots=True)
class Conformance:
    """All laws, tried on one structure."""

    potential_id: str
    results: tuple[LawResult, ...]

    @property
    def conforms(self) -> bool:
        """Whether every law holds."""
        return all(result.holds for result in self.results)

    @property
    def broken(self) -> tuple[str, ...]:
        """The laws that do not hold, one phrase each."""
        return tuple(
            f"{r.law}: off by {r.deviation:.2g} {r.unit}, allowed are {r.tolerance:g}"
            for r in self.results
            if not r.holds
        )


def check_potential(potential: Potential, structure: Structure | None = None) -> Conformance:
    """Try the laws on a structure.

    Args:
        potential: the one to examine.
        structure: ordered crystal of elements that the potential knows, every site of which is a centre of
            symmetry (rocksalt, fcc, bcc, CsCl); None for rocksalt NaCl.

    Raises:
        InputError: the potential does not know the elements.
    """
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    if structure is None:
        structure = Structure.from_spacegroup(
            "Fm-3m", Lattice.cubic(5.6), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
        ).get_primitive_structure()
    unknown = sorted({site.specie.symbol for site in structure} - potential.elements)
    if unknown:
        raise InputError(
            f"{potential.name} does not know {', '.join(unknown)}",
            where="structure",
            hint="give check_potential a structure of elements it knows",
        )
    trial = _Trial(potential, structure)
    results = []
    for law, test in zip(_TOLERANCE, trial.tests(), strict=True):
        tolerance, unit = _TOLERANCE[law]
        deviation = test()
        # What is not a number keeps no law.
        results.append(LawResult(law, deviation if np.isfinite(deviation) else np.inf, tolerance, unit))
    return Conformance(potential.potential_id, tuple(results))


class _Trial:
    """The structure, a rattled copy of it without symmetry, and the laws as functions."""

    def __init__(self, potential: Potential, structure: Structure) -> None:
        self.ask = potential.energy_forces_stress
        self.structure = structure
        self.random = np.random.default_rng(20)
        self.rattled = structure.copy()
        self.rattled.make_supercell([2, 1, 1])
        self._move(self.rattled, self.random.normal(scale=_RATTLE_A, size=(len(self.rattled), 3)))
        self.reference = self.ask(self.rattled)

    def tests(self) -> Iterator[Callable[[], float]]:
        """The deviations from the laws, in the order of the table."""
        yield self.extensive
        yield self.forces_are_slopes
        yield self.stress_is_slope
        yield lambda: float(np.abs(self.reference.forces.sum(axis=0)).max())
        yield self.rotated
        yield self.translated
        yield self.permuted
        yield lambda: float(np.abs(self.ask(self.structure).forces).max())
        yield self.repeated

    def extensive(self) -> float:
        """Energy per atom of a supercell against the cell's."""
        double = self.rattled.copy()
        double.make_supercell([1, 2, 1])
        return abs(self.ask(double).energy_ev - 2.0 * self.reference.energy_ev) / len(double)

    def forces_are_slopes(self) -> float:
        """Forces along random displacements of all atoms against the slope of the energy."""
        worst = 0.0
        for _ in range(2):
            direction = self.random.normal(size=(len(self.rattled), 3))
            direction /= np.linalg.norm(direction)

            def energy(step: float, along: NDArray[np.float64] = direction) -> float:
                moved = self.rattled.copy()
                self._move(moved, step * along)
                return self.ask(moved).energy_ev

            slope = _slope(energy, _SHIFT_A)
            worst = max(worst, abs(slope + float((self.reference.forces * direction).sum())))
        return worst

    def stress_is_slope(self) -> float:
        """Stress along random symmetric strains against the slope of the energy per volume."""
        worst = 0.0
        for _ in range(2):
            strain = self.random.normal(size=(3, 3))
            strain = strain + strain.T
            strain /= np.linalg.norm(strain)

            def energy(step: float, along: NDArray[np.float64] = strain) -> float:
                return self.ask(_deformed(self.rattled, np.eye(3) + step * along)).energy_ev

            slope = _slope(energy, _STRAIN) / self.rattled.volume
            worst = max(worst, abs(slope - float((self.reference.stress * strain).sum())))
        return worst

    def rotated(self) -> float:
        """A turned crystal has turned forces."""
        turn, _ = np.linalg.qr(self.random.normal(size=(3, 3)))
        turn *= np.sign(np.linalg.det(turn))
        there = self.ask(_deformed(self.rattled, turn))
        return self._difference(there, there.forces @ turn)

    def translated(self) -> float:
        """A shifted crystal is the same crystal."""
        moved = self.rattled.copy()
        self._move(moved, np.tile(self.random.normal(size=3), (len(moved), 1)))
        there = self.ask(moved)
        return self._difference(there, there.forces)

    def permuted(self) -> float:
        """Atoms in another order are the same atoms."""
        from pymatgen.core.structure import Structure

        order = self.random.permutation(len(self.rattled))
        there = self.ask(Structure.from_sites([self.rattled[int(i)] for i in order]))
        return self._difference(there, there.forces[np.argsort(order)])

    def repeated(self) -> float:
        """Asked again, and after something else, it answers the same."""
        self.ask(self.structure)
        there = self.ask(self.rattled)
        return self._difference(there, there.forces)

    def _difference(self, there: EnergyForcesStress, forces: NDArray[np.float64]) -> float:
        energy = abs(there.energy_ev - self.reference.energy_ev)
        return max(energy, float(np.abs(forces - self.reference.forces).max()))

    @staticmethod
    def _move(structure: Structure, shifts: NDArray[np.float64]) -> None:
        for i, shift in enumerate(shifts):
            structure.translate_sites([i], shift, frac_coords=False)


def _deformed(structure: Structure, matrix: NDArray[np.float64]) -> Structure:
    """Every vector r becomes ``matrix @ r``."""
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    lattice = Lattice(np.array(structure.lattice.matrix) @ matrix.T)
    return Structure(lattice, structure.species, structure.frac_coords)


def _slope(function: Callable[[float], float], step: float) -> float:
    """Slope at zero by five points: exact to the fourth order of the step."""
    near = function(step) - function(-step)
    far = function(2.0 * step) - function(-2.0 * step)
    return (8.0 * near - far) / (12.0 * step)
