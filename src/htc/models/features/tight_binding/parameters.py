"""Parameters of the tight-binding model: term values, d-state radii and universal matrix elements.

Sources:

- Term values of s and p states, and of s and d states of the transition metals (eV below vacuum):
  Hartree-Fock values of Mann as tabulated by W. A. Harrison, "Elementary Electronic Structure" (World
  Scientific, 1999), doi:10.1142/4121.
- d-state radii r_d (Å): Solid State Table of W. A. Harrison, "Electronic Structure and the Properties of
  Solids" (Freeman, 1980; Dover, 1989), and W. A. Harrison & S. Froyen, doi:10.1103/PhysRevB.21.3214.
- Universal coefficients: for s and p the set of the 1999 book, for d that of the 1980 table. Both are
  reprinted side by side in Table I of L. Shi & D. A. Papaconstantopoulos, doi:10.1103/PhysRevB.70.205101.
- Radii that set the reach of the hopping (Å): J. C. Slater, doi:10.1063/1.1725697, but hydrogen.

Not from those tables, and so marked below: r_d of Ca, Sr, Ba, La, Lu and of the f elements (carried on along
the rows of the table), the d states of Ca, Sr, Ba and Ra and the p states of the transition metals (at a
fixed height above s), and the value for hydrogen's reach. The number of s and p electrons of a d metal in
the solid (1.5 of two, 0.9 of three to seven, else 0.7) was chosen by how well N(E_F) follows
first-principles values of some 300 compounds of the training folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["ETA", "HBAR2_OVER_M", "Elements", "element_parameters"]

HBAR2_OVER_M: Final = 7.62
"""ħ²/m, eV Å²."""

ETA: Final[dict[str, float]] = {
    "ss_sigma": -1.32,
    "sp_sigma": 1.42,
    "pp_sigma": 2.22,
    "pp_pi": -0.63,
    "sd_sigma": -3.16,
    "pd_sigma": -2.95,
    "pd_pi": 1.36,
    "dd_sigma": -16.2,
    "dd_pi": 8.75,
    "dd_delta": 0.0,
}
"""V_ll'm = η ħ²/m × d^-2 (s and p), r_d^1.5 d^-3.5 (one d), r_d^3 d^-5 (two d)."""

# Element: (s, p) term value, eV.
_SP: Final[dict[str, tuple[float, float]]] = {
    "H": (-13.60, np.nan), "He": (-24.98, np.nan),
    "Li": (-5.34, -3.50), "Be": (-8.42, -5.81), "B": (-13.46, -8.43), "C": (-19.37, -11.07),
    "N": (-26.22, -13.84), "O": (-34.02, -16.72), "F": (-42.78, -19.86), "Ne": (-52.51, -23.13),
    "Na": (-4.95, -3.10), "Mg": (-6.89, -3.84), "Al": (-10.70, -5.71), "Si": (-14.79, -7.58),
    "P": (-19.22, -9.54), "S": (-24.01, -11.60), "Cl": (-29.19, -13.78), "Ar": (-34.75, -16.08),
    "K": (-4.01, -2.60), "Ca": (-5.32, -3.20),
    "Zn": (-7.96, -4.02), "Ga": (-11.55, -5.67), "Ge": (-15.15, -7.33), "As": (-18.91, -8.98),
    "Se": (-22.86, -10.68), "Br": (-27.00, -12.43), "Kr": (-31.37, -14.26),
    "Rb": (-3.75, -2.50), "Sr": (-4.86, -3.00),
    "Cd": (-7.21, -3.90), "In": (-10.14, -5.37), "Sn": (-13.04, -6.76), "Sb": (-16.02, -8.14),
    "Te": (-19.12, -9.54), "I": (-22.34, -10.97), "Xe": (-25.69, -12.44),
    "Cs": (-3.36, -2.30), "Ba": (-4.29, -2.70),
    "Hg": (-7.10, -3.90), "Tl": (-9.82, -5.23), "Pb": (-12.48, -6.53), "Bi": (-15.19, -7.79),
    "Po": (-17.96, -9.05), "At": (-20.82, -10.34), "Rn": (-23.78, -11.65), "Fr": (-3.21, -2.20),
}  # fmt: skip

# Element: d-state radius, Å.
_R_D: Final[dict[str, float]] = {
    "Sc": 1.24, "Ti": 1.08, "V": 0.98, "Cr": 0.90, "Mn": 0.86, "Fe": 0.80, "Co": 0.76, "Ni": 0.71, "Cu": 0.67,
    "Y": 1.58, "Zr": 1.41, "Nb": 1.28, "Mo": 1.20, "Tc": 1.11, "Ru": 1.05, "Rh": 0.99, "Pd": 0.94, "Ag": 0.89,
    "Hf": 1.44, "Ta": 1.34, "W": 1.27, "Re": 1.20, "Os": 1.13, "Ir": 1.08, "Pt": 1.04, "Au": 1.01,
    # Carried on along the rows.
    "Ca": 1.50, "Sr": 1.80, "Ba": 1.90, "La": 1.65, "Lu": 1.58, "Ra": 1.95,
}  # fmt: skip
_R_D_F_ELEMENT: Final = 1.65

