"""What a space gives out: a candidate, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Candidate", "Rejected"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate of a space."""

    number: int
    """Its number in the space, for ever."""
    label: str
    """For people: ``A3B_cP8_223_c_a: Cr to V, Si to Al``."""
    structure: Structure | None
    """The crystal; None for a formula."""
    formula: str | None
    """Reduced formula as pymatgen writes it; None where ``structure`` has not been asked for it."""
    notes: tuple[str, ...]
    """What was assumed or dropped in making it, one sentence each."""
    group: str
    """Equal for candidates that may be one crystal; see :func:`htc.discovery.space.duplicates`."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A number that stands for no candidate."""

    number: int
    label: str
    rule: str
    """Which rule rejects it: a name of ``[plausibility]``, ``duplicate``, ``equal_elements`` or
    ``unreadable``."""
    reason: str
    """One sentence, with the numbers."""
    values: Mapping[str, float] = field(default_factory=dict)
    """The numbers by name."""
