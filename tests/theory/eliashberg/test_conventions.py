"""Conventions: what each row of the table means in meV, and which mu* have no meaning there."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from htc.errors import InputError, SpectrumError
from htc.spectra import Spectrum
from htc.theory.eliashberg.conventions import CONVENTIONS, get_convention, resolve
from htc.theory.eliashberg.transition import transition

SHAPES = [(0.4, 0.1, 1.0), (0.8, 0.05, 0.5)]


def test_cutoffs_of_each_convention(peaks):
    spectrum = peaks(SHAPES)
    highest = spectrum.omega_mev[-2]  # alpha2F is zero at the last point
    omega_2 = spectrum.omega_2_mev
    expected = {
        "asis": (10.0 * highest, 10.0 * highest),
        "epw": (10.0 * highest, 10.0 * highest),
        "ebmb": (15.0 * omega_2, 15.0 * omega_2),
        "elk": (20.0 * omega_2, 2.0 * omega_2),
        "isome": (7000.0, 7000.0),
    }
    assert set(expected) == set(CONVENTIONS)
    spectrum = Spectrum(spectrum.omega_mev, np.where(spectrum.omega_mev > highest, 0.0, spectrum.alpha2f))
    for name, (phonon, coulomb) in expected.items():
        cutoffs = resolve(name, spectrum, 0.1)
        assert cutoffs.phonon_mev == pytest.approx(phonon, rel=1e-3)
        assert cutoffs.coulomb_mev == pytest.approx(coulomb, rel=1e-3)
        assert cutoffs.infinite_z == (name != "epw")


def test_mu_star_is_rescaled_after_morel_and_anderson(peaks):
    # doi:10.1103/PhysRev.125.1263
    spectrum = peaks(SHAPES)
    ebmb, isome = (resolve(name, spectrum, 0.12) for name in ("ebmb", "isome"))
    assert 1.0 / ebmb.mu_star_at_cutoff == pytest.approx(1.0 / 0.12 - math.log(15.0), rel=1e-12)
    highest = spectrum.omega_mev[spectrum.alpha2f > 0.0][-1]
    assert 1.0 / isome.mu_star_at_cutoff == pytest.approx(1.0 / 0.12 - math.log(7000.0 / highest), rel=1e-12)
    for name in ("asis", "epw", "elk"):
        assert resolve(name, spectrum, 0.12).mu_star_at_cutoff == 0.12
    assert resolve("ebmb", spectrum, 0.0).mu_star_at_cutoff == 0.0


@pytest.mark.parametrize("name", ["ebmb", "isome"])
def test_a_pole_of_the_rescaling_is_an_error_that_says_how_much_is_allowed(peaks, name):
    spectrum = peaks(SHAPES)
    with pytest.raises(InputError, match="grows without bound") as caught:
        transition(spectrum, 0.5, name)
    allowed = float(str(caught.value.hint).split()[-1])
    assert transition(spectrum, 0.9 * allowed, name).converged
    for fraction in (0.98, 0.995, 0.9999):
        found = transition(spectrum, fraction * allowed, name)
        assert math.isfinite(found.tc_k)
    with pytest.raises(InputError):
        transition(spectrum, 1.01 * allowed, name)


def test_a_cutoff_of_ones_own_moves_both_sums_in_proportion(peaks):
    spectrum = peaks(SHAPES)
    # Equal cutoffs stay equal whatever the rounding.
    for cutoff in np.linspace(401.0, 977.0, 59):
        cutoffs = resolve("asis", spectrum, 0.1, cutoff_mev=cutoff)
        assert cutoffs.phonon_mev == cutoffs.coulomb_mev == cutoff
        elk = resolve("elk", spectrum, 0.1, cutoff_mev=cutoff)
        assert elk.coulomb_mev == pytest.approx(0.1 * cutoff, rel=1e-12)


@pytest.mark.parametrize("cutoff", [0.0, -1.0, 10.0, math.nan, math.inf])
def test_a_cutoff_below_the_phonons_is_refused(peaks, cutoff):
    with pytest.raises(InputError, match="cutoff"):
        transition(peaks(SHAPES), 0.1, cutoff_mev=cutoff)


@pytest.mark.parametrize("mu_star", [-0.1, -1e-12, math.nan, math.inf, 1e3])
@pytest.mark.parametrize("name", sorted(CONVENTIONS))
def test_a_mu_star_without_meaning_is_refused(peaks, mu_star, name):
    with pytest.raises(InputError, match="mu_star"):
        transition(peaks(SHAPES), mu_star, name)


def test_unknown_names_are_refused(peaks):
    with pytest.raises(InputError, match="'quantum'") as caught:
        transition(peaks(SHAPES), 0.1, "quantum")
    assert "asis" in str(caught.value)
    with pytest.raises(InputError, match="edge"):
        transition(peaks(SHAPES), 0.1, edge="soft")


def test_a_convention_of_ones_own(peaks):
    spectrum = peaks(SHAPES)
    mine = replace(CONVENTIONS["ebmb"], name="mine", mu_star_at=None)
    assert get_convention(mine) is mine
    found = transition(spectrum, 0.1, mine)
    assert found.convention == "mine"
    assert found.tc_k > transition(spectrum, 0.1, "ebmb").tc_k


def test_a_spectrum_without_omega_2_is_an_error_only_where_it_is_needed():
    omega = np.linspace(0.5, 40.0, 300)
    spectrum = Spectrum(omega, np.where(omega < 10.0, 1.0, -0.2) * np.sin(np.pi * omega / 40.0) ** 2)
    assert spectrum.lambda_ep > 0.0
    for name in ("ebmb", "elk"):
        with pytest.raises(SpectrumError, match="omega_2"):
            transition(spectrum, 0.0, name)
    assert transition(spectrum, 0.0, "asis").tc_k > 0.0
