"""Parts of a space: numbered candidates of one origin. A part is picklable and asks nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from typing import Any, Final, Protocol, Self

import numpy as np

from htc.discovery.campaign.plausibility import Plausibility
from htc.discovery.campaign.tables import Volume
from htc.discovery.space.combinations import Combinations
from htc.discovery.space.crystals import Crystal, made
from htc.discovery.space.plausibility import Judge
from htc.discovery.space.prototypes import Shape
from htc.discovery.space.types import Candidate, Rejected
from htc.errors import StructureError
from htc.materials.formulas import ELEMENTS
from htc.materials.volumes import substituted_volume, volume_per_atom

__all__ = ["Entry", "Given", "Part", "Substitutions", "part_from_json"]

_DOCUMENT: Final = 200
"""Crystals kept in one document."""
_Z: Final = {symbol: z for z, symbol in enumerate(ELEMENTS, 1)}


class Part(Protocol):
    """Numbered candidates."""

    @property
    def name(self) -> str:
        """For counts."""
        ...

    @property
    def generated(self) -> bool:
        """Whether the plausibility rules are asked."""
        ...

    def __len__(self) -> int:
        """How many numbers."""
        ...

    def make(self, place: int, number: int) -> Candidate | Rejected:
        """The candidate at ``place`` of this part; ``number`` is its number in the space."""
        ...

    def restricted(self, places: Collection[int]) -> Part:
        """This part without what only other places need."""
        ...

    def documents(self) -> Iterator[dict[str, Any]]:
        """JSON from which :func:`part_from_json` makes it again."""
        ...


# -- generated -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Substitutions:
    """The fillings of one shape."""

    shape: Shape
    pools: tuple[tuple[str, ...], ...]
    """For each slot, in order of atomic number."""
    equal: bool
    rules: Plausibility
    volume: Volume

    generated = True

    @classmethod
    def of(
        cls,
        shape: Shape,
        pools: Sequence[Sequence[str]],
        *,
        equal: bool,
        rules: Plausibility,
        volume: Volume,
    ) -> Self:
        """Fillings from pools; without ``equal``, not with elements that stay.

        Raises:
            StructureError: no volume of an element of the prototype is known.
        """
        volume_per_atom(shape.sums, shape.elements)
        stays = set(shape.elements[len(shape.slots) :])
        kept = [tuple(e for e in pool if equal or e not in stays) for pool in pools]
        return cls(shape, tuple(kept), equal, rules, volume)

    def __reduce__(self) -> tuple[Any, ...]:
        """Without what is worked out again."""
        return type(self), (self.shape, self.pools, self.equal, self.rules, self.volume)

    @property
    def name(self) -> str:
        """Of the prototype."""
        return self.shape.name

    @cached_property
    def _ways(self) -> Combinations:
        return Combinations(self.pools, equal=self.equal, interchangeable=self._interchangeable)

    @cached_property
    def _interchangeable(self) -> tuple[tuple[int, ...], ...]:
        """Sets of slots with one pool, any two of which may be exchanged."""
        set_of = {slot: {slot} for slot in range(len(self.pools))}
        for order in self.shape.same:
            moved = [slot for slot, other in enumerate(order) if slot != other]
            if len(moved) == 2 and self.pools[moved[0]] == self.pools[moved[1]]:
                joined = set_of[moved[0]] | set_of[moved[1]]
                set_of |= dict.fromkeys(joined, joined)
        return tuple(sorted({tuple(sorted(one)) for one in set_of.values() if len(one) > 1}))

    @cached_property
    def _judge(self) -> Judge:
        return Judge(self.rules, self.shape, self._arrays[2])

    @cached_property
    def _arrays(self) -> tuple[Any, Any, float]:
        crystal = self.shape.crystal
        return np.array(crystal.matrix), np.array(crystal.frac), crystal.volume_per_atom

    def __len__(self) -> int:
        """How many fillings."""
        return len(self._ways)

    def filling(self, place: int) -> tuple[str, ...]:
        """The element of each slot at a place.

        Raises:
            IndexError: there is no such place.
        """
        return self._ways[place]

    def place_of(self, filling: Sequence[str]) -> int | None:
        """The place of a filling, or of the one that is the same crystal by symmetry; None: it has none.

        Args:
            filling: an element for each slot.
        """
        if any(e not in pool for e, pool in zip(filling, self.pools, strict=True)):
            return None
        if not self.equal and len(set(filling)) < len(filling):
            return None
        own = tuple(filling)
        first: tuple[str, ...] | None = own
        while first is not None:
            ordered = list(first)
            for slots in self._interchangeable:
                for slot, z in zip(slots, sorted(_Z[first[s]] for s in slots), strict=True):
                    ordered[slot] = ELEMENTS[z - 1]
            own = tuple(ordered)
            first = self._first_of_equals(own)
        return self._ways.index(own)

    def volume_of(self, elements: Sequence[str]) -> float:
        """Volume that a filling is given, Å^3 an atom.

        Args:
            elements: for each kind of site.

        Raises:
            StructureError: no volume of one of the elements is known.
        """
        own = self._arrays[2]
        if self.volume.method == "keep":
            return own * self.volume.scale
        return substituted_volume(self.shape.sums, self.shape.elements, elements, own) * self.volume.scale

    def make(self, place: int, number: int) -> Candidate | Rejected:
        """See :class:`Part`."""
        shape = self.shape
        filling = self._ways[place]
        elements = (*filling, *shape.elements[len(filling) :])
        changes = [f"{slot} to {new}" for slot, new in zip(shape.slots, filling, strict=True)]
        label = f"{shape.name}: " + ", ".join(changes)
        if (first := self._first_of_equals(filling)) is not None:
            same = ", ".join(f"{slot} to {new}" for slot, new in zip(shape.slots, first, strict=True))
            return Rejected(number, label, "symmetry", f"the same crystal as {shape.name}: {same}")
        try:
            volume = self.volume_of(elements)
        except StructureError as error:
            return Rejected(number, label, "volume", error.what)
        if (verdict := self._judge(elements, volume)) is not None:
            return Rejected(number, label, verdict.rule, verdict.reason, verdict.values)
        matrix, frac, own = self._arrays
        amounts: dict[str, int] = {}
        for symbol, n in zip(elements, shape.counts, strict=True):
            amounts[symbol] = amounts.get(symbol, 0) + n
        notes: tuple[str, ...] = ()
        if elements != shape.elements or self.volume.scale != 1.0:
            how = "kept" if self.volume.method == "keep" else "estimated from the elements"
            notes = (f"made from {shape.name}; the volume was {how}, nothing was relaxed",)
        return Candidate(
            number,
            label,
            made(matrix * (volume / own) ** (1 / 3), [elements[kind] for kind in shape.kinds], frac),
            reduced_formula(amounts),
            notes,
            group_of(amounts),
        )

    def _first_of_equals(self, filling: tuple[str, ...]) -> tuple[str, ...] | None:
        """The filling that stands for this one, where that is another: the least that is the same crystal."""
        best, key = None, tuple(_Z[e] for e in filling)
        for order in self.shape.same:
            other = tuple(filling[i] for i in order)
            its = tuple(_Z[e] for e in other)
            if its < key and all(e in pool for e, pool in zip(other, self.pools, strict=True)):
                best, key = other, its
        return best

    def restricted(self, places: Collection[int]) -> Substitutions:  # noqa: ARG002  # all need all of it
        """Itself: it is small."""
        return self

    def documents(self) -> Iterator[dict[str, Any]]:
        """See :class:`Part`."""
        yield {
            "kind": "substitutions",
            "shape": self.shape.as_json(),
            "pools": self.pools,
            "equal": self.equal,
        }


def reduced_formula(amounts: Mapping[str, float]) -> str:
    """Reduced formula as pymatgen writes it."""
    from pymatgen.core.composition import Composition, reduce_formula

    from htc.materials.formulas import settle_electronegativity

    settle_electronegativity(amounts)
    if any(n != int(n) for n in amounts.values()):
        return Composition(amounts).reduced_formula
    # The property of a composition does no more, but takes four times as long.
    formula, _ = reduce_formula({symbol: int(n) for symbol, n in amounts.items()})
    return Composition.special_formulas.get(formula, formula)


def group_of(amounts: Mapping[str, int]) -> str:
    """Equal for equal compositions: ``Al1 V3``."""
    divisor = gcd(*amounts.values())
    return " ".join(f"{symbol}{n // divisor}" for symbol, n in sorted(amounts.items()))


# -- given ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One candidate that is there already: a crystal, a formula, or what is wrong with it."""

    label: str
    crystal: Crystal | None = None
    formula: str | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """JSON without what is empty."""
        out: dict[str, Any] = {"label": self.label}
        if self.crystal is not None:
            out["crystal"] = self.crystal.as_json()
        if self.formula is not None:
            out["formula"] = self.formula
        if self.error is not None:
            out["error"] = self.error
        if self.notes:
            out["notes"] = self.notes
        return out

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Entry:
        """The entry of :meth:`as_json`."""
        crystal = kept.get("crystal")
        return cls(
            kept["label"],
            None if crystal is None else Crystal.from_json(crystal),
            kept.get("formula"),
            kept.get("error"),
            tuple(kept.get("notes", ())),
        )


