"""The gap equations on the Matsubara axis, for one band or several.

    Z_i(n) omega_n = omega_n + pi T sum_j sum_m lambda_ij(n - m) omega_m / R_j(m)
    Z_i(n) Delta_i(n) = pi T sum_j sum_m [lambda_ij(n - m) - mu*_ij] Delta_j(m) / R_j(m),   R = sqrt(omega^2
    + Delta^2)

(Carbotte, doi:10.1103/RevModPhys.62.1027.) Z is eliminated and Delta found by Newton's method on the few
nodes of a `MatsubaraGrid`. There the two sums meet as ``lambda(n - m) (omega_n Delta_m - Delta_n
omega_m)``, which vanishes at m = n: the narrow peak of a soft phonon need not be resolved for its pairing
and its renormalisation to cancel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import ConvergenceError
from htc.theory.eliashberg.conventions import Cutoffs
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.kernel import beyond_nodes, frequencies_below, grid_at
from htc.theory.eliashberg.matsubara import FINE, GROWTH, MatsubaraGrid
from htc.theory.eliashberg.pseudopotential import Rescaling, rescaled

__all__ = ["GapSolution", "Interaction", "gap_below", "solve_gap"]

FloatArray = NDArray[np.float64]

TOLERANCE: Final[float] = 1e-11
"""Residual of the gap equation, in units of the largest gap."""

UNSTABLE: Final[float] = 1e-3
"""Eigenvalue of the linearised equations, 0 at Tc, from which on a gap must be found."""

MAX_STEPS: Final[int] = 60


@dataclass(frozen=True, slots=True)
class Interaction:
    """What pairs the electrons of one band or several: coupling and repulsion between each two of them."""

    couplings: tuple[tuple[Coupling, ...], ...]
    """lambda_ij, the pull of band j on band i."""
    mu_star: FloatArray
    """mu*_ij as given, where the convention defines it, shape ``(b, b)``."""
    cutoffs: Cutoffs
    """Energies in meV; its own mu* is that of the isotropic case and not used here."""
    rescaling: Rescaling = "matrix"
    """How mu*_ij goes from there to the cutoff."""

    @classmethod
    def of_one_band(cls, coupling: Coupling, cutoffs: Cutoffs) -> Interaction:
        """The isotropic case."""
        return cls(((coupling,),), np.full((1, 1), cutoffs.mu_star), cutoffs)

    @property
    def bands(self) -> int:
        """Number of bands."""
        return len(self.couplings)

    def grid_at(self, kt_mev: float) -> MatsubaraGrid:
        """The grid for this temperature.

        It is finer for several bands: where they pair against each other's repulsion, an error counts more.
        """
        return grid_at(self.cutoffs, kt_mev, FINE if self.bands > 1 else GROWTH)

    def mu_star_at(self, kt_mev: float) -> FloatArray:
        """mu*_ij as it stands in the sums at this temperature, shape ``(b, b)``."""
        cutoffs = self.cutoffs
        if cutoffs.mu_star_at_mev is None:
            return self.mu_star
        end = cutoffs.coulomb_mev
        if cutoffs.rescaled_to_last and cutoffs.edge == "step":
            end = (2 * frequencies_below(end, kt_mev) + 1) * np.pi * kt_mev
        return rescaled(self.mu_star, np.log(end / cutoffs.mu_star_at_mev), self.rescaling)


@dataclass(frozen=True, slots=True)
class GapSolution:
    """Delta and Z on the Matsubara axis at one temperature."""

    kt_mev: float
    interaction: Interaction
    grid: MatsubaraGrid
    omega_mev: FloatArray
    """omega_n at the nodes of the grid, meV, shape ``(p,)``."""
    delta_mev: FloatArray
    """Delta_i(i omega_n), meV, shape ``(b, p)``; all zero in the normal state."""
    z: FloatArray
    """Z_i(i omega_n), shape ``(b, p)``."""
    residual: float
    """Largest violation of the gap equation over the largest gap."""
    steps: int
    """Newton steps."""

    @property
    def superconducting(self) -> bool:
        """Whether there is a gap."""
        return bool(np.any(self.delta_mev))


def solve_gap(
    interaction: Interaction,
    kt_mev: float,
    start_mev: FloatArray | GapSolution,
    *,
    scale: float = 1.0,
    normal: bool = False,
) -> GapSolution:
    """Solve the gap equations at one temperature.

    Args:
        interaction: coupling, repulsion and cutoffs.
        kt_mev: k T, meV, > 0.
        start_mev: gaps to start from, meV, shape ``(b,)``, better too large than too small: zero solves the
            equations at every temperature. Or a solution at a temperature nearby.
        scale: factor on a solution to start from.
        normal: return Z of the normal state, with Delta = 0.

    Raises:
        ConvergenceError: Newton's method did not settle.
    """
    equations = _Equations.of(interaction, kt_mev)
    grid, omega = equations.grid, equations.omega
    if normal:
        delta = np.zeros((interaction.bands, grid.size))
        return GapSolution(kt_mev, interaction, grid, omega, delta, equations.z(delta), 0.0, 0)
    if isinstance(start_mev, GapSolution):
        delta = scale * np.stack([np.interp(omega, start_mev.omega_mev, row) for row in start_mev.delta_mev])
    else:
        delta = equations.profile(np.asarray(start_mev, dtype=np.float64))
    return equations.solve(delta)


def gap_below(interaction: Interaction, kt_c_mev: float, kt_mev: FloatArray) -> list[GapSolution]:
    """Gaps at several temperatures, each started from its neighbour; normal at Tc and above.

    Args:
        interaction: coupling, repulsion and cutoffs.
        kt_c_mev: k Tc, meV.
        kt_mev: k T, meV, ascending, shape ``(t,)``.

    Raises:
        ConvergenceError: a gap was not found.
    """
    solutions: list[GapSolution] = []
    for kt in kt_mev:
        found = None
        shrink = _shape_of_the_gap(kt / kt_c_mev)
        if solutions and solutions[-1].superconducting and shrink > 0.0:
            before = solutions[-1]
            factor = shrink / _shape_of_the_gap(before.kt_mev / kt_c_mev)
            found = solve_gap(interaction, kt, before, scale=factor)
        for large in (3.0, 6.0, 12.0):
            if shrink > 0.0 and (found is None or not found.superconducting):
                start = np.full(interaction.bands, large * kt_c_mev * shrink)
                found = solve_gap(interaction, kt, start)
        if found is None:
            found = solve_gap(interaction, kt, np.zeros(interaction.bands), normal=True)
        elif not found.superconducting and _Equations.of(interaction, kt).is_unstable():
            raise ConvergenceError(
                f"no gap was found at {kt:g} meV of k T, though the normal state is not stable there"
            )
        solutions.append(found)
    return solutions


def _shape_of_the_gap(t: float) -> float:
    """Delta(T)/Delta(0) of weak coupling to a few percent, a place to start from."""
    return float(np.tanh(1.74 * np.sqrt(1.0 / t - 1.0))) if 0.0 < t < 1.0 else 0.0


class _Equations:
    """The equations at one temperature, their matrices set up once."""

    def __init__(
        self, interaction: Interaction, grid: MatsubaraGrid, omega: FloatArray, kt_mev: float
    ) -> None:
        self.interaction, self.grid, self.omega, self.kt = interaction, grid, omega, kt_mev
        self.infinite_z = interaction.cutoffs.infinite_z
        bands, size = interaction.bands, grid.size
        pairing = np.empty((bands, size, bands, size))
        turning = np.empty((bands, size, bands, size))
        self.rest = np.ones((bands, size))
        mu = interaction.mu_star_at(kt_mev)
        scale = np.pi * kt_mev
        weights = grid.full if self.infinite_z else grid.phonon
        for i, row in enumerate(interaction.couplings):
            for j, coupling in enumerate(row):
                lam = coupling(2.0 * scale * grid.distance)
                minus, plus = lam[grid.minus], lam[grid.plus]
                block = scale * (minus + plus) * grid.phonon
                block -= (2.0 * scale * mu[i, j]) * grid.coulomb
                pairing[i, :, j] = block
                turning[i, :, j] = scale * (minus - plus) * weights / omega[:, None]
                if self.infinite_z:
                    within = (minus - plus) @ weights
                    rest, _ = beyond_nodes(coupling, interaction.cutoffs, grid, (within, within), kt_mev)
                    self.rest[i] += scale / omega * rest
        self.pairing = pairing.reshape(bands * size, bands * size)
        self.turning = turning.reshape(bands * size, bands * size)
        self.frequencies = np.tile(omega, bands)

    @classmethod
    def of(cls, interaction: Interaction, kt_mev: float) -> _Equations:
        """On the grid for this temperature."""
        grid = interaction.grid_at(kt_mev)
        return cls(interaction, grid, (2.0 * grid.index + 1.0) * np.pi * kt_mev, kt_mev)

    def is_unstable(self) -> bool:
        """Whether a small gap grows."""
        linear = self.pairing / self.frequencies
        linear.flat[:: linear.shape[0] + 1] -= self.z(np.zeros(self.rest.shape)).ravel()
        return bool(np.linalg.eigvals(linear).real.max() > UNSTABLE)

    def profile(self, start_mev: FloatArray) -> FloatArray:
        """Gaps that fall off at the phonons' frequencies, shape ``(b, p)``."""
        rows = []
        for i, row in enumerate(self.interaction.couplings):
            strength = sum(c.lambda_ep for c in row)
            second = sum(float(c.weight @ c.omega_mev**2) for c in row)
            # Negative weight may leave the second moment without meaning: then the highest phonon goes.
            highest = max(float(c.omega_mev[-1]) for c in row)
            width = (second / strength if second > 0.0 else highest**2) if strength > 0.0 else 0.0
            rows.append(start_mev[i] / (1.0 + self.omega**2 / width) if width > 0.0 else 0.0 * self.omega)
        return np.stack(rows)

    def z(self, delta: FloatArray) -> FloatArray:
        """Z of a gap, shape ``(b, p)``."""
        flat = delta.ravel()
        turns = self.frequencies / np.sqrt(self.frequencies**2 + flat**2)
        return (self.turning @ turns).reshape(delta.shape) + self.rest

    def solve(self, delta: FloatArray) -> GapSolution:
        """Newton's method; a step that would turn the gap's sign at low frequency is cut."""
        x, omega, shape = delta.ravel().copy(), self.frequencies, delta.shape
        residual, scale, steps = np.inf, 0.0, 0
        while True:
            steps += 1
            root = np.sqrt(omega * omega + x * x)
            z = self.turning @ (omega / root) + self.rest.ravel()
            error = self.pairing @ (x / root) - z * x
            scale = float(np.abs(x).max())
            if scale < 1e-9 * self.kt:
                x[:] = 0.0
                residual = 0.0
                break
            residual = float(np.abs(error).max()) / scale
            if residual < TOLERANCE:
                break
            cube = root**-3.0
            jacobian = self.pairing * (omega * omega * cube)
            jacobian += (x[:, None] * self.turning) * (omega * x * cube)
            jacobian.flat[:: x.size + 1] -= z
            if steps == MAX_STEPS:
                raise ConvergenceError(
                    f"the gap equations at {self.kt:g} meV of k T did not converge in {MAX_STEPS} steps: the "
                    f"residual is {residual:.1e}"
                )
            step = np.linalg.solve(jacobian, -error)
            # Towards zero go by halves at most: the trivial solution attracts Newton's method as well.
            overlap = float(step @ x) / float(x @ x)
            x += step * (min(1.0, -0.5 / overlap) if overlap < -0.5 else min(1.0, 1.0 / max(overlap, 1.0)))
        found = x.reshape(shape)
        if found[np.argmax(np.abs(found[:, 0])), 0] < 0.0:
            found = -found
        return GapSolution(
            self.kt, self.interaction, self.grid, self.omega, found, self.z(found), residual, steps
        )
