"""The interface all tiers share: a material in, a statement about its coupling out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from htc.models.coupling import Coupling, Tier

if TYPE_CHECKING:
    from pymatgen.core.composition import Composition
    from pymatgen.core.structure import Structure

    from htc.materials.symmetry import Standardised
    from htc.models.experiment import ExperimentCalibration

__all__ = ["CouplingModel"]


@dataclass(frozen=True, eq=False)
class CouplingModel(ABC):
    """Structure or composition -> lambda, omega_log. Made by :func:`htc.models.load_model`."""

    model_id: str
    """Name, version and the beginning of the hash of the weights."""
    card: Mapping[str, Any]
    experiment: ExperimentCalibration | None
    """What a laboratory will measure given the predicted Tc; None where that was not learned."""

    @property
    def name(self) -> str:
        """Name and version, for people."""
        return f"{self.card['name']}-{self.card['version']}"

    @property
    @abstractmethod
    def tier(self) -> Tier:
        """Which tier it is."""

    @property
    def parts(self) -> tuple[CouplingModel, ...]:
        """All models that may speak when this one is asked, itself first."""
        return (self,)

    @abstractmethod
    def predict_structures(self, structures: Sequence[Structure | Standardised]) -> list[Coupling]:
        """Coupling of ordered crystals, one for each, in order.

        A crystal that was standardised before is taken as it is, without a second search for symmetry.
        """

    @abstractmethod
    def predict_compositions(self, compositions: Sequence[Composition]) -> list[Coupling]:
        """Coupling of compositions whose crystal is unknown, one for each, in order."""
