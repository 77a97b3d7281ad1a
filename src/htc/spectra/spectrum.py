"""The electron-phonon spectral function and its moments.

Moments are trapezoids on the spectrum's own grid, without anything added below its first point:

    lambda    = 2 int alpha2F/w dw
    omega_log = exp[(2/lambda) int alpha2F ln(w)/w dw]
    omega_2   = sqrt[(2/lambda) int alpha2F w dw]

(Allen and Dynes, doi:10.1103/PhysRevB.12.905.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htc.errors import SpectrumError
from htc.units import K_PER_MEV

__all__ = ["NegativeWeight", "Spectrum"]

FloatArray = NDArray[np.float64]

ORIGIN_SURROGATE: Final[str] = "surrogate"
"""``provenance["origin"]`` of a spectrum that was formed from moments, see `Spectrum.is_surrogate`."""

ORIGIN_FIRST_PRINCIPLES: Final[str] = "first-principles"
"""``provenance["origin"]`` of a spectrum read from a checked calculation, see `Spectrum.first_principles`."""

NegativeWeight = Literal["keep", "clip", "refuse"]
"""What to do with alpha2F < 0: keep the file's numbers, set them to zero, or refuse the spectrum."""


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """An isotropic Eliashberg function alpha2F(omega).

    The arrays are copied and made read-only. NaN and infinity are refused; negative weight is kept as it
    is: `htc.spectra.check` reports it, and `clipped` takes it away.

    Args:
        omega_mev: phonon energies, meV, shape ``(n,)``, n >= 2, strictly increasing, all > 0.
        alpha2f: alpha2F at these energies, dimensionless, shape ``(n,)``.
        label: what tells this spectrum from its neighbours in one file, e.g. ``"degauss 0.02 Ry"``.
        provenance: source file, format, smearing, reported moments and whatever else is known.

    Raises:
        SpectrumError: the grid or the values are not those of a spectrum.
    """

    omega_mev: FloatArray
    alpha2f: FloatArray
    label: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    _moments: tuple[float, float, float] = field(init=False, repr=False, default=(0.0, 0.0, 0.0))
    """lambda, omega_log and omega_2, in meV: asked for many times, so kept."""

    def __post_init__(self) -> None:
        """Validate, copy and freeze the arrays."""
        omega, alpha2f = _column("omega_mev", self.omega_mev), _column("alpha2f", self.alpha2f)
        if omega.size != alpha2f.size:
            raise SpectrumError(f"{omega.size} frequencies but {alpha2f.size} values of alpha2F")
        if omega.size < 2:
            raise SpectrumError(
                f"a spectrum needs at least 2 points above zero frequency, this has {omega.size}"
            )
        for name, values in (("frequencies", omega), ("values of alpha2F", alpha2f)):
            bad = np.flatnonzero(~np.isfinite(values))
            if bad.size:
                raise SpectrumError(
                    f"{bad.size} of {values.size} {name} are NaN or infinite, first number {bad[0] + 1}"
                )
        if omega[0] <= 0.0:
            raise SpectrumError(
                f"frequencies must be > 0, the first is {omega[0]:g} meV",
                hint="drop the points at and below zero; the readers of htc do this",
            )
        steps = np.flatnonzero(np.diff(omega) <= 0.0)
        if steps.size:
            i = int(steps[0])
            raise SpectrumError(
                f"frequencies must increase, but number {i + 2} ({omega[i + 1]:g} meV) "
                f"follows {omega[i]:g} meV"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            moments = _moments(omega, alpha2f)
        if moments is None:
            raise SpectrumError("its moments overflow: some frequency or value is far beyond any spectrum's")
        object.__setattr__(self, "omega_mev", omega)
        object.__setattr__(self, "alpha2f", alpha2f)
        object.__setattr__(self, "provenance", dict(self.provenance))
        object.__setattr__(self, "_moments", moments)

    @property
    def is_surrogate(self) -> bool:
        """Whether it was formed from moments rather than calculated or measured, by its provenance."""
        return self.provenance.get("origin") == ORIGIN_SURROGATE

    @property
    def first_principles(self) -> str | None:
        """The code that calculated it, where `htc.dft` read and checked the whole run; None otherwise."""
        if self.provenance.get("origin") != ORIGIN_FIRST_PRINCIPLES:
            return None
        return str(self.provenance.get("code", "first principles"))

    @property
    def max_omega_mev(self) -> float:
        """Highest frequency of the grid, meV."""
        return float(self.omega_mev[-1])

    @property
    def lambda_ep(self) -> float:
        """Coupling constant lambda, dimensionless."""
        return self._moments[0]

    @property
    def omega_log_mev(self) -> float:
        """Logarithmic average frequency, meV; NaN where lambda <= 0, for then there is none."""
        return self._moments[1]

    @property
    def omega_2_mev(self) -> float:
        """Root of the second moment, meV; NaN where lambda <= 0 or negative weight makes it imaginary."""
        return self._moments[2]

    @property
    def omega_log_k(self) -> float:
        """`omega_log_mev` in K."""
        return self.omega_log_mev * K_PER_MEV

    @property
    def omega_2_k(self) -> float:
        """`omega_2_mev` in K."""
        return self.omega_2_mev * K_PER_MEV

    def cumulative_lambda(self) -> FloatArray:
        """lambda(omega) = 2 int_0^omega alpha2F/w dw, shape ``(n,)``; its last element is `lambda_ep`."""
        integrand = self.alpha2f / self.omega_mev
        pieces = (integrand[1:] + integrand[:-1]) * np.diff(self.omega_mev)
        return np.concatenate(([0.0], np.cumsum(pieces)))

    def clipped(self) -> Spectrum:
        """This spectrum with negative weight set to zero, noted in its provenance."""
        return Spectrum(
            self.omega_mev,
            np.maximum(self.alpha2f, 0.0),
            self.label,
            {**self.provenance, "negative": "clip", "lambda_ep_before_clipping": self.lambda_ep},
        )


def _moments(omega: FloatArray, alpha2f: FloatArray) -> tuple[float, float, float] | None:
    """lambda, omega_log and omega_2; None where they overflow."""
    integrand = alpha2f / omega
    lambda_ep = float(2.0 * np.trapezoid(integrand, omega))
    second = float(2.0 * np.trapezoid(alpha2f * omega, omega))
    if not (np.isfinite(lambda_ep) and np.isfinite(second)):
        return None
    if lambda_ep <= 0.0:
        return lambda_ep, float("nan"), float("nan")
    omega_log = float(np.exp(2.0 / lambda_ep * np.trapezoid(integrand * np.log(omega), omega)))
    if not 0.0 < omega_log < float("inf"):
        # A lambda left over from cancelling weights drives the exponent to anything.
        omega_log = float("nan")
    return lambda_ep, omega_log, float(np.sqrt(second / lambda_ep)) if second > 0.0 else float("nan")


def _column(name: str, values: ArrayLike) -> FloatArray:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SpectrumError(f"{name} must be numbers") from error
    if array.ndim != 1:
        raise SpectrumError(f"{name} must have one dimension, its shape is {array.shape}")
    array.flags.writeable = False
    return array
