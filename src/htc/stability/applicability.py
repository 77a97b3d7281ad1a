"""What the interatomic potentials must not be asked, and where their answer needs care."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from htc.stability.potentials.protocol import Potential

if TYPE_CHECKING:
    from pymatgen.core.structure import IStructure

__all__ = ["Applicability", "check"]


@dataclass(frozen=True, slots=True)
class Applicability:
    """Whether a potential may be asked about a structure."""

    refusals: tuple[str, ...] = ()
    """Why no number may be given, one sentence each; empty where one may."""
    cautions: tuple[str, ...] = ()
    """What speaks against trusting a number that is given, one sentence each."""

    @property
    def allowed(self) -> bool:
        """Whether there is no refusal."""
        return not self.refusals

    def require(self) -> None:
        """Raise where there is a refusal.

        Raises:
            StructureError: the first refusal.
        """
        raise NotImplementedError


def check(
    structure: IStructure, pressure_gpa: float = 0.0, potential: Potential | None = None
) -> Applicability:
    """Reasons not to ask a potential about a structure, or not to trust its answer.

    Args:
        structure: any structure, also one with partial occupancy.
        pressure_gpa: pressure it is to be relaxed at, GPa.
        potential: whose elements and cutoff are looked at as well.
    """
    raise NotImplementedError
