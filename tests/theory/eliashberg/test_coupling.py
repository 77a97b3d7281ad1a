"""lambda(nu): few oscillators stand for a spectrum of many points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htc.spectra import Spectrum
from htc.theory.eliashberg.coupling import Coupling, trapezoid_weights

PEAK = st.tuples(st.floats(0.02, 1.0), st.floats(0.005, 0.3), st.floats(0.05, 1.0))


def by_definition(spectrum: Spectrum, nu: np.ndarray) -> np.ndarray:
    omega = spectrum.omega_mev
    integrand = spectrum.alpha2f * omega / (omega**2 + nu[:, None] ** 2)
    return 2.0 * np.trapezoid(integrand, omega, axis=1)


@given(shapes=st.lists(PEAK, min_size=1, max_size=4), points=st.sampled_from([40, 200, 900]))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_compressed_and_not_agree_with_the_integral_to_1e_8(peaks, shapes, points):
    spectrum = peaks(shapes, points=points)
    nu = np.concatenate([[0.0], np.geomspace(1e-3, 1e5, 150)])
    exact = by_definition(spectrum, nu)
    for compress in (True, False):
        coupling = Coupling.of(spectrum, compress=compress)
        assert coupling.lambda_ep == pytest.approx(spectrum.lambda_ep, rel=1e-10)
        assert coupling(nu) == pytest.approx(exact, abs=1e-8 * spectrum.lambda_ep)


def test_two_hundred_points_become_few_and_keep_eight_digits(peaks):
    spectrum = peaks([(0.3, 0.05, 1.0), (0.7, 0.1, 0.6)], points=200)
    few, all_ = Coupling.of(spectrum), Coupling.of(spectrum, compress=False)
    assert few.weight.size < 80 < all_.weight.size
    nu = np.geomspace(1e-2, 1e3, 40)
    assert few(nu) == pytest.approx(all_(nu), rel=1e-8)
    slopes = [coupling.with_slope(nu)[1] for coupling in (few, all_)]
    assert slopes[0] == pytest.approx(slopes[1], abs=1e-7)


def test_the_table_for_many_frequencies_agrees_with_the_sum(peaks):
    coupling = Coupling.of(peaks([(0.3, 0.05, 1.0)]), compress=False)
    nu = np.geomspace(1e-4, 1e6, 3000)
    value, slope = coupling.with_slope(nu)
    one_by_one = [coupling.with_slope(nu[i : i + 10]) for i in range(0, nu.size, 10)]
    assert value == pytest.approx(np.concatenate([v for v, _ in one_by_one]), abs=1e-8)
    assert slope == pytest.approx(np.concatenate([s for _, s in one_by_one]), abs=1e-6)


def test_the_integral_of_lambda_is_exact_even_between_close_limits(einstein):
    coupling = Coupling.of(einstein(10.0, 2.0), compress=False)
    low = np.array([1.0, 5.0, 30.0])
    for width in (1e-9, 1.0, 1e6):
        found = coupling.integral(low, low + width)
        expected = 20.0 * np.arctan2(10.0 * width, low * (low + width) + 100.0)
        assert found == pytest.approx(expected, rel=1e-9)


def test_trapezoid_weights_on_an_uneven_grid():
    grid = np.sort(np.random.default_rng(1).uniform(0.1, 5.0, 50))
    assert trapezoid_weights(grid) @ np.sin(grid) == pytest.approx(
        np.trapezoid(np.sin(grid), grid), rel=1e-13
    )


def test_negative_weight_is_carried_over_as_it_is():
    omega = np.linspace(0.1, 30.0, 600)
    spectrum = Spectrum(omega, np.sin(omega / 4.0))
    nu = np.geomspace(0.1, 300.0, 50)
    scale = 2.0 * np.trapezoid(np.abs(spectrum.alpha2f) / omega, omega)
    assert Coupling.of(spectrum)(nu) == pytest.approx(by_definition(spectrum, nu), abs=1e-8 * scale)
