"""Finding out whether a candidate that would pass is a crystal that passes already."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from htc.discovery.space.parts import group_of
from htc.discovery.space.types import Candidate
from htc.materials.library import structures_for

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
        pressures: those of the campaign, GPa.
        carried: the crystal of a position where a stage has changed it; None: as the space makes it.
    """

    def __init__(
        self,
        space: CandidateSpace,
        rule: Duplicates,
        pressures: Sequence[float],
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
        self._alone: dict[tuple[str, int], int] = {}
        self._met: set[tuple[str, int]] = set()
        self._all_met = False
        self._crystals: OrderedDict[int, Structure | None] = OrderedDict()

    def of(self, position: int, formula: str | None) -> int | None:
        """Position of one that was asked about before, that is no twin itself, and is the same crystal.

        Args:
            position: of a candidate.
            formula: its reduced formula. Where nobody else has it, no crystal is made. None: it is not known,
                and may be that of any other.
        """
        if not self._on:
            return None
        pressure = position % len(self._pressures)
        # A composition that is no whole numbers can be written in several ways.
        if formula is None or "." in formula:
            self._all_met = True
            for one in self._alone.values():
                self._compared(one)
            self._alone.clear()
        elif not self._all_met:
            key = formula, pressure
            if key not in self._met:
                self._met.add(key)
                self._alone[key] = position
                return None
            if (first := self._alone.pop(key, None)) is not None:
                self._compared(first)
        return self._compared(position)

    def _compared(self, position: int) -> int | None:
        """Its twin among those of its group; it joins them where there is none."""
        pressure = position % len(self._pressures)
        group = self._group(position)
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

    def _group(self, position: int) -> str | None:
        """Of candidates that may be one crystal: a formula is of the group of the crystal it stands for."""
        number, pressure = divmod(position, len(self._pressures))
        made = self._space[number]
        if not isinstance(made, Candidate):
            return None
        if made.structure is None and (known := _known(made, self._pressures[pressure])) is not None:
            return group_of(Counter(site.specie.symbol for site in known))
        return made.group

    def _crystal(self, position: int) -> Structure | None:
        if position in self._crystals:
            self._crystals.move_to_end(position)
            return self._crystals[position]
        document = self._carried(position)
        if document is None:
            number, pressure = divmod(position, len(self._pressures))
            made = self._space[number]
            crystal = None
            if isinstance(made, Candidate):
                crystal = made.structure or _known(made, self._pressures[pressure])
        else:
            from htc.materials.reading import as_structure

            crystal = as_structure(document, source=f"candidate {position}")
        self._crystals[position] = crystal
        if len(self._crystals) > _KEPT:
            self._crystals.popitem(last=False)
        return crystal


def _known(candidate: Candidate, pressure_gpa: float) -> Structure | None:
    """The crystal that is predicted for a formula, where the bundled library has one."""
    if candidate.formula is None:
        return None
    found = structures_for(candidate.formula, pressure_gpa)
    return found[0].structure if found and found[0].structure.is_ordered else None
