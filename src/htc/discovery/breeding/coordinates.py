"""Where a candidate lies in its space, and who lies beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from htc.discovery.space.parts import Part, Substitutions
from htc.discovery.space.space import CandidateSpace

__all__ = ["Coordinates", "Gene"]

_NEAR: Final = 3.0
"""Places of the pool over which a change to a similar element becomes e times rarer."""


@dataclass(frozen=True, slots=True)
class Gene:
    """What a candidate at a pressure hands on."""

    source: int
    part: int
    """Prototype of the source, or its list of given crystals."""
    filling: tuple[str, ...]
    """The element of each slot; empty for a given crystal."""
    place: int
    """Of a given crystal in its part; 0 for a generated one."""
    pressure: int
    """Place in the list of pressures."""


class Coordinates:
    """Genes of the numbers of a space, and their kin.

    A number is that of the candidate times the number of pressures, plus the place of the pressure. A child
    may be a gene that has no number: a combination that a prototype does not take, or that a limit left out.

    Args:
        space: the candidates.
        pressures: how many there are.
    """

    def __init__(self, space: CandidateSpace, pressures: int) -> None:
        """List the parts."""
        self._space = space
        self._pressures = pressures
        self._parts = [
            (s, p, part)
            for s, source in enumerate(space.sources)
            for p, part in enumerate(source.parts)
            if not isinstance(part, int) and len(part)
        ]

    def __len__(self) -> int:
        """How many numbers there are."""
        return len(self._space) * self._pressures

    def gene(self, number: int) -> Gene:
        """The gene of a number.

        Raises:
            IndexError: there is no such number.
        """
        which, pressure = divmod(number, self._pressures)
        source, part, place = self._space.tree.locate(which)
        made = self._part(source, part)
        if isinstance(made, Substitutions):
            return Gene(source, part, made.filling(place), 0, pressure)
        return Gene(source, part, (), place, pressure)

    def number(self, gene: Gene) -> int | None:
        """The number of a gene; None: it has none."""
        part = self._part(gene.source, gene.part)
        place = part.place_of(gene.filling) if isinstance(part, Substitutions) else gene.place
        which = None if place is None else self._space.tree.index(gene.source, gene.part, place)
        return None if which is None else which * self._pressures + gene.pressure

    def drawn(self, rng: np.random.Generator) -> Gene:
        """Any: each prototype as often as any other, however many elements its slots may hold."""
        s, p, part = self._parts[rng.integers(len(self._parts))]
        place = int(rng.integers(len(part)))
        pressure = int(rng.integers(self._pressures))
        if isinstance(part, Substitutions):
            return Gene(s, p, part.filling(place), 0, pressure)
        return Gene(s, p, (), place, pressure)

    def child(self, one: Gene, other: Gene, rng: np.random.Generator) -> Gene:
        """The shape of one parent with elements of both, at the pressure of either."""
        if rng.random() < 0.5:
            one, other = other, one
        pressure = one.pressure if rng.random() < 0.5 else other.pressure
        filling = list(one.filling)
        if (one.source, one.part) == (other.source, other.part):
            filling = [a if rng.random() < 0.5 else b for a, b in zip(filling, other.filling, strict=True)]
        elif filling and other.filling:
            # Of another prototype: one element, in a slot that may hold it.
            filling[rng.integers(len(filling))] = other.filling[rng.integers(len(other.filling))]
        return replace(one, filling=tuple(filling), pressure=pressure)

    def changed(self, gene: Gene, rng: np.random.Generator) -> Gene:
        """One coordinate otherwise: mostly an element for a similar one, sometimes the prototype."""
        part = self._part(gene.source, gene.part)
        ways: list[tuple[float, Callable[[], Gene]]] = [(0.05, lambda: self.drawn(rng))]
        if len(self._parts) > 1:
            ways.append((0.15, lambda: self._moved(gene, rng)))
        if self._pressures > 1:
            ways.append((0.2, lambda: replace(gene, pressure=int(rng.integers(self._pressures)))))
        if isinstance(part, Substitutions):
            pools = part.pools
            ways.append((0.45, lambda: _other_element(gene, pools, rng, similar=True)))
            ways.append((0.2, lambda: _other_element(gene, pools, rng, similar=False)))
            if len(gene.filling) > 1:
                ways.append((0.1, lambda: _exchanged(gene, rng)))
        else:
            ways.append((0.65, lambda: replace(gene, place=int(rng.integers(len(part))))))
        weights = np.array([weight for weight, _ in ways])
        return ways[rng.choice(len(ways), p=weights / weights.sum())][1]()

    def _moved(self, gene: Gene, rng: np.random.Generator) -> Gene:
        """Another prototype with its elements, wherever a slot may hold one."""
        s, p, part = self._parts[rng.integers(len(self._parts))]
        if not isinstance(part, Substitutions):
            return Gene(s, p, (), int(rng.integers(len(part))), gene.pressure)
        left = [gene.filling[i] for i in rng.permutation(len(gene.filling))]
        filling: list[str] = []
        for pool in part.pools:
            fits = [element for element in left if element in pool]
            filling.append(fits[0] if fits else pool[rng.integers(len(pool))])
            if fits:
                left.remove(fits[0])
        return Gene(s, p, tuple(filling), 0, gene.pressure)

    def _part(self, source: int, part: int) -> Part:
        found = self._space.sources[source].parts[part]
        if isinstance(found, int):
            raise TypeError("a slice is not a space")
        return found


def _other_element(
    gene: Gene, pools: Sequence[tuple[str, ...]], rng: np.random.Generator, *, similar: bool
) -> Gene:
    filling = list(gene.filling)
    slot = int(rng.integers(len(filling)))
    pool = _by_likeness(pools[slot])
    if similar and filling[slot] in pool:
        here = pool.index(filling[slot])
        # Of a Laplace distribution over the places, never 0.
        away = int(np.ceil(rng.exponential(_NEAR))) * (1 if rng.random() < 0.5 else -1)
        filling[slot] = pool[min(max(here + away, 0), len(pool) - 1)]
    else:
        filling[slot] = pool[rng.integers(len(pool))]
    return replace(gene, filling=tuple(filling))


def _exchanged(gene: Gene, rng: np.random.Generator) -> Gene:
    filling = list(gene.filling)
    i, j = rng.choice(len(filling), 2, replace=False)
    filling[i], filling[j] = filling[j], filling[i]
    return replace(gene, filling=tuple(filling))


@lru_cache(maxsize=512)
def _by_likeness(pool: tuple[str, ...]) -> tuple[str, ...]:
    """Elements in the order of Pettifor's scale (doi:10.1016/0038-1098(84)90765-8): neighbours are alike."""
    from pymatgen.core.periodic_table import Element

    return tuple(sorted(pool, key=lambda symbol: (float(Element(symbol).mendeleev_no), symbol)))
