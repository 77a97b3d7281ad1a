"""Interpolation by Thiele's continued fraction, many functions at once.

    f(y) = c_0 + (y - y_0)/(c_1 + (y - y_1)/(c_2 + ...))

after Vidberg and Serene (doi:10.1007/BF00655090). With ``z = i y`` the functions are real at real y, and so
are the fractions; ``f(-i omega)`` is the value just above the real axis at omega. Which point comes next is
free: it is the one where the fraction so far is worst, and the fraction ends where only noise is left. More
coefficients would fit the noise, with poles that have no meaning.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["ContinuedFraction"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
BoolArray = NDArray[np.bool_]

NOISE: Final[float] = 1e-12
"""Error at the points, over the largest value there, below which a fraction is complete."""


class ContinuedFraction:
    """Fractions through given values, one a row.

    Args:
        y: points, shape ``(r, n)``.
        values: values there, shape ``(r, n)``.
        usable: which of them to use, shape ``(r, n)``; all unless given.
        noise: where to stop, relative to the largest value of the row.
    """

    __slots__ = ("coefficients", "factors", "nodes", "residual", "terms")

    coefficients: FloatArray
    """c_k, shape ``(r, k)``."""
    nodes: FloatArray
    """y_k, shape ``(r, k)``."""
    terms: NDArray[np.intp]
    """Number of coefficients, shape ``(r,)``."""
    residual: FloatArray
    """Largest error left at the points, over the largest value, shape ``(r,)``."""

    def __init__(
        self, y: FloatArray, values: FloatArray, usable: BoolArray | None = None, *, noise: float = NOISE
    ) -> None:
        """Pick points until the rest is noise."""
        rows = np.arange(values.shape[0])
        free = np.ones(values.shape, dtype=np.bool_) if usable is None else usable.copy()
        scale = np.where(free, np.abs(values), 0.0).max(axis=1)
        limit = noise * scale
        pick = np.where(free, np.abs(values), -1.0).argmax(axis=1)
        active = np.ones(rows.size, dtype=np.bool_)
        self.terms = np.zeros(rows.size, dtype=np.intp)
        self.residual = np.zeros(rows.size)
        inverse = values.astype(np.float64)
        top, bottom = inverse, np.ones_like(values)
        top_before, bottom_before = np.ones_like(values), np.zeros_like(values)
        step = np.zeros_like(values)
        coefficients, nodes = [], []
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            while active.any():
                c, node = inverse[rows, pick], y[rows, pick]
                # An infinite coefficient ends the fraction: the points before it were fitted exactly.
                active &= np.isfinite(c)
                coefficients.append(np.where(active, c, 1.0))
                nodes.append(node)
                free[rows, pick] = False
                self.terms += active
                column = coefficients[-1][:, None]
                if len(nodes) == 1:
                    top = np.repeat(column, values.shape[1], axis=1)
                else:
                    top, top_before = column * top + step * top_before, top
                    bottom, bottom_before = column * bottom + step * bottom_before, bottom
                    size = 1.0 / (np.abs(top) + np.abs(bottom))
                    top, bottom = top * size, bottom * size
                    top_before, bottom_before = top_before * size, bottom_before * size
                error = np.abs(top / bottom - values)
                error[~free] = 0.0
                error[np.isnan(error)] = np.inf
                pick = error.argmax(axis=1)
                worst = error[rows, pick]
                self.residual = np.where(active, worst, self.residual)
                active &= (worst > limit) & free.any(axis=1)
                step = y - node[:, None]
                inverse = step / (inverse - c[:, None])
        self.residual /= np.where(scale > 0.0, scale, 1.0)
        self.coefficients = np.stack(coefficients, axis=1)
        self.nodes = np.stack(nodes, axis=1)
        # A factor of zero cuts the fraction off.
        count = np.arange(1, self.coefficients.shape[1] + 1)
        self.factors = np.where(count < self.terms[:, None], 1.0, 0.0)

    def __call__(self, omega_mev: FloatArray | ComplexArray) -> ComplexArray:
        """Values at real or complex energies, shape ``(r, p)``.

        Args:
            omega_mev: energies, shape ``(p,)``, or ``(r, p)`` for other ones in every row.
        """
        y = -1j * np.atleast_2d(omega_mev)
        value = np.ones((self.coefficients.shape[0], y.shape[1]), dtype=np.complex128)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for k in range(self.coefficients.shape[1] - 1, -1, -1):
                np.divide(y - self.nodes[:, k, None], value, out=value)
                value *= self.factors[:, k, None]
                value += self.coefficients[:, k, None]
        return value

    def poles(self, row: int) -> ComplexArray:
        """Poles of one fraction, as energies ``z = i y``, meV; a retarded function has none at Im z > 0."""
        size = int(self.terms[row]) - 1
        if size < 1:
            return np.empty(0, dtype=np.complex128)
        # The denominator is the continuant det(C + y S): a pencil whose S is nilpotent.
        matrix = np.diag(self.coefficients[row, 1 : size + 1])
        slope = np.zeros_like(matrix)
        k = np.arange(size - 1)
        matrix[k, k + 1] = -self.nodes[row, 1:size]
        matrix[k + 1, k] = -1.0
        slope[k, k + 1] = 1.0
        try:
            inverse = np.linalg.eigvals(-np.linalg.solve(matrix, slope))
        except np.linalg.LinAlgError:
            return np.empty(0, dtype=np.complex128)
        inverse = inverse[np.abs(inverse) > 1e-12 * np.abs(inverse).max(initial=0.0)]
        return np.asarray(1j / inverse, dtype=np.complex128)