# Element: (s, d) term value of the transition metals, eV.
_SD: Final[dict[str, tuple[float, float]]] = {
    "Sc": (-5.72, -9.35), "Ti": (-6.04, -11.05), "V": (-6.32, -12.55), "Cr": (-6.59, -13.94),
    "Mn": (-6.84, -15.27), "Fe": (-7.08, -16.54), "Co": (-7.31, -17.77), "Ni": (-7.54, -18.96),
    "Cu": (-7.72, -20.14),
    "Y": (-5.34, -6.80), "Zr": (-5.68, -8.46), "Nb": (-5.95, -10.03), "Mo": (-6.19, -11.56),
    "Tc": (-6.39, -13.08), "Ru": (-6.58, -14.59), "Rh": (-6.75, -16.16), "Pd": (-6.91, -17.66),
    "Ag": (-7.06, -19.21),
    "Lu": (-5.42, -6.62), "Hf": (-5.71, -8.14), "Ta": (-5.97, -9.57), "W": (-6.19, -10.96),
    "Re": (-6.38, -12.35), "Os": (-6.52, -13.73), "Ir": (-6.64, -15.13), "Pt": (-6.75, -16.55),
    "Au": (-6.84, -17.98),
}  # fmt: skip
_SD_OF_F_ELEMENT: Final = (-4.9, -6.6)
_P_ABOVE_S: Final = 3.0
"""eV, in d metals; the free atoms' p states lie 2 to 4 eV above s."""
_D_ABOVE_S: Final = 1.5
"""eV, in Ca, Sr, Ba and Ra, whose d states are empty in the free atom."""

# Radius of every element, Å, Z = 1 to 95; 0 where none is known.
_RADIUS: Final = (
    0.50, 0.50,
    1.45, 1.05, 0.85, 0.70, 0.65, 0.60, 0.50, 0.60,
    1.80, 1.50, 1.25, 1.10, 1.00, 1.00, 1.00, 0.95,
    2.20, 1.80, 1.60, 1.40, 1.35, 1.40, 1.40, 1.40, 1.35, 1.35, 1.35, 1.35,
    1.30, 1.25, 1.15, 1.15, 1.15, 1.15,
    2.35, 2.00, 1.80, 1.55, 1.45, 1.45, 1.35, 1.30, 1.35, 1.40, 1.60, 1.55,
    1.55, 1.45, 1.45, 1.40, 1.40, 1.40,
    2.60, 2.15,
    1.95, 1.85, 1.85, 1.85, 1.85, 1.85, 1.85, 1.80, 1.75, 1.75, 1.75, 1.75, 1.75, 1.75, 1.75,
    1.55, 1.45, 1.35, 1.35, 1.30, 1.35, 1.35, 1.35, 1.50, 1.90, 1.80, 1.60, 1.90, 1.50, 1.50,
    2.60, 2.15,
    1.95, 1.80, 1.80, 1.75, 1.75, 1.75, 1.75,
)  # fmt: skip

_N_ELEMENTS: Final = len(_RADIUS)


@dataclass(frozen=True, slots=True, eq=False)
class Elements:
    """Parameters by atomic number; every array has shape ``(96,)``, row 0 unused."""

    n_orbitals: NDArray[np.int64]
    """1 (s), 4 (s, p) or 9 (s, p, d)."""
    valence: NDArray[np.float64]
    """Valence electrons; f electrons belong to the core."""
    n_d: NDArray[np.float64]
    """d electrons among them in the neutral solid."""
    level: NDArray[np.float64]
    """Term values of s, p and d, eV, shape ``(96, 3)``."""
    r_d: NDArray[np.float64]
    """d-state radius, Å; 0 without d states."""
    radius: NDArray[np.float64]
    """Å; sets where the hopping ends."""

    def __len__(self) -> int:
        """Highest atomic number known, plus one."""
        return len(self.radius)


def _valence(z: int) -> int:
    """Valence electrons outside the noble-gas core and closed d and f shells."""
    core = max((c for c in (0, 2, 10, 18, 36, 54, 86) if c < z), default=0)
    outside = z - core
    if core <= 10:
        return outside
    if core <= 36:
        return outside if outside <= 11 else outside - 10
    if outside <= 2:
        return outside
    if core == 86:
        # Th has no f electron; in the others that are known here the f shell is taken as core.
        return 4 if outside == 4 else 3
    if outside <= 17:
        return 2 if outside in (9, 16) else 3  # Eu and Yb are divalent
    return outside - 14 if outside <= 25 else outside - 24


def _n_d(electrons: int) -> float:
    """d electrons of a d metal in the solid: all but about one."""
    outside = 1.5 if electrons <= 2 else 0.9 if electrons <= 7 else 0.7
    return min(electrons - outside, 9.9)


@lru_cache(maxsize=1)
def element_parameters() -> Elements:
    """The table, built once."""
    from htc.materials.formulas import ELEMENTS

    size = _N_ELEMENTS + 1
    n_orbitals = np.zeros(size, dtype=np.int64)
    valence, n_d, r_d, radius = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    level = np.full((size, 3), np.nan)
    for z in range(1, size):
        symbol = ELEMENTS[z - 1]
        electrons = _valence(z)
        valence[z], radius[z] = electrons, _RADIUS[z - 1]
        is_f = 57 < z < 71 or z > 88
        if symbol in _R_D or is_f:
            n_orbitals[z] = 9
            r_d[z] = _R_D.get(symbol, _R_D_F_ELEMENT)
            s, d = _SD.get(symbol, _SD_OF_F_ELEMENT)
            if symbol in _SP:
                s, d = _SP[symbol][0], _SP[symbol][0] + _D_ABOVE_S
            level[z] = s, s + _P_ABOVE_S, d
            n_d[z] = _n_d(electrons)
        else:
            n_orbitals[z] = 1 if symbol in ("H", "He") else 4
            level[z, :2] = _SP[symbol]
    return Elements(n_orbitals, valence, n_d, level, r_d, radius)
