"""Where the gap of several bands vanishes: the linearised Eliashberg equations as an eigenvalue problem.

    A_in,jm = s_n s_m [lambda_ij(n - m) + lambda_ij(n + m + 1) - 2 mu*_ij] - delta_ij delta_nm Z_in,
    (2n + 1) Z_in = 2n + 1 + sum_j [lambda_ij(0) + 2 sum_{l=1}^{n} lambda_ij(l)],   s_n = sqrt(w_n / (2n + 1))

as in `linearised`, with a second index (Carbotte, doi:10.1103/RevModPhys.62.1027). A is not symmetric, since
lambda_ij goes with the density of states of band j. The eigenvalue of largest real part is followed to zero
in ln T by inverse iteration from both sides, whose Rayleigh quotient errs in second order only, and Newton's
method; that none lies above it is proven with the symmetric part of A, which bounds all real parts. Where
that fails the search bisects on all eigenvalues.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import ConvergenceError
from htc.theory.eliashberg.gap import Interaction
from htc.theory.eliashberg.kernel import beyond_nodes, frequencies_below
from htc.theory.eliashberg.matsubara import MatsubaraGrid
from htc.theory.eliashberg.pseudopotential import rescaled, rescaling_slope

__all__ = ["BandsLinearSolution", "largest_eigenvalue_of_bands", "solve_bands"]

FloatArray = NDArray[np.float64]

DONE: Final[float] = 1e-5
"""A Newton step in ln T this small leaves an error of about its square."""

SETTLED: Final[float] = 1e-9
"""The same with a smooth edge, whose slope is known only to the first digits."""

TINY: Final[float] = 1e-12
"""Just beside a temperature at which the number of frequencies changes."""

MAX_STEPS: Final[int] = 60
FLOOR: Final[float] = 1e-7
"""Below this share of the highest frequency no Tc is looked for."""

MARGIN: Final[float] = 1e-4
"""How far above the eigenvalue followed the proof allows another one."""


@dataclass(frozen=True, slots=True)
class BandsLinearSolution:
    """Where the largest eigenvalue passes zero."""

    kt_mev: float
    """k Tc, meV; 0 where nothing superconducts above `floor_mev`."""
    floor_mev: float
    grid: MatsubaraGrid | None
    gap: FloatArray
    """Delta_i at the nodes of the grid at Tc, the largest at the first node is 1, shape ``(b, p)``."""
    steps: int
    """Matrices set up."""


class _LostError(Exception):
    """The quick search has followed another eigenvalue, or none."""


def solve_bands(interaction: Interaction) -> BandsLinearSolution:
    """Find k Tc of several bands.

    Raises:
        ConvergenceError: the search did not settle.
    """
    highest = max(float(c.omega_mev.max()) for row in interaction.couplings for c in row)
    floor = FLOOR * highest
    try:
        return _Search(interaction, floor).run(_guess(interaction, floor))
    except (_LostError, np.linalg.LinAlgError):
        return _bisect(interaction, highest, floor)


def largest_eigenvalue_of_bands(interaction: Interaction, kt_mev: float) -> float:
    """Largest real part of the eigenvalues of A; positive where the bands superconduct."""
    (matrix,) = _assemble(interaction, interaction.grid_at(kt_mev), kt_mev, slopes=False)
    return float(np.linalg.eigvals(matrix).real.max())


class _Search:
    """The quick search; its state are the two vectors and the grid they live on, shape ``(b, p)``."""

    def __init__(self, interaction: Interaction, floor_mev: float) -> None:
        self.interaction, self.floor = interaction, floor_mev
        self.steps = 0
        self.grid: MatsubaraGrid | None = None
        self.right = self.left = np.empty(0)

    def run(self, kt: float) -> BandsLinearSolution:
        if self.interaction.cutoffs.edge == "smooth":
            return self._smooth(kt)
        roots: dict[tuple[int, int], float] = {}
        while True:
            grid = self.interaction.grid_at(kt)
            counts = _counts(self.interaction, kt)
            if counts in roots:
                # Each of two numbers of frequencies wants the other: the eigenvalue jumps across zero.
                return self._solution(_change(self.interaction, kt, roots[counts]))
            kt, counts = self._root(grid, kt, hold=bool(roots))
            roots[counts] = kt
            grid = self.grid if self.grid is not None else grid
            if kt < self.floor:
                return self._none()
            if self.interaction.grid_at(kt) is grid:
                return self._solution(kt)

    def _root(self, grid: MatsubaraGrid, kt: float, *, hold: bool) -> tuple[float, tuple[int, int]]:
        """Where the eigenvalue is zero at some number of frequencies, that at hand if held; and which."""
        counts = _counts(self.interaction, kt)
        before: tuple[float, float] | None = None
        while True:
            value, slope, matrix = self._evaluate(grid, kt)
            # In ln T the number of frequencies changes by one within this.
            interval = 1.0 / grid.end
            if before is not None and not hold and interval < abs(before[1]) < 0.3:
                # The slope at held frequencies lacks those that come and go; the secant has them.
                secant = (value - before[0]) / before[1]
                slope = secant if secant < 0.0 else slope
            step = _newton(value, slope)
            kt *= exp(step)
            if kt < self.floor:
                return kt, counts
            if abs(step) < DONE:
                _prove_below(matrix, self.interaction.bands, value + abs(value) + MARGIN)
                return kt, counts
            crossed = before is not None and before[0] * value < 0.0 and abs(before[1]) < 2.0 * interval
            hold = hold or crossed or abs(step) < 0.5 * interval
            before = (value, step)
            if not hold:
                grid, counts = self.interaction.grid_at(kt), _counts(self.interaction, kt)

    def _smooth(self, kt: float) -> BandsLinearSolution:
        before: tuple[float, float] | None = None
        while True:
            value, slope, matrix = self._evaluate(self.interaction.grid_at(kt), kt)
            if before is not None and abs(before[1]) < 0.1:
                # The slope at held weights lacks their change with T; the secant has it.
                slope = (value - before[0]) / before[1]
            step = _newton(value, slope)
            kt *= exp(step)
            if kt < self.floor:
                return self._none()
            if abs(step) < SETTLED:
                _prove_below(matrix, self.interaction.bands, value + abs(value) + MARGIN)
                return self._solution(kt)
            before = (value, step)

    def _evaluate(self, grid: MatsubaraGrid, kt: float) -> tuple[float, float, FloatArray]:
        """Improve both vectors by inverse iteration; the Rayleigh quotient, its slope in ln T, and A."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _LostError
        matrix, by_ln_t = _assemble(self.interaction, grid, kt, slopes=True)
        right, left = self._start(grid, kt)
        first = self.grid is None
        for _ in range(2 if first else 1):
            shift = max(float(left @ (matrix @ right)) / _overlap(left, right), 0.0)
            shifted = matrix
            if shift > 0.05:
                shifted = matrix.copy()
                shifted.flat[:: shifted.shape[0] + 1] -= shift
            right, left = _unit(np.linalg.solve(shifted, right)), _unit(np.linalg.solve(shifted.T, left))
        left /= _overlap(left, right)
        shape = (self.interaction.bands, grid.size)
        self.right, self.left, self.grid = right.reshape(shape), left.reshape(shape), grid
        return float(left @ (matrix @ right)), float(left @ (by_ln_t @ right)), matrix

    def _start(self, grid: MatsubaraGrid, kt: float) -> tuple[FloatArray, FloatArray]:
        """The vectors so far, on this grid; at first those of gaps which fall off at the phonons."""
        if self.grid is None:
            right, left = _band_vectors(self.interaction)
            weight = sum(float(c.weight @ c.omega_mev**2) for row in self.interaction.couplings for c in row)
            width = np.sqrt(max(weight, 0.0) / max(float(_lambdas(self.interaction).sum()), 1e-300))
            nu = grid.odd * np.pi * kt
            profile = grid.scale / (1.0 + (nu / max(width, 1e-300)) ** 2)
            return np.outer(right, profile).ravel(), np.outer(left, profile).ravel()
        if grid is self.grid:
            return self.right.ravel(), self.left.ravel()
        new, old = grid.odd, self.grid.odd
        right, left = (
            np.concatenate([np.interp(new, old, row) for row in vector]) for vector in (self.right, self.left)
        )
        return right, left

    def _none(self) -> BandsLinearSolution:
        grid = self.interaction.grid_at(self.floor)
        (matrix,) = _assemble(self.interaction, grid, self.floor, slopes=False)
        _prove_below(matrix, self.interaction.bands, 0.0)
        return BandsLinearSolution(0.0, self.floor, None, np.empty((self.interaction.bands, 0)), self.steps)

    def _solution(self, kt: float) -> BandsLinearSolution:
        if self.grid is None:
            raise _LostError
        return BandsLinearSolution(kt, self.floor, self.grid, _gap(self.grid, self.right), self.steps)


