"""alpha2F and the Matsubara sums on a uniform real grid.

Energies of electrons lie at ``(j + 1/2) h`` and those of phonons at ``k h``, so that their differences are
energies of electrons again and no electron sits on the Fermi level, where thermal factors jump at T = 0.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.spectra import Spectrum

__all__ = ["coth_weighted", "matsubara_kernels", "on_grid"]

FloatArray = NDArray[np.float64]

NEAR: Final[int] = 64
"""Within this many steps of its pole a kernel is integrated over the hat functions of the grid exactly."""


def on_grid(spectrum: Spectrum, step_mev: float, count: int) -> FloatArray:
    """alpha2F(w)/w at ``w = 0, h, ... (count - 1) h``, averaged over hat functions, shape ``(count,)``.

    Between the points of the spectrum alpha2F/w is taken as linear, its integral being the spectrum's lambda.
    The averages keep it: ``h (b_0 + 2 b_1 + 2 b_2 + ...) = lambda``. The function is even in w.
    """
    omega = spectrum.omega_mev
    b = spectrum.alpha2f / omega
    steps = np.diff(omega)
    first = np.concatenate([[0.0], np.cumsum(0.5 * steps * (b[1:] + b[:-1]))])
    second = np.concatenate([[0.0], np.cumsum(steps * (first[:-1] + steps * (2.0 * b[:-1] + b[1:]) / 6.0))])
    x = step_mev * np.arange(count + 1)
    place = np.clip(np.searchsorted(omega, x, side="right") - 1, 0, omega.size - 2)
    t = np.clip(x, omega[0], omega[-1]) - omega[place]
    slope = (b[place + 1] - b[place]) / steps[place]
    twice = second[place] + t * (first[place] + t * (0.5 * b[place] + t * slope / 6.0))
    # Beyond its last point the first integral is constant, hence the second one linear.
    twice += first[-1] * np.maximum(x - omega[-1], 0.0)
    return np.asarray(np.diff(twice, 2, prepend=twice[1]) / step_mev**2)


def coth_weighted(b: FloatArray, step_mev: float, kt_mev: float) -> FloatArray:
    """alpha2F(w) coth(w/2T) at the same energies, finite also at w = 0, shape ``(count,)``."""
    w = step_mev * np.arange(b.size)
    factor = np.full(b.size, 2.0 * kt_mev)
    factor[1:] = w[1:] / np.tanh(w[1:] / (2.0 * kt_mev))
    return np.asarray(b * factor)


def matsubara_kernels(
    y_mev: FloatArray, step_mev: float, nu_mev: FloatArray, even: FloatArray, odd: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """``sum_m even_m y/(y^2 + nu_m^2)`` and ``sum_m odd_m nu_m/(y^2 + nu_m^2)``, averaged over hat functions.

    Args:
        y_mev: energies at odd multiples of half a step, shape ``(n,)``.
        step_mev: half the width of a hat function.
        nu_mev: Matsubara frequencies, shape ``(p,)``.
        even: weights of the first sum, shape ``(b, p)``.
        odd: weights of the second.

    Returns:
        The sums, shape ``(b, n)`` each.
    """
    # Both are even or odd in y: the positive half is enough.
    size = round(float(np.abs(y_mev).max()) / step_mev + 0.5)
    y = step_mev * (np.arange(size) + 0.5)
    first = np.empty((even.shape[0], size))
    second = np.empty((odd.shape[0], size))
    chunk = max(1, 400_000 // nu_mev.size)
    near = min(NEAR, size)
    low = np.concatenate([[-0.5 * step_mev], y[:near], [y[:near][-1] + step_mev]])[:, None]
    square = low * low + nu_mev**2
    angle = np.arctan(low / nu_mev)
    logarithm = 0.5 * np.log(square)
    for target, integral, weights in (
        (first, low * logarithm - low + nu_mev * angle, even),
        (second, low * angle - nu_mev * logarithm, odd),
    ):
        target[:, :near] = weights @ (np.diff(integral, 2, axis=0) / step_mev**2).T
    for start in range(near, size, chunk):
        part = slice(start, min(start + chunk, size))
        pole = 1.0 / (y[part, None] + 1j * nu_mev)
        # The average of an analytic function over a hat: f + h^2 f''/12, with f'' = 2/(y + i nu)^3.
        pole += (step_mev**2 / 6.0) * pole**3
        first[:, part] = even @ pole.real.T
        second[:, part] = odd @ -pole.imag.T
    index = np.rint(y_mev / step_mev - 0.5).astype(np.intp)
    negative = index < 0
    index[negative] = -1 - index[negative]
    return np.where(negative, -1.0, 1.0) * first[:, index], second[:, index]
