"""Filling of the bands."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["fermi_function", "fermi_level"]

FloatArray = NDArray[np.float64]

_STEPS: Final = 100
_TOLERANCE: Final = 1e-8
"""Electrons in the cell."""


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
    flat = energies.ravel()
    share = np.repeat(2.0 * weights, energies.shape[1])
    order = np.argsort(flat)
    held = np.cumsum(share[order])
    # The level of cold bands, and a bracket that heat cannot leave but across a gap.
    cold = float(flat[order[min(int(np.searchsorted(held, electrons)), len(flat) - 1)]])

    occupied, filled = np.empty_like(flat), np.empty_like(flat)

    def excess(level: float) -> tuple[float, float]:
        # What fermi_function gives, to the last bit, without arrays of its own: some twenty calls a level.
        np.subtract(flat, level, out=occupied)
        np.divide(occupied, 2.0 * temperature, out=occupied)
        np.tanh(occupied, out=occupied)
        np.subtract(1.0, occupied, out=occupied)
        np.multiply(0.5, occupied, out=occupied)
        np.multiply(share, occupied, out=filled)
        total = float(np.add.reduce(filled))
        return total - electrons, (total - float(filled @ occupied)) / temperature

    low = high = cold
    at_cold = excess(cold)[0]
    value, reach = at_cold, 3.0 * temperature
    while value > 0.0:
        low, reach = low - reach, 2.0 * reach
        value = excess(low)[0]
    value, reach = at_cold, 3.0 * temperature
    while value < 0.0:
        high, reach = high + reach, 2.0 * reach
        value = excess(high)[0]
    middle, width = 0.5 * (low + high), high - low
    for _ in range(_STEPS):
        value, density = excess(middle)
        if abs(value) < _TOLERANCE:
            break
        low, high = (low, middle) if value > 0.0 else (middle, high)
        newton = middle - value / density if density > 1e-6 else low
        # Newton only while it halves the bracket: in the tail of a band its steps are all of one k_B T.
        slow = high - low > 0.5 * width
        width = high - low
        middle = 0.5 * (low + high) if slow or not low < newton < high else newton
    return middle
