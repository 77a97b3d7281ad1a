"""The electron-phonon coupling lambda(nu) on the imaginary axis, as few oscillators as carry it.

``lambda(nu) = 2 int alpha2F(w) w/(w^2 + nu^2) dw`` is a smooth function of ln w for every nu: at fixed nu its
kernel ``1/(1 + exp 2(ln nu - ln w))`` is analytic within pi/2 of the real axis. A spectrum of any number of
points is therefore replaced, once, by a few dozen oscillators on Chebyshev nodes of logarithmic bins, with
an error that falls geometrically with the number of nodes. Everything after that costs the same for 200
points and for a million.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.spectra import Spectrum
from htc.theory.eliashberg.native import KERNEL

__all__ = ["Coupling", "trapezoid_weights"]

FloatArray = NDArray[np.float64]

BIN_WIDTH: Final[float] = 1.5
"""Width of a bin in ln w. The poles of the kernel, pi/2 away, lie on the Bernstein ellipse rho = 4.4."""

NODES_PER_BIN: Final[int] = 12
"""Error of the interpolated kernel: about ``rho**-12``, found below 1e-9 of lambda."""

DIRECT: Final[int] = 16_000
"""Up to this many terms are summed at once; for more, lambda is tabulated once and interpolated."""

COMPILED: Final[int] = 500_000
"""The same where the sum is compiled."""

SPACING: Final[float] = 0.06
"""Spacing of that table in ln(1 + nu^2/nu_0^2); its error is below 1e-8 of lambda."""

LOWEST: Final[float] = 1e-9
"""Frequencies below this share of the highest one lie in one bin: the kernel is 1 at nu = 0 and 0
elsewhere."""


class Coupling:
    """lambda(nu) = sum_k weight_k omega_k^2 / (omega_k^2 + nu^2).

    Args:
        omega_mev: oscillator energies, meV, shape ``(k,)``.
        weight: their contributions to lambda, shape ``(k,)``; single ones may be negative.
    """

    __slots__ = ("_inverse_square", "_table", "addresses", "lambda_ep", "omega_mev", "second_mev2", "weight")

    def __init__(self, omega_mev: FloatArray, weight: FloatArray) -> None:
        """Keep the oscillators."""
        self.omega_mev = np.ascontiguousarray(omega_mev)
        self.weight = np.ascontiguousarray(weight)
        self.addresses = (self.weight.size, self.omega_mev.ctypes.data, self.weight.ctypes.data)
        """Number and addresses of the oscillators, for the compiled kernel."""
        self.lambda_ep = float(self.weight.sum())
        """lambda(0)."""
        squares = self.omega_mev * self.omega_mev
        self.second_mev2 = float(self.weight @ squares)
        """lambda omega_2^2, meV^2."""
        self._inverse_square = 1.0 / squares
        self._table: _Table | None = None

    @classmethod
    def of(cls, spectrum: Spectrum, *, compress: bool = True) -> Coupling:
        """The coupling of a spectrum, by trapezoids on its grid.

        Args:
            spectrum: alpha2F.
            compress: replace a large grid by equivalent oscillators; False keeps a term for every point.
        """
        omega = spectrum.omega_mev
        weight = 2.0 * trapezoid_weights(omega) * spectrum.alpha2f / omega
        return cls(*_project(omega, weight)) if compress else cls(omega, weight)

    def __call__(self, nu_mev: FloatArray) -> FloatArray:
        """lambda at imaginary frequencies ``nu_mev``, meV, any shape."""
        return self.with_slope(np.asarray(nu_mev, dtype=np.float64).ravel())[0].reshape(np.shape(nu_mev))

    def with_slope(self, nu_mev: FloatArray) -> tuple[FloatArray, FloatArray]:
        """lambda and d lambda / d ln nu at imaginary frequencies, meV, shape ``(n,)``."""
        terms = nu_mev.size * self.weight.size
        if KERNEL is not None and terms <= COMPILED:
            return KERNEL.sums(nu_mev, self.addresses)
        if terms <= DIRECT:
            return self._sum(nu_mev * nu_mev)
        if self._table is None:
            self._table = _Table(self)
        return self._table(nu_mev)

    def integral(self, low_mev: FloatArray, high_mev: FloatArray) -> FloatArray:
        """int_low^high lambda(nu) d nu, meV, shape ``(n,)``; exact also where the limits nearly agree."""
        low, high = low_mev[:, None], high_mev[:, None]
        angles = np.arctan2(self.omega_mev * (high - low), low * high + self.omega_mev**2)
        return angles @ (self.omega_mev * self.weight)

    def _sum(self, nu_squared: FloatArray) -> tuple[FloatArray, FloatArray]:
        share = nu_squared[:, None] * self._inverse_square
        share += 1.0
        np.reciprocal(share, out=share)
        values = share @ self.weight
        np.square(share, out=share)
        return values, 2.0 * (share @ self.weight - values)


class _Table:
    """Cubic Hermite interpolation of lambda in ``t = ln(1 + nu^2/nu_0^2)``, nu_0 below all oscillators.

    lambda is analytic within pi of the real t axis, so that a spacing h leaves an error of about
    ``(h/pi)^4 / 16`` of lambda. Beyond the table stand the moments of the 1/nu^2 expansion.
    """

    def __init__(self, coupling: Coupling) -> None:
        self.low = 0.5 * float(coupling.omega_mev.min())
        self.high = 1e3 * float(coupling.omega_mev.max())
        count = int(np.log1p((self.high / self.low) ** 2) / SPACING) + 2
        t = SPACING * np.arange(count)
        nu_squared = self.low**2 * np.expm1(t)
        pieces = np.array_split(nu_squared, max(1, nu_squared.size * coupling.weight.size // DIRECT))
        values, by_log_nu = (np.concatenate(part) for part in zip(*map(coupling._sum, pieces), strict=True))
        # d/dt = (d/d ln nu) / (2 nu^2/(nu^2 + nu_0^2)), whose limit at nu = 0 is that of -nu_0^2
        # sum(weight/omega^2).
        slopes = np.empty_like(values)
        slopes[1:] = by_log_nu[1:] / (-2.0 * np.expm1(-t[1:]))
        slopes[0] = -(self.low**2) * float(coupling.weight @ coupling.omega_mev**-2.0)
        rise, d0, d1 = np.diff(values), SPACING * slopes[:-1], SPACING * slopes[1:]
        self.coefficients = np.stack(
            [values[:-1], d0, 3.0 * rise - 2.0 * d0 - d1, d0 + d1 - 2.0 * rise], axis=1
        )
        self.moment = float(coupling.weight @ coupling.omega_mev**2)

    def __call__(self, nu: FloatArray) -> tuple[FloatArray, FloatArray]:
        ratio = nu / self.low
        ratio *= ratio
        t = np.log1p(ratio)
        t *= 1.0 / SPACING
        ratio /= ratio + 1.0
        place = t.astype(np.intp)
        last = self.coefficients.shape[0] - 1
        beyond = place > last
        np.minimum(place, last, out=place)
        t -= place
        c0, c1, c2, c3 = self.coefficients[place].T
        values = ((c3 * t + c2) * t + c1) * t + c0
        slopes = ((3.0 * c3 * t + 2.0 * c2) * t + c1) * (ratio * (2.0 / SPACING))
        if beyond.any():
            values[beyond] = self.moment / nu[beyond] ** 2
            slopes[beyond] = -2.0 * values[beyond]
        return values, slopes


def trapezoid_weights(grid: FloatArray) -> FloatArray:
    """Weights w with ``sum(w * f(grid)) == numpy.trapezoid(f(grid), grid)``."""
    halves = 0.5 * (grid[1:] - grid[:-1])
    weights = np.zeros_like(grid)
    weights[:-1] = halves
    weights[1:] += halves
    return weights


def _project(omega: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Carry point weights over to the nodes of the bins that have any."""
    if KERNEL is not None:
        few = KERNEL.project(omega, weights, lowest=LOWEST, width=BIN_WIDTH, nodes=NODES_PER_BIN)
        return (omega, weights) if few is None else few
    highest = float(omega[-1])
    depth = np.log(highest / np.maximum(omega, LOWEST * highest)) / BIN_WIDTH
    bins = depth.astype(np.int64)
    # Ascending omega means descending bins: each bin is one stretch of the grid.
    ends = [*(np.flatnonzero(bins[1:] != bins[:-1]) + 1).tolist(), omega.size]
    if len(ends) * NODES_PER_BIN >= omega.size:
        return omega, weights
    nodes, to_nodes = _chebyshev()
    depth -= bins
    polynomials = _chebyshev_polynomials(2.0 * depth - 1.0)
    moments, first = np.empty((len(ends), NODES_PER_BIN)), 0
    for k, end in enumerate(ends):
        moments[k] = polynomials[:, first:end] @ weights[first:end]
        first = end
    tops = bins[np.array(ends) - 1]
    positions = highest * np.exp(-BIN_WIDTH * (tops[:, None] + 0.5 * (nodes + 1.0)))
    return positions.ravel(), (moments @ to_nodes.T).ravel()


def _chebyshev_polynomials(x: FloatArray) -> FloatArray:
    """T_0 ... T_(p-1) at x, shape ``(p, n)``, from ``T_(m+k) = 2 T_m T_k - T_(m-k)``."""
    values = np.empty((NODES_PER_BIN, x.size))
    values[0], values[1] = 1.0, x
    top = 1
    while top < NODES_PER_BIN - 1:
        count = min(top, NODES_PER_BIN - 1 - top)
        further = values[top + 1 : top + 1 + count]
        np.multiply(2.0 * values[top], values[1 : count + 1], out=further)
        further -= values[top - count : top][::-1]
        top += count
    return values


@lru_cache(maxsize=1)
def _chebyshev() -> tuple[FloatArray, FloatArray]:
    """Chebyshev nodes, and the matrix from Chebyshev moments to weights of Lagrange interpolation."""
    p = NODES_PER_BIN
    angles = np.pi * (np.arange(p) + 0.5) / p
    matrix = 2.0 / p * np.cos(np.outer(angles, np.arange(p)))
    matrix[:, 0] = 1.0 / p
    return np.cos(angles), matrix
