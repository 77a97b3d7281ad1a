"""From a relaxed crystal and sources of competitors to its distance to the hull."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from htc.materials.symmetry import structure_hash
from htc.stability.competitors.source import Competitor, CompetitorSource
from htc.stability.energies import Energies
from htc.stability.hull import HullDistance, LeftOut, Phase, distance_above, hull_distance
from htc.stability.relaxation import Progress

__all__ = ["MOST_MADE_UP", "WINDOW_EV", "compete", "gather"]

WINDOW_EV: Final = 0.1
"""eV/atom. A made-up crystal this far above the hull with its shape kept is not relaxed: cells of a common
structure type gain less by changing shape."""
MOST_MADE_UP: Final = 20
"""Made-up crystals relaxed at most, lowest first."""


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
    notes: list[str] = []
    for source in sources:
        found = source.find(elements, pressure_gpa)
        notes += found.notes
        for competitor in found.competitors:
            key = structure_hash(competitor.structure)
            known = by_hash.get(key)
            if known is None or (competitor.reference and not known.reference):
                by_hash[key] = competitor
    return list(by_hash.values()), list(dict.fromkeys(notes))


def compete(
    target: Phase,
    sources: Iterable[CompetitorSource],
    energies: Energies,
    *,
    progress: Progress | None = None,
) -> HullDistance:
    """Distance of a relaxed crystal to the hull of its competitors.

    Real crystals are all relaxed. Made-up ones are relaxed where their energy with the shape kept lies within
    ``WINDOW_EV`` of the hull of the others.

    Args:
        target: the crystal, from ``energies.phase_of``.
        sources: of competitors.
        energies: of the same potential at the same pressure.
        progress: told after every competitor.

    Raises:
        InputError: ``energies`` are of another potential or pressure than the target.
        StorageError: the cache cannot be written.
    """
    elements = list(target.fractions)
    competitors, notes = gather(sources, elements, energies.pressure_gpa)
    real = [c for c in competitors if not c.made_up]
    made_up = [c for c in competitors if c.made_up]
    phases, left_out = _relax_all(real, energies, progress, "competing phases")
    screened_out = 0
    if made_up and hull_distance(target, phases).missing_elements:
        notes.append("no crystals were made up: without the elements' own crystals they have no zero")
        made_up = []
    if made_up:
        near = _promising(target, phases, made_up, energies, progress)
        screened_out = len(made_up) - len(near)
        more, failed = _relax_all(near, energies, progress, "made-up crystals")
        phases += more
        left_out += failed
    return hull_distance(target, phases, left_out=left_out, screened_out=screened_out, notes=notes)


def _relax_all(
    competitors: Sequence[Competitor], energies: Energies, progress: Progress | None, what: str
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
            progress(done, len(competitors), what)
    return phases, left_out


def _promising(
    target: Phase,
    phases: Sequence[Phase],
    made_up: Sequence[Competitor],
    energies: Energies,
    progress: Progress | None,
) -> list[Competitor]:
    """Made-up crystals near enough to the hull to be relaxed, lowest first.

    The crystal itself is in this hull: what is not below a mixture with it cannot change its distance.
    """
    above: list[tuple[float, Competitor]] = []
    hull = [*phases, target]
    for done, competitor in enumerate(made_up, start=1):
        energy = energies.static(competitor)
        if energy is not None:
            amounts = {k: float(v) for k, v in competitor.structure.composition.get_el_amt_dict().items()}
            distance = distance_above(hull, amounts, energy)
            if distance <= WINDOW_EV:
                above.append((distance, competitor))
        if progress is not None:
            progress(done, len(made_up), "screening made-up crystals")
    above.sort(key=lambda pair: pair[0])
    return [competitor for _, competitor in above[:MOST_MADE_UP]]
