"""Tc of a spectrum by a named method, with everything needed to judge it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from htc.errors import InputError, SpectrumError
from htc.spectra import Flag, Spectrum, check
from htc.theory.empirical import FORMULAS, Status, status

__all__ = ["METHODS", "CriticalTemperature", "critical_temperature"]

NO_COUPLING_REASON: Final[str] = (
    "lambda is not positive: the spectrum is empty, or its negative weight outweighs the rest"
)


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


def critical_temperature(
    spectrum: Spectrum, mu_star: float = 0.10, method: str = "allen_dynes"
) -> CriticalTemperature:
    """Tc of an isotropic spectrum.

    Args:
        spectrum: alpha2F.
        mu_star: Coulomb pseudopotential, >= 0, in the convention of the method: that of McMillan and of
            Allen and Dynes for the closed formulas.
        method: a key of `METHODS`; the closed formulas carry their names in `htc.theory.empirical.FORMULAS`.

    Returns:
        Tc with the moments it was computed from. Tc is 0 with a reason where the method has no solution.

    Raises:
        InputError: the method is unknown, or mu_star is negative or not finite.
        SpectrumError: negative weight leaves the spectrum without the moments that the method needs.
    """
    if method not in METHODS:
        raise InputError(
            f"no method is called {method!r}", where="method", hint="there are: " + ", ".join(METHODS)
        )
    if not (np.isfinite(mu_star) and mu_star >= 0.0):
        raise InputError(f"mu_star must be finite and >= 0, not {mu_star!r}", where="mu_star")
    return METHODS[method](spectrum, float(mu_star), method)


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


METHODS: Final[Mapping[str, Callable[[Spectrum, float, str], CriticalTemperature]]] = MappingProxyType(
    dict.fromkeys(FORMULAS, _by_formula)
)
"""Methods by name: a function of (spectrum, mu_star, name)."""
