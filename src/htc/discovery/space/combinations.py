"""Choices of one element for each slot, by number: how many there are, and which is the n-th."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Final

__all__ = ["Combinations"]

_CACHED: Final = 8192
"""Tables of counts kept: one an opening of a choice, up to 1 kB each."""


class Combinations:
    """All ways to fill slots from their pools, each once, in lexicographic order.

    Nothing is listed: a way is found from its number by counting the ways that begin like it.

    Args:
        pools: for each slot, what it may hold; nothing twice.
        equal: whether two slots may hold the same.
        interchangeable: sets of slots of one and the same pool whose exchange makes no difference. Of ways
            that differ by such an exchange only the one in order of the pool is counted.
    """

    def __init__(
        self,
        pools: Sequence[Sequence[str]],
        *,
        equal: bool = False,
        interchangeable: Sequence[Sequence[int]] = (),
    ) -> None:
        """Number the elements; count when asked."""
        self.pools = tuple(tuple(pool) for pool in pools)
        self.equal = equal
        names = list(dict.fromkeys(name for pool in self.pools for name in pool))
        # Elements in an order that each pool keeps: pools come in order of atomic number.
        bit = {name: i for i, name in enumerate(names)}
        self._masks = tuple(sum(1 << bit[name] for name in pool) for pool in self.pools)
        self._bits = tuple(tuple(1 << bit[name] for name in pool) for pool in self.pools)
        self._set_of = [-1] * len(self.pools)
        for number, slots in enumerate(interchangeable):
            for slot in slots:
                if self.pools[slot] != self.pools[slots[0]]:
                    raise ValueError("interchangeable slots have one pool")
                self._set_of[slot] = number
        # For each slot and place, the elements that may come after it in an interchangeable slot.
        self._after = tuple(
            tuple(sum(bits[place if equal else place + 1 :]) for place in range(len(bits)))
            for bits in self._bits
        )
        self._divisors = tuple(self._exchanges(slot) for slot in range(len(self.pools) + 1))
        self._table = lru_cache(maxsize=_CACHED)(self._table_from)
        self._total = self._ways(0, self._masks)

    def __len__(self) -> int:
        """How many ways there are."""
        return self._total

    def __getitem__(self, number: int) -> tuple[str, ...]:
        """The elements of a way, one a slot.

        Raises:
            IndexError: there is no such way.
        """
        if not 0 <= number < self._total:
            raise IndexError(number)
        open_to = self._masks
        chosen: list[str] = []
        last = len(self.pools) - 1
        for slot, pool in enumerate(self.pools):
            if slot == last:
                place = self._nth(slot, open_to[slot], number)
            else:
                ends = self._table(slot, open_to)
                place = bisect_right(ends, number)
                number -= ends[place - 1] if place else 0
                open_to = self._narrowed(slot, place, open_to)
            chosen.append(pool[place])
        return tuple(chosen)

    def index(self, way: Sequence[str]) -> int:
        """The number of a way.

        Args:
            way: an element for each slot; interchangeable slots in the order of their pool.

        Raises:
            ValueError: it is none of the ways.
        """
        open_to = self._masks
        number = 0
        for slot, (name, pool) in enumerate(zip(way, self.pools, strict=True)):
            place = pool.index(name)
            if not open_to[slot] & self._bits[slot][place]:
                raise ValueError(f"{name} cannot be in slot {slot}")
            if slot == len(self.pools) - 1:
                return number + sum(bool(open_to[slot] & bit) for bit in self._bits[slot][:place])
            number += self._table(slot, open_to)[place - 1] if place else 0
            open_to = self._narrowed(slot, place, open_to)
        raise ValueError("no slots")

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        """All ways, in order."""
        return (self[i] for i in range(self._total))

    def _nth(self, slot: int, open_to: int, number: int) -> int:
        for place, bit in enumerate(self._bits[slot]):
            if open_to & bit:
                if number == 0:
                    return place
                number -= 1
        raise IndexError(number)

    def _table_from(self, slot: int, open_to: tuple[int, ...]) -> array[int]:
        """Ways that go on with the first, first two, ... of the slot's pool.

        Args:
            slot: to be filled now.
            open_to: for every slot, what it may still hold, as a bit mask.
        """
        mine = open_to[slot]
        counts = (
            self._ways(slot + 1, self._narrowed(slot, place, open_to)) if mine & bit else 0
            for place, bit in enumerate(self._bits[slot])
        )
        return array("q", accumulate(counts))

    def _narrowed(self, slot: int, place: int, open_to: tuple[int, ...]) -> tuple[int, ...]:
        """What the slots may hold once this one has its element."""
        taken = 0 if self.equal else self._bits[slot][place]
        out = [0] * (slot + 1)
        which = self._set_of[slot]
        for i in range(slot + 1, len(open_to)):
            mask = open_to[i] & ~taken
            out.append(mask & self._after[slot][place] if 0 <= which == self._set_of[i] else mask)
        return tuple(out)

    def _exchanges(self, slot: int) -> int:
        """How many exchanges there are among the slots from ``slot`` on."""
        sizes: dict[int, int] = {}
        for which in self._set_of[slot:]:
            if which >= 0:
                sizes[which] = sizes.get(which, 0) + 1
        return math.prod(math.factorial(n) for n in sizes.values())

    def _ways(self, slot: int, open_to: tuple[int, ...]) -> int:
        """Ways to fill the slots from ``slot`` on."""
        masks = open_to[slot:]
        if self.equal:
            return self._with_repetition(slot, masks)
        if len(masks) == 1:
            return masks[0].bit_count()
        # Exchanges act freely on ways without equal elements, so each is met as often as there are exchanges.
        return _injective(tuple(sorted(masks))) // self._divisors[slot]

    def _with_repetition(self, slot: int, masks: Sequence[int]) -> int:
        total = 1
        seen: dict[int, int] = {}
        for i, mask in enumerate(masks, slot):
            n, which = mask.bit_count(), self._set_of[i]
            if which < 0:
                total *= n
                continue
            k = seen[which] = seen.get(which, 0) + 1
            total = total * (n + k - 1) // k
        return total


@lru_cache(maxsize=_CACHED)
def _injective(masks: tuple[int, ...]) -> int:
    """Ways to take a different element from each set, sets as bit masks.

    Möbius inversion over the partitions of the slots into blocks that would hold the same element.
    """
    if len(masks) == 2:
        return masks[0].bit_count() * masks[1].bit_count() - (masks[0] & masks[1]).bit_count()
    total = 0
    for blocks in _partitions(len(masks)):
        term = 1
        for block in blocks:
            common = -1
            for i in block:
                common &= masks[i]
            term *= (-1) ** (len(block) - 1) * math.factorial(len(block) - 1) * common.bit_count()
            if not term:
                break
        total += term
    return total


@lru_cache(maxsize=16)
def _partitions(n: int) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """All partitions of ``range(n)`` into blocks."""
    if n == 0:
        return ((),)
    out: list[tuple[tuple[int, ...], ...]] = []
    for smaller in _partitions(n - 1):
        out.append((*smaller, (n - 1,)))
        out += [(*smaller[:i], (*block, n - 1), *smaller[i + 1 :]) for i, block in enumerate(smaller)]
    return tuple(out)
