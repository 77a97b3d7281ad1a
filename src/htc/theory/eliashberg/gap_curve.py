"""The gap from low temperature up to Tc."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htc.errors import InputError
from htc.spectra import Flag, Spectrum
from htc.theory.eliashberg.conventions import Convention, Edge, resolve
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.gap import GapSolution, Interaction, gap_below
from htc.theory.eliashberg.transition import Transition, transition
from htc.units import KB_MEV_PER_K

__all__ = ["Gap", "default_temperatures", "gap"]

FloatArray = NDArray[np.float64]

GROUND_STATE: Final[float] = 0.1
"""Share of Tc at which the gap counts as that of T = 0: what is missing is below exp(-15)."""

HOTTEST_K: Final[float] = 1e5

TEMPERATURES: Final[int] = 20
LOWEST_SHARE: Final[float] = 1e-4
"""Lowest temperature allowed, as a share of Tc: below it nothing changes any more."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gap:
    """The gap of an isotropic superconductor as a function of temperature."""

    transition: Transition
    """Tc under the same convention, with its warnings."""
    temperature_k: FloatArray
    """Temperatures, K, ascending, shape ``(t,)``."""
    delta0_mev: FloatArray
    """Delta(i omega_0), at the lowest Matsubara frequency, meV, shape ``(t,)``; 0 at Tc and above."""
    z0: FloatArray
    """Z(i omega_0), shape ``(t,)``."""
    edge_mev: FloatArray
    """The gap a tunnelling experiment sees, Re Delta(omega) = omega by Pade approximants, meV, shape
    ``(t,)``; NaN where there is none or it is not to be trusted."""
    zero_temperature_mev: float | None
    """Gap edge for T -> 0, meV, by the exact continuation where Pade approximants are in doubt; None where
    nothing superconducts or that is not to be trusted either."""
    ratio_2delta_ktc: float | None
    """2 Delta(0)/k Tc with that edge; 3.53 for weak coupling."""
    solutions: tuple[GapSolution, ...]
    """Delta and Z on the whole Matsubara axis at each temperature."""
    warnings: tuple[Flag, ...]
    """What to know about the gaps beyond the warnings of Tc."""


def gap(
    spectrum: Spectrum,
    mu_star: float = 0.10,
    convention: str | Convention = "asis",
    *,
    temperatures_k: ArrayLike | None = None,
    cutoff_mev: float | None = None,
    edge: Edge = "step",
) -> Gap:
    """Solve the gap equations at several temperatures.

    Args:
        spectrum: alpha2F.
        mu_star: Coulomb pseudopotential, >= 0, in the sense of the convention.
        convention: a key of `htc.theory.eliashberg.conventions.CONVENTIONS`, or one of your own.
        temperatures_k: temperatures, K, > 0, at most 1,000; 20 from 0.1 Tc to near Tc when not given.
        cutoff_mev: cutoff of the phonon sum, meV, instead of the convention's; EPW's ``wscut``.
        edge: how the sums end, see `htc.theory.eliashberg.transition`.

    Raises:
        InputError: an argument is not usable; among them T = 0, where the Matsubara sums become integrals:
        the
            gap at 0.1 Tc is that of T = 0 to a millionth.
        SpectrumError: the spectrum lacks what the convention goes by.
        ConvergenceError: Tc or a gap was not found.
    """
    given = None if temperatures_k is None else _checked(temperatures_k)
    found = transition(spectrum, mu_star, convention, cutoff_mev=cutoff_mev, edge=edge)
    if not found.tc_k > 0.0:
        temperatures = np.empty(0) if given is None else given
        nothing = np.zeros(temperatures.size)
        return Gap(
            transition=found,
            temperature_k=temperatures,
            delta0_mev=nothing,
            z0=nothing + np.nan,
            edge_mev=nothing + np.nan,
            zero_temperature_mev=None,
            ratio_2delta_ktc=None,
            solutions=(),
            warnings=(),
        )
    temperatures = default_temperatures(found.tc_k) if given is None else given
    if temperatures.min() < LOWEST_SHARE * found.tc_k:
        raise InputError(
            f"{temperatures.min():g} K lies below {LOWEST_SHARE:g} Tc = {LOWEST_SHARE * found.tc_k:.3g} K",
            where="temperatures_k",
            hint=f"below {GROUND_STATE:g} Tc the gap is that of T = 0",
        )
    cutoffs = resolve(convention, spectrum, mu_star, cutoff_mev=cutoff_mev, edge=edge)
    interaction = Interaction.of_one_band(Coupling.of(spectrum), cutoffs)
    ground = GROUND_STATE * found.tc_k
    below = temperatures.min() <= ground
    solved = temperatures if below else np.concatenate([[ground], temperatures])
    solutions = gap_below(interaction, KB_MEV_PER_K * found.tc_k, KB_MEV_PER_K * solved)
    edges, warnings = _edges(solutions)
    first = int(np.argmin(np.abs(solved - ground))) if below else 0
    zero = float(edges[first]) if np.isfinite(edges[first]) else _exact_edge(solutions[first], spectrum)
    kept = slice(None) if below else slice(1, None)
    return Gap(
        transition=found,
        temperature_k=temperatures,
        delta0_mev=np.array([s.delta_mev[0, 0] for s in solutions])[kept],
        z0=np.array([s.z[0, 0] for s in solutions])[kept],
        edge_mev=edges[kept],
        zero_temperature_mev=zero,
        ratio_2delta_ktc=None if zero is None else 2.0 * zero / (KB_MEV_PER_K * found.tc_k),
        solutions=tuple(solutions[kept]),
        warnings=warnings,
    )


