"""Tc and gaps of several bands, with what a reader needs to judge them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htc.errors import ConvergenceError, InputError
from htc.spectra import Flag, MultibandSpectrum
from htc.theory.eliashberg.conventions import (
    Convention,
    Cutoffs,
    Edge,
    check_arguments,
    get_convention,
    highest_phonon,
    resolve,
)
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.gap import GapSolution, Interaction, solve_gap
from htc.theory.eliashberg.multiband_linear import BandsLinearSolution, solve_bands
from htc.theory.eliashberg.pseudopotential import Rescaling, is_bounded
from htc.units import K_PER_MEV, KB_MEV_PER_K

__all__ = [
    "MultibandGap",
    "MultibandTransition",
    "interaction_of_bands",
    "mu_star_matrix",
    "multiband_critical_temperature",
    "multiband_gap",
]

FloatArray = NDArray[np.float64]

GROUND_STATE: Final[float] = 0.1
"""Share of Tc at which the gaps count as those of T = 0: what is missing is below exp(-15)."""

UNBALANCED: Final[float] = 0.1
"""Difference between mu*_ij/mu*_ji and lambda_ij/lambda_ji, both N_j/N_i, that is worth saying."""

SMALLEST_START: Final[float] = 0.3
"""No band starts from less than this share of the largest gap."""

NOISE: Final[float] = 1e-9
"""A ratio of gaps this small has no sign."""

FEW_FREQUENCIES: Final[int] = 8

ROUNDING: Final[float] = 1e-9
"""Of temperatures given in K and solved in meV."""

AT_TC: Final[float] = 1e-3
"""So near below Tc a step of the cutoff may leave no gap."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MultibandTransition:
    """A critical temperature of several bands, from the linearised Eliashberg equations."""

    tc_k: float
    """Critical temperature, K; 0 with a reason where there is none."""
    converged: bool
    """Whether the search settled; a Tc of 0 is settled when repulsion was seen to win down to `floor_k`."""
    convention: str
    rescaling: Rescaling
    """How mu*_ij went from where the convention defines it to the cutoff."""
    mu_star: FloatArray
    """As given, shape ``(b, b)``."""
    mu_star_at_cutoff: FloatArray | None
    """As it stands in the Coulomb sum at Tc, shape ``(b, b)``; None where there is no Tc."""
    omega_c_mev: float
    """Cutoff of the phonon sum, meV."""
    coulomb_cutoff_mev: float
    """Cutoff of the Coulomb sum, meV."""
    edge: Edge
    lambda_matrix: FloatArray
    """lambda_ij, the pull of band j on band i, shape ``(b, b)``."""
    gap_ratio: FloatArray | None
    """Delta_i(i omega_0) at Tc, the largest is 1, shape ``(b,)``; None where there is no Tc."""
    frequencies: int
    """Matsubara frequencies omega_n > 0 below the cutoff at Tc; 0 where there is no Tc."""
    floor_k: float
    """Temperature down to which Tc was looked for, K."""
    reason: str | None
    """Why Tc is zero; None where it is not."""
    warnings: tuple[Flag, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MultibandGap:
    """Gaps of several bands over temperature, and the transition they belong to."""

    transition: MultibandTransition
    temperature_k: FloatArray
    """As asked for, K, shape ``(t,)``."""
    delta0_mev: FloatArray
    """Delta_i(i omega_0), meV, shape ``(t, b)``; 0 at and above Tc, of both signs if bands repel."""
    z0: FloatArray
    """Z_i(i omega_0), shape ``(t, b)``."""
    ground_state_gap_mev: FloatArray
    """Delta_i(i omega_0) at a tenth of Tc, meV, shape ``(b,)``; zero where there is no Tc."""
    ratio_2delta_ktc: FloatArray | None
    """2 Delta_i / k Tc from the ground state gaps, shape ``(b,)``; None where there is no Tc."""
    converged: bool
    solutions: tuple[GapSolution, ...]
    """Delta and Z on the whole Matsubara axis, one for each temperature."""


def multiband_critical_temperature(
    spectrum: MultibandSpectrum,
    mu_star: ArrayLike,
    convention: str | Convention = "asis",
    *,
    cutoff_mev: float | None = None,
    edge: Edge = "step",
    rescaling: Rescaling = "matrix",
) -> MultibandTransition:
    """Tc of several bands from the linearised Eliashberg equations.

    The convention takes omega_max and omega_2 from the sum of all alpha2F_ij, as ebmb does.

    Args:
        spectrum: alpha2F_ij.
        mu_star: mu*_ij >= 0 in the sense of the convention, row i what band i feels, shape ``(b, b)``; a
            number for one band, or 0.
        convention: a key of `htc.theory.eliashberg.conventions.CONVENTIONS`, or one of your own.
        cutoff_mev: cutoff of the phonon sum, meV, instead of the convention's.
        edge: ``step`` or ``smooth``, as for one band.
        rescaling: ``matrix``, or ``elementwise`` as ebmb's ``critical`` does; of no effect in conventions
            that take mu* as given.

    Raises:
        InputError: an argument is not usable.
        SpectrumError: the spectrum lacks what the convention goes by.
        ConvergenceError: the search for Tc did not settle.
    """
    interaction, row = _resolve(spectrum, mu_star, convention, cutoff_mev, edge, rescaling)
    return _transition(spectrum, interaction, row, solve_bands(interaction))


def multiband_gap(
    spectrum: MultibandSpectrum,
    mu_star: ArrayLike,
    temperatures_k: ArrayLike,
    convention: str | Convention = "asis",
    *,
    cutoff_mev: float | None = None,
    edge: Edge = "step",
    rescaling: Rescaling = "matrix",
) -> MultibandGap:
    """Gaps of several bands at some temperatures.

    Args:
        spectrum: alpha2F_ij.
        mu_star: as for `multiband_critical_temperature`, as all that follows.
        temperatures_k: K, > 0, in any order, shape ``(t,)``; may be empty.
        convention: what mu* means and where the sums end.
        cutoff_mev: cutoff of the phonon sum, meV.
        edge: how the sums end.
        rescaling: of mu*_ij.

    Raises:
        InputError: an argument is not usable.
        SpectrumError: the spectrum lacks what the convention goes by.
        ConvergenceError: the search for Tc or a gap did not settle.
    """
    temperatures = _temperatures(temperatures_k)
    interaction, row = _resolve(spectrum, mu_star, convention, cutoff_mev, edge, rescaling)
    found = solve_bands(interaction)
    transition = _transition(spectrum, interaction, row, found)
    bands = spectrum.bands
    kts = temperatures * KB_MEV_PER_K
    solved: dict[int, GapSolution] = {}
    ground = np.zeros(bands)
    if found.kt_mev > 0.0:
        lowest = _solve(interaction, found, GROUND_STATE * found.kt_mev, _too_large(found, 3.5))
        ground = lowest.delta_mev[:, 0].copy()
        before: GapSolution = lowest
        # Upwards in temperature each gap starts from one that is too large.
        for k in np.argsort(kts, kind="stable"):
            if kts[k] < found.kt_mev:
                solved[int(k)] = before = _solve(interaction, found, float(kts[k]), before)
    solutions = tuple(
        solved[k] if k in solved else solve_gap(interaction, float(kt), np.zeros(bands), normal=True)
        for k, kt in enumerate(kts)
    )
    return MultibandGap(
        transition=transition,
        temperature_k=temperatures,
        delta0_mev=np.array([s.delta_mev[:, 0] for s in solutions]).reshape(-1, bands),
        z0=np.array([s.z[:, 0] for s in solutions]).reshape(-1, bands),
        ground_state_gap_mev=ground,
        ratio_2delta_ktc=2.0 * np.abs(ground) / found.kt_mev if found.kt_mev > 0.0 else None,
        converged=True,
        solutions=solutions,
    )


def interaction_of_bands(
    spectrum: MultibandSpectrum, mu_star: FloatArray, cutoffs: Cutoffs, rescaling: Rescaling = "matrix"
) -> Interaction:
    """What the solvers of `gap` and `multiband_linear` work with."""
    bands = range(spectrum.bands)
    couplings = tuple(tuple(Coupling.of(spectrum.element(i, j)) for j in bands) for i in bands)
    return Interaction(couplings, mu_star, cutoffs, rescaling)


def mu_star_matrix(mu_star: ArrayLike, bands: int) -> FloatArray:
    """mu*_ij as a matrix, shape ``(b, b)``.

    Raises:
        InputError: it has another shape, or an element is negative or not finite.
    """
    try:
        matrix = np.array(mu_star, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("mu_star must be a matrix of numbers", where="mu_star") from None
    if matrix.ndim == 0 and (bands == 1 or matrix == 0.0):
        matrix = np.full((bands, bands), float(matrix))
    if matrix.shape != (bands, bands):
        given = "one number" if matrix.ndim == 0 else f"the shape {matrix.shape}"
        raise InputError(
            f"mu_star of {bands} bands has {bands} rows of {bands} numbers, this has {given}",
            where="mu_star",
            hint="row i is what band i feels from each band",
        )
    for value in matrix.flat:
        check_arguments(float(value), "step")
    matrix.flags.writeable = False
    return matrix


def _resolve(
    spectrum: MultibandSpectrum,
    mu_star: ArrayLike,
    convention: str | Convention,
    cutoff_mev: float | None,
    edge: Edge,
    rescaling: Rescaling,
) -> tuple[Interaction, Convention]:
    row = get_convention(convention)
    matrix = mu_star_matrix(mu_star, spectrum.bands)
    if rescaling not in ("matrix", "elementwise"):
        raise InputError(f"rescaling must be 'matrix' or 'elementwise', not {rescaling!r}", where="rescaling")
    total = spectrum.total()
    highest_phonon(total)
    cutoffs = resolve(row, total, 0.0, cutoff_mev=cutoff_mev, edge=edge)
    at = cutoffs.mu_star_at_mev
    if at is not None and not is_bounded(matrix, float(np.log(cutoffs.coulomb_mev / at)), rescaling):
        raise InputError(
            f"mu* given at {at:g} meV grows without bound when rescaled to {cutoffs.coulomb_mev:g} meV, the "
            f"cutoff of the convention {row.name!r}",
            where="mu_star",
            hint="give mu* at the cutoff and use a convention that takes it as given",
        )
    return interaction_of_bands(spectrum, matrix, cutoffs, rescaling), row


def _transition(
    spectrum: MultibandSpectrum, interaction: Interaction, row: Convention, found: BandsLinearSolution
) -> MultibandTransition:
    cutoffs = interaction.cutoffs
    superconducts = found.kt_mev > 0.0
    reason = None
    if not superconducts:
        floor_k = found.floor_mev * K_PER_MEV
        reason = f"no superconductivity above {floor_k:.1g} K: the repulsion outweighs the coupling"
    return MultibandTransition(
        tc_k=found.kt_mev * K_PER_MEV,
        converged=True,
        convention=row.name,
        rescaling=interaction.rescaling,
        mu_star=interaction.mu_star,
        mu_star_at_cutoff=interaction.mu_star_at(found.kt_mev) if superconducts else None,
        omega_c_mev=cutoffs.phonon_mev,
        coulomb_cutoff_mev=cutoffs.coulomb_mev,
        edge=cutoffs.edge,
        lambda_matrix=spectrum.lambda_matrix,
        gap_ratio=found.gap[:, 0].copy() if superconducts else None,
        frequencies=found.grid.end if found.grid is not None else 0,
        floor_k=found.floor_mev * K_PER_MEV,
        reason=reason,
        warnings=_warnings(spectrum, interaction, found),
    )


def _warnings(
    spectrum: MultibandSpectrum, interaction: Interaction, found: BandsLinearSolution
) -> tuple[Flag, ...]:
    warnings = []
    if found.grid is not None and found.grid.end < FEW_FREQUENCIES:
        warnings.append(
            Flag(
                "few-frequencies",
                f"only {found.grid.end} Matsubara frequencies lie below the cutoff: it is not far above Tc",
                float(found.grid.end),
            )
        )
    lam, mu = spectrum.lambda_matrix, interaction.mu_star
    for i in range(spectrum.bands):
        for j in range(i):
            here, there = f"{j + 1}{i + 1}", f"{i + 1}{j + 1}"
            if min(lam[i, j], lam[j, i], mu[i, j], mu[j, i]) <= 0.0:
                continue
            coupling, repulsion = lam[j, i] / lam[i, j], mu[j, i] / mu[i, j]
            if abs(np.log(coupling / repulsion)) > UNBALANCED:
                warnings.append(
                    Flag(
                        "unbalanced-mu-star",
                        f"mu*_{here}/mu*_{there} = {repulsion:.3g} but lambda_{here}/lambda_{there} = "
                        f"{coupling:.3g}, though both are a ratio of densities of states: is one of the "
                        "matrices transposed?",
                        float(repulsion / coupling),
                    )
                )
    if (spectrum.alpha2f < 0.0).any():
        share = float(np.minimum(spectrum.alpha2f, 0.0).sum() / np.abs(spectrum.alpha2f).sum())
        warnings.append(
            Flag("negative", "alpha2F_ij is negative in places; it was taken as it stands", abs(share))
        )
    return tuple(warnings)


def _solve(
    interaction: Interaction, found: BandsLinearSolution, kt: float, start: FloatArray | GapSolution
) -> GapSolution:
    if kt > (1.0 - ROUNDING) * found.kt_mev:
        # At Tc itself rounding would decide between no gap and a ten-thousandth of one.
        return solve_gap(interaction, kt, np.zeros(interaction.bands), normal=True)
    solution = solve_gap(interaction, kt, start)
    for factor in (3.5, 7.0, 14.0):
        if solution.superconducting or kt > (1.0 - AT_TC) * found.kt_mev:
            break
        solution = solve_gap(interaction, kt, _too_large(found, factor))
    else:
        raise ConvergenceError(f"no gap was found at {kt * K_PER_MEV:g} K, below Tc")
    return solution


def _too_large(found: BandsLinearSolution, factor: float) -> FloatArray:
    """Gaps to start from, meV: BCS's doubled or more, of the signs at Tc.

    A band that hardly takes part at Tc may have a gap of its own at low temperature.
    """
    ratio = found.gap[:, 0]
    size = factor * found.kt_mev * np.maximum(np.abs(ratio), SMALLEST_START)
    return np.asarray(np.where(ratio < -NOISE, -size, size))


def _temperatures(temperatures_k: ArrayLike) -> FloatArray:
    try:
        temperatures = np.atleast_1d(np.array(temperatures_k, dtype=np.float64))
    except (TypeError, ValueError):
        raise InputError("temperatures must be numbers", where="temperatures_k") from None
    if temperatures.ndim != 1 or not (np.isfinite(temperatures).all() and (temperatures > 0.0).all()):
        raise InputError(
            "temperatures must be finite and > 0 K",
            where="temperatures_k",
            hint="on the Matsubara axis T = 0 is a limit: Tc/100 is as good",
        )
    return temperatures
