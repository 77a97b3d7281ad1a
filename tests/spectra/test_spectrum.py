"""Spectrum: what it refuses, and its moments against closed expressions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from htc.errors import SpectrumError
from htc.spectra import Spectrum
from htc.units import K_PER_MEV


def debye(lambda_ep: float = 0.8, top_mev: float = 40.0, points: int = 4000) -> Spectrum:
    """alpha2F = lambda (w/w_D)^2: omega_log = w_D exp(-1/2), omega_2 = w_D/sqrt(2)."""
    omega = np.linspace(top_mev / points, top_mev, points)
    return Spectrum(omega, lambda_ep * (omega / top_mev) ** 2)


def test_moments_of_a_debye_spectrum():
    spectrum = debye()
    assert spectrum.lambda_ep == pytest.approx(0.8, rel=1e-6)
    assert spectrum.omega_log_mev == pytest.approx(40.0 * np.exp(-0.5), rel=1e-5)
    assert spectrum.omega_2_mev == pytest.approx(40.0 / np.sqrt(2.0), rel=1e-5)
    assert spectrum.omega_log_k == spectrum.omega_log_mev * K_PER_MEV
    assert spectrum.omega_2_k == spectrum.omega_2_mev * K_PER_MEV
    assert spectrum.max_omega_mev == 40.0


def test_cumulative_lambda_starts_at_zero_and_ends_at_lambda():
    spectrum = debye()
    cumulative = spectrum.cumulative_lambda()
    assert cumulative.shape == spectrum.omega_mev.shape
    assert cumulative[0] == 0.0
    assert cumulative[-1] == pytest.approx(spectrum.lambda_ep, rel=1e-12)
    assert (np.diff(cumulative) >= 0.0).all()


def test_arrays_are_copied_and_read_only():
    omega, alpha2f = np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.0])
    spectrum = Spectrum(omega, alpha2f)
    omega[0] = 9.0
    assert spectrum.omega_mev[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        spectrum.alpha2f[0] = 1.0


@pytest.mark.parametrize(
    ("omega", "alpha2f", "says"),
    [
        ([1.0, 2.0], [0.1], "2 frequencies but 1"),
        ([1.0], [0.1], "at least 2 points"),
        ([], [], "at least 2 points"),
        ([[1.0, 2.0]], [[0.1, 0.2]], "one dimension"),
        ([1.0, np.nan], [0.1, 0.2], "frequencies are NaN"),
        ([1.0, 2.0], [0.1, np.inf], "alpha2F are NaN or infinite"),
        ([0.0, 1.0], [0.0, 0.1], "must be > 0"),
        ([2.0, 1.0], [0.1, 0.1], "must increase"),
        ([1.0, 1.0], [0.1, 0.1], "must increase"),
        ([1e-320, 1.0], [1.0, 1.0], "moments overflow"),
        ([1.0, 1e300], [1.0, 1e300], "moments overflow"),
        (["a", "b"], [0.1, 0.1], "must be numbers"),
    ],
)
def test_what_is_no_spectrum_is_refused(omega, alpha2f, says):
    with pytest.raises(SpectrumError, match=says):
        Spectrum(omega, alpha2f)


def test_negative_weight_is_kept_and_can_be_clipped():
    spectrum = Spectrum([1.0, 2.0, 3.0, 4.0], [0.0, -0.2, 0.5, 0.0], "x", {"source": "f"})
    clipped = spectrum.clipped()
    assert spectrum.alpha2f.min() == -0.2
    assert clipped.alpha2f.min() == 0.0
    assert clipped.lambda_ep == pytest.approx(spectrum.lambda_ep + 0.2)
    assert clipped.label == "x"
    assert clipped.provenance["lambda_ep_before_clipping"] == spectrum.lambda_ep
    assert clipped.provenance["source"] == "f"


def test_without_positive_lambda_there_are_no_frequencies():
    spectrum = Spectrum([1.0, 2.0, 3.0], [0.0, -0.1, 0.0])
    assert spectrum.lambda_ep < 0.0
    assert np.isnan(spectrum.omega_log_k)
    assert np.isnan(spectrum.omega_2_k)


positive = st.floats(0.1, 10.0)


@given(positive, positive)
def test_scaling_laws(stretch, factor):
    spectrum = debye(points=50)
    other = Spectrum(spectrum.omega_mev * stretch, spectrum.alpha2f * factor)
    assert other.lambda_ep == pytest.approx(factor * spectrum.lambda_ep)
    assert other.omega_log_mev == pytest.approx(stretch * spectrum.omega_log_mev)
    assert other.omega_2_mev == pytest.approx(stretch * spectrum.omega_2_mev)


@given(st.lists(st.floats(0.0, 5.0), min_size=2, max_size=40))
def test_moments_are_ordered_and_within_the_grid(weights):
    omega = np.arange(1.0, len(weights) + 1.0)
    spectrum = Spectrum(omega, weights)
    if spectrum.lambda_ep > 1e-12:
        assert 1.0 - 1e-9 <= spectrum.omega_log_mev <= spectrum.omega_2_mev * (1.0 + 1e-9)
        assert spectrum.omega_2_mev <= spectrum.max_omega_mev * (1.0 + 1e-9)
