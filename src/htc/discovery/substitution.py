"""A crystal with other elements in the place of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from htc.errors import InputError, StructureError
from htc.materials.formulas import ELEMENTS

if TYPE_CHECKING:
    from pymatgen.core.composition import Composition
    from pymatgen.core.structure import Structure

__all__ = ["Prototype"]

_KNOWN = frozenset(ELEMENTS)


@dataclass(frozen=True, slots=True)
class Prototype:
    """A crystal that lends its shape."""

    name: str
    structure: Structure

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
        """The crystal with its elements exchanged, its edges scaled with the mean atomic radius; and notes.

        Args:
            choice: old symbol -> new symbol; others stay.

        Raises:
            StructureError: two elements would become one, which is another compound than the prototype's; an
                unknown element; an element without an atomic radius.
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
        scale = (_mean_radius(changed.composition) / _mean_radius(old)) ** 3
        changed.scale_lattice(changed.volume * scale)
        note = f"made from {self.name}; the volume was estimated from atomic radii, nothing was relaxed"
        return changed, (note,)


def _mean_radius(composition: Composition) -> float:
    """Mean atomic radius, Å.

    Slater, J. Chem. Phys. 41, 3199 (1964), doi:10.1063/1.1725697, as pymatgen has them.
    """
    from pymatgen.core.periodic_table import Element

    total = 0.0
    for symbol, amount in composition.get_el_amt_dict().items():
        radius = Element(symbol).atomic_radius
        if radius is None:
            raise StructureError(f"no atomic radius of {symbol} is known to estimate a volume from")
        total += float(radius) * amount
    return total / composition.num_atoms
