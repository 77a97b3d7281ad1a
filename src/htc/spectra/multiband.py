"""The spectral functions of several bands: alpha2F_ij(omega), the pull of band j on the electrons of band i.

``lambda_ij = 2 int alpha2F_ij/w dw`` is proportional to the density of states of band j, so that the coupling
of band i is the sum of row i and ``N_i alpha2F_ij = N_j alpha2F_ji`` (Golubov et al.,
doi:10.1088/0953-8984/14/6/320).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htc.errors import InputError, SpectrumError
from htc.spectra.spectrum import Spectrum

__all__ = ["MultibandSpectrum"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MultibandSpectrum:
    """Eliashberg functions alpha2F_ij(omega) of b bands on one grid.

    The arrays are copied and made read-only. Negative weight is kept as it is.

    Args:
        omega_mev: phonon energies, meV, shape ``(n,)``, n >= 2, strictly increasing, all > 0.
        alpha2f: alpha2F_ij at these energies, dimensionless, shape ``(b, b, n)``; row i is what band i feels.
        label: what tells this spectrum from others.
        provenance: source file, format, unit and whatever else is known.

    Raises:
        SpectrumError: the grid or the values are not those of a spectrum.
    """

    omega_mev: FloatArray
    alpha2f: FloatArray
    label: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Validate, copy and freeze the arrays."""
        try:
            alpha2f = np.array(self.alpha2f, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise SpectrumError("alpha2f must be numbers") from error
        if alpha2f.ndim != 3 or alpha2f.shape[0] != alpha2f.shape[1] or not alpha2f.shape[0]:
            raise SpectrumError(f"alpha2f of b bands has the shape (b, b, n), this has {alpha2f.shape}")
        alpha2f.flags.writeable = False
        object.__setattr__(self, "alpha2f", alpha2f)
        for i, j in np.ndindex(alpha2f.shape[:2]):
            try:
                element = Spectrum(self.omega_mev, alpha2f[i, j])
            except SpectrumError as error:
                raise error.located(f"alpha2F_{i + 1}{j + 1}") from None
        object.__setattr__(self, "omega_mev", element.omega_mev)
        object.__setattr__(self, "provenance", dict(self.provenance))

    @classmethod
    def of_one_band(cls, spectrum: Spectrum) -> MultibandSpectrum:
        """An isotropic spectrum as one of a single band."""
        return cls(
            spectrum.omega_mev, spectrum.alpha2f[None, None, :], spectrum.label, dict(spectrum.provenance)
        )

    @property
    def bands(self) -> int:
        """Number b of bands."""
        return int(self.alpha2f.shape[0])

    @property
    def lambda_matrix(self) -> FloatArray:
        """lambda_ij, dimensionless, shape ``(b, b)``."""
        values = 2.0 * np.trapezoid(self.alpha2f / self.omega_mev, self.omega_mev)
        return np.asarray(values, dtype=np.float64)

    @property
    def omega_log_mev(self) -> float:
        """Logarithmic average frequency of the sum over all pairs of bands, meV; NaN as in `Spectrum`."""
        return self.total().omega_log_mev

    @property
    def omega_2_mev(self) -> float:
        """Root of the second moment of the sum over all pairs, meV, as ebmb takes it; else NaN."""
        return self.total().omega_2_mev

    def element(self, i: int, j: int) -> Spectrum:
        """alpha2F_ij, bands counted from 0."""
        label = f"{self.label} {i + 1}{j + 1}".strip()
        return Spectrum(self.omega_mev, self.alpha2f[i, j], label, {**self.provenance, "element": (i, j)})

    def total(self) -> Spectrum:
        """sum_ij alpha2F_ij: no physical spectrum, but one that has the moments and the highest frequency."""
        return Spectrum(self.omega_mev, self.alpha2f.sum(axis=(0, 1)), self.label, self.provenance)

    def isotropic(self, densities_of_states: ArrayLike) -> Spectrum:
        """The average over bands, ``sum_ij N_i alpha2F_ij / sum_i N_i``.

        Args:
            densities_of_states: N_i at the Fermi level, in any unit, > 0, shape ``(b,)``.

        Raises:
            InputError: they are not that.
        """
        try:
            weights = np.array(densities_of_states, dtype=np.float64)
        except (TypeError, ValueError):
            weights = np.empty(0)
        if weights.shape != (self.bands,) or not (np.isfinite(weights).all() and (weights > 0.0).all()):
            raise InputError(
                f"{self.bands} bands have {self.bands} densities of states, finite and > 0, not "
                f"{densities_of_states!r}",
                where="densities_of_states",
            )
        mean = np.einsum("i,ijn->n", weights / weights.sum(), self.alpha2f)
        return Spectrum(
            self.omega_mev,
            mean,
            self.label,
            {**self.provenance, "averaged_over_densities_of_states": weights.tolist()},
        )
