"""Tc of a spectrum by the Eliashberg equations, with what a reader needs to judge it."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, log, sqrt
from typing import Final

import numpy as np

from htc.spectra import Flag, Spectrum
from htc.theory.eliashberg.conventions import (
    SMALLEST_LAMBDA,
    Convention,
    Cutoffs,
    Edge,
    check_arguments,
    get_convention,
    resolve,
)
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.linearised import LinearSolution, solve
from htc.units import K_PER_MEV

__all__ = ["NO_COUPLING_REASON", "Transition", "find_transition", "sensitivity", "transition"]

NO_COUPLING_REASON: Final[str] = (
    "lambda is not positive: the spectrum is empty, or its negative weight outweighs the rest"
)

SENSITIVE: Final[float] = 0.05
"""d ln Tc / d ln cutoff above which the record warns."""

FEW_FREQUENCIES: Final[int] = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A critical temperature from the linearised Eliashberg equations."""

    tc_k: float
    """Critical temperature, K; 0 with a reason where there is none."""
    converged: bool
    """Whether the search settled; a Tc of 0 is settled when the repulsion was seen to win down to
    `floor_k`."""
    convention: str
    mu_star: float
    """As given."""
    mu_star_at_cutoff: float | None
    """As it stands in the Coulomb sum; None, as both cutoffs, where the spectrum holds nothing to go by."""
    omega_c_mev: float | None
    """Cutoff of the phonon sum, meV."""
    coulomb_cutoff_mev: float | None
    """Cutoff of the Coulomb sum, meV."""
    edge: Edge
    lambda_ep: float
    frequencies: int
    """Matsubara frequencies omega_n > 0 below the cutoff at Tc; 0 where there is no Tc."""
    cutoff_sensitivity: float | None
    """d ln Tc / d ln cutoff within the convention: what a cutoff chosen 1 % higher does to Tc, in %."""
    floor_k: float
    """Temperature down to which Tc was looked for, K."""
    reason: str | None
    """Why Tc is zero; None where it is not."""
    warnings: tuple[Flag, ...]
    """What to know about this number beyond the flags of its spectrum."""


def transition(
    spectrum: Spectrum,
    mu_star: float = 0.10,
    convention: str | Convention = "asis",
    *,
    cutoff_mev: float | None = None,
    edge: Edge = "step",
) -> Transition:
    """Tc of an isotropic spectrum from the linearised Eliashberg equations.

    Args:
        spectrum: alpha2F.
        mu_star: Coulomb pseudopotential, >= 0, in the sense of the convention.
        convention: a key of `htc.theory.eliashberg.conventions.CONVENTIONS`, or one of your own.
        cutoff_mev: cutoff of the phonon sum, meV, instead of the convention's; EPW's ``wscut``.
        edge: ``step`` ends the sums as the codes do, at the last frequency below the cutoff; ``smooth`` lets
            them fade out over 10 % on both sides, so that Tc has no steps of some 0.1 %.

    Raises:
        InputError: an argument is not usable.
        SpectrumError: the spectrum lacks what the convention goes by.
        ConvergenceError: the search for Tc did not settle.
    """
    row = get_convention(convention)
    lambda_ep = spectrum.lambda_ep
    if not lambda_ep > SMALLEST_LAMBDA:
        check_arguments(mu_star, edge)
        return _record(row, mu_star, edge, lambda_ep, None, None, NO_COUPLING_REASON, ())
    cutoffs = resolve(row, spectrum, mu_star, cutoff_mev=cutoff_mev, edge=edge)
    found = find_transition(Coupling.of(spectrum), cutoffs)
    reason = None
    if not found.kt_mev > 0.0:
        reason = (
            f"no superconductivity above {found.floor_mev * K_PER_MEV:.1g} K: the repulsion mu* = "
            f"{cutoffs.mu_star_at_cutoff:.3g} at the cutoff outweighs the coupling lambda = {lambda_ep:.3g}"
        )
    return _record(row, cutoffs.mu_star, edge, lambda_ep, cutoffs, found, reason, _warnings(cutoffs, found))


