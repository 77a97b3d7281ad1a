"""MgB2 in two bands, sigma and pi, from published couplings: the textbook case of two gaps.

What is published, and what is assumed here for want of the published spectra:

- lambda_ij and mu*_ij: Golubov et al., J. Phys.: Condens. Matter 14, 1353 (2002),
  doi:10.1088/0953-8984/14/6/320.
- Shape of alpha2F_sigma-sigma, assumed: a Gaussian at 590 cm^-1, near which lie the bond-stretching phonons
  that couple to sigma (Kong et al., doi:10.1103/PhysRevB.64.020501).
- Shape of the other three, assumed: that of the isotropic alpha2F of our own EPW run of MgB2.
- Cutoff at which mu*_ij is meant, assumed: 500 meV, as given there (convention ``asis``).

Tc is 40.3 K with gaps of 7.1 and 2.4 meV; meant at 10 omega_max, 1.16 eV here, the same mu*_ij give 45.6 K.
In the original mu* is fitted to Tc: the ratio of the gaps is what the matrices predict, not Tc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.examples import examples
from htc.spectra import MultibandSpectrum, read_spectra
from htc.units import MEV_PER_INVERSE_CM

__all__ = ["TwoBands", "mgb2_two_bands"]

FloatArray = NDArray[np.float64]

LAMBDA: Final = ((1.017, 0.213), (0.155, 0.448))
MU_STAR: Final = ((0.210, 0.095), (0.069, 0.172))
SOURCE: Final[str] = (
    "lambda and mu*: Golubov et al., doi:10.1088/0953-8984/14/6/320; assumed: sigma-sigma a Gaussian at "
    "590 cm^-1 (Kong et al., doi:10.1103/PhysRevB.64.020501), the other shapes from our own EPW alpha2F of "
    "MgB2, mu* as given at 500 meV"
)
STRETCHING_MEV: Final[float] = 590.0 * MEV_PER_INVERSE_CM
WIDTH_MEV: Final[float] = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class TwoBands:
    """A two-band problem; band 0 is sigma, band 1 is pi."""

    spectrum: MultibandSpectrum
    mu_star: FloatArray
    """mu*_ij, shape ``(2, 2)``."""
    convention: str
    cutoff_mev: float
    densities_of_states: FloatArray
    """N_sigma and N_pi relative to each other, as lambda_ij/lambda_ji = N_j/N_i has them, shape ``(2,)``."""
    source: str
    """Where the numbers are from and what was assumed."""


def mgb2_two_bands() -> TwoBands:
    """The input of a two-band calculation of MgB2.

    >>> from htc.theory.eliashberg.multiband import multiband_gap
    >>> mgb2 = mgb2_two_bands()
    >>> gap = multiband_gap(
    ...     mgb2.spectrum, mgb2.mu_star, [4.0], mgb2.convention, cutoff_mev=mgb2.cutoff_mev
    ... )
    >>> print(f"{gap.transition.tc_k:.1f} K", gap.delta0_mev.round(1))
    40.3 K [[7.1 2.4]]
    """
    with examples() as inputs:
        path = next(e.path for e in inputs if e.kind == "spectrum" and e.formula == "MgB2")
        isotropic = read_spectra(path)[0]
    omega = isotropic.omega_mev
    stretching = np.exp(-0.5 * ((omega - STRETCHING_MEV) / WIDTH_MEV) ** 2)
    shapes = np.broadcast_to(isotropic.alpha2f, (2, 2, omega.size)).copy()
    shapes[0, 0] = stretching
    unit = shapes / MultibandSpectrum(omega, shapes).lambda_matrix[..., None]
    coupling = np.array(LAMBDA)
    spectrum = MultibandSpectrum(
        omega, coupling[..., None] * unit, "MgB2, sigma and pi", {"format": "example", "source": SOURCE}
    )
    return TwoBands(
        spectrum=spectrum,
        mu_star=np.array(MU_STAR),
        convention="asis",
        cutoff_mev=500.0,
        densities_of_states=np.array([coupling[1, 0], coupling[0, 1]]),
        source=SOURCE,
    )
