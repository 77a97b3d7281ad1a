"""The hash that says whether two predictions are one and the same."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from htc.spectra import Spectrum

if TYPE_CHECKING:
    from pymatgen.core.composition import Composition

__all__ = ["composition_key", "input_hash", "spectrum_hash"]

_RECIPE = 1
"""Raised whenever equal arguments would no longer give an equal prediction."""


def composition_key(composition: Composition) -> str:
    """Canonical text of a composition: fractions by element, to seven digits."""
    fractions = composition.fractional_composition.get_el_amt_dict()
    return " ".join(f"{symbol}{fraction:.7g}" for symbol, fraction in sorted(fractions.items()))


def spectrum_hash(spectrum: Spectrum) -> str:
    """SHA-256 over the grid and the values."""
    digest = hashlib.sha256()
    for array in (spectrum.omega_mev, spectrum.alpha2f):
        digest.update(array.astype("<f8").tobytes())
    return digest.hexdigest()


def input_hash(
    *, kind: str, material: str, pressure_gpa: float, mu_star: float, model_id: str | None, **settings: Any
) -> str:
    """SHA-256 over everything a prediction follows from.

    Args:
        kind: ``structure``, ``composition`` or ``spectrum``.
        material: hash of the crystal or the spectrum, or key of the composition.
        pressure_gpa: pressure, GPa.
        mu_star: Coulomb pseudopotential.
        model_id: model that gave the coupling, None for a spectrum.
        settings: whatever else changes the result; JSON values.
    """
    content = {
        "recipe": _RECIPE,
        "kind": kind,
        "material": material,
        "pressure_gpa": float(pressure_gpa),
        "mu_star": float(mu_star),
        "model_id": model_id,
        "settings": settings,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()
