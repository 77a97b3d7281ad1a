"""Filling of the bands."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["fermi_function", "fermi_level"]

FloatArray = NDArray[np.float64]

_STEPS: Final = 60


def fermi_function(energies: FloatArray, level: float, temperature: float) -> FloatArray:
    """Occupation of one spin, 0 to 1; energies, level and k_B T in eV."""
    return 0.5 * (1.0 - np.tanh(0.5 * (energies - level) / temperature))


def fermi_level(energies: FloatArray, weights: FloatArray, electrons: float, temperature: float) -> float:
    """Fermi level, eV, at which the bands hold the electrons.

    Args:
        energies: eV, shape ``(n_k, n_bands)``.
        weights: of the wave vectors, summing to 1, shape ``(n_k,)``.
        electrons: in the cell, both spins; at most two a band.
        temperature: k_B T, eV.
    """
    low, high = float(energies.min()) - 10.0 * temperature, float(energies.max()) + 10.0 * temperature
    middle = 0.5 * (low + high)
    for _ in range(_STEPS):
        occupied = fermi_function(energies, middle, temperature)
        excess = 2.0 * float(weights @ occupied.sum(axis=1)) - electrons
        low, high = (low, middle) if excess > 0.0 else (middle, high)
        # Newton where it stays inside the bracket: in a band it takes a few steps.
        density = 2.0 * float(weights @ (occupied * (1.0 - occupied)).sum(axis=1)) / temperature
        step = middle - excess / density if density > 1e-9 else low
        middle = step if low < step < high else 0.5 * (low + high)
        if abs(excess) < 1e-9 or high - low < 1e-10:
            break
    return middle
