"""The root E = sqrt(omega^2 - Delta^2) of the retarded functions, and integrals with 1/E."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["inverse_weights", "retarded_root"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

TURN: Final[complex] = complex(np.exp(0.75j * np.pi))


def retarded_root(square: ComplexArray) -> ComplexArray:
    """The square root in the upper half plane, at positive energies.

    Above the gap ``W^2 - phi^2`` comes down to the positive real axis from above as T falls, where rounding
    may put it on the wrong side of the cut. The cut is therefore turned by -pi/4.
    """
    return np.asarray(np.sqrt(square / TURN) * np.sqrt(TURN))


def inverse_weights(root: ComplexArray, widths: FloatArray | float) -> ComplexArray:
    """Weights for integrals of g/E, with g and E^2 linear between two points.

    E may pass zero there: ``int_0^1 t dt/sqrt(a^2 + t(b^2 - a^2)) = (2/3)(2a + b)/(a + b)^2``.

    Args:
        root: E, shape ``(..., n)``.
        widths: distances of neighbours, shape ``(n - 1,)`` or one for all.

    Returns:
        w with ``int g/E = sum w g``, shape ``(..., n)``.
    """
    a, b = root[..., :-1], root[..., 1:]
    share = a + b
    share *= share
    np.divide((2.0 / 3.0) * np.asarray(widths), share, out=share)
    weights = np.zeros_like(root)
    weights[..., 1:] = share * (2.0 * a + b)
    weights[..., :-1] += share * (a + 2.0 * b)
    return weights