def find_transition(coupling: Coupling, cutoffs: Cutoffs) -> LinearSolution:
    """k Tc of a coupling, started from Allen and Dynes' formula.

    Raises:
        ConvergenceError: the search for Tc did not settle.
    """
    return solve(coupling, cutoffs, _guess(coupling, cutoffs))


def sensitivity(cutoffs: Cutoffs, found: LinearSolution) -> float | None:
    """d ln Tc / d ln cutoff: the frequencies added, and mu* where it is rescaled to the nominal cutoff."""
    slope = found.slope + found.edge
    if not found.kt_mev > 0.0 or slope >= 0.0:
        return None
    change = found.edge
    if cutoffs.mu_star_at_mev is not None and not (cutoffs.rescaled_to_last and cutoffs.edge == "step"):
        change += 2.0 * cutoffs.mu_star_at_cutoff**2 * found.pair_sum
    return change / slope


def _record(
    row: Convention,
    mu_star: float,
    edge: Edge,
    lambda_ep: float,
    cutoffs: Cutoffs | None,
    found: LinearSolution | None,
    reason: str | None,
    warnings: tuple[Flag, ...],
) -> Transition:
    return Transition(
        tc_k=found.kt_mev * K_PER_MEV if found else 0.0,
        converged=True,
        convention=row.name,
        mu_star=mu_star,
        mu_star_at_cutoff=cutoffs.mu_star_at_cutoff if cutoffs else None,
        omega_c_mev=cutoffs.phonon_mev if cutoffs else None,
        coulomb_cutoff_mev=cutoffs.coulomb_mev if cutoffs else None,
        edge=edge,
        lambda_ep=lambda_ep,
        frequencies=found.grid.end if found and found.grid else 0,
        cutoff_sensitivity=sensitivity(cutoffs, found) if cutoffs and found else None,
        floor_k=found.floor_mev * K_PER_MEV if found else 0.0,
        reason=reason,
        warnings=warnings,
    )


def _warnings(cutoffs: Cutoffs, found: LinearSolution) -> tuple[Flag, ...]:
    warnings = []
    slope = sensitivity(cutoffs, found)
    if slope is not None and slope > SENSITIVE:
        message = (
            f"Tc rises by {10.0 * slope:.1f} % when the cutoff rises by 10 %: "
            f"mu* = {cutoffs.mu_star:g} has a meaning only with the cutoff of its convention"
        )
        warnings.append(Flag("cutoff-sensitive", message, slope))
    if found.grid is not None and found.grid.end < FEW_FREQUENCIES:
        message = (
            f"only {found.grid.end} Matsubara frequencies lie below the cutoff: it is not large against Tc"
        )
        warnings.append(Flag("few-frequencies", message, float(found.grid.end)))
    return tuple(warnings)


def _guess(coupling: Coupling, cutoffs: Cutoffs) -> float:
    """k Tc by Allen and Dynes' formula with mu* rescaled to omega_2, meV; doi:10.1103/PhysRevB.12.905."""
    omega, weight = coupling.omega_mev, coupling.weight
    lam = coupling.lambda_ep
    omega_log = exp(min(max(float(weight @ np.log(omega)) / lam, -600.0), 600.0))
    second = coupling.second_mev2 / lam
    omega_2 = sqrt(second) if second > 0.0 else omega_log
    mu = cutoffs.mu_star_at_cutoff
    if mu > 0.0:
        inverse = 1.0 / mu + log(cutoffs.coulomb_mev / omega_2)
        mu = 1.0 / inverse if inverse > 0.0 else mu
    attraction = lam - mu * (1.0 + 0.62 * lam)
    if attraction <= 0.05 * lam:
        return 1e-4 * omega_log
    ratio = omega_2 / omega_log
    f1 = (1.0 + (lam / (2.46 * (1.0 + 3.8 * mu))) ** 1.5) ** (1.0 / 3.0)
    f2 = 1.0 + (ratio - 1.0) * lam**2 / (lam**2 + (1.82 * (1.0 + 6.3 * mu) * ratio) ** 2)
    guess = f1 * f2 * omega_log / 1.2 * exp(-1.04 * (1.0 + lam) / attraction)
    return guess if isfinite(guess) and guess > 0.0 else 1e-4 * omega_log
