"""Tc from the linearised Eliashberg equations on the Matsubara axis.

With ``omega_n = (2n + 1) pi k T`` and ``x_n = Delta_n sqrt(w_n / (2n + 1))`` the gap vanishes where the matrix

    A_nm = s_n s_m [lambda(n - m) + lambda(n + m + 1) - 2 mu*] - delta_nm Z_n,    s_n = sqrt(w_n / (2n + 1)),
    (2n + 1) Z_n = 2n + 1 + lambda(0) + 2 sum_{l=1}^{n} lambda(l)

has the algebraically largest eigenvalue 0 (Owen and Scalapino, doi:10.1016/0031-8914(71)90313-6; Allen and Dynes,
doi:10.1103/PhysRevB.12.905). Each step is one inverse iteration and one Newton step in ln T on the Rayleigh
quotient, whose derivative is exact at a held number of frequencies; the error falls as its cube. That the
eigenvalue found is the largest is proven by a Cholesky factorisation, not assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import ConvergenceError
from htc.theory.eliashberg.conventions import Cutoffs
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.kernel import frequencies_below, grid_at, tail
from htc.theory.eliashberg.matsubara import MatsubaraGrid

__all__ = ["LinearSolution", "largest_eigenvalue", "solve"]

FloatArray = NDArray[np.float64]

DONE: Final[float] = 1e-4
"""A Newton step in ln T this small leaves an error of about its square."""

MAX_STEPS: Final[int] = 60
FLOOR: Final[float] = 1e-7
"""Below this share of the highest frequency no Tc is looked for."""


@dataclass(frozen=True, slots=True)
class LinearSolution:
    """Where the largest eigenvalue passes zero."""

    kt_mev: float
    """k Tc, meV; 0 where nothing superconducts above `floor_mev`."""
    floor_mev: float
    grid: MatsubaraGrid | None
    gap: FloatArray
    """Delta at the nodes of the grid at Tc, 1 at the first, shape ``(p,)``."""
    slope: float
    """d (largest eigenvalue) / d ln T, for x of norm 1."""
    steps: int
    """Newton steps taken."""


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A and its derivative by ln T."""

    values: FloatArray
    slope: FloatArray
    scale: FloatArray
    """s_n, shape ``(p,)``."""
    symmetric: bool
    mu_slope: float
    """d mu* / d ln T at a held number of frequencies."""
    next_row: FloatArray
    """Kernel of the first frequency left out, before scaling, shape ``(p,)``."""


def solve(coupling: Coupling, cutoffs: Cutoffs, guess_mev: float) -> LinearSolution:
    """Find k Tc.

    Args:
        coupling: lambda on the imaginary axis.
        cutoffs: a convention resolved for this spectrum and mu*.
        guess_mev: where to start, meV.

    Raises:
        ConvergenceError: the search ended without an answer.
    """
    highest = float(coupling.omega_mev.max())
    floor = FLOOR * highest
    start = min(max(guess_mev, 100.0 * floor), highest)
    search = _Search(coupling, cutoffs, floor)
    try:
        return search.from_guess(start)
    except (_LostError, np.linalg.LinAlgError):
        pass
    return search.from_bracket()


def largest_eigenvalue(coupling: Coupling, cutoffs: Cutoffs, kt_mev: float) -> float:
    """Largest eigenvalue of A by diagonalisation; it is positive below Tc and negative above."""
    matrix = _assemble(coupling, cutoffs, grid_at(cutoffs, kt_mev), kt_mev).values
    return float(np.linalg.eigvals(matrix).real.max())


class _LostError(Exception):
    """The quick search has followed another eigenvalue, or none."""


