"""Parts put together: from a number of the space to a place in a part."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

from htc.discovery.space.parts import Part
from htc.discovery.space.permutation import Permutation
from htc.discovery.space.types import Candidate, Rejected

__all__ = ["Source", "Tree"]


@dataclass(frozen=True)
class Source:
    """A ``[[candidates]]`` table: its parts, one behind the other, or a sample of them."""

    name: str
    kind: str
    parts: tuple[Part | int, ...]
    """A number stands for a part of that size that is left out."""
    limit: int | None
    seed: int

    def __reduce__(self) -> tuple[Any, ...]:
        """Without what is worked out again."""
        return type(self), (self.name, self.kind, self.parts, self.limit, self.seed)

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(part if isinstance(part, int) else len(part) for part in self.parts))

    @cached_property
    def _order(self) -> Permutation | None:
        """The order of a sample; None where all are taken."""
        total = self.total
        return Permutation(total, self.seed) if self.limit is not None and self.limit < total else None

    @property
    def total(self) -> int:
        """How many there are before the limit."""
        return self._ends[-1] if self._ends else 0

    def __len__(self) -> int:
        """How many numbers."""
        return self.total if self.limit is None else min(self.limit, self.total)

    def locate(self, i: int) -> tuple[int, int]:
        """Part and place in it."""
        if self._order is not None:
            i = self._order[i]
        part = bisect_right(self._ends, i)
        return part, i - (self._ends[part - 1] if part else 0)

    def index(self, part: int, place: int) -> int | None:
        """The inverse of :meth:`locate`; None where the limit left it out."""
        i = place + (self._ends[part - 1] if part else 0)
        if self._order is not None:
            i = self._order.index(i)
        return i if i < len(self) else None


@dataclass(frozen=True)
class Tree:
    """All sources, one behind the other, or a sample of them."""

    sources: tuple[Source, ...]
    limit: int | None
    seed: int

    def __reduce__(self) -> tuple[Any, ...]:
        """Without what is worked out again."""
        return type(self), (self.sources, self.limit, self.seed)

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(len(source) for source in self.sources))

    @property
    def total(self) -> int:
        """How many there are before the limit."""
        return self._ends[-1] if self._ends else 0

    @cached_property
    def _order(self) -> Permutation | None:
        total = self.total
        return Permutation(total, self.seed) if self.limit is not None and self.limit < total else None

    def __len__(self) -> int:
        """How many numbers."""
        return self.total if self.limit is None else min(self.limit, self.total)

    def locate(self, number: int) -> tuple[int, int, int]:
        """Source, part of it, and place in that.

        Raises:
            IndexError: there is no such number.
        """
        if not 0 <= number < len(self):
            raise IndexError(number)
        i = number if self._order is None else self._order[number]
        source = bisect_right(self._ends, i)
        part, place = self.sources[source].locate(i - (self._ends[source - 1] if source else 0))
        return source, part, place

    def index(self, source: int, part: int, place: int) -> int | None:
        """The number of a place in a part; None where a limit left it out."""
        i = self.sources[source].index(part, place)
        if i is None:
            return None
        i += self._ends[source - 1] if source else 0
        if self._order is not None:
            i = self._order.index(i)
        return i if i < len(self) else None

    def __getitem__(self, number: int) -> Candidate | Rejected:
        """The candidate of a number.

        Raises:
            IndexError: there is no such number.
        """
        source, which, place = self.locate(number)
        part = self.sources[source].parts[which]
        if isinstance(part, int):
            raise IndexError(f"{number} is not in this slice")
        return part.make(place, number)

    def restricted(self, numbers: Iterable[int]) -> Tree:
        """With nothing but what these numbers need."""
        needed: dict[tuple[int, int], list[int]] = defaultdict(list)
        for number in numbers:
            source, part, place = self.locate(number)
            needed[source, part].append(place)

        def kept(s: int, source: Source) -> Iterator[Part | int]:
            for p, part in enumerate(source.parts):
                if isinstance(part, int):
                    yield part
                elif (s, p) in needed:
                    yield part.restricted(needed[s, p])
                else:
                    yield len(part)

        sources = tuple(
            Source(one.name, one.kind, tuple(kept(s, one)), one.limit, one.seed)
            for s, one in enumerate(self.sources)
        )
        return Tree(sources, self.limit, self.seed)
