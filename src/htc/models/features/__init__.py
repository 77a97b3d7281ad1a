"""What the models see of a material: numeric features of its composition and, where known, its crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from htc.materials.symmetry import Standardised
from htc.models.features.composition import composition_feature_names, composition_features
from htc.models.features.elements import N_ELEMENTS, element_table
from htc.models.features.structure import STRUCTURE_FEATURES, crystal_of, structure_features

if TYPE_CHECKING:
    from pymatgen.core.composition import Composition
    from pymatgen.core.structure import Structure

__all__ = [
    "FEATURE_NAMES",
    "N_COMPOSITION_FEATURES",
    "N_ELEMENTS",
    "element_table",
    "features_of_composition",
    "features_of_structure",
]

FEATURE_NAMES: tuple[str, ...] = (*composition_feature_names(), *STRUCTURE_FEATURES)
"""Names of all features; the first ``N_COMPOSITION_FEATURES`` need no structure."""

N_COMPOSITION_FEATURES = len(composition_feature_names())


def features_of_composition(composition: Composition, table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features of a composition, shape ``(N_COMPOSITION_FEATURES,)``.

    Every element must have an atomic number up to ``N_ELEMENTS``.
    """
    elements = composition.elements
    numbers = np.array([element.Z for element in elements], dtype=np.int64)
    amounts = np.array([composition[element] for element in elements], dtype=np.float64)
    return composition_features(numbers, amounts, table)


def features_of_structure(
    structure: Structure, table: NDArray[np.float64], standardised: Standardised | None = None
) -> NDArray[np.float64]:
    """Features of an ordered crystal, shape ``(len(FEATURE_NAMES),)``.

    ``standardised`` saves the search for symmetry where the caller has done it.
    """
    crystal = crystal_of(structure, standardised)
    numbers, amounts = np.unique(crystal.numbers, return_counts=True)
    return np.concatenate(
        [
            composition_features(numbers, amounts.astype(np.float64), table),
            structure_features(crystal, table),
        ]
    )
