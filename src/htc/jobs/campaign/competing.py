"""Competing phases of a hull stage, which only the coordinator can ask the store and services for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from htc.store.campaigns import supplement_of

if TYPE_CHECKING:
    from htc.discovery.space import CandidateSpace
    from htc.jobs.task import Task

__all__ = ["Competitors"]


class Competitors:
    """What store and services know of the systems of a stage's candidates, asked once for the run.

    Args:
        task: the run in the hands of this process.
        space: of the campaign.
        stage: place of the stage in it.
        pressures: of the campaign, GPa.
    """

    def __init__(self, task: Task, space: CandidateSpace, stage: int, pressures: Sequence[float]) -> None:
        """Ask nobody yet."""
        self._task = task
        self._space = space
        self._stage = stage
        self._pressures = pressures
        self._rows: list[tuple[frozenset[str], Mapping[str, Any]]] = []
        self._rest: dict[str, Any] = {}

    def ask(self, numbers: Sequence[int]) -> None:
        """For all candidates of the stage.

        Raises:
            HTCError: a source's own.
            StoreError: the database refused.
        """
        found = supplement_of(
            self._task.database, self._task.lease, self._stage, lambda: self._supplement(numbers)
        )
        self._rest = {name: value for name, value in found.items() if name != "competitors"}
        self._rows = [(_elements(row), row) for row in found["competitors"]]

    def among(self, numbers: Sequence[int]) -> dict[str, Any]:
        """What of it some candidates need."""
        systems = [frozenset(self._system(number)) for number in numbers]
        rows = [row for elements, row in self._rows if any(elements <= system for system in systems)]
        return {**self._rest, "competitors": rows}

    def _system(self, number: int) -> tuple[str, ...]:
        candidate = self._space[number]
        structure = getattr(candidate, "structure", None)
        if structure is None:
            return ()
        return tuple(sorted({element.symbol for element in structure.composition.elements}))

    def _supplement(self, numbers: Sequence[int]) -> dict[str, Any]:
        from htc.discovery.stages import supplement_for
        from htc.materials.sources import MaterialsProjectSource, OptimadeSource
        from htc.prediction.sources import known_sources
        from htc.stability.competitors import ServiceCompetitors
        from htc.store.systems import StoredSystems

        sources = [ServiceCompetitors(StoredSystems(self._task.database), elements_are_references=False)]
        sources += [
            ServiceCompetitors(provider, elements_are_references=provider.name == "materials-project")
            for provider in known_sources(self._task.settings)
            if isinstance(provider, OptimadeSource | MaterialsProjectSource)
        ]
        systems = [system for number in numbers if (system := self._system(number))]
        return supplement_for(systems, sources, self._pressures)


def _elements(row: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(species["element"] for site in row["structure"]["sites"] for species in site["species"])
