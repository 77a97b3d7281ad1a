"""A stand-in for alpha2F where only its moments are known: a surrogate, never a calculation.

As a function of ln w, ``2 alpha2F / lambda`` is a probability density whose mean is ln omega_log and whose
second moment gives omega_2 (Allen and Dynes, doi:10.1103/PhysRevB.12.905). Amplitude and stretch of the
frequency axis therefore meet lambda and omega_log whatever the shape, and one exponent is left for
omega_2/omega_log:

    with a density of states F     alpha2F = c w^p F(w/s)
    without one                    alpha2F = c w^a (1 - w/w_max)^2,  0 < w < w_max

Interatomic potentials have phonons softer than real ones; the stretch s takes that out, and only the shape of
their F counts. The moments are those of the spectrum's own trapezoids, exact to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htc.errors import InputError, SpectrumError
from htc.spectra import Spectrum
from htc.spectra.spectrum import ORIGIN_SURROGATE
from htc.units import KB_MEV_PER_K, MEV_PER_THZ

__all__ = ["TYPICAL_RATIO", "surrogate_spectrum"]

FloatArray = NDArray[np.float64]

TYPICAL_RATIO: Final[float] = 1.22
"""omega_2/omega_log where neither it nor a density of states is known: the median of 498 calculated
compounds of the BETE-NET set (doi:10.1038/s41524-024-01475-4); two thirds lie between 1.12 and 1.44."""

TYPICAL_EXPONENT: Final[float] = 1.25
"""p of alpha2 = c w^p where omega_2 is not known."""

_EXPONENTS: Final[tuple[float, float]] = (-1.5, 10.0)
"""p of alpha2 = c w^p: F ~ w^2 still leaves alpha2F(0) = 0 at the lower end."""
_RISES: Final[tuple[float, float]] = (0.3, 250.0)
"""a of the closed form: from omega_2 = 22 omega_log to a line."""
_EDGE: Final[int] = 2
"""Power with which the closed form vanishes at w_max."""
_POINTS: Final[int] = 500
_ROUNDING: Final[float] = 1e-6
_IMAGINARY: Final[float] = 0.01
"""Share of states at w <= 0 above which a density of states is that of an unstable lattice."""


def surrogate_spectrum(
    lambda_ep: float,
    omega_log_k: float,
    *,
    omega_2_k: float | None = None,
    dos: tuple[ArrayLike, ArrayLike] | None = None,
) -> Spectrum:
    """alpha2F of smooth shape with given moments, labelled as a surrogate.

    Args:
        lambda_ep: coupling constant, > 0.
        omega_log_k: logarithmic average frequency, K, > 0.
        omega_2_k: root of the second moment, K, > omega_log_k; None where it is not known. Then a density of
            states gives it through ``alpha2 ~ w^TYPICAL_EXPONENT``, and without one it is ``TYPICAL_RATIO``
            times omega_log; the provenance says so.
        dos: phonon density of states, frequencies (THz, increasing) and values (any unit), shapes ``(n,)``.
            Its scale does not matter. Points at w <= 0 are dropped.

    Returns:
        The spectrum. Its ``provenance`` has ``origin`` "surrogate", ``form``, ``given`` (the moments it was
        made from), ``omega_2_from`` ("given", "density of states" or "typical"), ``exponent`` (p or a above)
        and, with a density of states, ``stretch`` (s).

    Raises:
        InputError: a moment is not a positive number, or omega_2 is not above omega_log.
        SpectrumError: the density of states is none, is that of an unstable lattice, or cannot have this
            omega_2 under any ``alpha2 = c w^p``.
    """
    for name, value in (("lambda_ep", lambda_ep), ("omega_log_k", omega_log_k), ("omega_2_k", omega_2_k)):
        if value is not None and not (isfinite(value) and value > 0.0):
            raise InputError(f"{name} must be a finite number > 0, not {value!r}", where=name)
    ratio = None if omega_2_k is None else omega_2_k / omega_log_k
    if ratio is not None and ratio <= 1.0:
        raise InputError(
            f"omega_2 of {omega_2_k:g} K is not above omega_log of {omega_log_k:g} K",
            where="omega_2_k",
            hint="for every spectrum omega_2 >= omega_log, with equality for a single frequency only",
        )
    given = {"lambda_ep": float(lambda_ep), "omega_log_k": float(omega_log_k)}
    if omega_2_k is not None:
        given["omega_2_k"] = float(omega_2_k)
    provenance: dict[str, Any] = {"origin": ORIGIN_SURROGATE, "given": given}
    if dos is None:
        shape = _closed_form(TYPICAL_RATIO if ratio is None else ratio)
        provenance["omega_2_from"] = "typical" if ratio is None else "given"
    else:
        shape = _on_density_of_states(*_density(*dos), ratio)
        provenance["omega_2_from"] = "density of states" if ratio is None else "given"
    provenance |= {"form": shape.form, "exponent": shape.exponent}
    stretch = omega_log_k * KB_MEV_PER_K / shape.omega_log
    if dos is not None:
        provenance["stretch"] = stretch / MEV_PER_THZ
    return Spectrum(
        shape.omega * stretch, shape.alpha2f * (lambda_ep / shape.lambda_ep), ORIGIN_SURROGATE, provenance
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    """alpha2F up to the scales of both axes, with its trapezoidal moments."""

    omega: FloatArray
    alpha2f: FloatArray
    form: str = ""
    exponent: float = 0.0
    lambda_ep: float = 0.0
    omega_log: float = 0.0
    ratio: float = 0.0

    @classmethod
    def of(cls, omega: FloatArray, log_alpha2f: FloatArray, form: str, exponent: float) -> _Shape:
        """From ln alpha2F, -inf where it is zero."""
        alpha2f = np.exp(log_alpha2f - log_alpha2f.max())
        spectrum = Spectrum(omega, alpha2f)
        log, second = spectrum.omega_log_mev, spectrum.omega_2_mev
        return cls(omega, alpha2f, form, exponent, spectrum.lambda_ep, log, second / log)


def _closed_form(ratio: float) -> _Shape:
    # Points crowd towards zero, where w^a with a < 1 is steep.
    x = np.linspace(0.0, 1.0, _POINTS + 1)[1:] ** 2
    with np.errstate(divide="ignore"):
        log_x, log_edge = np.log(x), _EDGE * np.log1p(-x)

    def shape(rise: float) -> _Shape:
        return _Shape.of(x, rise * log_x + log_edge, "c w^a (1 - w/w_max)^2", rise)

    widest, narrowest = (shape(rise).ratio for rise in _RISES)
    if not narrowest < ratio < widest:
        raise InputError(
            f"omega_2/omega_log = {ratio:.6g} is outside {narrowest:.6g} to {widest:.6g}, what a surrogate "
            "spectrum can have",
            where="omega_2_k",
            hint="solids have 1.03 to 3.1; below that the spectrum is a single frequency",
        )
    return _solve(shape, ratio, *_RISES)


def _on_density_of_states(omega: FloatArray, density: FloatArray, ratio: float | None) -> _Shape:
    log_omega = np.log(omega / omega[-1])
    with np.errstate(divide="ignore"):
        log_density = np.log(density)

    def shape(power: float) -> _Shape:
        return _Shape.of(omega, power * log_omega + log_density, "c w^p F(w/s)", power)

    if ratio is None:
        return shape(TYPICAL_EXPONENT)
    # Where bands lie far apart the ratio peaks in between: of two solutions the one of usual alpha2 is taken.
    grid = np.linspace(*_EXPONENTS, 47)
    above = np.array([shape(power).ratio for power in grid.tolist()]) - ratio
    crossings = np.flatnonzero(np.sign(above[1:]) != np.sign(above[:-1]))
    if not crossings.size:
        raise SpectrumError(
            f"omega_2/omega_log = {ratio:.4g} does not fit this density of states: alpha2 = c w^p with "
            f"p from {_EXPONENTS[0]:g} to {_EXPONENTS[1]:g} gives {(above + ratio).min():.4g} to "
            f"{(above + ratio).max():.4g}",
            where="dos",
            hint="leave the density of states away: the closed form takes any ratio",
        )
    i = int(crossings[np.argmin(np.abs(grid[crossings] - TYPICAL_EXPONENT))])
    return _solve(shape, ratio, float(grid[i]), float(grid[i + 1]))


def _solve(shape: Callable[[float], _Shape], ratio: float, low: float, high: float) -> _Shape:
    from scipy.optimize import brentq

    return shape(float(brentq(lambda exponent: shape(exponent).ratio - ratio, low, high, xtol=1e-13)))


def _density(frequency_thz: ArrayLike, values: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """The real part of a density of states, zero at its last point."""
    try:
        frequency = np.array(frequency_thz, dtype=np.float64)
        density = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpectrumError("frequencies and density of states must be numbers", where="dos") from error
    if frequency.ndim != 1 or frequency.shape != density.shape:
        raise SpectrumError(
            f"a density of states has as many frequencies as values, not {frequency.shape} and "
            f"{density.shape}",
            where="dos",
        )
    if not (np.isfinite(frequency).all() and np.isfinite(density).all()):
        raise SpectrumError("the density of states holds NaN or infinity", where="dos")
    if (np.diff(frequency) <= 0.0).any():
        raise SpectrumError("the frequencies of a density of states must increase", where="dos")
    if (density < -_ROUNDING * np.abs(density).max()).any():
        raise SpectrumError("the density of states has negative values", where="dos")
    density = np.maximum(density, 0.0)
    positive = frequency > 0.0
    occupied = np.flatnonzero(positive & (density > 0.0))
    if occupied.size < 3:
        raise SpectrumError(
            f"{occupied.size} points of the density of states lie above zero frequency with a value above "
            "zero, too few for a spectrum",
            where="dos",
        )
    states = np.gradient(frequency) * density
    imaginary = float(states[~positive].sum() / states.sum())
    if imaginary > _IMAGINARY:
        raise SpectrumError(
            f"{imaginary:.1%} of the states lie at imaginary or zero frequency: this lattice is not stable",
            where="dos",
            hint="a spectrum belongs to a stable structure; relax it, or leave the density of states away",
        )
    last = int(occupied[-1])
    omega = frequency[positive & (np.arange(frequency.size) <= last)]
    density = density[positive & (np.arange(density.size) <= last)]
    step = omega[-1] - omega[-2]
    return np.append(omega, omega[-1] + step), np.append(density, 0.0)