def _bisect(interaction: Interaction, highest: float, floor: float) -> BandsLinearSolution:
    """Bisect on the sign of the largest of all eigenvalues."""
    steps = 0
    high = highest
    while largest_eigenvalue_of_bands(interaction, high) > 0.0:
        if high > interaction.cutoffs.phonon_mev:
            raise ConvergenceError(
                "the bands superconduct at temperatures above the cutoff: there the repulsion between them "
                "pairs without bound, and Tc has no meaning"
            )
        high *= 2.0
        steps += 1
    low = high / 2.0
    while largest_eigenvalue_of_bands(interaction, low) <= 0.0:
        high, low = low, low / 2.0
        if low < floor:
            return BandsLinearSolution(0.0, floor, None, np.empty((interaction.bands, 0)), steps)
    while high / low > 1.0 + SETTLED:
        middle = np.sqrt(low * high)
        steps += 1
        if largest_eigenvalue_of_bands(interaction, middle) > 0.0:
            low = middle
        else:
            high = middle
    grid = interaction.grid_at(low)
    (matrix,) = _assemble(interaction, grid, low, slopes=False)
    values, vectors = np.linalg.eig(matrix)
    vector = vectors[:, np.argmax(values.real)].real.reshape(interaction.bands, grid.size)
    return BandsLinearSolution(float(low), floor, grid, _gap(grid, vector), steps)


