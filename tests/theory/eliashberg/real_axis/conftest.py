from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from htc.spectra import Spectrum, read_spectra
from htc.theory.eliashberg.conventions import resolve
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.gap import GapSolution, Interaction, solve_gap
from htc.units import KB_MEV_PER_K

DATA = Path(__file__).parents[3] / "data" / "spectra"

Solve = Callable[..., GapSolution]


@pytest.fixture(scope="session")
def mgb2() -> Spectrum:
    """MgB2 by EPW 5.3.1; its own gaps are for mu* = 0.16 and a cutoff of 0.5 eV."""
    return read_spectra(DATA / "epw_mgb2" / "MgB2.a2f_iso")[-1]


@pytest.fixture(scope="session")
def solve() -> Solve:
    """The gap of one band on the imaginary axis."""

    def run(
        spectrum: Spectrum,
        temperature_k: float,
        mu_star: float = 0.1,
        convention: str = "asis",
        cutoff_mev: float | None = None,
    ) -> GapSolution:
        cutoffs = resolve(convention, spectrum, mu_star, cutoff_mev=cutoff_mev)
        interaction = Interaction.of_one_band(Coupling.of(spectrum), cutoffs)
        start = np.array([2.0 * spectrum.max_omega_mev])
        return solve_gap(interaction, temperature_k * KB_MEV_PER_K, start)

    return run


@pytest.fixture(scope="session")
def peaked() -> Callable[..., Spectrum]:
    """A spectrum of one or two Gaussian peaks of a given lambda."""

    def build(
        lambda_ep: float, centre_mev: float = 10.0, width: float = 0.1, second: float = 0.0
    ) -> Spectrum:
        omega = centre_mev * np.linspace(0.4, 3.0, 521)
        values = np.exp(-0.5 * ((omega / centre_mev - 1.0) / width) ** 2)
        values += second * np.exp(-0.5 * ((omega / centre_mev - 2.0) / width) ** 2)
        values[values < 1e-8] = 0.0
        return Spectrum(omega, values * (lambda_ep / Spectrum(omega, values).lambda_ep))

    return build
