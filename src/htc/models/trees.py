"""The fast tier: boosted trees on tabular features of a crystal, or of a composition alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.materials.symmetry import Standardised, primitive_standardised
from htc.models.coupling import Coupling, HeadKind, Tier
from htc.models.error_model import ErrorModel, Point, Speaker, under
from htc.models.features import (
    FEATURE_NAMES,
    N_COMPOSITION_FEATURES,
    features_of_composition,
    features_of_structure,
)
from htc.models.forest import Forest
from htc.models.model import CouplingModel

if TYPE_CHECKING:
    from pymatgen.core.composition import Composition
    from pymatgen.core.structure import Structure

__all__ = ["POINT_FORESTS", "Head", "TreeModel"]

FloatArray = NDArray[np.float64]

POINT_FORESTS: Final = ("ln_lambda", "ln_omega")


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """The forests and calibration for one kind of input."""

    kind: HeadKind
    forests: Mapping[str, Forest]
    """The ``POINT_FORESTS``."""
    errors: ErrorModel

    def predict(
        self, rows: FloatArray, numbers: list[NDArray[np.int64]], model_id: str = ""
    ) -> list[Coupling]:
        """Coupling of materials.

        Args:
            rows: features, shape ``(n, n_features)``.
            numbers: atomic numbers in each material, length n.
            model_id: of the model the head belongs to.
        """
        if len(rows) == 0:
            return []
        point = Point(self.forests["ln_lambda"].predict(rows), self.forests["ln_omega"].predict(rows))
        return self.errors.couplings(Speaker(self.kind, "fast", model_id), rows, numbers, point)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays by name, as stored."""
        out = self.errors.tensors()
        for name, forest in self.forests.items():
            out |= {f"{name}/{k}": v for k, v in forest.tensors().items()}
        return out

    @classmethod
    def from_tensors(cls, kind: HeadKind, own: Mapping[str, NDArray[Any]]) -> Head:
        """Inverse of :meth:`tensors`.

        Raises:
            KeyError: an array is missing.
            ValueError: an array does not have its shape.
        """
        n_features = len(FEATURE_NAMES) if kind == "structure" else N_COMPOSITION_FEATURES
        forests = {name: Forest.from_tensors(under(own, name)) for name in POINT_FORESTS}
        for name, forest in forests.items():
            if forest.n_features != n_features:
                raise ValueError(f"{kind}/{name} has {forest.n_features} features")
        return cls(kind, forests, ErrorModel.from_tensors(own, n_features, n_features))


@dataclass(frozen=True, eq=False)
class TreeModel(CouplingModel):
    """Structure or composition -> lambda, omega_log, in a few milliseconds."""

    table: FloatArray
    """Element properties the model was trained with."""
    heads: Mapping[HeadKind, Head]

    @property
    def tier(self) -> Tier:
        """Always the fast one."""
        return "fast"

    def predict_structures(self, structures: Sequence[Structure | Standardised]) -> list[Coupling]:
        """Coupling of ordered crystals, one for each, in order."""
        if not structures:
            return []
        found = [s if isinstance(s, Standardised) else primitive_standardised(s) for s in structures]
        rows = np.array([features_of_structure(s.structure, self.table, s) for s in found])
        numbers = [np.unique(s.structure.atomic_numbers) for s in found]
        return self.heads["structure"].predict(rows, numbers, self.model_id)

    def predict_compositions(self, compositions: Sequence[Composition]) -> list[Coupling]:
        """Coupling of compositions whose crystal is unknown, one for each, in order."""
        if not compositions:
            return []
        rows = np.array([features_of_composition(c, self.table) for c in compositions])
        numbers = [np.array([e.Z for e in c.elements], dtype=np.int64) for c in compositions]
        return self.heads["composition"].predict(rows, numbers, self.model_id)
