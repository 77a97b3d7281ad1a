"""Free energy, critical field and specific heat of a superconductor, against its normal state.

The difference of free energies is that of Bardeen and Stephen (doi:10.1103/PhysRev.136.A1485) on the
Matsubara axis, per state of one spin at the Fermi level,

    dF/N(0) = -2 pi T sum_{n>=0} (R_n - omega_n) (Z_n^S - Z_n^N omega_n / R_n),    R = sqrt(omega^2 +
    Delta^2),

and everything else its derivative by T: the critical field ``H_c^2 / 8 pi = -dF``, the entropy
``-d(dF)/dT`` and the specific heat ``-T d^2(dF)/dT^2`` (Carbotte, doi:10.1103/RevModPhys.62.1027). To be
differentiated twice, dF must depend smoothly on T: the sums have smooth edges here, which moves Tc by some
0.1 % against sums that end in a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray

from htc.errors import ConvergenceError, InputError, SpectrumError
from htc.spectra import Spectrum
from htc.theory.eliashberg.conventions import SMALLEST_LAMBDA, Convention, get_convention, resolve
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.gap import GapSolution, Interaction, gap_below, solve_gap
from htc.theory.eliashberg.transition import find_transition
from htc.units import K_PER_MEV, MEV_PER_EV

__all__ = ["Thermodynamics", "free_energy_difference", "thermodynamics"]

FloatArray = NDArray[np.float64]

LOWEST: Final[float] = 0.08
"""Lowest reduced temperature solved; below it the gap no longer changes and dF goes on as T^2."""

SOLVED: Final[int] = 22
"""Temperatures solved, Chebyshev nodes in T/Tc."""

DEGREE: Final[int] = 15
"""Degree of the polynomial through them."""

LARGEST_MISFIT: Final[float] = 1e-2
"""Of that polynomial, over the free energy at T = 0."""

VACUUM_PERMEABILITY: Final[float] = 1.25663706127e-6
"""mu_0, T m/A; CODATA 2022."""

ELEMENTARY_CHARGE: Final[float] = 1.602176634e-19
"""C, exact."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thermodynamics:
    """The superconducting state against the normal one, from T = 0 to Tc.

    For weak coupling the ratios go to 3.53, 1.43 and 0.168, and the deviation function to a minimum of
    -0.037.
    """

    tc_k: float
    """Critical temperature, K, with a smooth edge of the sums."""
    convention: str
    mu_star: float
    omega_c_mev: float
    lambda_ep: float
    temperature_k: FloatArray
    """Temperatures, K, shape ``(t,)``, ascending, the last is Tc."""
    free_energy_difference_mev2: FloatArray
    """(F_S - F_N)/N(0), meV^2, N(0) the states of one spin; shape ``(t,)``."""
    critical_field_ratio: FloatArray
    """H_c(T)/H_c(0), shape ``(t,)``."""
    deviation: FloatArray
    """H_c(T)/H_c(0) - (1 - (T/Tc)^2), shape ``(t,)``."""
    entropy_ratio: FloatArray
    """(S_S - S_N)/(gamma Tc), shape ``(t,)``."""
    specific_heat_ratio: FloatArray
    """(C_S - C_N)/(gamma Tc), shape ``(t,)``; its last element is the jump."""
    jump_ratio: float
    """Delta C(Tc)/(gamma Tc), gamma of the dressed electrons, 2 pi^2/3 k^2 N(0) (1 + lambda)."""
    gamma_tc2_over_hc2: float
    """gamma Tc^2 / H_c(0)^2 in Gaussian units."""
    warnings: tuple[str, ...]

    def critical_field_tesla(self, dos_ef_per_ev: float, cell_volume_a3: float) -> FloatArray:
        """Thermodynamic critical field B_c(T), T, shape ``(t,)``.

        Args:
            dos_ef_per_ev: density of states at the Fermi level of both spins, states/eV/cell, bare.
            cell_volume_a3: volume of that cell, cubic angstroms.

        Raises:
            InputError: an argument is not positive.
        """
        if not (dos_ef_per_ev > 0.0 and cell_volume_a3 > 0.0):
            raise InputError("the density of states and the volume must be positive")
        per_mev_per_m3 = 0.5 * dos_ef_per_ev / MEV_PER_EV / (cell_volume_a3 * 1e-30)
        energy = -self.free_energy_difference_mev2 * per_mev_per_m3 * ELEMENTARY_CHARGE / MEV_PER_EV
        return np.sqrt(2.0 * VACUUM_PERMEABILITY * np.maximum(energy, 0.0))


