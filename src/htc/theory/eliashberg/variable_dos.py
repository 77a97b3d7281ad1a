"""Tc with a density of states that varies with energy, N(E).

    Z_n omega_n = omega_n + k T sum_m [lambda(n - m) - lambda(n + m + 1)] u_m A_m,      u_m = omega_m Z_m,
    chi_n = - k T sum_m [lambda(n - m) + lambda(n + m + 1)] B_m,
    phi_n = k T sum_m [lambda(n - m) + lambda(n + m + 1) - 2 mu*] A_m phi_m,
    A_m = int N(E)/N(0) / [u_m^2 + (E - mu + chi_m)^2] dE,     B_m the same with E - mu + chi_m upstairs,

sums over 0 <= m < N, energies from the Fermi level of the free electrons; the chemical potential mu keeps
their number (Pickett, doi:10.1103/PhysRevB.26.1186; Lucrezi et al., doi:10.1038/s42005-024-01528-6; Kogler et
al., doi:10.1016/j.cpc.2025.109720). N(E) is linear between its points, so that A and B are logarithms and
arctangents and a coarse N(E) needs no finer grid at low temperature. For constant N(E), A = pi/u, B = 0, and
the usual equations return, with a Z that ends at the cutoff.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import ConvergenceError
from htc.spectra import Spectrum
from htc.spectra.density_of_states import DensityOfStates
from htc.theory.eliashberg.conventions import Convention, Cutoffs, Edge, get_convention, resolve
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.gap import Interaction
from htc.theory.eliashberg.kernel import EXPLICIT, grid_at
from htc.theory.eliashberg.matsubara import FINE, FIRST_BLOCK, MatsubaraGrid
from htc.theory.eliashberg.transition import transition
from htc.units import K_PER_MEV

__all__ = ["VariableDosTransition", "variable_dos_critical_temperature"]

FloatArray = NDArray[np.float64]

SETTLED: Final[float] = 1e-10
"""Largest change of Z, and of chi over the highest phonon, between the last two iterations."""

MAX_ITERATIONS: Final[int] = 500
FLOOR: Final[float] = 1e-4
"""Share of the highest phonon frequency below which no Tc is looked for."""

RESOLUTION: Final[float] = 1e-9
"""Relative width of the last bracket of Tc."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableDosTransition:
    """A critical temperature with variable density of states."""

    tc_k: float
    """Critical temperature, K; 0 with a reason where there is none."""
    tc_constant_k: float
    """Tc of the same spectrum with constant N(E), K, Z infinite or not as the convention has it."""
    convention: str
    mu_star: float
    omega_c_mev: float
    edge: Edge
    chemical_potential_shift_mev: float
    """mu of the interacting electrons at Tc less that of the free ones, meV."""
    z0: float
    """Z(i omega_0) at Tc."""
    chi0_mev: float
    """chi(i omega_0) at Tc, meV."""
    electrons_lost: float
    """Change of the number of electrons left by the search for mu, in states per N(E)'s unit of states."""
    floor_k: float
    converged: bool
    reason: str | None


def variable_dos_critical_temperature(
    spectrum: Spectrum,
    dos: DensityOfStates,
    mu_star: float = 0.10,
    convention: str | Convention = "asis",
    *,
    cutoff_mev: float | None = None,
    edge: Edge = "step",
) -> VariableDosTransition:
    """Tc of an isotropic spectrum with a density of states that varies with energy.

    All sums, that of Z too, end at the cutoff: it should reach beyond the structure of N(E) that matters, and
    mu* is the static one of the convention at that cutoff.

    Args:
        spectrum: alpha2F, normalised to N at the Fermi level.
        dos: N(E).
        mu_star: Coulomb pseudopotential in the sense of the convention.
        convention: what mu* means and where the sums end.
        cutoff_mev: cutoff of the phonon sum, meV.
        edge: how the sums end.

    Raises:
        InputError: an argument is not usable.
        SpectrumError: the spectrum lacks what the convention goes by.
        ConvergenceError: the normal state at some temperature did not settle.
    """
    row = get_convention(convention)
    constant = transition(spectrum, mu_star, row, cutoff_mev=cutoff_mev, edge=edge)
    cutoffs = resolve(row, spectrum, mu_star, cutoff_mev=cutoff_mev, edge=edge)
    search = _Search(Coupling.of(spectrum), cutoffs, dos)
    floor = FLOOR * float(spectrum.omega_mev[-1])
    kt, state = search.run(max(constant.tc_k / K_PER_MEV, 4.0 * floor), floor)
    return VariableDosTransition(
        tc_k=kt * K_PER_MEV,
        tc_constant_k=constant.tc_k,
        convention=row.name,
        mu_star=mu_star,
        omega_c_mev=cutoffs.phonon_mev,
        edge=edge,
        chemical_potential_shift_mev=state.mu,
        z0=float(state.z[0]),
        chi0_mev=float(state.chi[0]),
        electrons_lost=state.electrons_lost * dos.at_fermi_level,
        floor_k=floor * K_PER_MEV,
        converged=True,
        reason=None if kt > 0.0 else f"no superconductivity above {floor * K_PER_MEV:.1g} K",
    )


