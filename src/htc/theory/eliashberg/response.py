"""How Tc answers to the spectrum: which phonons make it, and what heavier isotopes do to it.

A change of lambda changes the largest eigenvalue of the linearised equations by its expectation in their
eigenvectors (Hellmann and Feynman), and Tc by that over minus the slope of the eigenvalue with T. An
isotope leaves the lambda of a mode as it is, for M w^2 does not depend on M, and moves its frequency; the
Coulomb sum, which ends at an energy of the electrons, stays (Rainer and Culetto,
doi:10.1103/PhysRevB.19.2540; Bergmann and Rainer, doi:10.1007/BF02351862).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htc.errors import InputError, SpectrumError
from htc.spectra import Spectrum
from htc.theory.eliashberg.conventions import SMALLEST_LAMBDA, Convention, Cutoffs, resolve
from htc.theory.eliashberg.coupling import Coupling, trapezoid_weights
from htc.theory.eliashberg.kernel import beyond_nodes
from htc.theory.eliashberg.linearised import LinearSolution, total_slope
from htc.theory.eliashberg.transition import find_transition
from htc.units import K_PER_MEV

__all__ = ["Response", "response"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Response:
    """What changes of alpha2F do to Tc, at a fixed mu* and a fixed cutoff of smooth edge."""

    tc_k: float
    convention: str
    mu_star: float
    omega_mev: FloatArray
    """Phonon energies, meV, shape ``(n,)``: the grid of the spectrum."""
    dtc_da2f_k_per_mev: FloatArray
    """delta Tc / delta alpha2F(omega), K/meV, shape ``(n,)``: weight ``h`` in alpha2F over a width ``d``
    meV about omega adds ``h d`` times this to Tc."""
    dtc_dlambda_k: FloatArray
    """d Tc / d lambda for coupling added at omega, K, shape ``(n,)``."""
    tc_share: FloatArray
    """Cumulated ``d ln Tc / d ln`` (all of alpha2F below omega), shape ``(n,)``: where coupling acts upon
    Tc."""
    isotope_coefficient: float
    """alpha = -d ln Tc / d ln M for all masses together."""
    isotope_share: FloatArray
    """Cumulated part of it from modes below omega, shape ``(n,)``; its last element is the whole."""

    def partial_isotope_coefficient(self, mode_weight: ArrayLike) -> float:
        """alpha of one element.

        Args:
            mode_weight: that element's share of the squared displacement of the modes at each omega,
            between 0
                and 1 and summing to 1 over the elements, e.g. its partial over the total phonon density of
                states; shape ``(n,)``.

        Raises:
            InputError: the weights have another shape or leave 0 ... 1.
        """
        weight = np.asarray(mode_weight, dtype=np.float64)
        if weight.shape != self.omega_mev.shape or not np.all((weight >= -1e-9) & (weight <= 1.0 + 1e-9)):
            raise InputError(
                f"mode weights must be {self.omega_mev.size} numbers between 0 and 1, one for each frequency",
                where="mode_weight",
            )
        parts = np.diff(self.isotope_share, prepend=0.0)
        return float(parts @ weight)


def response(
    spectrum: Spectrum,
    mu_star: float = 0.10,
    convention: str | Convention = "asis",
    *,
    cutoff_mev: float | None = None,
) -> Response:
    """The functional derivative of Tc by alpha2F, and the isotope coefficient with its spectrum.

    Args:
        spectrum: alpha2F.
        mu_star: Coulomb pseudopotential, >= 0, in the sense of the convention.
        convention: a key of `htc.theory.eliashberg.conventions.CONVENTIONS`, or one of your own.
        cutoff_mev: cutoff of the phonon sum, meV, instead of the convention's.

    Raises:
        InputError: an argument is not usable.
        SpectrumError: nothing superconducts, so that there is no Tc to change.
        ConvergenceError: the search for Tc did not settle.
    """
    if not spectrum.lambda_ep > SMALLEST_LAMBDA:
        raise SpectrumError("lambda is not positive: there is no Tc to change", where=spectrum.label or None)
    cutoffs = resolve(convention, spectrum, mu_star, cutoff_mev=cutoff_mev, edge="smooth")
    coupling = Coupling.of(spectrum)
    found = find_transition(coupling, cutoffs)
    if not found.kt_mev > 0.0:
        raise SpectrumError(
            f"nothing superconducts at mu* = {mu_star:g}: there is no Tc to change",
            where=spectrum.label or None,
        )
    tc = found.kt_mev * K_PER_MEV
    omega = spectrum.omega_mev
    sample = np.unique(np.concatenate([np.geomspace(omega[0], omega[-1], 160), omega[[0, -1]]]))
    if omega.size < sample.size:
        sample = omega
    by_weight, by_frequency = _expectations(sample, cutoffs, found)
    slope = -total_slope(coupling, cutoffs, found)
    by_lambda = np.interp(np.log(omega), np.log(sample), by_weight) / slope
    by_log_omega = np.interp(np.log(omega), np.log(sample), by_frequency) / slope
    weight = 2.0 * trapezoid_weights(omega) * spectrum.alpha2f / omega
    isotope = 0.5 * np.cumsum(weight * by_log_omega)
    return Response(
        tc_k=tc,
        convention=convention if isinstance(convention, str) else convention.name,
        mu_star=float(mu_star),
        omega_mev=omega,
        dtc_da2f_k_per_mev=2.0 * tc * by_lambda / omega,
        dtc_dlambda_k=tc * by_lambda,
        tc_share=np.cumsum(weight * by_lambda),
        isotope_coefficient=float(isotope[-1]),
        isotope_share=isotope,
    )


def _expectations(
    sample: FloatArray, cutoffs: Cutoffs, found: LinearSolution
) -> tuple[FloatArray, FloatArray]:
    """d (eigenvalue) / d lambda, and / d ln omega for lambda = 1, of oscillators at the sampled energies."""
    grid, kt = found.grid, found.kt_mev
    if grid is None:
        raise SpectrumError("there is no Tc to change")
    u, v = grid.scale * found.left, grid.scale * found.right
    pairs = np.outer(u, v)
    turns = found.left * found.right / grid.odd
    weights = grid.full if cutoffs.infinite_z else grid.phonon
    # The coefficient of lambda at every distance between nodes: what pairs, less what it renormalises.
    coefficient = np.bincount(
        np.concatenate([grid.minus.ravel(), grid.plus.ravel()]),
        np.concatenate(
            [(pairs - np.outer(turns, weights)).ravel(), (pairs + np.outer(turns, weights)).ravel()]
        ),
        minlength=grid.distance.size,
    )
    nu = 2.0 * np.pi * kt * grid.distance
    # At m = n what pairs and what renormalises cancel, whatever lambda, as in Anderson's theorem. A smooth
    # edge, which takes only the pairing away, leaves a small rest that, over omega -> 0, would be seen.
    uncancelled = float(turns @ (1.0 - grid.phonon / grid.full)) if cutoffs.infinite_z else 0.0
    by_weight, by_frequency = np.empty_like(sample), np.empty_like(sample)
    for k, energy in enumerate(sample):
        one = Coupling(np.array([energy]), np.ones(1))
        share = 1.0 / (1.0 + (nu / energy) ** 2)
        moved = 2.0 * share * (1.0 - share)
        by_weight[k] = coefficient @ share + uncancelled
        by_frequency[k] = coefficient @ moved
        if cutoffs.infinite_z:
            within = (
                (share[grid.minus] - share[grid.plus]) @ grid.full,
                (moved[grid.plus] - moved[grid.minus]) @ grid.full,
            )
            rest, by_ln_t = beyond_nodes(one, cutoffs, grid, within, kt)
            by_weight[k] -= turns @ rest
            by_frequency[k] += turns @ by_ln_t
    return by_weight, by_frequency
