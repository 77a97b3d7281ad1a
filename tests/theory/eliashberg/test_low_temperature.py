"""Tc far below the phonons: as exact as anywhere, and without a walk over all the frequencies between."""

from __future__ import annotations

import numpy as np
import pytest

from htc.spectra import Spectrum
from htc.theory.eliashberg.conventions import resolve
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.linear_matrix import largest_eigenvalue
from htc.theory.eliashberg.transition import find_transition


def weak(lambda_ep: float) -> Spectrum:
    omega = np.linspace(0.1, 40.0, 400)
    alpha2f = omega**2 * np.exp(-(((omega - 25.0) / 8.0) ** 2))
    shape = Spectrum(omega, alpha2f)
    return Spectrum(omega, lambda_ep / shape.lambda_ep * alpha2f)


@pytest.mark.parametrize("convention", ["asis", "epw", "ebmb"])
@pytest.mark.parametrize("lambda_ep", np.linspace(0.19, 0.27, 5))
def test_weak_coupling_takes_few_steps_to_a_change_of_sign(convention: str, lambda_ep: float) -> None:
    spectrum = weak(float(lambda_ep))
    coupling, cutoffs = Coupling.of(spectrum), resolve(convention, spectrum, 0.10)
    found = find_transition(coupling, cutoffs)
    assert found.steps <= 30
    if found.kt_mev > 0.0:
        assert largest_eigenvalue(coupling, cutoffs, found.kt_mev * (1.0 - 1e-5)) > 0.0
        assert largest_eigenvalue(coupling, cutoffs, found.kt_mev * (1.0 + 1e-5)) < 0.0
    else:
        assert largest_eigenvalue(coupling, cutoffs, found.floor_mev) <= 0.0
