"""From a relaxed crystal and sources of competitors to its distance to the hull."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from htc.materials.symmetry import structure_hash
from htc.stability.competitors.source import Competitor, CompetitorSource
from htc.stability.energies import Energies
from htc.stability.guesses import Guesses
from htc.stability.hull import HullDistance, LeftOut, Phase, hull_distance
from htc.stability.relaxation import Progress

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["MOST_MADE_UP", "compete", "gather"]

MOST_MADE_UP: Final = 40
"""Made-up crystals relaxed for one distance at most, those first that can lower it most; a note says so."""


def gather(
    sources: Iterable[CompetitorSource], elements: Sequence[str], pressure_gpa: float = 0.0
) -> tuple[list[Competitor], list[str]]:
    """Competitors of all sources, each crystal once, and what has to be said about the search.

    Args:
        sources: asked in turn; the first to know a crystal names it.
        elements: symbols of the system.
        pressure_gpa: pressure of the hull, GPa.

    Raises:
        HTCError: a source's own, where it must not be passed over in silence.
    """
    by_hash: dict[str, Competitor] = {}
    made_up: list[Competitor] = []
    notes: list[str] = []
    for source in sources:
        found = source.find(elements, pressure_gpa)
        notes += found.notes
        for competitor in found.competitors:
            if competitor.made_up:
                # Each comes once already, and there are hundreds: names for them would cost a second.
                made_up.append(competitor)
                continue
            key = structure_hash(competitor.structure)
            known = by_hash.get(key)
            if known is None or (competitor.reference and not known.reference):
                by_hash[key] = competitor
    return [*by_hash.values(), *made_up], list(dict.fromkeys(notes))


def compete(
    target: Phase,
    sources: Iterable[CompetitorSource],
    energies: Energies,
    *,
    crystal: Structure | None = None,
    progress: Progress | None = None,
) -> HullDistance:
    """Distance of a relaxed crystal to the hull of its competitors.

    Real crystals are all relaxed. Of made-up ones those are that could lower the hull at the composition of
    the crystal: see :class:`~htc.stability.guesses.Guesses`.

    Args:
        target: the crystal, from ``energies.phase_of``.
        sources: of competitors.
        energies: of the same potential at the same pressure.
        crystal: the relaxed structure of the target; made-up crystals that are the same are passed over.
        progress: told after every competitor.

    Raises:
        InputError: ``energies`` are of another potential or pressure than the target.
        StorageError: the cache cannot be written.
    """
    competitors, notes = gather(sources, list(target.fractions), energies.pressure_gpa)
    real = [c for c in competitors if not c.made_up]
    made_up = [c for c in competitors if c.made_up]
    phases, left_out = _relax_all(real, energies, progress)
    known = hull_distance(target, phases, left_out=left_out, notes=notes)
    if not made_up:
        return known
    if known.missing_elements:
        note = "no crystals were made up: without the elements' own crystals they have no zero"
        return hull_distance(target, phases, left_out=left_out, notes=[*notes, note])
    guesses = Guesses(energies, made_up, progress)
    guesses.pass_over([c.structure for c in real] + ([] if crystal is None else [crystal]))
    guesses.lower(target, phases, most=MOST_MADE_UP)
    found = hull_distance(target, [*phases, *guesses.phases])
    if found.on_hull and any(p.same_composition(target) for p in found.competitors):
        # How far it lies below the others is asked of phases of other compositions alone.
        guesses.lower(target, phases, most=MOST_MADE_UP, elsewhere=True)
    if guesses.not_relaxed:
        notes.append(
            f"{guesses.not_relaxed} more made-up crystals could lower the hull and were not relaxed:"
            f" {MOST_MADE_UP} are at most"
        )
    return hull_distance(
        target,
        [*phases, *guesses.phases],
        left_out=[*left_out, *guesses.left_out],
        screened_out=guesses.screened_out,
        screening_slack_ev=guesses.slack_ev,
        notes=notes,
    )


def _relax_all(
    competitors: Sequence[Competitor], energies: Energies, progress: Progress | None
) -> tuple[list[Phase], list[LeftOut]]:
    phases: list[Phase] = []
    left_out: list[LeftOut] = []
    for done, competitor in enumerate(competitors, start=1):
        found = energies.relaxed(competitor)
        if isinstance(found, Phase):
            phases.append(found)
        else:
            left_out.append(found)
        if progress is not None:
            progress(done, len(competitors), "competing phases")
    return phases, left_out
