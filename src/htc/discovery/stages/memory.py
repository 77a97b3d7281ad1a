"""Energies of competing phases, worked out once for all who need them.

The energy of a competitor follows from its crystal, the potential and the pressure alone. A process puts what
it worked out into ``learned``; whoever runs the processes brings that to the others as ``known``. No folder
has to be shared, and no number depends on who worked it out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from htc.stability.cache import StabilityCache

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Memory"]

_KINDS: Final = frozenset({"energy", "static", "glance"})
"""What follows from the competitor alone."""


class Memory:
    """What is known of competitors, by a key that begins with their elements.

    Args:
        known: to begin with.
    """

    def __init__(self, known: Mapping[str, dict[str, Any]] | None = None) -> None:
        """Learn nothing yet."""
        self.known: dict[str, dict[str, Any]] = dict(known or {})
        self.learned: dict[str, dict[str, Any]] = {}
        self.cache: StabilityCache = _InMemory(self)

    def about(self, systems: Iterable[frozenset[str]]) -> dict[str, dict[str, Any]]:
        """What is known of competitors in some chemical systems."""
        wanted = list(systems)
        return {
            key: value
            for key, value in self.known.items()
            if any(system.issuperset(key.split(" ", 1)[0].split("-")) for system in wanted)
        }

    def take(self, learned: Mapping[str, dict[str, Any]]) -> None:
        """Know what somebody else has learned."""
        self.known.update(learned)


class _InMemory(StabilityCache):
    """The memory as the hull asks it; other kinds are never remembered."""

    def __init__(self, memory: Memory) -> None:
        super().__init__(Path())
        self._memory = memory

    def get(self, kind: str, structure: Structure, **settings: Any) -> dict[str, Any] | None:
        return None if kind not in _KINDS else self._memory.known.get(self._key(kind, structure, settings))

    def put(self, kind: str, structure: Structure, value: dict[str, Any], **settings: Any) -> None:
        if kind in _KINDS:
            key = self._key(kind, structure, settings)
            self._memory.known[key] = self._memory.learned[key] = value

    def _key(self, kind: str, structure: Structure, settings: dict[str, Any]) -> str:
        symbols = "-".join(sorted({site.specie.symbol for site in structure}))
        # The cell, not the crystal's hash: two that the hash takes for one relax from different places.
        content = [kind, structure.atomic_numbers, structure.lattice.matrix.tolist(), settings]
        content.append(structure.frac_coords.tolist())
        digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=int).encode()).hexdigest()
        return f"{symbols} {digest}"
