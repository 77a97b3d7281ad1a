"""Relaxation of a crystal at a pressure with its symmetry kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from htc.materials.symmetry import primitive_standardised
from htc.stability import applicability
from htc.stability.caching import cell_key, read_json, write_json
from htc.stability.potentials.protocol import Potential, missing_mlip, to_atoms

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["FMAX", "MAX_STEPS", "Progress", "Relaxation", "relax"]

Progress = Callable[[int, int, str], None]
"""Called as ``progress(done, of, what)``; to stop the work, raise from it."""

FMAX: Final = 0.005
"""Largest force on an atom, and generalised force on the cell, in a relaxed crystal, eV/Å."""
MAX_STEPS: Final = 300

_RECIPE: Final = 1
"""Raised whenever equal arguments would no longer give an equal relaxation."""
_VOLUME_RANGE: Final = (0.5, 2.0)
"""Volume relative to the start beyond which a relaxation has run away: no potential is trusted that far, and
a collapsing cell has neighbours without number."""
_EV_PER_A3_IN_GPA: Final = 160.21766339999998
"""GPa in one eV/Å^3, from the exact elementary charge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """A relaxed primitive cell, or how far the attempt came."""

    structure: Structure
    """Primitive standard cell at the end, n atoms."""
    energy_ev_per_atom: float
    """Energy of the potential, eV/atom."""
    enthalpy_ev_per_atom: float
    """Energy plus pressure times volume, eV/atom; the energy at zero pressure."""
    pressure_gpa: float
    converged: bool
    reason: str | None
    """Why it is not converged, or None."""
    steps: int
    max_force: float
    """Largest force on an atom, eV/Å."""
    stress_residual_gpa: float
    """Largest deviation of a stress component from the asked pressure, GPa."""
    spacegroup_before: int | None
    """Number of the space group, None where none was found."""
    spacegroup_after: int | None
    volume_change: float
    """Relative to the structure given: -0.05 where it shrank by 5 %."""
    potential_id: str
    cautions: tuple[str, ...] = ()
    """What speaks against trusting the potential here, one sentence each."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields, the structure as pymatgen's ``as_dict()``."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return fields | {"structure": self.structure.as_dict(), "cautions": list(self.cautions)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Relaxation:
        """The relaxation that :meth:`as_dict` wrote down."""
        from pymatgen.core.structure import Structure

        structure = Structure.from_dict(fields["structure"])
        return cls(**fields | {"structure": structure, "cautions": tuple(fields["cautions"])})


def relax(
    structure: Structure,
    potential: Potential,
    *,
    pressure_gpa: float = 0.0,
    fmax: float = FMAX,
    max_steps: int = MAX_STEPS,
    progress: Progress | None = None,
    cache_dir: Path | None = None,
) -> Relaxation:
    """Relax cell and positions of the primitive standard cell within its space group.

    Args:
        structure: ordered crystal; its primitive standard cell is what is relaxed.
        potential: gives energies, forces, stresses.
        pressure_gpa: hydrostatic pressure, GPa.
        fmax: tolerance on forces, eV/Å.
        max_steps: most steps of the optimiser; what has not converged by then is returned so.
        progress: told after every step.
        cache_dir: folder for finished relaxations, keyed by cell, potential and settings; None keeps none.

    Raises:
        StructureError: the potential must not be asked about this structure (see ``applicability``).
        MissingExtraError: ASE is not installed.
        StorageError: ``cache_dir`` cannot be written.
    """
    allowed = applicability.check(structure, pressure_gpa, potential)
    allowed.require()
    standard = primitive_standardised(structure)
    settings = {
        "recipe": _RECIPE,
        "potential": potential.potential_id,
        "pressure_gpa": float(pressure_gpa),
        "fmax": float(fmax),
        "max_steps": int(max_steps),
    }
    file = None
    if cache_dir is not None:
        file = cache_dir / "relaxations" / f"{cell_key(standard.structure, **settings)}.json"
        kept = read_json(file)
        if kept is not None:
            return Relaxation.from_dict(kept)
    outcome = _minimise(standard.structure, potential, pressure_gpa, fmax, max_steps, progress)
    per_atom = structure.volume / len(structure)
    relaxation = Relaxation(
        structure=outcome.structure,
        energy_ev_per_atom=outcome.energy / len(outcome.structure),
        enthalpy_ev_per_atom=(outcome.energy + pressure_gpa / _EV_PER_A3_IN_GPA * outcome.structure.volume)
        / len(outcome.structure),
        pressure_gpa=float(pressure_gpa),
        converged=outcome.reason is None,
        reason=outcome.reason,
        steps=outcome.steps,
        max_force=outcome.max_force,
        stress_residual_gpa=outcome.stress_residual_gpa,
        spacegroup_before=standard.spacegroup,
        spacegroup_after=primitive_standardised(outcome.structure).spacegroup,
        volume_change=outcome.structure.volume / len(outcome.structure) / per_atom - 1.0,
        potential_id=potential.potential_id,
        cautions=allowed.cautions,
    )
    if file is not None:
        write_json(file, relaxation.as_dict())
    return relaxation


@dataclass(frozen=True, slots=True)
class _Outcome:
    structure: Structure
    energy: float
    reason: str | None
    steps: int
    max_force: float
    stress_residual_gpa: float


def _minimise(
    structure: Structure,
    potential: Potential,
    pressure_gpa: float,
    fmax: float,
    max_steps: int,
    progress: Progress | None,
) -> _Outcome:
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    try:
        from ase import constraints, filters, optimize
    except ImportError as error:
        raise missing_mlip("ASE", error) from error

    # ASE ships types without annotating these.
    keep_symmetry: Any = constraints.FixSymmetry
    cell_filter: Any = filters.FrechetCellFilter
    quasi_newton: Any = optimize.BFGS
    atoms = to_atoms(structure)
    atoms.calc = potential.calculator()
    # The standard cell is exact: a wider tolerance could only find symmetry that is not there.
    atoms.set_constraint(keep_symmetry(atoms, symprec=1e-3))
    pressure = pressure_gpa / _EV_PER_A3_IN_GPA
    # A step of 0.1 deforms a cell of one atom by a tenth; ASE keeps symmetry through no more than a quarter.
    optimizer = quasi_newton(cell_filter(atoms, scalar_pressure=pressure), logfile=None, maxstep=0.1)
    start = atoms.get_volume()
    reason: str | None = f"not converged in {max_steps} steps"
    steps = 0
    for converged in optimizer.irun(fmax=fmax, steps=max_steps):
        steps = optimizer.nsteps
        if progress is not None:
            progress(steps, max_steps, "relaxation")
        ratio = atoms.get_volume() / start
        if not _VOLUME_RANGE[0] <= ratio <= _VOLUME_RANGE[1]:
            reason = f"the cell ran away to {ratio:.2f} of its volume"
            break
        if converged:
            reason = None
            break
    stress = np.array(atoms.get_stress(voigt=False)) + pressure * np.eye(3)
    symbols = [site.specie.symbol for site in structure]
    return _Outcome(
        structure=Structure(Lattice(np.array(atoms.cell)), symbols, atoms.get_scaled_positions() % 1.0),
        energy=float(atoms.get_potential_energy()),
        reason=reason,
        steps=steps,
        max_force=float(np.linalg.norm(atoms.get_forces(), axis=1).max()),
        stress_residual_gpa=float(np.abs(stress).max() * _EV_PER_A3_IN_GPA),
    )
