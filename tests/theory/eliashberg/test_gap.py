"""The gap on the Matsubara axis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htc.errors import InputError
from htc.spectra import Spectrum
from htc.theory.eliashberg.conventions import CONVENTIONS, resolve
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.gap import Interaction, gap_below, solve_gap
from htc.theory.eliashberg.gap_curve import gap
from htc.theory.eliashberg.transition import find_transition

PEAK = st.tuples(st.floats(0.05, 1.0), st.floats(0.02, 0.3), st.floats(0.05, 1.0))
SHAPES = [(0.35, 0.08, 1.0), (0.8, 0.05, 0.5)]


def problem(spectrum, mu_star=0.1, convention="asis", edge="step"):
    cutoffs = resolve(convention, spectrum, mu_star, edge=edge)
    coupling = Coupling.of(spectrum)
    return Interaction.of_one_band(coupling, cutoffs), find_transition(coupling, cutoffs).kt_mev


def with_all_frequencies(interaction, coupling, kt, start):
    """Delta and Z at every frequency below the cutoff, by Newton's method from a gap near the answer."""
    cutoffs = interaction.cutoffs
    spacing = 2.0 * np.pi * kt
    phonons, repulsions = (
        int(np.ceil(cutoff / spacing - 0.5)) for cutoff in (cutoffs.phonon_mev, cutoffs.coulomb_mev)
    )
    n = np.arange(phonons)
    omega = spacing * (n + 0.5)
    lam = coupling(spacing * np.arange(2 * phonons + 1))
    plus, minus = lam[n[:, None] + n + 1], lam[np.abs(n[:, None] - n)]
    beyond = np.zeros(phonons)
    if cutoffs.infinite_z:
        beyond += lam[0] + 2.0 * np.concatenate([[0.0], np.cumsum(lam[1:phonons])])
        beyond -= (minus - plus).sum(axis=1)
    pairing = np.pi * kt * (minus + plus - 2.0 * interaction.mu_star_at(kt)[0, 0] * (n < repulsions))
    turning = np.pi * kt * (minus - plus) / omega[:, None]
    delta = np.interp(omega, start.omega_mev, start.delta_mev[0])
    for _ in range(8):
        root = np.sqrt(omega**2 + delta**2)
        z = 1.0 + turning @ (omega / root) + np.pi * kt * beyond / omega
        error = pairing @ (delta / root) - z * delta
        jacobian = pairing * (omega**2 / root**3) - np.diag(z)
        jacobian += delta[:, None] * turning * (omega * delta / root**3)
        delta = delta - np.linalg.solve(jacobian, error)
    assert np.abs(error).max() < 1e-10 * delta[0]
    return delta, z


@pytest.mark.parametrize("convention", sorted(CONVENTIONS))
@pytest.mark.parametrize("t", [0.3, 0.7, 0.9])
def test_the_equations_with_all_frequencies_have_the_same_solution(peaks, convention, t):
    spectrum = peaks(SHAPES, 2.0, points=60)
    interaction, kt_c = problem(spectrum, 0.12, convention)
    (found,) = gap_below(interaction, kt_c, np.array([t * kt_c]))
    assert found.superconducting
    assert found.residual < 1e-10
    delta, z = with_all_frequencies(interaction, Coupling.of(spectrum, compress=False), t * kt_c, found)
    few = np.arange(5)
    assert found.delta_mev[0, few] == pytest.approx(delta[few], abs=1e-5 * delta[0])
    assert found.z[0, few] == pytest.approx(z[few], rel=1e-5)
    every = (2.0 * np.arange(delta.size) + 1.0) * np.pi * t * kt_c
    at_nodes = np.interp(found.omega_mev, every, delta)
    assert found.delta_mev[0] == pytest.approx(at_nodes, abs=1e-3 * delta[0])


