"""Stage ``hull``: energy above the hull of competing phases, with one potential."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from htc.discovery.stages.columns import columns_of
from htc.discovery.stages.earlier import with_more
from htc.discovery.stages.relaxing import allowed_by, not_relaxed
from htc.discovery.stages.subjects import Finding, Subject, crystal_of, failed
from htc.errors import InputError

if TYPE_CHECKING:
    from htc.discovery.stages.memory import Memory
    from htc.stability import CompetitorSource, Potential

__all__ = ["hull_judge"]

_RECIPE: Final = 2


class hull_judge:  # noqa: N801  # called like a function, kept like an object
    """Measures one crystal after the other against the hull of its competitors.

    Args:
        potential: gives every energy.
        sources: of competitors.
        memory: energies of competitors that somebody has worked out already.
        notes: what has to be said about the sources.
    """

    def __init__(
        self,
        potential: Potential,
        sources: Sequence[CompetitorSource],
        memory: Memory,
        notes: Sequence[str] = (),
    ) -> None:
        """Keep what every crystal needs."""
        self._potential = potential
        self._sources = list(sources)
        self._memory = memory
        self._notes = tuple(notes)

    def __call__(self, subject: Subject) -> Finding:
        """Judge one."""
        from htc.stability import Stability, relax
        from htc.stability.competition import compete
        from htc.stability.energies import Energies, phase_of

        crystal = crystal_of(subject)
        allowed = allowed_by(self._potential, crystal, subject)
        if isinstance(allowed, Finding):
            return allowed
        # No folder remembers candidates: what is found of one must not depend on its near twins.
        relaxation = relax(crystal, self._potential, pressure_gpa=subject.pressure_gpa)
        if not relaxation.converged:
            return not_relaxed(relaxation, subject)
        formula = crystal.composition.reduced_formula
        hull = compete(
            phase_of(relaxation, formula, subject.label),
            self._sources,
            Energies(self._potential, subject.pressure_gpa, self._memory.cache),
            crystal=relaxation.structure,
        )
        if hull.distance_ev is None:
            return failed(InputError(hull.says), subject)
        stability = Stability(
            source=subject.label,
            composition=crystal.composition.formula,
            reduced_formula=formula,
            pressure_gpa=subject.pressure_gpa,
            potential_id=self._potential.potential_id,
            cautions=allowed.cautions,
            notes=self._notes,
            relaxation=relaxation,
            hull=hull,
            settings={"recipe": _RECIPE, "hull": {"sources": [s.name for s in self._sources]}},
        )
        prediction = None if subject.prediction is None else with_more(subject.prediction, stability)
        values: dict[str, float | str | bool | None] = {
            "hull_distance_eV": hull.distance_ev,
            "thermo_stable": stability.thermo_stable,
            "hull_competitors": hull.n_competitors,
            "formation_energy_eV": hull.formation_ev,
            "hull_says": hull.says,
            "potential": stability.potential_id,
        }
        if prediction is not None:
            values |= columns_of(prediction)
        return Finding(
            state="done", values=values, prediction=prediction, carry=relaxation.structure.as_dict()
        )