@dataclass(frozen=True, slots=True)
class Given:
    """Crystals and formulas as they were when the run began."""

    name: str
    entries: Mapping[int, Entry]
    """By place; a restricted part has only some."""
    size: int

    generated = False

    def __len__(self) -> int:
        """How many."""
        return self.size

    def make(self, place: int, number: int) -> Candidate | Rejected:
        """See :class:`Part`."""
        entry = self.entries[place]
        if entry.error is not None:
            return Rejected(number, entry.label, "unreadable", entry.error)
        if entry.crystal is not None:
            amounts: dict[str, int] = {}
            for symbol in entry.crystal.symbols:
                amounts[symbol] = amounts.get(symbol, 0) + 1
            return Candidate(
                number,
                entry.label,
                entry.crystal.structure(),
                reduced_formula(amounts),
                entry.notes,
                group_of(amounts),
            )
        formula = entry.formula or ""
        from htc.materials.formulas import formula_amounts

        total = formula_amounts(formula)
        share = sum(total.values())
        group = " ".join(f"{s}{n / share:.6f}" for s, n in sorted(total.items()))
        return Candidate(
            number, entry.label, None, reduced_formula(total), entry.notes, f"composition {group}"
        )

    def restricted(self, places: Collection[int]) -> Given:
        """See :class:`Part`."""
        return Given(self.name, {place: self.entries[place] for place in places}, self.size)

    def documents(self) -> Iterator[dict[str, Any]]:
        """See :class:`Part`."""
        for start in range(0, max(self.size, 1), _DOCUMENT):
            some = [self.entries[i].as_json() for i in range(start, min(start + _DOCUMENT, self.size))]
            yield {"kind": "given", "name": self.name, "size": self.size, "entries": some}


def part_from_json(documents: Sequence[Mapping[str, Any]], *, rules: Plausibility, volume: Volume) -> Part:
    """A part from its documents."""
    first = documents[0]
    if first["kind"] == "substitutions":
        pools = tuple(tuple(pool) for pool in first["pools"])
        return Substitutions(Shape.from_json(dict(first["shape"])), pools, first["equal"], rules, volume)
    entries = [Entry.from_json(entry) for document in documents for entry in document["entries"]]
    return Given(first["name"], dict(enumerate(entries)), first["size"])
