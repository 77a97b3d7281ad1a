"""Anderson's acceleration of a fixed point x = g(x) (doi:10.1145/321296.321305)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["fixed_point"]

FloatArray = NDArray[np.float64]

MEMORY: Final[int] = 8
"""Steps remembered."""

RESTART: Final[float] = 1e2
"""A residual this many times the best one so far means that the memory misleads: it is dropped."""


def fixed_point(
    step: Callable[[FloatArray], FloatArray], start: FloatArray, tolerance: float, max_steps: int
) -> tuple[FloatArray, float, int]:
    """Iterate until ``max|g(x) - x| <= tolerance``.

    Args:
        step: g.
        start: x to begin with, shape ``(n,)``.
        tolerance: in the units of x.
        max_steps: evaluations of g to stop after, converged or not.

    Returns:
        The x with the smallest residual met, that residual, and the number of evaluations.
    """
    x = best = image = best_image = start
    best_residual = np.inf
    errors = np.empty((0, start.size))
    images = np.empty((0, start.size))
    products = np.empty((0, 0))
    steps = 0
    while steps < max_steps:
        steps += 1
        image = step(x)
        error = image - x
        residual = float(np.abs(error).max())
        if residual < best_residual:
            best, best_image, best_residual = x, image, residual
        if residual <= tolerance:
            break
        if not residual <= RESTART * best_residual:
            errors, images, products = errors[:0], images[:0], products[:0, :0]
            x = 0.5 * (best + best_image)
            continue
        errors = np.concatenate([errors[1 - MEMORY :], error[None]])
        images = np.concatenate([images[1 - MEMORY :], image[None]])
        kept = errors.shape[0] - 1
        row = errors @ error
        products = np.block(
            [[products[products.shape[0] - kept :, products.shape[0] - kept :], row[:-1, None]], [row]]
        )
        x = _shares(products) @ images
    return best, best_residual, steps


def _shares(products: FloatArray) -> FloatArray:
    """Coefficients c, of sum 1, that minimise ``|sum_k c_k error_k|^2``, shape ``(k,)``."""
    # In terms of differences from the last error, which is the smallest as a rule.
    last = products[-1, -1]
    column = products[:-1, -1]
    gram = products[:-1, :-1] - column[:, None] - column + last
    shares = np.linalg.lstsq(gram, last - column, rcond=1e-13)[0]
    return np.append(shares, 1.0 - shares.sum())
