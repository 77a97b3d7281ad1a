"""Stage ``relax``: cell and positions at the pressure, by an interatomic potential."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from htc.discovery.stages.subjects import Finding, Subject, crystal_of, failed, rejected
from htc.errors import ConvergenceError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.stability import Potential, Relaxation
    from htc.stability.applicability import Applicability

__all__ = ["allowed_by", "not_relaxed", "relaxer"]


class relaxer:  # noqa: N801  # called like a function, kept like an object
    """Relaxes one crystal after the other.

    Args:
        potential: gives energies, forces, stresses.
        fmax: largest force that may be left, eV/Å.
        max_steps: steps at most.
    """

    def __init__(self, potential: Potential, *, fmax: float, max_steps: int) -> None:
        """Keep the potential."""
        self._potential = potential
        self._fmax, self._max_steps = fmax, max_steps

    def __call__(self, subject: Subject) -> Finding:
        """Relax one."""
        from htc.stability import relax

        crystal = crystal_of(subject)
        allowed = allowed_by(self._potential, crystal, subject)
        if isinstance(allowed, Finding):
            return allowed
        relaxation = relax(
            crystal,
            self._potential,
            pressure_gpa=subject.pressure_gpa,
            fmax=self._fmax,
            max_steps=self._max_steps,
        )
        if not relaxation.converged:
            return not_relaxed(relaxation, subject)
        values: dict[str, Any] = {
            "volume_change": relaxation.volume_change,
            "enthalpy_ev_per_atom": relaxation.enthalpy_ev_per_atom,
            "relaxation_steps": relaxation.steps,
            "potential": relaxation.potential_id,
        }
        if relaxation.spacegroup_after is not None:
            values["spacegroup"] = relaxation.spacegroup_after
        return Finding(
            state="done",
            values=values,
            prediction=subject.prediction,
            carry=relaxation.structure.as_dict(),
        )


def allowed_by(potential: Potential, crystal: Structure, subject: Subject) -> Applicability | Finding:
    """That the potential may be asked about a crystal, or the rejection."""
    from htc.stability.applicability import check

    allowed = check(crystal, subject.pressure_gpa, potential)
    if allowed.refusals:
        hint = "leave the stage out for such materials, or compute them from first principles"
        return rejected("; ".join(allowed.refusals), subject, hint=hint)
    return allowed


def not_relaxed(relaxation: Relaxation, subject: Subject) -> Finding:
    """The finding of a relaxation that did not settle."""
    error = ConvergenceError(
        f"the relaxation did not settle: {relaxation.reason}",
        hint="a far-off start or an unstable crystal; more steps help only the first",
    )
    return failed(error, subject)
