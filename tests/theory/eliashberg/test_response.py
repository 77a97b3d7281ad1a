"""How Tc answers to the spectrum: derivatives against finite differences, and the isotope effect."""

from __future__ import annotations

import math

import numpy as np
import pytest

from htc.errors import InputError, SpectrumError
from htc.spectra import Spectrum
from htc.theory.eliashberg.conventions import CONVENTIONS, resolve
from htc.theory.eliashberg.response import response
from htc.theory.eliashberg.transition import transition
from htc.units import K_PER_MEV, KB_MEV_PER_K

SHAPES = [(0.35, 0.08, 1.0), (0.8, 0.05, 0.5)]


def smooth_tc(spectrum, mu_star, convention, cutoff_mev):
    return transition(spectrum, mu_star, convention, cutoff_mev=cutoff_mev, edge="smooth").tc_k


# Cutoffs that go by omega_2 would move with the bump, and the mu* of ebmb with its definition there: elk is
# held by hand, ebmb left out.
@pytest.mark.parametrize("convention", ["asis", "epw", "elk", "isome"])
@pytest.mark.parametrize("where", [0.1, 0.3, 0.5, 0.75])
def test_weight_added_somewhere_adds_what_the_derivative_says(peaks, convention, where):
    spectrum = peaks(SHAPES, 1.3)
    omega = spectrum.omega_mev
    bump = np.exp(-(((omega / omega[-1] - where) / 0.02) ** 2))
    small = 2e-3 / np.trapezoid(bump, omega)
    cutoff = resolve(convention, spectrum, 0.12).phonon_mev
    less, more = (
        smooth_tc(Spectrum(omega, spectrum.alpha2f + sign * small * bump), 0.12, convention, cutoff)
        for sign in (-1.0, 1.0)
    )
    found = response(spectrum, 0.12, convention)
    expected = 2.0 * small * np.trapezoid(found.dtc_da2f_k_per_mev * bump, omega)
    assert more - less == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize("convention", sorted(CONVENTIONS))
def test_coupling_helps_at_every_frequency_most_at_seven_k_tc(peaks, convention):
    # Bergmann and Rainer, doi:10.1007/BF02351862
    spectrum = peaks(SHAPES, 1.3, points=600)
    found = response(spectrum, 0.1, convention)
    derivative = found.dtc_da2f_k_per_mev
    assert np.all(derivative > 0.0)
    best = found.omega_mev[np.argmax(derivative)] / (KB_MEV_PER_K * found.tc_k)
    assert 6.0 < best < 9.0
    # It rises from zero in proportion to omega.
    low = found.omega_mev < 0.5 * KB_MEV_PER_K * found.tc_k
    ratio = derivative[low] / found.omega_mev[low]
    assert ratio == pytest.approx(ratio[0], rel=0.05)
    assert found.dtc_dlambda_k == pytest.approx(0.5 * found.omega_mev * derivative)


def test_the_share_of_all_of_alpha2f(peaks):
    spectrum = peaks(SHAPES, 1.3)
    found = response(spectrum, 0.12)
    cutoff = resolve("asis", spectrum, 0.12).phonon_mev
    more, less = (
        smooth_tc(Spectrum(spectrum.omega_mev, f * spectrum.alpha2f), 0.12, "asis", cutoff)
        for f in (1.001, 0.999)
    )
    assert found.tc_share[-1] == pytest.approx(math.log(more / less) / math.log(1.001 / 0.999), rel=2e-3)
    assert np.all(np.diff(found.tc_share) >= 0.0)


@pytest.mark.parametrize("mu_star", [0.0, 0.1, 0.2])
def test_the_isotope_coefficient_is_that_of_heavier_atoms(peaks, mu_star):
    spectrum = peaks(SHAPES, 1.0)
    found = response(spectrum, mu_star)
    cutoff = resolve("asis", spectrum, mu_star).phonon_mev
    # M w^2 and lambda stay: frequencies fall as the root of the mass, alpha2F(w) dw/w stays.
    light, heavy = (
        smooth_tc(Spectrum(spectrum.omega_mev / math.sqrt(m), spectrum.alpha2f), mu_star, "asis", cutoff)
        for m in (0.998, 1.002)
    )
    expected = -math.log(heavy / light) / math.log(1.002 / 0.998)
    assert found.isotope_coefficient == pytest.approx(expected, abs=2e-3)
    assert found.isotope_share[-1] == found.isotope_coefficient
    if mu_star > 0.0:
        assert found.isotope_coefficient < 0.495


def test_without_repulsion_the_isotope_coefficient_is_one_half(peaks, einstein):
    spectrum = peaks(SHAPES, 0.6)
    assert response(spectrum, 0.0, cutoff_mev=1e5).isotope_coefficient == pytest.approx(0.5, abs=1e-4)
    # At a cutoff that stays where it is, lighter phonons reach closer to it.
    assert 0.499 < response(einstein(10.0, 0.4), 0.0).isotope_coefficient < 0.5


def test_parts_of_the_isotope_effect_sum_to_the_whole(peaks):
    found = response(peaks(SHAPES, 1.0), 0.1)
    share = np.linspace(1.0, 0.0, found.omega_mev.size)
    parts = [found.partial_isotope_coefficient(w) for w in (share, 1.0 - share)]
    assert sum(parts) == pytest.approx(found.isotope_coefficient, rel=1e-12)
    assert found.partial_isotope_coefficient(np.ones_like(share)) == pytest.approx(found.isotope_coefficient)
    for bad in (share[:-1], 2.0 * share, -share, np.nan * share):
        with pytest.raises(InputError, match="mode weights"):
            found.partial_isotope_coefficient(bad)


def test_without_tc_there_is_nothing_to_answer(einstein):
    for spectrum, mu_star in ((einstein(10.0, 0.3), 0.5), (Spectrum([1.0, 2.0], [0.0, 0.0]), 0.1)):
        with pytest.raises(SpectrumError, match="no Tc to change"):
            response(spectrum, mu_star)


def test_units(einstein):
    # All coupling of one mode: dTc/dlambda is that of the mode.
    found = response(einstein(10.0, 1.0), 0.0)
    more, less = (smooth_tc(einstein(10.0, lam), 0.0, "asis", 100.0) / K_PER_MEV for lam in (1.001, 0.999))
    assert found.dtc_dlambda_k[1] == pytest.approx((more - less) / 0.002 * K_PER_MEV, rel=2e-3)