def free_energy_difference(solution: GapSolution) -> FloatArray:
    """(F_S - F_N)/N_i(0) of each band, meV^2, shape ``(b,)``; N_i(0) the states of one spin."""
    normal = solve_gap(
        solution.interaction, solution.kt_mev, np.zeros(solution.interaction.bands), normal=True
    )
    omega, grid = solution.omega_mev, solution.grid
    root = np.sqrt(omega**2 + solution.delta_mev**2)
    # R - omega by its conjugate: at high frequency the two agree to the last digit.
    gain = solution.delta_mev**2 / (root + omega)
    summand = gain * (solution.z - normal.z * omega / root)
    return -2.0 * np.pi * solution.kt_mev * (summand @ grid.phonon)


def thermodynamics(
    spectrum: Spectrum,
    mu_star: float = 0.10,
    convention: str | Convention = "asis",
    *,
    cutoff_mev: float | None = None,
    points: int = 101,
) -> Thermodynamics:
    """Free energy, critical field and specific heat of an isotropic superconductor.

    Args:
        spectrum: alpha2F.
        mu_star: Coulomb pseudopotential, >= 0, in the sense of the convention.
        convention: a key of `htc.theory.eliashberg.conventions.CONVENTIONS`, or one of your own.
        cutoff_mev: cutoff of the phonon sum, meV, instead of the convention's.
        points: number of temperatures of the result, 3 to 10,000.

    Raises:
        InputError: an argument is not usable.
        SpectrumError: nothing superconducts.
        ConvergenceError: Tc or a gap was not found, or the free energy has steps in T.
    """
    if not (isinstance(points, int) and 3 <= points <= 10_000):
        raise InputError(f"points must lie between 3 and 10,000, not {points}", where="points")
    row = get_convention(convention)
    if not spectrum.lambda_ep > SMALLEST_LAMBDA:
        raise SpectrumError("lambda is not positive: nothing superconducts", where=spectrum.label or None)
    cutoffs = resolve(row, spectrum, mu_star, cutoff_mev=cutoff_mev, edge="smooth")
    coupling = Coupling.of(spectrum)
    kt_c = find_transition(coupling, cutoffs).kt_mev
    if not kt_c > 0.0:
        raise SpectrumError(f"nothing superconducts at mu* = {mu_star:g}", where=spectrum.label or None)
    interaction = Interaction.of_one_band(coupling, cutoffs)

    # dF vanishes at Tc as (1 - t^2)^2: what is left of it is smooth all the way, and has no zero to lose
    # digits at.
    angles = np.pi * (np.arange(SOLVED) + 0.5) / SOLVED
    solved = LOWEST + (1.0 - LOWEST) * 0.5 * (1.0 + np.cos(angles[::-1]))
    solutions = gap_below(interaction, kt_c, solved * kt_c)
    energies = np.array([free_energy_difference(s)[0] for s in solutions]) / kt_c**2
    shape = Chebyshev.fit(solved**2, energies / (1.0 - solved**2) ** 2, DEGREE, domain=[0.0, 1.0])
    t = np.linspace(0.0, 1.0, points)
    s = t * t
    h, h1, h2 = shape(s), shape.deriv(1)(s), shape.deriv(2)(s)
    factor = (1.0 - s) ** 2
    by_s = -2.0 * (1.0 - s) * h + factor * h1
    by_s2 = 2.0 * h - 4.0 * (1.0 - s) * h1 + factor * h2
    free = factor * h
    first, second = 2.0 * t * by_s, 2.0 * by_s + 4.0 * s * by_s2
    gamma = 2.0 * np.pi**2 / 3.0 * (1.0 + spectrum.lambda_ep)
    field = np.sqrt(np.maximum(free / free[0], 0.0))
    misfit = float(np.max(np.abs(shape(solved**2) * (1.0 - solved**2) ** 2 - energies)) / abs(free[0]))
    warnings = []
    if misfit > LARGEST_MISFIT:
        raise ConvergenceError(
            f"the free energy is smooth in T to {misfit:.0e} only: it cannot be differentiated"
        )
    if misfit > 1e-4:
        warnings.append(
            f"the free energy is smooth in T to {misfit:.0e} only: derivatives may be off by more"
        )
    return Thermodynamics(
        tc_k=kt_c * K_PER_MEV,
        convention=row.name,
        mu_star=float(mu_star),
        omega_c_mev=cutoffs.phonon_mev,
        lambda_ep=spectrum.lambda_ep,
        temperature_k=t * kt_c * K_PER_MEV,
        free_energy_difference_mev2=free * kt_c**2,
        critical_field_ratio=field,
        deviation=field - (1.0 - s),
        entropy_ratio=-first / gamma,
        specific_heat_ratio=-t * second / gamma,
        jump_ratio=float(-second[-1] / gamma),
        gamma_tc2_over_hc2=float(gamma / (8.0 * np.pi * -free[0])),
        warnings=tuple(warnings),
    )