def _unit(vector: NDArray[np.floating[Any]]) -> FloatArray:
    return np.asarray(vector / np.sqrt(vector @ vector), dtype=np.float64)


def _overlap(left: FloatArray, right: FloatArray) -> float:
    """left @ right, which vanishes only where A has no full set of eigenvectors."""
    overlap = float(left @ right)
    if not abs(overlap) > 1e-6 * np.sqrt(float(left @ left) * float(right @ right)):
        raise _LostError
    return overlap


def _newton(value: float, slope: float) -> float:
    """Step in ln T, kept within bounds."""
    if not (np.isfinite(value) and np.isfinite(slope)):
        raise _LostError
    if slope > -1e-9:
        return 0.7 if value > 0.0 else -1.5
    return min(max(-value / slope, -1.5), 0.7)


def _prove_below(matrix: FloatArray, bands: int, bound: float) -> None:
    """Make sure that no eigenvalue has a real part above a bound."""
    size = matrix.shape[0] // bands
    blocks = np.abs(matrix.reshape(bands, size, bands, size)).sum(axis=(1, 3))
    balance = np.ones(bands)
    for i in range(1, bands):
        if blocks[0, i] > 0.0 and blocks[i, 0] > 0.0:
            # The similarity by densities of states, which brings A near symmetry.
            balance[i] = np.sqrt(blocks[0, i] / blocks[i, 0])
    scale = np.repeat(balance, size)
    balanced = matrix * (scale[:, None] / scale)
    a = -0.5 * (balanced + balanced.T)
    a.flat[:: a.shape[0] + 1] += bound
    try:
        np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        if np.linalg.eigvals(matrix).real.max() > bound:
            raise _LostError from None


def _change(interaction: Interaction, one: float, other: float) -> float:
    """The temperature between two at which the number of frequencies changes."""
    low, high = sorted((one, other))
    cutoffs = {interaction.cutoffs.phonon_mev, interaction.cutoffs.coulomb_mev}
    changes = [
        cutoff / (2.0 * np.pi * (count + 0.5))
        for cutoff in cutoffs
        for count in range(frequencies_below(cutoff, high), frequencies_below(cutoff, low))
    ]
    if len(changes) == 1:
        return float(changes[0])
    for change in sorted(changes):
        if largest_eigenvalue_of_bands(interaction, change * (1.0 + TINY)) <= 0.0:
            return float(change)
    raise _LostError


def _counts(interaction: Interaction, kt: float) -> tuple[int, int]:
    """Frequencies in the phonon and in the Coulomb sum."""
    cutoffs = interaction.cutoffs
    return frequencies_below(cutoffs.phonon_mev, kt), frequencies_below(cutoffs.coulomb_mev, kt)


def _gap(grid: MatsubaraGrid, vector: FloatArray) -> FloatArray:
    """Delta = x / s, zero at nodes without weight; the largest at the first node becomes 1."""
    scale = grid.scale
    share = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0.0)
    gap = vector * share
    return np.asarray(gap / gap[np.argmax(np.abs(gap[:, 0])), 0])


def _lambdas(interaction: Interaction) -> FloatArray:
    return np.array([[c.lambda_ep for c in row] for row in interaction.couplings])