@dataclass(frozen=True, slots=True)
class _NormalState:
    """Z, chi and mu at one temperature, and what the pairing needs of them."""

    grid: MatsubaraGrid
    omega: FloatArray
    z: FloatArray
    chi: FloatArray
    mu: float
    propagator: FloatArray
    """A at the nodes, 1/meV."""
    electrons_lost: float


def _sum_from(coupling: Coupling, start: FloatArray, spacing: float) -> FloatArray:
    """sum_{l >= 0} lambda(start + l), shape as ``start``; beyond six terms an integral, as in `tail`."""
    rest = start + (EXPLICIT - 0.5)
    terms = coupling(spacing * (start + np.arange(EXPLICIT)[:, None])).sum(axis=0)
    slope = coupling.with_slope(spacing * rest)[1]
    angles = np.arctan2(coupling.omega_mev, spacing * rest[:, None])
    integral = angles @ (coupling.omega_mev * coupling.weight) / spacing
    return np.asarray(terms + integral + slope / (24.0 * rest))


class _Search:
    """Where the largest eigenvalue of the pairing kernel is one."""

    def __init__(self, coupling: Coupling, cutoffs: Cutoffs, dos: DensityOfStates) -> None:
        self.coupling, self.cutoffs = coupling, cutoffs
        self.interaction = Interaction.of_one_band(coupling, cutoffs)
        self.energy = dos.energy_mev
        self.states = dos.states / dos.at_fermi_level
        self.slope = np.diff(self.states) / np.diff(self.energy)
        self.before: _NormalState | None = None

    def run(self, kt: float, floor: float) -> tuple[float, _NormalState]:
        """k Tc, 0 if it lies below the floor, and the normal state there."""
        low, low_value = kt, self.excess(kt)
        high, high_value = low, low_value
        while high_value > 0.0:
            low, low_value = high, high_value
            high *= 1.3
            high_value = self.excess(high)
        while low_value <= 0.0:
            high, high_value = low, low_value
            low /= 1.3
            if low < floor:
                return 0.0, self.normal_state(high)
            low_value = self.excess(low)
        for step in range(MAX_ITERATIONS):
            if high / low < 1.0 + RESOLUTION:
                break
            width = np.log(high / low)
            share = low_value / (low_value - high_value)
            # Regula falsi, and every third time halves: where a frequency leaves the sum, the value jumps.
            share = 0.5 if step % 3 == 2 else min(max(share, 0.02), 0.98)
            middle = low * np.exp(share * width)
            value = self.excess(middle)
            if value > 0.0:
                low, low_value = middle, value
            else:
                high, high_value = middle, value
        return low, self.normal_state(low)

    def excess(self, kt: float) -> float:
        """Largest eigenvalue of the pairing kernel less one."""
        state = self.normal_state(kt)
        grid = state.grid
        mu = float(self.interaction.mu_star_at(kt)[0, 0])
        _, pairing = self.sums(grid, kt)
        kernel = kt * state.propagator * (pairing - 2.0 * mu * grid.coulomb)
        return float(np.linalg.eigvals(kernel).real.max()) - 1.0

    def normal_state(self, kt: float) -> _NormalState:
        """Iterate Z, chi and mu to self-consistency, from the temperature before."""
        grid = grid_at(self.cutoffs, kt, FINE)
        omega = grid.odd * np.pi * kt
        turning, pairing = self.sums(grid, kt)
        before = self.before
        if before is None:
            z, chi, mu = 1.0 + (turning.sum(axis=1)) * np.pi * kt / omega, np.zeros(grid.size), 0.0
        else:
            z, chi = np.interp(omega, before.omega, before.z), np.interp(omega, before.omega, before.chi)
            mu = before.mu
        free = self.electrons(grid, kt, self.integrals(omega, np.zeros(grid.size))[1], 0.0)
        scale = float(self.coupling.omega_mev.max())
        share, last = 1.0, np.inf
        for _ in range(MAX_ITERATIONS):
            u = omega * z
            a, b = self.integrals(u, mu - chi)
            lost = self.electrons(grid, kt, b, mu) - free
            new_z = 1.0 + kt / omega * (turning @ (u * a))
            new_chi = -kt * (pairing @ b)
            # Two spins at the broadened Fermi level.
            new_mu = mu - lost / max(2.0 * float(u[0] * a[0]) / np.pi, 1e-3)
            change = max(float(np.abs(new_z - z).max()), float(np.abs(new_chi - chi).max()) / scale)
            change = max(change, abs(new_mu - mu) / scale)
            if change < SETTLED:
                break
            # A band narrower than its own self-energy overshoots.
            share = max(0.5 * share, 0.05) if change > 0.9 * last else min(1.1 * share, 1.0)
            last = change
            z = z + share * (new_z - z)
            chi = chi + share * (new_chi - chi)
            mu += share * (new_mu - mu)
        else:
            raise ConvergenceError(
                f"the normal state at {kt * K_PER_MEV:g} K did not settle in {MAX_ITERATIONS} iterations: "
                f"the last change was {change:.1e}"
            )
        state = _NormalState(grid, omega, z, chi, mu, a, lost)
        self.before = state
        return state

    def sums(self, grid: MatsubaraGrid, kt: float) -> tuple[FloatArray, FloatArray]:
        """Matrices that sum lambda(n - m) -+ lambda(n + m + 1) times a smooth function of m, ``(p, p)``.

        Far out the nodes are farther apart than lambda(n - m) is wide. What they miss of its sum, which is
        known, goes with the function's value at n.
        """
        lam = self.coupling(2.0 * np.pi * kt * grid.distance)
        minus, plus = lam[grid.minus], lam[grid.plus]
        turning, pairing = minus - plus, minus + plus
        taper = grid.phonon / grid.full
        missed_turning, missed_pairing = np.zeros(grid.size), np.zeros(grid.size)
        if not grid.dense:
            far = grid.index >= FIRST_BLOCK
            n = grid.index[far]
            spacing = 2.0 * np.pi * kt
            near_end, far_end = (
                _sum_from(self.coupling, start, spacing) for start in (grid.end - n, grid.end + n + 1.0)
            )
            a = np.pi * self.coupling.omega_mev / spacing
            everything = float(self.coupling.weight @ (a / np.tanh(a)))
            inside = everything - 2.0 * _sum_from(self.coupling, n + 1.0, spacing)
            missed_turning[far] = inside - near_end + far_end - (turning @ grid.full)[far]
            missed_pairing[far] = everything - near_end - far_end - (pairing @ grid.full)[far]
        turning *= grid.phonon
        pairing *= grid.phonon
        turning.flat[:: grid.size + 1] += taper * missed_turning
        pairing.flat[:: grid.size + 1] += taper * missed_pairing
        return turning, pairing

    def integrals(self, u: FloatArray, centre: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A and B of the fractions ``1/[u^2 + (E - centre)^2]``, shapes ``(p,)``."""
        x = self.energy - centre[:, None]
        angle = np.diff(np.arctan(x / u[:, None]))
        log = 0.5 * np.diff(np.log(x * x + (u * u)[:, None]))
        at_centre = self.states[:-1] - self.slope * x[:, :-1]
        rise = float(self.states[-1] - self.states[0])
        turned = angle @ self.slope
        a = np.einsum("pk,pk->p", at_centre, angle) / u + log @ self.slope
        b = np.einsum("pk,pk->p", at_centre, log) + rise - u * turned
        return a, b

    def electrons(self, grid: MatsubaraGrid, kt: float, b: FloatArray, mu: float) -> float:
        """Number of electrons over N(0), less a constant; beyond the sum they are taken as free."""
        end = 2.0 * np.pi * kt * grid.end
        rest = np.trapezoid(self.states * np.arctan((self.energy - mu) / end), self.energy)
        return float(-4.0 * kt * (grid.full @ b) - 2.0 / np.pi * rest)
