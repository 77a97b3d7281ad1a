"""Relaxation of a crystal at a pressure with its symmetry kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from htc.stability.potentials.protocol import Potential

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["FMAX", "MAX_STEPS", "Progress", "Relaxation", "relax"]

Progress = Callable[[int, int, str], None]
"""Called as ``progress(done, of, what)``; to stop the work, raise from it."""

FMAX: Final = 0.005
"""Largest force on an atom, and generalised force on the cell, in a relaxed crystal, eV/Å."""
MAX_STEPS: Final = 300


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
    spacegroup_after: int | None
    volume_change: float
    """Relative to the structure given: -0.05 where it shrank by 5 %."""
    potential_id: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields, the structure as pymatgen's ``as_dict()``."""
        raise NotImplementedError


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
    """
    raise NotImplementedError