class _Search:
    """The search for one spectrum; its state is the iterated vector and the grid it lives on."""

    def __init__(self, coupling: Coupling, cutoffs: Cutoffs, floor_mev: float) -> None:
        self.coupling = coupling
        self.cutoffs = cutoffs
        self.floor = floor_mev
        self.steps = 0
        self.grid: MatsubaraGrid | None = None
        self.vector = np.empty(0)
        self.slope = -1.0
        self.edge = 0.0

    def from_guess(self, kt: float) -> LinearSolution:
        """Newton from a guess."""
        smooth = self.cutoffs.edge == "smooth"
        predicted: dict[int, float] = {}
        before: tuple[float, float] | None = None
        while True:
            grid = grid_at(self.cutoffs, kt)
            value, matrix = self._evaluate(grid, kt)
            step = self._newton(value, self.slope + self.edge)
            if not smooth and abs(step) * grid.end < 1.0:
                step = self._newton(value, self.slope)
            if before is not None and before[0] * value < 0.0 and abs(before[1]) * grid.end > 1.0:
                # Twice across: between these two the secant is safe.
                step = self._newton(value, (value - before[0]) / before[1])
            kt *= np.exp(step)
            if kt < self.floor:
                self._prove_largest(matrix, value)
                return self._none()
            if abs(step) < DONE:
                self._prove_largest(matrix, value)
                if smooth or grid_at(self.cutoffs, kt) is grid:
                    return self._solution(kt)
            before = (value, step)
            if not smooth and abs(step) < 0.01 and grid_at(self.cutoffs, kt) is not grid:
                # Where the number of frequencies changes, the eigenvalue may jump across zero.
                if grid.end in predicted:
                    self._prove_largest(matrix, value)
                    return self._solution(_change(self.cutoffs, kt, grid))
                predicted[grid.end] = kt

    def from_bracket(self) -> LinearSolution:
        """Bisect on the sign of the largest eigenvalue, then Newton from close by."""
        high = float(self.coupling.omega_mev.max())
        while largest_eigenvalue(self.coupling, self.cutoffs, high) > 0.0:
            high *= 2.0
        low = high / 2.0
        while largest_eigenvalue(self.coupling, self.cutoffs, low) <= 0.0:
            high, low = low, low / 2.0
            if low < self.floor:
                return self._none()
        while high / low > 1.0005:
            middle = np.sqrt(low * high)
            if largest_eigenvalue(self.coupling, self.cutoffs, middle) > 0.0:
                low = middle
            else:
                high = middle
        self.grid = grid_at(self.cutoffs, low)
        matrix = _assemble(self.coupling, self.cutoffs, self.grid, low)
        values, vectors = np.linalg.eig(matrix.values)
        self.vector = vectors[:, np.argmax(values.real)].real
        self.steps = 0
        try:
            found = self.from_guess(low)
        except _LostError:
            found = None
        if found is None or not 0.99 * low < found.kt_mev < 1.01 * high:
            raise ConvergenceError(
                f"the search for Tc did not settle between {low:g} and {high:g} meV of k T"
            )
        return found

    def _evaluate(self, grid: MatsubaraGrid, kt: float) -> tuple[float, _Matrix]:
        """Improve the vector by an inverse iteration at this temperature; return its Rayleigh quotient."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _LostError
        matrix = _assemble(self.coupling, self.cutoffs, grid, kt)
        x = self._start(matrix, grid, kt)
        a = matrix.values
        shift = max(float(x @ (a @ x)), 0.0)
        if shift > 0.05:
            a = a.copy()
            a.flat[:: a.shape[0] + 1] -= shift
        y = np.linalg.solve(a, x)
        y /= np.sqrt(y @ y)
        left = y
        if not matrix.symmetric:
            left = np.linalg.solve(a.T, x)
            left /= left @ y
        self.vector, self.grid = y, grid
        self.slope = float(left @ (matrix.slope @ y))
        self.edge = -0.5 * float(matrix.next_row @ (matrix.scale * y)) ** 2
        self.edge += 2.0 * matrix.mu_slope * float(matrix.scale @ y) ** 2
        return float(left @ (matrix.values @ y)), matrix

    def _start(self, matrix: _Matrix, grid: MatsubaraGrid, kt: float) -> FloatArray:
        """The vector so far, on this grid; at first that of a gap which falls off at the phonons."""
        if self.grid is None:
            width = np.sqrt((self.coupling.weight @ self.coupling.omega_mev**2) / self.coupling.lambda_ep)
            nu = (2.0 * grid.index + 1.0) * np.pi * kt / width
            x = matrix.scale / (1.0 + nu * nu)
        elif grid is self.grid:
            return self.vector
        else:
            known = (2.0 * self.grid.index + 1.0, self.vector)
            x = np.interp(2.0 * grid.index + 1.0, *known)
        return x / np.sqrt(x @ x)

    def _newton(self, value: float, slope: float) -> float:
        """Step in ln T, kept within bounds."""
        if not (np.isfinite(value) and np.isfinite(slope)):
            raise _LostError
        if slope > -1e-9:
            return 0.7 if value > 0.0 else -1.5
        return float(min(max(-value / slope, -1.5), 0.7))

    def _prove_largest(self, matrix: _Matrix, value: float) -> None:
        """Make sure that no eigenvalue lies above the one followed."""
        bound = abs(value) + 1e-4
        if matrix.symmetric:
            a = -matrix.values
            a.flat[:: a.shape[0] + 1] += bound + value
            try:
                np.linalg.cholesky(a)
            except np.linalg.LinAlgError:
                raise _LostError from None
        elif np.linalg.eigvals(matrix.values).real.max() > bound + value:
            raise _LostError

    def _none(self) -> LinearSolution:
        return LinearSolution(0.0, self.floor, None, np.empty(0), 0.0, self.steps)

    def _solution(self, kt: float) -> LinearSolution:
        grid = self.grid
        assert grid is not None
        scale = _scale(grid)
        gap = np.where(scale > 0.0, self.vector * (2.0 * grid.index + 1.0) ** -1.0, 0.0)
        np.divide(gap, scale / np.maximum(2.0 * grid.index + 1.0, 1.0), out=gap, where=scale > 0.0)
        return LinearSolution(kt, self.floor, grid, gap / gap[0], self.slope, self.steps)


def _change(cutoffs: Cutoffs, kt: float, grid: MatsubaraGrid) -> float:
    """The temperature between the one a held grid gave and its own, where the number of frequencies changes."""
    there = grid_at(cutoffs, kt).end
    fewer = min(there, grid.end)
    cutoff = max(cutoffs.phonon_mev, cutoffs.coulomb_mev)
    return float(cutoff / (2.0 * np.pi * (fewer + 0.5)))


def _scale(grid: MatsubaraGrid) -> FloatArray:
    return np.sqrt(grid.phonon / (2.0 * grid.index + 1.0))


def _assemble(coupling: Coupling, cutoffs: Cutoffs, grid: MatsubaraGrid, kt: float) -> _Matrix:
    spacing = 2.0 * np.pi * kt
    # The distances of the first frequency left out go along, behind those of the grid.
    beyond = np.concatenate([grid.end - grid.index, grid.end + grid.index + 1.0])
    values, slopes = coupling.with_slope(spacing * np.concatenate([grid.distance, beyond]))
    below, above = values[grid.distance.size :].reshape(2, -1)
    tails = tail(coupling, grid.end, grid.index, kt) if cutoffs.infinite_z and not grid.dense else None
    odd = 2.0 * grid.index + 1.0
    mu, mu_slope = cutoffs.mu_star_at_cutoff, 0.0
    if cutoffs.rescaled_to_last and cutoffs.edge == "step":
        count = frequencies_below(cutoffs.coulomb_mev, kt) if grid is grid_at(cutoffs, kt) else grid.end
        mu = cutoffs.mu_star_at((count + 0.5) * spacing)
        mu_slope = mu * mu
    scale = _scale(grid)
    parts = []
    for lam, pseudo, is_slope in ((values, mu, False), (slopes, mu_slope, True)):
        minus, plus = lam[grid.minus], lam[grid.plus]
        if not cutoffs.infinite_z:
            z = (minus - plus) @ grid.phonon
        elif tails is None:
            z = 2.0 * np.cumsum(lam[: grid.end]) - lam[0]
        else:
            z = (minus - plus) @ grid.full
            z += tails[is_slope]
        minus += plus
        symmetric = grid.coulomb is grid.phonon or bool(np.array_equal(grid.coulomb, grid.phonon))
        if symmetric:
            minus -= 2.0 * pseudo
            minus *= scale[:, None]
            minus *= scale
        else:
            minus *= scale[:, None]
            minus *= scale
            ratio = np.divide(grid.coulomb, grid.phonon, out=np.zeros_like(scale), where=grid.phonon > 0.0)
            minus -= 2.0 * pseudo * np.outer(scale, scale * ratio)
        minus.flat[:: grid.size + 1] -= z / odd + (0.0 if is_slope else 1.0)
        parts.append(minus)
    return _Matrix(parts[0], parts[1], scale, symmetric, mu_slope, below + above - 2.0 * mu)
