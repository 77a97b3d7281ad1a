"""The user's own crystals: files, folders, archives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from htc.errors import InputError
from htc.materials.inputs import InputItem, iter_inputs
from htc.stability.competitors.source import Competitor, Found

__all__ = ["FileCompetitors"]


class FileCompetitors:
    """Structure files given as competitors.

    A crystal of one element among them counts as that element's own: who gives it vouches for it.

    Args:
        paths: files, folders and zip archives.
    """

    name = "files"

    def __init__(self, paths: Sequence[Path]) -> None:
        """Keep the paths; they are read when first asked."""
        self.paths = tuple(paths)

    @cached_property
    def _items(self) -> tuple[InputItem, ...]:
        items = tuple(iter_inputs(self.paths))
        for item in items:
            # A competitor silently missing would make the distance too small: say it at once.
            if item.error is not None:
                raise item.error
        return items

    def find(self, elements: Sequence[str], pressure_gpa: float = 0.0) -> Found:  # noqa: ARG002  # at any pressure
        """See :class:`~htc.stability.competitors.CompetitorSource`.

        Raises:
            InputError: a file that is no crystal.
        """
        wanted = set(elements)
        found: list[Competitor] = []
        for item in self._items:
            structure = item.structure
            if structure is None:
                raise InputError("a competitor must be a crystal, not a formula", where=item.source)
            own = {element.symbol for element in structure.composition.elements}
            if own <= wanted:
                name = structure.composition.reduced_formula
                found.append(Competitor(structure, name, item.source, reference=len(own) == 1))
        return Found(tuple(found))
