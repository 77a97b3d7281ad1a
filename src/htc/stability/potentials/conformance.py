"""The laws any interatomic potential must obey before relaxation and phonons may rest on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from htc.stability.potentials.protocol import Potential

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["Conformance", "LawResult", "check_potential"]


@dataclass(frozen=True, slots=True)
class LawResult:
    """One law, tried."""

    law: str
    deviation: float
    """Largest deviation found, in ``unit``."""
    tolerance: float
    unit: str

    @property
    def holds(self) -> bool:
        """Whether the deviation is within the tolerance."""
        return self.deviation <= self.tolerance


@dataclass(frozen=True, slots=True)
class Conformance:
    """All laws, tried on one structure."""

    potential_id: str
    results: tuple[LawResult, ...]

    @property
    def conforms(self) -> bool:
        """Whether every law holds."""
        return all(result.holds for result in self.results)


def check_potential(potential: Potential, structure: Structure | None = None) -> Conformance:
    """Try the laws on a structure.

    Args:
        potential: the one to examine.
        structure: ordered crystal whose elements the potential knows; None for rocksalt NaCl.
    """
    raise NotImplementedError
