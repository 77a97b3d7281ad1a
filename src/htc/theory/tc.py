"""Tc of a spectrum by a named method, with everything needed to judge it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from htc.errors import InputError, SpectrumError
from htc.spectra import Flag, Spectrum, check
from htc.theory.eliashberg.conventions import Convention, Edge, get_convention, is_number
from htc.theory.eliashberg.transition import NO_COUPLING_REASON, transition
from htc.theory.empirical import FORMULAS, Status, status

__all__ = ["METHODS", "CriticalTemperature", "critical_temperature"]

ELIASHBERG: Final[str] = "eliashberg"
"""Name of the method that solves the Eliashberg equations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalTemperature:
    """A critical temperature and where it comes from."""

    tc_k: float
    """Critical temperature, K."""
    method: str
    """Name of the method, a key of `METHODS`."""
    title: str
    """The method in words."""
    doi: str
    mu_star: float
    lambda_ep: float
    omega_log_k: float | None
    """K; None where lambda is not positive."""
    omega_2_k: float | None
    """K; None where it has no real value."""
    reason: str | None
    """Why Tc is zero; None where it is not."""
    flags: tuple[Flag, ...]
    """What `htc.spectra.check` says of the spectrum."""
    convention: str | None = None
    """What mu* means and where the sums end, a key of `CONVENTIONS`; None for a formula."""
    omega_c_mev: float | None = None
    """Cutoff of the Matsubara sum, meV; None for a formula."""
    converged: bool = True
    """Whether the solver settled; always true for a formula."""
    cutoff_sensitivity: float | None = None
    """d ln Tc / d ln cutoff within the convention; None for a formula or where Tc is zero."""
    warnings: tuple[Flag, ...] = ()
    """What to know about this Tc beyond the flags of its spectrum."""


def critical_temperature(
    spectrum: Spectrum,
    mu_star: float = 0.10,
    method: str = "allen_dynes",
    convention: str | Convention | None = None,
    *,
    cutoff_mev: float | None = None,
    edge: Edge = "step",
) -> CriticalTemperature:
    """Tc of an isotropic spectrum.

    Args:
        spectrum: alpha2F.
        mu_star: Coulomb pseudopotential, >= 0, in the convention of the method: that of McMillan and of
            Allen and Dynes for the closed formulas.
        method: a key of `METHODS`; the closed formulas carry their names in `htc.theory.empirical.FORMULAS`,
            ``eliashberg`` solves the isotropic Eliashberg equations.
        convention: for ``eliashberg``, what mu* means, a key of
            `htc.theory.eliashberg.conventions.CONVENTIONS` or one of your own; ``asis`` when not given.
            Formulas have none.
        cutoff_mev: for ``eliashberg``, a cutoff of the Matsubara sum instead of the convention's, meV.
        edge: for ``eliashberg``, how the sum ends, see `htc.theory.eliashberg.transition`.

    Returns:
        Tc with the moments it was computed from. Tc is 0 with a reason where the method has no solution.

    Raises:
        InputError: the method or the convention is unknown, mu_star is negative or not finite, or an argument
            does not belong to the method.
        SpectrumError: negative weight leaves the spectrum without the moments that the method needs.
        ConvergenceError: the search for Tc did not settle.
    """
    if method not in METHODS:
        raise InputError(
            f"no method is called {method!r}", where="method", hint="there are: " + ", ".join(METHODS)
        )
    if not (is_number(mu_star) and mu_star >= 0.0):
        raise InputError(f"mu_star must be a finite number >= 0, not {mu_star!r}", where="mu_star")
    if method == ELIASHBERG:
        return _by_eliashberg(spectrum, float(mu_star), convention or "asis", cutoff_mev, edge)
    if convention is not None or cutoff_mev is not None:
        raise InputError(
            f"the formula {method!r} has neither a convention nor a cutoff",
            where="convention" if convention is not None else "cutoff_mev",
            hint="they belong to method='eliashberg'",
        )
    return _by_formula(spectrum, float(mu_star), method)


def _by_formula(spectrum: Spectrum, mu_star: float, method: str) -> CriticalTemperature:
    formula = FORMULAS[method]
    lambda_ep = spectrum.lambda_ep
    omega_log, omega_2 = _or_none(spectrum.omega_log_k), _or_none(spectrum.omega_2_k)
    reason: str | None
    if lambda_ep <= 0.0:
        tc, reason = 0.0, NO_COUPLING_REASON
    elif omega_log is None or (omega_2 is None and formula.needs_omega_2):
        missing = "omega_log" if omega_log is None else "omega_2"
        raise SpectrumError(
            f"negative weight leaves {missing} without a real value",
            where=spectrum.label or None,
            hint="clip the negative weight, or better, compute the spectrum on denser meshes",
        )
    else:
        omega_2_given = omega_2 if formula.needs_omega_2 else None
        tc = float(formula(lambda_ep, omega_log, mu_star, omega_2_k=omega_2_given))
        code = int(status(method, lambda_ep, omega_log, mu_star, omega_2_k=omega_2_given))
        reason = Status(code).reason
    return CriticalTemperature(
        tc_k=tc,
        method=method,
        title=formula.title,
        doi=formula.doi,
        mu_star=mu_star,
        lambda_ep=lambda_ep,
        omega_log_k=omega_log,
        omega_2_k=omega_2,
        reason=reason,
        flags=check(spectrum),
    )


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _by_eliashberg(
    spectrum: Spectrum, mu_star: float, convention: str | Convention, cutoff_mev: float | None, edge: Edge
) -> CriticalTemperature:
    row = get_convention(convention)
    found = transition(spectrum, mu_star, row, cutoff_mev=cutoff_mev, edge=edge)
    return CriticalTemperature(
        tc_k=found.tc_k,
        method=ELIASHBERG,
        title=f"Eliashberg, {row.title}",
        doi="10.1103/RevModPhys.62.1027",
        mu_star=mu_star,
        lambda_ep=found.lambda_ep,
        omega_log_k=_or_none(spectrum.omega_log_k),
        omega_2_k=_or_none(spectrum.omega_2_k),
        reason=found.reason,
        flags=check(spectrum),
        convention=row.name,
        omega_c_mev=found.omega_c_mev,
        converged=found.converged,
        cutoff_sensitivity=found.cutoff_sensitivity,
        warnings=found.warnings,
    )


METHODS: Final[Mapping[str, str]] = MappingProxyType(
    {name: formula.title for name, formula in FORMULAS.items()} | {ELIASHBERG: "Eliashberg equations"}
)
"""Methods by name, with their titles."""
