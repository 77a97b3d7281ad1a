"""Element properties as one numeric table.

The table is built from pymatgen once, at training time, and travels with the weights: a later pymatgen
with a revised radius must not silently shift the inputs of a model trained on the old one.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["N_ELEMENTS", "PROPERTIES", "element_table"]

N_ELEMENTS = 103
"""Highest atomic number in the table."""

_PYMATGEN_PROPERTIES: tuple[str, ...] = (
    "X",
    "atomic_mass",
    "atomic_radius",
    "row",
    "group",
    "mendeleev_no",
    "Z",
    "molar_volume",
    "thermal_conductivity",
    "melting_point",
    "bulk_modulus",
    "youngs_modulus",
    "average_ionic_radius",
    "electrical_resistivity",
)

PROPERTIES: tuple[str, ...] = (
    *_PYMATGEN_PROPERTIES,
    "occupation_s",
    "occupation_p",
    "occupation_d",
    "occupation_f",
    "valence",
    "valence_d",
    "valence_p",
    "d_radius",
)
"""Column names of :func:`element_table`."""

# d-state radii r_d in Å from the Solid State Table of W. A. Harrison, "Electronic Structure and the
# Properties of Solids" (1980); Lu, Ca, Sr, Ba and the f elements are extrapolated along their rows.
_3D = ("Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu")
_4D = ("Y", "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag")
_5D = ("Lu", "Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au")
_D_RADIUS: dict[str, float] = dict(
    zip(
        (*_3D, *_4D, *_5D, "Ca", "Sr", "Ba"),
        [
            1.24, 1.08, 0.98, 0.90, 0.86, 0.80, 0.76, 0.71, 0.67,
            1.58, 1.41, 1.28, 1.20, 1.11, 1.05, 0.99, 0.94, 0.89,
            1.58, 1.44, 1.34, 1.27, 1.20, 1.13, 1.08, 1.04, 1.01,
            1.50, 1.80, 1.90,
        ],
        strict=True,
    )
)  # fmt: skip
_F_ELEMENT_D_RADIUS = 1.65


def _valence(group: int, is_f_element: bool) -> tuple[int, int, int]:
    """Valence electrons beyond the closed shell, and the d and p ones among them."""
    if is_f_element:
        return 3, 1, 0
    if group <= 2:
        return group, 0, 0
    if group <= 10:
        return group, group - 2, 0
    if group <= 12:
        return group - 10, 10 if group == 11 else 0, 0
    return group - 10, 0, group - 12


@lru_cache(maxsize=1)
def element_table() -> NDArray[np.float64]:
    """Property table of the elements, shape ``(N_ELEMENTS + 1, len(PROPERTIES))``; row Z, NaN = unknown.

    Units are pymatgen's: u, Å, K, cm^3/mol, W/(m K), GPa, ohm m.
    """
    import warnings

    from pymatgen.core.periodic_table import Element

    table = np.full((N_ELEMENTS + 1, len(PROPERTIES)), np.nan)
    with warnings.catch_warnings():
        # pymatgen warns for every property it has no value of; NaN says the same.
        warnings.simplefilter("ignore")
        for z in range(1, N_ELEMENTS + 1):
            element = Element.from_Z(z)
            for column, name in enumerate(_PYMATGEN_PROPERTIES):
                try:
                    table[z, column] = float(getattr(element, name))
                except (TypeError, ValueError, AttributeError):
                    continue
            shells = dict.fromkeys("spdf", 0)
            for shell in element.full_electronic_structure[-4:]:
                shells[shell[1]] += shell[2]
            is_f = element.is_lanthanoid or element.is_actinoid
            table[z, -8:-4] = [shells[letter] for letter in "spdf"]
            table[z, -4:-1] = _valence(element.group, is_f)
            table[z, -1] = _D_RADIUS.get(element.symbol, _F_ELEMENT_D_RADIUS if is_f else 0.0)
    return table