def default_temperatures(tc_k: float) -> FloatArray:
    """From 0.1 Tc to 0.998 Tc, K, the closer the nearer to Tc, where the gap falls steeply."""
    steps = np.arange(TEMPERATURES) / TEMPERATURES
    return tc_k * (GROUND_STATE + (1.0 - GROUND_STATE) * np.sin(0.5 * np.pi * steps))


def _checked(temperatures_k: ArrayLike) -> FloatArray:
    try:
        values = np.atleast_1d(np.asarray(temperatures_k, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise InputError("temperatures must be numbers", where="temperatures_k") from error
    if values.ndim != 1 or not 1 <= values.size <= 1000:
        raise InputError(f"between 1 and 1,000 temperatures, not {values.size}", where="temperatures_k")
    bad = values[~((values > 0.0) & (values <= HOTTEST_K))]
    if bad.size:
        raise InputError(
            f"temperatures must be > 0 K and at most {HOTTEST_K:g} K, not {bad[0]:g}",
            where="temperatures_k",
            hint=f"the gap at {GROUND_STATE:g} Tc is that of T = 0",
        )
    return np.sort(values)


def _edges(solutions: list[GapSolution]) -> tuple[FloatArray, tuple[Flag, ...]]:
    from htc.theory.eliashberg.real_axis import gap_edges

    edges, doubts = np.full(len(solutions), np.nan), []
    for i, (solution, found) in enumerate(zip(solutions, gap_edges(solutions), strict=True)):
        if not solution.superconducting:
            continue
        if found.trustworthy and found.edges_mev[0] is not None:
            edges[i] = found.edges_mev[0]
        else:
            doubts.append(solution.kt_mev / KB_MEV_PER_K)
    if not doubts:
        return edges, ()
    where = ", ".join(f"{t:.4g}" for t in doubts[:5]) + (" ..." if len(doubts) > 5 else "")
    message = f"no gap edge to be trusted at {len(doubts)} of {len(solutions)} temperatures ({where} K)"
    return edges, (Flag("no-gap-edge", message, float(len(doubts))),)


def _exact_edge(solution: GapSolution, spectrum: Spectrum) -> float | None:
    from htc.theory.eliashberg.real_axis import continue_exact

    if not solution.superconducting:
        return None
    exact = continue_exact(solution, spectrum)
    edge = exact.edges_mev[0]
    return edge if edge is not None and exact.trusted_to_mev > edge else None
