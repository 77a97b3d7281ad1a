"""Competing phases that only the coordinator can ask for: of the store, and of providers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from htc.stability import Competitor, CompetitorSource

__all__ = ["Supplied", "sources_of", "supplement_for"]

_ONLY_BUNDLED: Final = "competitors are those bundled: neither the store nor providers were asked"


def supplement_for(
    systems: Iterable[Iterable[str]], sources: Sequence[CompetitorSource], pressures_gpa: Iterable[float]
) -> dict[str, Any]:
    """``ChunkTask.supplement`` of a hull stage: what these sources know of the candidates' systems.

    Ask once for a stage and keep the answer with the run: a hull that other answers were put into half-way
    would not be one hull. What is bundled is not in it; every process has that.

    Args:
        systems: elements of each candidate.
        sources: of the store and of providers.
        pressures_gpa: of the campaign.

    Returns:
        JSON values.

    Raises:
        HTCError: a source's own.
    """
    wanted = sorted({tuple(sorted(set(system))) for system in systems})
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for pressure in pressures_gpa:
        for system in wanted:
            for source in sources:
                found = source.find(system, pressure)
                notes += found.notes
                rows += [_as_row(c, pressure) for c in found.competitors]
    distinct = {str(sorted(row.items(), key=str)): row for row in rows}
    return {
        "sources": [source.name for source in sources],
        "competitors": list(distinct.values()),
        "notes": list(dict.fromkeys(notes)),
    }


def _as_row(competitor: Competitor, pressure: float) -> dict[str, Any]:
    return {
        "structure": competitor.structure.as_dict(),
        "name": competitor.name,
        "origin": competitor.origin,
        "reference": competitor.reference,
        "pressure_gpa": pressure,
    }


class Supplied:
    """The phases of a supplement as a source of competitors.

    Args:
        supplement: from :func:`supplement_for`.
    """

    name = "store and providers"

    def __init__(self, supplement: Mapping[str, Any]) -> None:
        """Read the crystals."""
        from pymatgen.core.structure import Structure

        from htc.stability import Competitor

        self._rows = [
            (
                float(row["pressure_gpa"]),
                Competitor(
                    Structure.from_dict(row["structure"]),
                    row["name"],
                    row["origin"],
                    reference=bool(row["reference"]),
                ),
            )
            for row in supplement["competitors"]
        ]

    def find(self, elements: Sequence[str], pressure_gpa: float = 0.0) -> Any:
        """See :class:`~htc.stability.CompetitorSource`."""
        from htc.stability.competitors import Found

        wanted = set(elements)
        return Found(
            tuple(
                one
                for pressure, one in self._rows
                if pressure == pressure_gpa and {s.specie.symbol for s in one.structure} <= wanted
            )
        )


def sources_of(
    supplement: Mapping[str, Any] | None, *, made_up: bool = True
) -> tuple[list[CompetitorSource], list[str]]:
    """Sources of competitors for a task, and what has to be said about them."""
    from htc.stability.competitors import bundled

    sources: list[CompetitorSource] = list(bundled(made_up=made_up))
    if supplement is None:
        return sources, [_ONLY_BUNDLED]
    return [*sources, Supplied(supplement)], list(supplement.get("notes", ()))
