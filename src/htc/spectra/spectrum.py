"""The electron-phonon spectral function and its moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spectrum"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """An isotropic Eliashberg function alpha2F(omega).

    Args:
        omega_mev: phonon energies, meV, shape ``(n,)``, strictly increasing, all > 0.
        alpha2f: alpha2F at these energies, dimensionless, shape ``(n,)``.
        label: what tells this spectrum from its neighbours in one file, e.g. ``"degauss 0.02 Ry"``.
        provenance: source file, format, smearing, reported moments and whatever else is known.
    """

    omega_mev: FloatArray
    alpha2f: FloatArray
    label: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
