"""Anderson's acceleration of a fixed point x = g(x) (doi:10.1145/321296.321305)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["fixed_point"]

ComplexArray = NDArray[np.complex128]

MEMORY: Final[int] = 8
"""Steps remembered."""

RESTART: Final[float] = 1e2
"""A residual this many times the best one so far means that the memory misleads: it is dropped."""


def fixed_point(
    step: Callable[[ComplexArray], ComplexArray], start: ComplexArray, tolerance: float, max_steps: int
) -> tuple[ComplexArray, float, int]:
    """Iterate until ``max|g(x) - x| <= tolerance``.

    Args:
        step: g.
        start: x to begin with, shape ``(n,)``.
        tolerance: in the units of x.
        max_steps: evaluations of g to stop after, converged or not.

    Returns:
        The x with the smallest residual met, that residual, and the number of evaluations.
    """
    x = start
    best, best_residual = start, np.inf
    changes: list[ComplexArray] = []
    moves: list[ComplexArray] = []
    previous: tuple[ComplexArray, ComplexArray] | None = None
    steps = 0
    while steps < max_steps:
        steps += 1
        image = step(x)
        error = image - x
        residual = float(np.abs(error).max())
        if residual < best_residual:
            best, best_residual = x, residual
        if residual <= tolerance:
            break
        if not residual <= RESTART * best_residual:
            changes.clear()
            moves.clear()
            previous = None
            x = best + 0.5 * (step(best) - best)
            continue
        if previous is not None:
            changes.append(error - previous[1])
            moves.append(image - previous[0])
            del changes[:-MEMORY], moves[:-MEMORY]
        previous = (image, error)
        x = image
        if changes:
            basis = np.stack(changes)
            # Real coefficients: the equations commute with complex conjugation, not with multiplication by i.
            gram = (basis.conj() @ basis.T).real
            right = (basis.conj() @ error).real
            gram.flat[:: len(changes) + 1] *= 1.0 + 1e-13
            share = np.linalg.lstsq(gram, right, rcond=1e-14)[0]
            x = image - share @ np.stack(moves)
    return best, best_residual, steps
