"""Stage ``phonons``: whether the lattice is dynamically stable, by an interatomic potential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from htc.discovery.stages.columns import columns_of
from htc.discovery.stages.earlier import with_more
from htc.discovery.stages.relaxing import allowed_by, not_relaxed
from htc.discovery.stages.subjects import Finding, Subject, crystal_of

if TYPE_CHECKING:
    from htc.stability import Potential

__all__ = ["phonon_judge"]


class phonon_judge:  # noqa: N801  # called like a function, kept like an object
    """Computes phonons of one crystal after the other, each relaxed first as far as phonons need it.

    Args:
        potential: gives the forces.
    """

    def __init__(self, potential: Potential) -> None:
        """Keep the potential."""
        self._potential = potential

    def __call__(self, subject: Subject) -> Finding:
        """Judge one."""
        from htc.stability import assess

        crystal = crystal_of(subject)
        allowed = allowed_by(self._potential, crystal, subject)
        if isinstance(allowed, Finding):
            return allowed
        stability = assess(
            crystal,
            self._potential,
            source=subject.label,
            pressure_gpa=subject.pressure_gpa,
            with_phonons=True,
            with_hull=False,
        )
        relaxation, phonons = stability.relaxation, stability.phonons
        if relaxation is None or phonons is None:
            if relaxation is None:  # only a refusal leaves it out, and that was asked above
                raise TypeError("an assessment without a relaxation")
            return not_relaxed(relaxation, subject)
        prediction = None if subject.prediction is None else with_more(subject.prediction, stability)
        values: dict[str, float | str | bool | None] = {
            "phonon_verdict": phonons.verdict,
            "phonon_stable": stability.phonon_stable,
            "imaginary_modes_count": phonons.imaginary_modes_count,
            "lowest_frequency_thz": phonons.lowest_frequency_thz,
            "potential": stability.potential_id,
        }
        if prediction is not None:
            values |= columns_of(prediction)
        return Finding(
            state="done", values=values, prediction=prediction, carry=relaxation.structure.as_dict()
        )