def _band_vectors(interaction: Interaction) -> tuple[FloatArray, FloatArray]:
    """Right and left vector of the strongest pairing between bands."""
    matrix = _lambdas(interaction) - interaction.mu_star
    values, vectors = np.linalg.eig(matrix)
    place = int(np.argmax(values.real))
    right = vectors[:, place].real
    values_left, vectors_left = np.linalg.eig(matrix.T)
    left = vectors_left[:, int(np.argmax(values_left.real))].real
    if left @ right < 0.0:
        left = -left
    if not left @ right > 1e-3:
        left = right
    return right, left


def _guess(interaction: Interaction, floor: float) -> float:
    """k Tc by Allen and Dynes' exponential with averages over bands, meV; doi:10.1103/PhysRevB.12.905."""
    lam = _lambdas(interaction)
    total = float(lam.sum())
    if not total > 0.0:
        return 10.0 * floor
    logs = sum(float(c.weight @ np.log(c.omega_mev)) for row in interaction.couplings for c in row)
    omega_log = exp(min(max(logs / total, -600.0), 600.0))
    right, left = _band_vectors(interaction)
    norm = float(left @ right)
    coupling = float(left @ (lam @ right)) / norm
    mass = float(left @ (lam.sum(axis=1) * right)) / norm
    cutoffs = interaction.cutoffs
    repulsion = float(left @ (interaction.mu_star_at(0.01 * omega_log) @ right)) / norm
    if repulsion > 0.0:
        repulsion = 1.0 / max(1.0 / repulsion + log(cutoffs.coulomb_mev / omega_log), 1.0)
    attraction = coupling - repulsion * (1.0 + 0.62 * mass)
    if attraction <= 0.05 * abs(coupling):
        return max(1e-4 * omega_log, 10.0 * floor)
    return max(omega_log / 1.2 * exp(max(-1.04 * (1.0 + mass) / attraction, -12.0)), 10.0 * floor)


def _mu_star(interaction: Interaction, grid: MatsubaraGrid, kt: float) -> tuple[FloatArray, FloatArray]:
    """mu*_ij in the sums of this grid, held at its number of frequencies, and its derivative by ln T."""
    cutoffs = interaction.cutoffs
    if cutoffs.mu_star_at_mev is None or cutoffs.edge == "smooth" or not cutoffs.rescaled_to_last:
        mu = interaction.mu_star_at(kt)
        return mu, np.zeros_like(mu)
    count = float(grid.coulomb.sum())
    end = (2.0 * round(count) + 1.0) * np.pi * kt
    mu = rescaled(interaction.mu_star, np.log(end / cutoffs.mu_star_at_mev), interaction.rescaling)
    return mu, rescaling_slope(mu, interaction.rescaling)


def _assemble(interaction: Interaction, grid: MatsubaraGrid, kt: float, *, slopes: bool) -> list[FloatArray]:
    """A and, where asked for, its derivative by ln T at held number of frequencies; ``(b p, b p)``."""
    bands, size = interaction.bands, grid.size
    spacing = 2.0 * np.pi * kt
    infinite = interaction.cutoffs.infinite_z
    scale, odd = grid.scale, grid.odd
    repulsion = np.outer(scale, scale if grid.coulomb_ratio is None else scale * grid.coulomb_ratio)
    mus = _mu_star(interaction, grid, kt)
    kinds = 2 if slopes else 1
    parts = [np.empty((bands, size, bands, size)) for _ in range(kinds)]
    renormalisation = [np.zeros((bands, size)) for _ in range(kinds)]
    for i, row in enumerate(interaction.couplings):
        for j, coupling in enumerate(row):
            lams = coupling.with_slope(spacing * grid.distance)
            sums = []
            for kind in range(kinds):
                lam = lams[kind]
                minus, plus = lam[grid.minus], lam[grid.plus]
                if infinite and grid.dense:
                    sums.append(2.0 * np.cumsum(lam[: grid.end]) - lam[0])
                else:
                    sums.append((minus - plus) @ (grid.full if infinite else grid.phonon))
                minus += plus
                minus *= scale[:, None]
                minus *= scale
                minus -= (2.0 * mus[kind][i, j]) * repulsion
                parts[kind][i, :, j] = minus
            if infinite and not grid.dense:
                rests = beyond_nodes(coupling, interaction.cutoffs, grid, (sums[0], sums[-1]), kt)
                sums = [within + rest for within, rest in zip(sums, rests, strict=False)]
            for kind in range(kinds):
                renormalisation[kind][i] += sums[kind]
    matrices = []
    for kind in range(kinds):
        matrix = parts[kind].reshape(bands * size, bands * size)
        matrix.flat[:: bands * size + 1] -= (renormalisation[kind] / odd).ravel() + (0.0 if kind else 1.0)
        matrices.append(matrix)
    return matrices