def test_weak_coupling_has_the_gap_of_bcs(einstein):
    # 2 Delta/k Tc = 2 pi exp(-gamma) = 3.5278; doi:10.1103/PhysRev.108.1175
    interaction, kt_c = problem(einstein(10.0, 0.2), 0.0)
    (found,) = gap_below(interaction, kt_c, np.array([0.02 * kt_c]))
    assert 2.0 * found.delta_mev[0, 0] / kt_c == pytest.approx(3.5278, rel=1e-3)


@given(
    shapes=st.lists(PEAK, min_size=1, max_size=3), lambda_ep=st.floats(0.6, 4.0), mu_star=st.floats(0.0, 0.18)
)
@settings(max_examples=12, deadline=None, derandomize=True)
def test_the_gap_falls_smoothly_to_zero_at_tc(peaks, shapes, lambda_ep, mu_star):
    spectrum = peaks(shapes, lambda_ep)
    interaction, kt_c = problem(spectrum, mu_star, "asis", "smooth")
    if not kt_c > 0.0:
        return
    t = np.concatenate([np.linspace(0.1, 0.9, 33), 1.0 - np.geomspace(0.08, 1e-4, 12), [1.0001, 1.3]])
    delta = np.array([s.delta_mev[0, 0] for s in gap_below(interaction, kt_c, t * kt_c)]) / kt_c
    assert np.all(np.isfinite(delta))
    assert np.all(np.diff(delta) < 1e-6 * delta[0])
    assert np.all(delta[:-2] > 0.0)
    assert np.all(delta[-2:] == 0.0)
    # A root at Tc, with a slope that settles; no step on the way there.
    near = (delta[-8:-2] ** 2) / (1.0 - t[-8:-2])
    assert np.ptp(near) < 0.05 * near[-1]
    assert np.abs(np.diff(delta[:33], 3)).max() < 0.02 * delta[0]


def test_the_guess_does_not_matter(peaks):
    interaction, kt_c = problem(peaks(SHAPES, 1.5))
    kt = 0.5 * kt_c
    one = solve_gap(interaction, kt, np.array([2.0 * kt_c]))
    for start in (1.5, 4.0, 20.0, 200.0):
        other = solve_gap(interaction, kt, np.array([start * kt_c]))
        assert other.delta_mev == pytest.approx(one.delta_mev, rel=1e-9)
    again = solve_gap(interaction, kt, one)
    assert again.delta_mev == pytest.approx(one.delta_mev, rel=1e-9)


def test_the_normal_state_has_z_and_no_gap(einstein):
    interaction, kt_c = problem(einstein(10.0, 1.0))
    found = solve_gap(interaction, 2.0 * kt_c, np.zeros(1), normal=True)
    assert not found.superconducting
    # At T = 0 it would be 1 + lambda.
    assert 1.0 < found.z[0, 0] < 2.0
    cold = solve_gap(interaction, 0.005 * kt_c, np.zeros(1), normal=True)
    assert cold.z[0, 0] == pytest.approx(2.0, rel=1e-3)


def test_negative_weight_that_takes_omega_2_away_leaves_the_gap():
    omega = np.linspace(0.5, 40.0, 300)
    spectrum = Spectrum(omega, 3.0 * np.where(omega < 10.0, 1.0, -0.2) * np.sin(np.pi * omega / 40.0) ** 2)
    assert np.isnan(spectrum.omega_2_mev)
    interaction, kt_c = problem(spectrum, 0.0)
    found = gap_below(interaction, kt_c, np.array([0.2, 0.6]) * kt_c)
    assert all(s.superconducting for s in found)


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan, np.inf, [1.0, 0.0], [], "cold", [[1.0]]])
def test_temperatures_that_are_none(einstein, temperature):
    with pytest.raises(InputError, match="temperature"):
        gap(einstein(), temperatures_k=temperature)


def test_a_gap_curve_of_nothing_is_nothing(einstein):
    found = gap(einstein(10.0, 0.2), 0.5, temperatures_k=[1.0, 2.0])
    assert found.transition.tc_k == 0.0
    assert found.delta0_mev.tolist() == [0.0, 0.0]
    assert found.ratio_2delta_ktc is None
