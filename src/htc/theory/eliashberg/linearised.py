"""Tc from the linearised Eliashberg equations on the Matsubara axis.

The gap vanishes where the matrix of ``linear_matrix.py`` has the algebraically largest eigenvalue 0. Each
step is one inverse iteration and one Newton step in ln T on the Rayleigh quotient, whose derivative is exact
at a held number of frequencies; the error falls as its cube. That the eigenvalue found is the largest is
proven by a factorisation, not assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import ConvergenceError
from htc.theory.eliashberg.conventions import Cutoffs
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.kernel import grid_at
from htc.theory.eliashberg.linear_matrix import (
    LinearMatrix,
    Step,
    assemble,
    improve,
    largest_eigenvalue,
    pair_sum,
    top_vector,
)
from htc.theory.eliashberg.matsubara import MatsubaraGrid

__all__ = ["LinearSolution", "solve", "total_slope"]

FloatArray = NDArray[np.float64]

DONE: Final[float] = 1e-4
"""A Newton step in ln T this small leaves an error of about its square."""

NEAR: Final[float] = 1e-2
"""A step this small no longer changes the number of frequencies by much; see `SKIPPED` for large numbers."""

SECANT: Final[float] = 0.03
"""Steps this small follow the secant where weights move with T."""

SMOOTH_DONE: Final[float] = 1e-6
"""The same as `DONE` where weights move with T: the slope is then good to some percent only."""

FEW: Final[int] = 8
"""With no more frequencies than these each of them counts."""

STRONG: Final[float] = 0.5
"""A mu* above this, which no material has, lets roots appear that the search does not expect."""

NOT_ZERO: Final[float] = 1e-4
"""An eigenvalue above this is not zero, however small the last step was."""

TINY: Final[float] = 1e-12
"""A relative step over the temperature where the number of frequencies changes."""

JUST_ABOVE: Final[float] = 1e-9
"""Relative distance from a change at which nothing must superconduct any more."""

FLAT: Final[float] = 0.05
"""With the slope at held frequencies below this share of that of the frequencies lost, these decide on Tc."""

BISECTED: Final[float] = 1e-11
"""Relative width of the bracket where Tc was left to bisection."""

SKIPPED: Final[float] = 3.0
"""So many changes of the number of frequencies are gone through one by one, no more."""

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
    right: FloatArray
    """Eigenvector of A, of norm 1, shape ``(p,)``."""
    left: FloatArray
    """Eigenvector of its transpose, scaled to ``left @ right = 1``, shape ``(p,)``."""
    slope: float
    """d (largest eigenvalue) / d ln T, for x of norm 1, at a held number of frequencies."""
    edge: float
    """What the frequencies that come and go with T add to it: ``-d (largest eigenvalue) / d ln cutoff``."""
    pair_sum: float
    """``-1/2 d (largest eigenvalue) / d mu*``, for the mu* in the sum."""
    steps: int
    """Newton steps taken."""


def solve(coupling: Coupling, cutoffs: Cutoffs, guess_mev: float) -> LinearSolution:
    """Find k Tc.

    Args:
        coupling: lambda on the imaginary axis.
        cutoffs: a convention resolved for this spectrum and mu*.
        guess_mev: where to start, meV.

    Raises:
        ConvergenceError: the search ended without an answer.
    """
    floor = FLOOR * float(coupling.omega_mev[-1])
    start = min(max(guess_mev, 100.0 * floor), float(coupling.omega_mev[-1]))
    search = _Search(coupling, cutoffs, floor)
    try:
        found = search.from_guess(start)
        search.prove_highest(found)
    except (_LostError, np.linalg.LinAlgError):
        pass
    else:
        return found
    try:
        return search.from_bracket()
    except np.linalg.LinAlgError as error:
        raise ConvergenceError(f"the linearised equations cannot be diagonalised: {error}") from error


def total_slope(coupling: Coupling, cutoffs: Cutoffs, found: LinearSolution) -> float:
    """d (largest eigenvalue) / d ln T at Tc with all that moves with T, for a smooth edge.

    Raises:
        ConvergenceError: with next to no frequency below the cutoff there is no such slope.
    """
    search = _Search(coupling, cutoffs, found.floor_mev)
    search.vector, search.left, search.grid = found.right, found.left, found.grid
    h = 2e-3
    ends = []
    try:
        for kt in (found.kt_mev * np.exp(-h), found.kt_mev * np.exp(h)):
            grid = grid_at(cutoffs, kt)
            search._evaluate(grid, kt)
            ends.append(search._evaluate(grid, kt).value)
    except (_LostError, np.linalg.LinAlgError):
        raise ConvergenceError("the slope of the largest eigenvalue at Tc was not found") from None
    return (ends[1] - ends[0]) / (2.0 * h)


class _LostError(Exception):
    """The quick search has followed another eigenvalue, or none."""


class _Search:
    """The search for one spectrum; its state is the iterated vector and the grid it lives on."""

    def __init__(self, coupling: Coupling, cutoffs: Cutoffs, floor_mev: float) -> None:
        self.coupling = coupling
        self.cutoffs = cutoffs
        self.floor = floor_mev
        width = sqrt(max(coupling.second_mev2 / coupling.lambda_ep, 0.0))
        self.width = width or float(coupling.omega_mev[-1])
        self.steps = 0
        self.grid: MatsubaraGrid | None = None
        self.vector: FloatArray = np.empty(0)
        self.left: FloatArray = self.vector
        self.slope = -1.0
        self.edge = 0.0

    def from_guess(self, kt: float) -> LinearSolution:
        """Newton from a guess, the grid following T until the steps are small."""
        smooth = self.cutoffs.edge == "smooth"
        before: tuple[float, float] | None = None
        while True:
            grid = grid_at(self.cutoffs, kt)
            found = self._evaluate(grid, kt)
            value = found.value
            step = self._newton(value, self.slope + self.edge)
            if before is not None and (
                before[0] * value < 0.0 or (smooth and 1e-8 < abs(before[1]) < SECANT)
            ):
                # Twice across, or near: between these two the secant is safe, and better than a slope that
                # counts the frequencies lost one by one.
                step = self._newton(value, (value - before[0]) / before[1])
            kt *= exp(step)
            if kt < self.floor:
                _require(found.is_largest())
                return self._none()
            if abs(step) < (SMOOTH_DONE if smooth else min(NEAR, SKIPPED / grid.counts[0])):
                break
            before = (value, step)
        if not smooth:
            return self._hold(kt)
        if abs(value) > NOT_ZERO:
            raise _LostError
        _require(found.is_largest())
        return self._solution(kt)

    def _hold(self, kt: float) -> LinearSolution:
        """Newton at held numbers of frequencies, from interval to interval of T until the root is within."""
        visited: set[tuple[int, int]] = set()
        while True:
            grid = grid_at(self.cutoffs, kt)
            low, high = _interval(self.cutoffs, grid)
            kt = self._root_within(grid, kt, low, high)
            visited.add(grid.counts)
            if low < kt < high:
                # A symmetric matrix less a row has a lower largest eigenvalue. Where mu* or Z change with
                # that row it may be a higher one, and pass zero again: look once more.
                near = np.log(high / kt) < 3.0 * abs(self.edge / self.slope) / grid.counts[1]
                # Of few frequencies in a truncated Z, the one lost takes much of Z with it.
                near |= not self.cutoffs.infinite_z and isfinite(high) and grid.counts[0] <= FEW
                if not near or self._falls_at_changes(grid):
                    return self._solution(kt)
                found = self._solution(kt)
                above = grid_at(self.cutoffs, high * (1.0 + TINY))
                if above.counts in visited or self._settled(above, high) <= 0.0:
                    return found
                kt = high * (1.0 + TINY)
                continue
            rising = kt >= high
            beyond = kt * (1.0 + TINY if rising else 1.0 - TINY)
            grid = grid_at(self.cutoffs, beyond)
            value = self._settled(grid, kt)
            if (value > 0.0) != rising:
                # Above zero on one side of the change and below on the other: Tc is the change.
                hotter = kt * (1.0 + JUST_ABOVE)
                _require(
                    assemble(
                        self.coupling, self.cutoffs, grid_at(self.cutoffs, hotter), hotter
                    ).has_none_above(0.0)
                )
                return self._solution(kt)
            if grid.counts in visited:
                raise _LostError
            step = self._newton(value, self.slope + self.edge)
            # Of ten thousands of frequencies many may come or go before the root is reached.
            far = abs(step) * grid.counts[0] > SKIPPED and (step > 0.0) == rising
            kt = kt * exp(step) if far else beyond

    def _falls_at_changes(self, grid: MatsubaraGrid) -> bool:
        cutoffs = self.cutoffs
        return grid.coulomb_ratio is None and cutoffs.infinite_z and not cutoffs.rescaled_to_last

    def _root_within(self, grid: MatsubaraGrid, kt: float, low: float, high: float) -> float:
        """Where the eigenvalue is zero on one grid; an end of its interval where it is not zero inside."""
        while True:
            followed = grid is self.grid
            found = self._evaluate(grid, kt)
            value = found.value
            if np.isfinite(high) and self.slope > FLAT * self.edge:
                return self._last_change(kt)
            step = self._newton(value, self.slope)
            kt *= exp(step)
            if kt >= high or kt <= low:
                kt = high if kt >= high else low
                value = self._settled(grid, kt)
                if (value > 0.0) == (kt == high):
                    return kt
            elif abs(step) < DONE and followed:
                _require(found.is_largest())
                return kt

    def _last_change(self, kt: float) -> float:
        """The highest temperature with an eigenvalue above zero, where it rises while frequencies are held.

        So it is with weak coupling far below the cutoff: it is the frequencies lost, one by one, that end
        superconductivity, and the last of them decides.
        """
        while True:
            _, high = _interval(self.cutoffs, grid_at(self.cutoffs, kt))
            if not np.isfinite(high):
                raise _LostError
            value = self._settled(grid_at(self.cutoffs, kt), high)
            step = self._newton(value, self.slope + self.edge)
            if value < 0.0:
                kt = min(
                    kt * np.exp(step), _interval(self.cutoffs, grid_at(self.cutoffs, kt))[0] * (1.0 - TINY)
                )
                continue
            following = grid_at(self.cutoffs, high * (1.0 + TINY))
            end = _interval(self.cutoffs, following)[1]
            if not np.isfinite(end):
                raise _LostError
            if self._settled(following, end) < 0.0:
                return high
            kt = high * max(np.exp(step), 1.0 + TINY)

    def _settled(self, grid: MatsubaraGrid, kt: float) -> float:
        """The eigenvalue at a temperature where the last one was near, on this grid or its neighbour."""
        # Close to zero its sign needs a vector that has settled.
        return self._evaluate(grid, kt, iterations=2).value

    def from_bracket(self) -> LinearSolution:
        """Bisect on the sign of the largest eigenvalue, then Newton from close by."""
        # Tc is never above 0.1827 sqrt(lambda) omega: doi:10.1103/PhysRevB.12.905.
        high = float(self.coupling.omega_mev[-1]) * max(1.0, float(np.sqrt(self.coupling.lambda_ep)))
        while largest_eigenvalue(self.coupling, self.cutoffs, high) > 0.0:
            high *= 2.0
        low = high / self._stride(high)
        while largest_eigenvalue(self.coupling, self.cutoffs, low) <= 0.0:
            high, low = low, low / self._stride(low)
            if low < self.floor:
                return self._none()
        low, high = self._bisect(low, high, 5e-4)
        self._diagonalise(low)
        self.steps = 0
        try:
            found = self.from_guess(low)
        except (_LostError, np.linalg.LinAlgError):
            found = None
        if found is not None and 0.999 * low < found.kt_mev < 1.001 * high:
            return found
        # Tc lies where frequencies come and go, and no slope leads there.
        low, _ = self._bisect(low, high, BISECTED)
        matrix = self._diagonalise(low)
        self.slope = matrix.slope(self.left, self.vector)
        self.edge = matrix.edge(self.left, self.vector)
        return self._solution(low)

    def prove_highest(self, found: LinearSolution) -> None:
        """Make sure that no eigenvalue passes zero again at higher temperatures.

        It may where the Coulomb sum ends first and within reach: above that temperature nothing repels.
        """
        kt = found.kt_mev
        if found.grid is None or found.grid.coulomb_ratio is None:
            return
        if self.cutoffs.mu_star_at_cutoff > STRONG:
            below, above = (
                largest_eigenvalue(self.coupling, self.cutoffs, kt * x) for x in (1.0 - 1e-5, 1.0 + 1e-5)
            )
            if not below > 0.0 > above:
                raise _LostError
        while self._is_near_coulomb_edge(kt):
            kt *= self._stride(kt)
            if largest_eigenvalue(self.coupling, self.cutoffs, kt) > 0.0:
                raise _LostError

    def _is_near_coulomb_edge(self, kt: float) -> bool:
        return 0.2 < self.cutoffs.coulomb_mev / (2.0 * np.pi * kt) < 1.2

    def _stride(self, kt: float) -> float:
        """Factor between temperatures that are looked at one by one."""
        return 1.05 if self._is_near_coulomb_edge(kt) else 2.0

    def _bisect(self, low: float, high: float, width: float) -> tuple[float, float]:
        while high > low * (1.0 + width):
            middle = float(np.sqrt(low * high))
            if largest_eigenvalue(self.coupling, self.cutoffs, middle) > 0.0:
                low = middle
            else:
                high = middle
        return low, high

    def _diagonalise(self, kt: float) -> LinearMatrix:
        """Take the vectors of the largest eigenvalue at this temperature."""
        self.grid = grid_at(self.cutoffs, kt)
        matrix = assemble(self.coupling, self.cutoffs, self.grid, kt)
        right = top_vector(matrix.values)
        self.vector = self.left = right
        if self.grid.coulomb_ratio is not None:
            left = top_vector(matrix.values.T)
            self.left = left / float(left @ right)
        return matrix

    def _evaluate(self, grid: MatsubaraGrid, kt: float, iterations: int = 1) -> Step:
        """Improve the vector at this temperature and keep what it says."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _LostError
        step = improve(self.coupling, self.cutoffs, grid, kt, self._start(grid, kt), iterations)
        self.vector, self.left, self.grid = step.right, step.left, grid
        self.slope, self.edge = step.slope, step.edge
        return step

    def _start(self, grid: MatsubaraGrid, kt: float) -> FloatArray:
        """The vector so far, on this grid; at first that of a gap which falls off at the phonons."""
        if grid is self.grid:
            return self.vector
        if self.grid is not None and self.grid.scale.any():
            # The gap is smooth from node to node; the vector, with the weights in it, is not.
            known = self.vector[self.grid.scale > 0.0] / self.grid.scale[self.grid.scale > 0.0]
            x = grid.scale * np.interp(grid.odd, self.grid.odd[: known.size], known)
        else:
            ratio = grid.odd * (np.pi * kt / self.width)
            x = grid.scale / (1.0 + ratio * ratio)
        norm = float(np.sqrt(x @ x))
        if norm > 0.0:
            return x / norm
        # So hot that a smooth edge has taken the weight of the first frequency too.
        x[0] = 1.0
        return x

    def _newton(self, value: float, slope: float) -> float:
        """Step in ln T, kept within bounds."""
        if not (isfinite(value) and isfinite(slope)):
            raise _LostError
        if slope > -1e-9:
            return 0.7 if value > 0.0 else -1.5
        return float(min(max(-value / slope, -1.5), 0.7))

    def _none(self) -> LinearSolution:
        return LinearSolution(
            0.0, self.floor, None, np.empty(0), np.empty(0), np.empty(0), 0.0, 0.0, 0.0, self.steps
        )

    def _solution(self, kt: float) -> LinearSolution:
        grid = self.grid
        if grid is None:
            raise _LostError
        gap = np.divide(self.vector, grid.scale, out=np.zeros(grid.size), where=grid.scale > 0.0)
        return LinearSolution(
            kt,
            self.floor,
            grid,
            gap / gap[0] if gap[0] else gap,
            self.vector,
            self.left,
            self.slope,
            self.edge,
            pair_sum(grid, self.left, self.vector),
            self.steps,
        )


def _require(proven: bool) -> None:
    if not proven:
        raise _LostError


def _interval(cutoffs: Cutoffs, grid: MatsubaraGrid) -> tuple[float, float]:
    """The k T at which the sums have just the frequencies of this grid; the first one is never lost."""
    bounds = [
        (
            cutoff / (2.0 * np.pi * (count + 0.5)),
            cutoff / (2.0 * np.pi * (count - 0.5)) if count > 1 else np.inf,
        )
        for cutoff, count in zip((cutoffs.phonon_mev, cutoffs.coulomb_mev), grid.counts, strict=True)
    ]
    return max(low for low, _ in bounds), min(high for _, high in bounds)
