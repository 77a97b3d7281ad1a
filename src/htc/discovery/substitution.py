"""A crystal with other elements in the place of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from htc.errors import InputError, StructureError
from htc.materials.formulas import ELEMENTS
from htc.materials.volumes import PairSums, pair_sums, substituted_volume

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Prototype"]

_KNOWN = frozenset(ELEMENTS)


@dataclass(frozen=True)
class Prototype:
    """A crystal that lends its shape."""

    name: str
    structure: Structure

    @cached_property
    def _sums(self) -> PairSums:
        """Of the shape, kinds of sites in the order of their symbols."""
        symbols = [site.specie.symbol for site in self.structure]
        elements = sorted(set(symbols))
        return pair_sums(self.structure, [elements.index(symbol) for symbol in symbols])

    def check(self, replaced: Sequence[str]) -> None:
        """Whether all of these elements are in it.

        Raises:
            InputError: one is not.
        """
        have = {element.symbol for element in self.structure.composition.elements}
        for symbol in replaced:
            if symbol not in have:
                raise InputError(
                    f"there is no {symbol} in {self.name}",
                    where="replace",
                    hint=f"it consists of {', '.join(sorted(have))}",
                )

    def with_elements(self, choice: Mapping[str, str]) -> tuple[Structure, tuple[str, ...]]:
        """The crystal with its elements exchanged, its volume estimated anew; and notes.

        Args:
            choice: old symbol -> new symbol; others stay.

        Raises:
            StructureError: two elements would become one, which is another compound than the prototype's; an
                unknown element; an element of which no volume is known.
        """
        old = self.structure.composition
        kept = {element.symbol: element.symbol for element in old.elements}
        mapping = kept | dict(choice)
        for symbol in mapping.values():
            if symbol not in _KNOWN:
                raise StructureError(f"there is no element {symbol!r}")
        if len(set(mapping.values())) < len(mapping):
            raise StructureError(
                "two elements of the prototype would become the same one",
                hint="that is no longer a compound of this structure type",
            )
        if mapping == kept:
            return self.structure.copy(), ()
        changed = self.structure.copy()
        changed.replace_species(mapping)
        elements = sorted(kept)
        own = changed.volume / len(changed)
        estimate = substituted_volume(self._sums, elements, [mapping[e] for e in elements], own)
        changed.scale_lattice(estimate * len(changed))
        note = f"made from {self.name}; the volume was estimated from the elements, nothing was relaxed"
        return changed, (note,)
