"""Delta and Z at Matsubara frequencies, to the last digits a continuation can use.

A continuation multiplies the noise of its input; an interpolated lambda, good enough for everything else,
would show. Here every lambda is summed over its oscillators; the normal state's part of Z has a closed form.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.gap import GapSolution
from htc.theory.eliashberg.kernel import tail

__all__ = ["delta_and_z"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

SHIFT: Final[int] = 10
"""The asymptotic series of the digamma function is used this far from its poles."""

BERNOULLI: Final[tuple[float, ...]] = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
"""B_2k/(2k)."""


def delta_and_z(
    solution: GapSolution, index: FloatArray, *, closed_form: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Delta, meV, and Z at Matsubara frequencies n, shapes ``(b, n)``.

    Args:
        solution: of the gap equations.
        index: n >= 0, below the end of the solution's grid, shape ``(n,)``.
        closed_form: take the normal state's part of Z from its closed form. By quadrature it is good only
            where the frequencies are close; Delta, a ratio in which that error cancels, needs no such care.
    """
    grid, kt = solution.grid, solution.kt_mev
    spacing, scale = 2.0 * np.pi * kt, np.pi * kt
    omega = spacing * (index + 0.5)
    root = np.sqrt(solution.omega_mev**2 + solution.delta_mev**2)
    pairs, turns = solution.delta_mev / root, solution.omega_mev / root
    less = solution.delta_mev**2 / (root * (root + solution.omega_mev))
    cutoffs, mu = solution.interaction.cutoffs, solution.interaction.mu_star_at(kt)
    weights = grid.full if cutoffs.infinite_z else grid.phonon
    closed_form = closed_form and (cutoffs.infinite_z or cutoffs.edge == "step")
    distances = np.stack([index[:, None] - grid.index, index[:, None] + grid.index + 1.0])
    squares = (spacing * distances.ravel()) ** 2
    phi = np.zeros((solution.interaction.bands, index.size))
    rough, fine = np.ones_like(phi), np.ones_like(phi)
    phi -= (spacing * (mu @ (pairs @ grid.coulomb)))[:, None]
    for i, row in enumerate(solution.interaction.couplings):
        for j, coupling in enumerate(row):
            minus, plus = _lambda(coupling, squares).reshape(distances.shape)
            phi[i] += scale * ((minus + plus) @ (grid.phonon * pairs[j]))
            minus -= plus
            rough[i] += scale / omega * (minus @ (weights * turns[j]))
            if cutoffs.infinite_z:
                rough[i] += scale / omega * tail(coupling, grid.end, index, kt)[0]
            if closed_form:
                normal = coupling.lambda_ep + 2.0 * _partial_sums(coupling, index, spacing)
                if not cutoffs.infinite_z:
                    last = _phonon_frequencies(solution)
                    normal -= _partial_sums(coupling, last + index, spacing)
                    normal += _partial_sums(coupling, last - index - 1.0, spacing)
                fine[i] += scale / omega * (normal - minus @ (weights * less[j]))
    return phi / rough, fine if closed_form else rough


def _phonon_frequencies(solution: GapSolution) -> int:
    """How many frequencies the sum over phonons has when it ends sharply."""
    return round(float(solution.grid.phonon.sum()))


def _lambda(coupling: Coupling, nu_squared: FloatArray) -> FloatArray:
    share = np.add.outer(coupling.omega_mev**2, nu_squared)
    np.reciprocal(share, out=share)
    return (coupling.weight * coupling.omega_mev**2) @ share


def _partial_sums(coupling: Coupling, count: FloatArray, spacing: float) -> FloatArray:
    """sum_{l=1}^{count} lambda(l s) = sum_k weight_k a_k Im[psi(count + 1 - i a_k) - psi(1 - i a_k)].

    a is omega/s.
    """
    a = coupling.omega_mev / spacing
    last = _digamma(count[:, None] + 1.0 - 1j * a).imag
    return np.asarray((last - _digamma(1.0 - 1j * a).imag) @ (coupling.weight * a), dtype=np.float64)


def _digamma(z: NDArray[np.complexfloating[Any, Any]]) -> ComplexArray:
    """psi(z) for Re z >= 0: recurrence, then the asymptotic series (NIST DLMF 5.5.2 and 5.11.2)."""
    z = np.asarray(z, dtype=np.complex128)
    low = np.zeros_like(z)
    for k in range(SHIFT):
        low += 1.0 / (z + k)
    z = z + SHIFT
    inverse = 1.0 / (z * z)
    series = np.zeros_like(z)
    for coefficient in reversed(BERNOULLI):
        series = (series + coefficient) * inverse
    return np.asarray(np.log(z) - 0.5 / z - series - low)
