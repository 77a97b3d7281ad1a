"""The matrix of the linearised equations at one temperature, and one step of inverse iteration on it.

With ``omega_n = (2n + 1) pi k T`` and ``x_n = Delta_n sqrt(w_n / (2n + 1))`` the gap vanishes where

    A_nm = s_n s_m [lambda(n - m) + lambda(n + m + 1) - 2 mu*] - delta_nm Z_n,    s_n = sqrt(w_n / (2n + 1)),
    (2n + 1) Z_n = 2n + 1 + lambda(0) + 2 sum_{l=1}^{n} lambda(l)

has the algebraically largest eigenvalue 0 (Owen and Scalapino, doi:10.1016/0031-8914(71)90320-3; Allen and
Dynes, doi:10.1103/PhysRevB.12.905).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.theory.eliashberg.conventions import Cutoffs
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.kernel import beyond_nodes, grid_at
from htc.theory.eliashberg.matsubara import MatsubaraGrid
from htc.theory.eliashberg.native import KERNEL, Kernel

__all__ = ["LinearMatrix", "Step", "assemble", "improve", "largest_eigenvalue", "pair_sum", "top_vector"]

FloatArray = NDArray[np.float64]

UNBOUNDED: Final[float] = 1e4
"""Stands for a mu* that has no bound: so strong that it keeps every pair from its sum."""


@dataclass(frozen=True, slots=True)
class LinearMatrix:
    """A at one temperature, and what its derivatives are made of."""

    values: FloatArray
    """A, shape ``(p, p)``."""
    grid: MatsubaraGrid
    by_ln_t: FloatArray
    """d lambda / d ln T at the distances of the grid."""
    z_by_ln_t: FloatArray
    """d [(2n + 1) Z_n] / d ln T, shape ``(p,)``."""
    mu: float
    """mu* in the sum."""
    mu_by_ln_t: float
    """d mu* / d ln T at a held number of frequencies."""
    next_lambda: FloatArray
    """lambda(N - n) + lambda(N + n + 1) of the first frequency left out, shape ``(p,)``."""

    def slope(self, left: FloatArray, right: FloatArray) -> float:
        """left dA/dlnT right, the number of frequencies held."""
        grid = self.grid
        u, v = grid.scale * left, grid.scale * right
        minus, plus = grid.pairs(self.by_ln_t)
        value = u @ ((minus + plus) @ v) - (left * right) @ (self.z_by_ln_t / grid.odd)
        if self.mu_by_ln_t:
            value -= 2.0 * self.mu_by_ln_t * pair_sum(grid, left, right)
        return float(value)

    def edge(self, left: FloatArray, right: FloatArray) -> float:
        """What the frequencies that come and go with T add to the slope.

        A frequency more lifts the eigenvalue in second order by ``(row x)^2 / (2N + 1)``, and N falls as 1/T;
        rescaled to the last frequency, mu* moves back when that one goes.
        """
        grid = self.grid
        column = float(self.next_lambda @ (grid.scale * left))
        row = float(self.next_lambda @ (grid.scale * right))
        paired = float(grid.scale @ left)
        if grid.coulomb_ratio is None:
            counted = float(grid.scale @ right)
            row -= 2.0 * self.mu * counted
            column -= 2.0 * self.mu * paired
            return -0.5 * column * row + 2.0 * self.mu_by_ln_t * paired * counted
        row -= 2.0 * self.mu * float(grid.scale @ (right * grid.coulomb_ratio))
        # The Coulomb sum ends within the grid: the next term of it counts in first order.
        last = np.interp(grid.counts[1], grid.index, right / np.maximum(grid.scale, 1e-300))
        return -0.5 * column * row + self.mu * paired * float(last)

    def has_none_above(self, value: float) -> bool:
        """Whether no eigenvalue lies above this one, or above zero, by more than 1e-4."""
        bound = value + abs(value) + 1e-4
        if self.grid.coulomb_ratio is not None:
            return bool(np.linalg.eigvals(self.values).real.max() <= bound)
        a = -self.values
        a.flat[:: a.shape[0] + 1] += bound
        try:
            np.linalg.cholesky(a)
        except np.linalg.LinAlgError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Step:
    """An approximate eigenvector and what it says of the largest eigenvalue."""

    value: float
    """Rayleigh quotient."""
    slope: float
    """Its derivative by ln T at held frequencies, see `LinearMatrix.slope`."""
    edge: float
    """What the frequencies that come and go add to it, see `LinearMatrix.edge`."""
    right: FloatArray
    """Of norm 1, shape ``(p,)``."""
    left: FloatArray
    """Scaled to ``left @ right = 1``, shape ``(p,)``."""
    proof: Callable[[], LinearMatrix] | bool
    """The matrix on demand, or whether the compiled kernel has found no eigenvalue above."""

    def is_largest(self) -> bool:
        """Whether no eigenvalue lies above this one, by a factorisation."""
        return self.proof if isinstance(self.proof, bool) else self.proof().has_none_above(self.value)


def improve(
    coupling: Coupling, cutoffs: Cutoffs, grid: MatsubaraGrid, kt: float, x: FloatArray, iterations: int
) -> Step:
    """Improve a vector by inverse iteration at this temperature.

    Args:
        coupling: lambda on the imaginary axis.
        cutoffs: a convention resolved.
        grid: nodes, of this temperature or held from another.
        kt: k T, meV.
        x: the vector so far, of norm 1, shape ``(p,)``.
        iterations: how many.

    Raises:
        numpy.linalg.LinAlgError: the matrix is singular.
    """
    if KERNEL is not None and (grid.dense or cutoffs.edge == "step"):
        return _improve_compiled(KERNEL, coupling, cutoffs, grid, kt, x, iterations)
    matrix = assemble(coupling, cutoffs, grid, kt)
    a = matrix.values
    shift = float(x @ (a @ x))
    if shift > 0.05:
        a = a.copy()
        a.flat[:: a.shape[0] + 1] -= shift
    y, left = x, x
    for _ in range(iterations):
        y = np.asarray(np.linalg.solve(a, y), dtype=np.float64)
        y *= 1.0 / sqrt(float(y @ y))
        if grid.coulomb_ratio is not None:
            left = np.asarray(np.linalg.solve(a.T, left), dtype=np.float64)
            left *= 1.0 / float(left @ y)
    if grid.coulomb_ratio is None:
        left = y
    value = float(left @ (matrix.values @ y))
    return Step(value, matrix.slope(left, y), matrix.edge(left, y), y, left, lambda: matrix)


def _improve_compiled(
    kernel: Kernel,
    coupling: Coupling,
    cutoffs: Cutoffs,
    grid: MatsubaraGrid,
    kt: float,
    x: FloatArray,
    iterations: int,
) -> Step:
    spacing = 2.0 * np.pi * kt
    mu, mu_by = _mu_star(cutoffs, grid, spacing)
    right, left, out = kernel.evaluate(
        grid.addresses,
        coupling.addresses,
        truncated=not cutoffs.infinite_z,
        spacing=spacing,
        mu=mu,
        mu_by_ln_t=mu_by,
        last=float(grid.counts[1]),
        iterations=iterations,
        x=x,
    )
    value, slope, edge, _, proof = out.tolist()
    if proof < 0.0:
        return Step(value, slope, edge, right, left, lambda: assemble(coupling, cutoffs, grid, kt))
    return Step(value, slope, edge, right, left, proof > 0.0)


def largest_eigenvalue(coupling: Coupling, cutoffs: Cutoffs, kt_mev: float) -> float:
    """Largest eigenvalue of A by diagonalisation; it is positive below Tc and negative above."""
    matrix = assemble(coupling, cutoffs, grid_at(cutoffs, kt_mev), kt_mev).values
    return float(np.linalg.eigvals(matrix).real.max())


def top_vector(matrix: FloatArray) -> FloatArray:
    """The eigenvector of the largest eigenvalue, of norm 1."""
    values, vectors = np.linalg.eig(matrix)
    top: FloatArray = vectors[:, np.argmax(values.real)].real
    return top / float(np.sqrt(top @ top))


def pair_sum(grid: MatsubaraGrid, left: FloatArray, right: FloatArray) -> float:
    """What -2 mu* multiplies in left A right."""
    counted = right if grid.coulomb_ratio is None else right * grid.coulomb_ratio
    return float(grid.scale @ left) * float(grid.scale @ counted)


def _mu_star(cutoffs: Cutoffs, grid: MatsubaraGrid, spacing: float) -> tuple[float, float]:
    """mu* in the sum, and its derivative by ln T at held frequencies."""
    if not cutoffs.rescaled_to_last or cutoffs.edge != "step":
        return cutoffs.mu_star_at_cutoff, 0.0
    # The grid may be one held beyond its own temperatures: its count goes, not that of kt.
    mu = cutoffs.mu_star_at((grid.counts[1] + 0.5) * spacing)
    return (mu, mu * mu) if mu < UNBOUNDED else (UNBOUNDED, 0.0)


def assemble(coupling: Coupling, cutoffs: Cutoffs, grid: MatsubaraGrid, kt: float) -> LinearMatrix:
    """The matrix on a grid, its own or one held from another temperature, at ``kt`` meV."""
    spacing = 2.0 * np.pi * kt
    lam, by_ln_t = coupling.with_slope(spacing * grid.distance)
    minus, plus = grid.pairs(lam)
    if not cutoffs.infinite_z:
        z = (minus - plus) @ grid.phonon
        z_by = np.subtract(*grid.pairs(by_ln_t)) @ grid.phonon
    elif grid.dense:
        z = 2.0 * lam[: grid.end].cumsum() - lam[0]
        z_by = 2.0 * by_ln_t[: grid.end].cumsum() - by_ln_t[0]
    else:
        z = (minus - plus) @ grid.full
        z_by = np.subtract(*grid.pairs(by_ln_t)) @ grid.full
        rest, rest_by = beyond_nodes(coupling, cutoffs, grid, (z, z_by), kt)
        z += rest
        z_by += rest_by
    mu, mu_by = _mu_star(cutoffs, grid, spacing)
    scale = grid.scale
    values = minus + plus
    if grid.coulomb_ratio is None:
        values -= 2.0 * mu
        values *= scale
    else:
        values *= scale
        values -= 2.0 * mu * (scale * grid.coulomb_ratio)
    values *= scale[:, None]
    values.flat[:: grid.size + 1] -= z / grid.odd + 1.0
    return LinearMatrix(values, grid, by_ln_t, z_by, mu, mu_by, grid.to_end(lam))
