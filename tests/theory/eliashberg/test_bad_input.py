"""Spectra no solid has: a clear error, or an answer with its warning."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from htc.errors import HTCError, InputError, SpectrumError
from htc.spectra import Spectrum, read_spectra
from htc.theory import critical_temperature
from htc.theory.eliashberg.account import account
from htc.theory.eliashberg.batch import transitions
from htc.theory.eliashberg.conventions import CONVENTIONS
from htc.theory.eliashberg.gap_curve import gap
from htc.theory.eliashberg.response import response
from htc.theory.eliashberg.transition import transition

SHAPES = [(0.35, 0.08, 1.0), (0.8, 0.05, 0.5)]


def ask_everything(spectrum, mu_star=0.1):
    """Tc under every convention and edge; only errors of our own may come out."""
    found = []
    for name in CONVENTIONS:
        for edge in ("step", "smooth"):
            try:
                record = critical_temperature(spectrum, mu_star, "eliashberg", name, edge=edge)
            except InputError:
                continue
            assert math.isfinite(record.tc_k)
            assert record.tc_k >= 0.0
            assert (record.reason is None) == (record.tc_k > 0.0)
            found.append(record)
    return found


@pytest.mark.parametrize(
    ("omega", "alpha2f", "message"),
    [
        ([1.0, np.nan, 3.0], [1.0, 1.0, 1.0], "NaN"),
        ([1.0, 2.0, 3.0], [1.0, np.nan, 1.0], "NaN"),
        ([1.0, 2.0, 3.0], [1.0, np.inf, 1.0], "infinite"),
        ([1.0, 3.0, 2.0], [1.0, 1.0, 1.0], "increase"),
        ([1.0, 1.0, 2.0], [1.0, 1.0, 1.0], "increase"),
        ([0.0, 1.0, 2.0], [0.0, 1.0, 1.0], "> 0"),
        ([1.0], [1.0], "at least 2"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], "2 frequencies"),
    ],
)
def test_what_is_no_spectrum(omega, alpha2f, message):
    with pytest.raises(SpectrumError, match=message):
        transition(Spectrum(omega, alpha2f))


def test_two_points_are_a_spectrum():
    found = ask_everything(Spectrum([10.0, 11.0], [5.0, 5.0]))
    assert len(found) == 10
    assert all(record.tc_k > 0.0 for record in found)


@pytest.mark.parametrize("size", [0.01, 0.3, 3.0])
def test_negative_weight(peaks, size):
    spectrum = peaks(SHAPES, 1.2)
    x = spectrum.omega_mev / spectrum.omega_mev[-1]
    for where in (0.05, 0.5, 0.95):
        dent = size * np.exp(-(((x - where) / 0.04) ** 2))
        damaged = Spectrum(spectrum.omega_mev, spectrum.alpha2f - dent)
        for record in ask_everything(damaged):
            if size > 0.01 and record.tc_k > 0.0:
                assert "negative-weight" in [flag.code for flag in record.flags]
            if size == 0.01 and record.convention == "asis" and where == 0.5:
                assert record.tc_k < transition(spectrum).tc_k


def test_a_run_that_failed(own_spectra):
    with pytest.raises(SpectrumError, match="broken in all 10 columns"):
        read_spectra(own_spectra.broken)


def test_a_run_with_some_negative_weight(own_spectra):
    for spectrum in read_spectra(own_spectra.aluminium):
        found = ask_everything(spectrum)
        assert len(found) == 10
        assert all(record.tc_k > 0.0 for record in found)


@pytest.mark.parametrize("power", [0.0, -1.0, -2.0])
def test_weight_down_to_zero_frequency(power):
    # lambda grows without bound as the grid is refined; the answer stays finite and says so.
    for lowest in (1e-2, 1e-5, 1e-8):
        omega = np.geomspace(lowest, 40.0, 400)
        spectrum = Spectrum(omega, 0.3 * (omega / 40.0) ** power if power else np.full(400, 0.3))
        for record in ask_everything(spectrum):
            if record.tc_k > 0.0 and spectrum.lambda_ep > 3.5:
                assert {flag.code for flag in record.flags} & {"lattice-instability", "strong-coupling"}


def test_soft_modes_no_longer_move_tc(peaks):
    # What lies far below k Tc neither pairs nor breaks pairs: Anderson's theorem.
    spectrum = peaks(SHAPES, 1.2)
    omega = np.concatenate([np.geomspace(1e-7, 1e-6, 20), spectrum.omega_mev])
    soft = Spectrum(omega, np.concatenate([np.full(20, 0.5), spectrum.alpha2f]))
    assert soft.lambda_ep > 2.0
    for name in ("asis", "isome"):
        assert transition(soft, 0.1, name).tc_k == pytest.approx(
            transition(spectrum, 0.1, name).tc_k, rel=1e-4
        )


def test_a_million_points(peaks):
    many, few = peaks(SHAPES, 1.2, points=1_000_000), peaks(SHAPES, 1.2, points=4_000)
    for name in CONVENTIONS:
        assert transition(many, 0.1, name).tc_k == pytest.approx(transition(few, 0.1, name).tc_k, rel=1e-3)


@pytest.mark.parametrize("top_mev", [1e-3, 1.0, 1e4])
def test_tiny_and_huge_frequencies(peaks, top_mev):
    spectrum = peaks(SHAPES, 1.2, top_mev=top_mev)
    expected = transition(peaks(SHAPES, 1.2)).tc_k * top_mev / 40.0
    assert transition(spectrum).tc_k == pytest.approx(expected, rel=1e-7)
    assert len(ask_everything(spectrum)) >= 8
    assert response(spectrum).tc_k > 0.0


@pytest.mark.parametrize("lambda_ep", [1e-6, 0.01, 0.05, 30.0, 1e3, 1e6])
@pytest.mark.parametrize("mu_star", [0.0, 0.1, 1.0, 99.0])
def test_any_lambda_against_any_mu_star(peaks, lambda_ep, mu_star):
    for record in ask_everything(peaks(SHAPES, lambda_ep), mu_star):
        if lambda_ep < 0.1 <= mu_star:
            assert record.tc_k == 0.0


def test_a_cutoff_of_seven_ev_below_the_phonons_is_answered_or_refused(peaks):
    ask_everything(peaks(SHAPES, 1.2, top_mev=1e4), 0.3)


def test_arguments_that_belong_elsewhere(peaks):
    spectrum = peaks(SHAPES)
    with pytest.raises(InputError, match="neither a convention nor a cutoff"):
        critical_temperature(spectrum, 0.1, "allen_dynes", "asis")
    with pytest.raises(InputError, match="no method"):
        critical_temperature(spectrum, 0.1, "ebmb")


@given(
    alpha2f=arrays.arrays(np.float64, 12, elements=st.floats(-2.0, 10.0)),
    lowest=st.floats(1e-6, 1.0),
    mu_star=st.floats(0.0, 2.0),
)
@settings(max_examples=20, deadline=None, derandomize=True)
def test_any_numbers_get_an_answer_or_an_error_of_our_own(alpha2f, lowest, mu_star):
    try:
        spectrum = Spectrum(np.geomspace(lowest, 30.0, 12), alpha2f)
    except HTCError:
        return
    ask_everything(spectrum, mu_star)


@pytest.mark.parametrize("scale", [1e300, 1e12])
def test_a_coupling_beyond_anything_is_refused_and_stops_no_other(scale):
    omega = np.linspace(0.5, 40.0, 80)
    shape = np.exp(-(((omega - 20.0) / 5.0) ** 2))
    good, bad = Spectrum(omega, shape), Spectrum(omega, scale * shape)
    first, second, third = transitions([good, bad, good], 0.1)
    assert isinstance(second, SpectrumError)
    assert "nothing follows from a coupling" in str(second)
    assert first == third


def test_a_coupling_too_small_to_count_is_none():
    found = transition(Spectrum(np.linspace(0.5, 40.0, 80), np.full(80, 5e-324)), 0.1)
    assert found.tc_k == 0.0
    assert found.reason is not None


@pytest.mark.parametrize("factor", [1e-300, 1e-150, 1e20])
def test_energies_of_no_phonon_are_refused(factor):
    spectrum = Spectrum(factor * np.linspace(0.5, 40.0, 80), np.ones(80))
    with pytest.raises(SpectrumError, match="unit of the frequencies"):
        transition(spectrum, 0.1)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("a",), {}),
        ((None,), {}),
        (([0.1, 0.2],), {}),
        ((0.1,), {"cutoff_mev": "x"}),
        ((0.1,), {"temperatures_k": 1e300}),
    ],
)
def test_what_is_no_number_is_an_input_error(arguments, options):
    spectrum = Spectrum(np.linspace(0.5, 40.0, 80), np.ones(80))
    with pytest.raises(InputError):
        gap(spectrum, *arguments, **options)


def test_parts_that_do_not_converge_leave_the_others():
    omega = np.linspace(0.5, 40.0, 80)
    found = account(Spectrum(omega, 1e5 * np.exp(-(((omega - 20.0) / 5.0) ** 2))), 0.1)
    assert found.transition.tc_k > 0.0
    assert found.thermodynamics is None
    assert any(text.startswith("thermodynamics: ") for text in found.remarks)
