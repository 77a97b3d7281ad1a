"""Tests that tell a continuation to believe from one that only looks like a gap function.

Of a retarded solution of the Eliashberg equations we know more than its values: its functions are analytic
above the real axis, so that the real axis gives back the Matsubara frequencies,

    omega_n / R_n = (2/pi) int_0^inf  omega_n N(x) / (x^2 + omega_n^2) dx,      N = Re x/E(x)
    Delta_n / R_n = (2/pi) int_0^inf  x Re P(x) / (x^2 + omega_n^2) dx,         P = Delta(x)/E(x)
                  = (2/pi) int_0^inf  -omega_n Im P(x) / (x^2 + omega_n^2) dx

and nothing decays into less than nothing: N >= 0 and Im(omega Z) >= 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.theory.eliashberg.gap import GapSolution
from htc.theory.eliashberg.real_axis.quasiparticles import states
from htc.theory.eliashberg.real_axis.roots import inverse_weights, retarded_root

__all__ = ["first_negative", "matsubara_mismatch"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

NEGATIVE: Final[float] = 0.02
"""Densities of states and damping this far below zero are no rounding."""

AT_EDGE: Final[float] = 1e-3
PROBES: Final[int] = 8

KERNEL: Final[int] = 12
"""Up to this many times the first frequency the integrals take ten points a frequency at least."""


def matsubara_mismatch(
    solution: GapSolution, omega_mev: FloatArray, delta_mev: ComplexArray, z: ComplexArray, reach_mev: float
) -> float:
    """Largest error of ``omega_n/R_n`` and ``Delta_n/R_n`` from the real axis, at up to `PROBES` frequencies.

    Args:
        solution: on the imaginary axis.
        omega_mev: energies, ascending from near zero to several times ``reach_mev``, shape ``(n,)``.
        delta_mev: Delta there, shape ``(b, n)``.
        z: Z there, shape ``(b, n)``.
        reach_mev: frequencies up to here are tested.

    Returns:
        The error, relative to the largest ``Delta_n/R_n`` of the band for that, absolute for the other;
        infinite if a value is not finite.
    """
    if not (np.isfinite(delta_mev).all() and np.isfinite(z).all()):
        return np.inf
    count = int(np.searchsorted(solution.omega_mev, reach_mev))
    probes = np.unique(np.linspace(0, max(count - 1, 0), PROBES).astype(np.intp))
    nu = solution.omega_mev[probes]
    root = np.sqrt(nu**2 + solution.delta_mev[:, probes] ** 2)
    pairs, turns = solution.delta_mev[:, probes] / root, nu / root
    # By symmetry W is imaginary at zero and phi real.
    known = np.concatenate([[0.0], omega_mev])
    wave, phi = omega_mev * z, delta_mev * z
    wave = np.concatenate([1j * wave[:, :1].imag, wave], axis=1)
    phi = np.concatenate([phi[:, :1].real, phi], axis=1)
    # The first kernel may be narrower than the grid.
    x = np.union1d(known, nu[0] * np.linspace(0.0, KERNEL, 10 * KERNEL + 1))
    wave, phi = (np.stack([np.interp(x, known, row) for row in rows]) for rows in (wave, phi))
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = inverse_weights(retarded_root(wave**2 - phi**2), np.diff(x))
    top = float(x[-1])
    kernel = (2.0 / np.pi) / (x[:, None] ** 2 + nu**2)
    rest = (2.0 / np.pi) * np.arctan2(nu, top)
    normal = (wave * weights).real @ (kernel * nu) + rest
    # At high energies Delta goes to its limit as omega^-2, and N to 1 faster.
    last = delta_mev[:, -1:].real
    slope = (delta_mev[:, -1] - delta_mev[:, -2]).real / (omega_mev[-1] - omega_mev[-2])
    excess = -0.5 * top * slope[:, None]
    anomalous = (phi * weights).real @ (kernel * x[:, None]) + (last - excess) * rest / nu
    share = np.where(nu > 0.01 * top, (1.0 - np.arctan2(nu, top) * top / nu) * (top / nu) ** 2, 1.0 / 3.0)
    anomalous += excess * (2.0 / np.pi) * share / top
    causal = -(phi * weights).imag @ (kernel * nu)
    largest = np.abs(pairs).max(axis=1, keepdims=True)
    errors = [normal - turns, (anomalous - pairs) / largest, (causal - pairs) / largest]
    worst = max(float(np.abs(error).max()) for error in errors)
    return worst if np.isfinite(worst) else np.inf


def first_negative(
    omega_mev: FloatArray, delta_mev: ComplexArray, z: ComplexArray, edges_mev: Sequence[float | None]
) -> tuple[float, float]:
    """Lowest energies, meV, of a negative density of states and of negative damping; infinite where none."""
    both = states(omega_mev, delta_mev, z)
    density = both.real / np.maximum(np.abs(both), 1.0)
    # At the edge itself rounding turns a diverging number.
    for row, edge in zip(density, edges_mev, strict=True):
        if edge is not None:
            row[np.abs(omega_mev - edge) < AT_EDGE * edge] = 0.0
    damping = z.imag / np.maximum(np.abs(z), 1.0)
    lowest = []
    for values in (density, damping):
        bad = np.flatnonzero(~(values > -NEGATIVE).all(axis=0))
        lowest.append(float(omega_mev[bad[0]]) if bad.size else np.inf)
    return lowest[0], lowest[1]
