"""Finding out whether a candidate that would pass is a crystal that passes already."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.discovery.campaign import Duplicates
    from htc.discovery.space import CandidateSpace

__all__ = ["Twins"]

_KEPT: Final = 2_000
"""Crystals in memory; the others are made again when they are asked for."""


class Twins:
    """Remembers who passes, by group; only crystals of one group, at one pressure, are compared.

    Args:
        space: of the campaign.
        rule: its ``[duplicates]`` table.
        pressures: how many pressures there are.
        carried: the crystal of a position where a stage has changed it; None: as the space makes it.
    """

    def __init__(
        self,
        space: CandidateSpace,
        rule: Duplicates,
        pressures: int,
        carried: Callable[[int], Mapping[str, object] | None] = lambda _: None,
    ) -> None:
        """Know nobody yet."""
        from htc.discovery.space import DuplicateMatcher

        self._space = space
        self._on = rule.on
        self._same = DuplicateMatcher(rule)
        self._pressures = pressures
        self._carried = carried
        self._groups: dict[tuple[str, int], list[int]] = defaultdict(list)
        self._crystals: OrderedDict[int, Structure | None] = OrderedDict()

    def of(self, position: int) -> int | None:
        """Position of one that was asked about before, that is no twin itself, and is the same crystal."""
        if not self._on:
            return None
        number, pressure = divmod(position, self._pressures)
        candidate = self._space[number]
        group = getattr(candidate, "group", None)
        if group is None:
            return None
        others = self._groups[group, pressure]
        for other in others:
            mine, its = self._crystal(position), self._crystal(other)
            if mine is None and its is None:
                return other
            if mine is not None and its is not None and self._same(mine, its):
                return other
        others.append(position)
        return None

    def _crystal(self, position: int) -> Structure | None:
        if position in self._crystals:
            self._crystals.move_to_end(position)
            return self._crystals[position]
        document = self._carried(position)
        if document is None:
            crystal = getattr(self._space[position // self._pressures], "structure", None)
        else:
            from htc.materials.reading import as_structure

            crystal = as_structure(document, source=f"candidate {position}")
        self._crystals[position] = crystal
        if len(self._crystals) > _KEPT:
            self._crystals.popitem(last=False)
        return crystal
