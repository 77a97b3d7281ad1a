"""Free energy, critical field and specific heat."""

from __future__ import annotations

import numpy as np
import pytest

from htc.errors import InputError, SpectrumError
from htc.spectra import Spectrum
from htc.theory.eliashberg.conventions import CONVENTIONS
from htc.theory.eliashberg.thermodynamics import thermodynamics
from htc.theory.eliashberg.transition import transition
from htc.units import KB_MEV_PER_K

SHAPES = [(0.35, 0.08, 1.0), (0.8, 0.05, 0.5)]


def test_weak_coupling_is_bcs(einstein):
    # Muehlschlegel, doi:10.1007/BF01332932; ratios: doi:10.1103/PhysRev.108.1175
    found = thermodynamics(einstein(10.0, 0.2), 0.0)
    assert found.warnings == ()
    assert found.jump_ratio == pytest.approx(1.426, rel=1e-3)
    assert found.gamma_tc2_over_hc2 == pytest.approx(0.1684, rel=2e-3)
    assert found.deviation.min() == pytest.approx(-0.037, abs=5e-4)
    # Near T = 0 only the normal state has entropy and specific heat, gamma T.
    low = 2
    t = found.temperature_k[low] / found.tc_k
    assert found.entropy_ratio[low] == pytest.approx(-t, rel=5e-3)
    assert found.specific_heat_ratio[low] == pytest.approx(-t, rel=5e-3)


def test_strong_coupling_leaves_bcs_in_the_known_direction(einstein):
    weak, strong = (thermodynamics(einstein(10.0, lam), 0.1) for lam in (0.6, 2.0))
    assert strong.jump_ratio > 2.0 > weak.jump_ratio > 1.426
    assert strong.gamma_tc2_over_hc2 < weak.gamma_tc2_over_hc2 < 0.1684
    # Lead-like: the deviation function turns positive.
    assert strong.deviation.max() > 0.01


@pytest.mark.parametrize("convention", sorted(set(CONVENTIONS) - {"elk"}))
def test_what_thermodynamics_demands(peaks, convention):
    found = thermodynamics(peaks(SHAPES, 1.2), 0.1, convention, points=401)
    t = found.temperature_k / found.tc_k
    assert found.warnings == ()
    assert found.tc_k == transition(peaks(SHAPES, 1.2), 0.1, convention, edge="smooth").tc_k
    energy = found.free_energy_difference_mev2
    assert np.all(energy[:-1] < 0.0)
    assert energy[-1] == 0.0
    assert np.all(np.diff(energy) >= 0.0)
    # The superconductor is the more ordered state, and loses its order's entropy without a latent heat.
    assert np.all(found.entropy_ratio <= 1e-9)
    assert found.entropy_ratio[[0, -1]] == pytest.approx([0.0, 0.0], abs=1e-9)
    # Entropy is the integral of C/T.
    middle = 0.5 * (
        found.specific_heat_ratio[1:] / t[1:] + found.specific_heat_ratio[:-1] / np.maximum(t[:-1], 1e-9)
    )
    total = np.cumsum(middle[1:] * np.diff(t[1:]))
    assert found.entropy_ratio[2:] - found.entropy_ratio[1] == pytest.approx(total, abs=2e-4)
    assert found.specific_heat_ratio[-1] == found.jump_ratio > 1.3
    assert found.critical_field_ratio[0] == 1.0
    assert found.deviation == pytest.approx(found.critical_field_ratio - (1.0 - t**2))
    # Entropy is minus the slope of the free energy, in units of gamma Tc.
    gamma = 2.0 * np.pi**2 / 3.0 * (1.0 + found.lambda_ep)
    slope = np.gradient(energy, found.temperature_k * KB_MEV_PER_K, edge_order=2)
    expected = -slope / (gamma * found.tc_k * KB_MEV_PER_K)
    assert found.entropy_ratio[1:-1] == pytest.approx(expected[1:-1], abs=1e-4)


def test_the_critical_field_in_tesla(einstein):
    found = thermodynamics(einstein(10.0, 0.2), 0.0)
    field = found.critical_field_tesla(0.4, 16.6)
    assert field[-1] == 0.0
    # B_c^2/2 mu_0 = N(0) |dF|, and BCS's condensation energy N(0) Delta^2/2 with Delta = 1.764 k Tc; the
    # energy of dressed electrons is (1 + lambda) times that.
    energy = 0.5 * 0.2e-3 * 1.2 * (1.764 * found.tc_k * KB_MEV_PER_K) ** 2
    per_volume = energy * 1.602176634e-22 / 16.6e-30
    assert field[0] == pytest.approx(np.sqrt(2.0 * 1.25663706e-6 * per_volume), rel=0.01)
    for dos, volume in ((0.0, 16.6), (0.4, -1.0), (np.nan, 16.6)):
        with pytest.raises(InputError, match="positive"):
            found.critical_field_tesla(dos, volume)


def test_what_cannot_be_asked(einstein):
    with pytest.raises(InputError, match="points"):
        thermodynamics(einstein(), points=2)
    with pytest.raises(SpectrumError, match="nothing superconducts"):
        thermodynamics(einstein(10.0, 0.3), 0.5)
    with pytest.raises(SpectrumError, match="nothing superconducts"):
        thermodynamics(Spectrum([1.0, 2.0], [0.0, 0.0]))


def test_where_the_sums_have_too_few_frequencies_the_record_says_so(peaks):
    # Elk's Coulomb sum ends at 2 omega_2: with strong coupling it has two frequencies at Tc.
    assert thermodynamics(peaks(SHAPES, 4.0), 0.2, "elk").warnings
