"""Tc: against dense diagonalisation, in its analytic limits, and down to where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htc.spectra import Spectrum
from htc.theory import critical_temperature
from htc.theory.eliashberg.conventions import CONVENTIONS, resolve
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.linear_matrix import largest_eigenvalue
from htc.theory.eliashberg.transition import transition
from htc.units import KB_MEV_PER_K

PEAK = st.tuples(st.floats(0.05, 1.0), st.floats(0.02, 0.3), st.floats(0.05, 1.0))
SHAPES = [(0.35, 0.08, 1.0), (0.8, 0.05, 0.5)]
SPECTRA = {
    "shapes": st.lists(PEAK, min_size=1, max_size=3),
    "lambda_ep": st.floats(0.5, 4.0),
    "mu_star": st.floats(0.0, 0.18),
    "edge": st.sampled_from(["step", "smooth"]),
}


@pytest.mark.parametrize("convention", sorted(CONVENTIONS))
@given(**SPECTRA)
@settings(max_examples=12, deadline=None, derandomize=True)
def test_dense_diagonalisation_finds_the_same_tc(peaks, dense, convention, shapes, lambda_ep, mu_star, edge):
    spectrum = peaks(shapes, lambda_ep, points=120)
    found = transition(spectrum, mu_star, convention, edge=edge)
    assert found.converged
    kt = KB_MEV_PER_K * found.tc_k
    if found.tc_k == 0.0 or resolve(convention, spectrum, mu_star).phonon_mev / kt > 2.0 * math.pi * 350:
        return
    by_hand = dense(spectrum, mu_star, convention, edge)
    # All frequencies are kept up to 64; beyond, narrow peaks between sparse nodes leave up to some 1e-6.
    few = by_hand.counts(kt)[0] <= 55
    tolerance = 1e-6 if few else 5e-6
    assert by_hand.largest(kt * (1.0 - tolerance)) > 0.0 > by_hand.largest(kt * (1.0 + tolerance))
    # No higher temperature superconducts.
    assert max(by_hand.largest(kt * factor) for factor in (1.02, 1.1, 1.4, 2.0)) < 0.0


@pytest.mark.parametrize("convention", sorted(CONVENTIONS))
@pytest.mark.parametrize("edge", ["step", "smooth"])
def test_bisection_of_the_dense_matrix_to_1e_6(peaks, dense, convention, edge):
    for lambda_ep, mu_star in ((1.2, 0.13), (3.0, 0.1)):
        spectrum = peaks(SHAPES, lambda_ep, points=40)
        kt = KB_MEV_PER_K * transition(spectrum, mu_star, convention, edge=edge).tc_k
        by_hand = dense(spectrum, mu_star, convention, edge)
        # isome's 7 eV leave sparse nodes for phonons of 40 meV.
        tolerance = 5e-6 if convention == "isome" else 1e-6
        assert kt == pytest.approx(by_hand.k_tc(0.9999 * kt, 1.0001 * kt), rel=tolerance)


def test_the_largest_eigenvalue_is_that_of_the_dense_matrix(peaks, dense):
    spectrum = peaks(SHAPES, 1.5)
    for convention in CONVENTIONS:
        for edge in ("step", "smooth"):
            cutoffs = resolve(convention, spectrum, 0.12, edge=edge)
            by_hand = dense(spectrum, 0.12, convention, edge)
            for kt in (1.0, 2.0, 8.0):
                found = largest_eigenvalue(Coupling.of(spectrum), cutoffs, kt)
                assert found == pytest.approx(by_hand.largest(kt), abs=5e-6)


def test_strong_coupling_reaches_0_1827_root_lambda(einstein):
    # Allen and Dynes, doi:10.1103/PhysRevB.12.905
    tc = [
        transition(einstein(10.0, lam), 0.0, cutoff_mev=1e5).tc_k * KB_MEV_PER_K / (10.0 * math.sqrt(lam))
        for lam in (100.0, 1e3, 1e4)
    ]
    assert tc[-1] == pytest.approx(0.1827, rel=1e-3)
    # From below, as 1/lambda.
    assert tc[0] < tc[1] < tc[2]
    assert tc[2] - tc[1] == pytest.approx(0.1 * (tc[1] - tc[0]), rel=0.01)


def test_weak_coupling_falls_as_coopers_exponential(einstein):
    # k Tc = c Omega exp(-(1 + lambda)/lambda); the prefactor goes to a constant with corrections of order
    # lambda. doi:10.1103/PhysRev.108.1175
    def logarithm(lam):
        return math.log(transition(einstein(10.0, lam), 0.0).tc_k) + (1.0 + lam) / lam

    coupling = np.array([0.12, 0.11, 0.10, 0.09])
    prefactor = np.array([logarithm(lam) for lam in coupling])
    slope = np.diff(prefactor) / np.diff(coupling)
    assert np.all(np.abs(slope) < 0.5)
    assert np.ptp(slope) < 0.01
    # Without the exponent taken out, ln Tc changes a hundred times faster.
    assert abs(1.0 / coupling[-1] - 1.0 / coupling[0]) > 20.0 * np.ptp(prefactor)


def test_low_temperatures_cost_no_accuracy(einstein):
    # Tc/omega_log from 1e-1 to 1e-6: ln Tc + (1 + lambda)/lambda stays a smooth curve.
    coupling = np.array([1.0, 0.5, 0.25, 0.15, 0.1, 0.085])
    tc = np.array([transition(einstein(20.0, lam), 0.0).tc_k for lam in coupling])
    assert KB_MEV_PER_K * tc[-1] / 20.0 < 3e-6
    assert np.all(np.diff(np.log(tc) + 1.0 / coupling) < 0.0)
    assert np.ptp(np.log(tc) + 1.0 / coupling) < 1.0


def test_mu_star_wins_with_a_reason(einstein):
    spectrum = einstein(10.0, 0.3)
    found = transition(spectrum, 0.4)
    assert found.tc_k == 0.0
    assert found.converged
    assert found.cutoff_sensitivity is None
    assert found.frequencies == 0
    assert "outweighs the coupling" in str(found.reason)
    assert 0.0 < found.floor_k < 1e-4
    record = critical_temperature(spectrum, 0.4, "eliashberg")
    assert (record.tc_k, record.reason) == (0.0, found.reason)


@pytest.mark.parametrize("alpha2f", [0.0, -1.0])
def test_no_coupling_no_tc(alpha2f):
    omega = np.linspace(1.0, 30.0, 50)
    for name in CONVENTIONS:
        found = transition(Spectrum(omega, np.full(50, alpha2f)), 0.1, name)
        assert found.tc_k == 0.0
        assert "lambda is not positive" in str(found.reason)
        assert found.omega_c_mev is None


@pytest.mark.parametrize("convention", sorted(CONVENTIONS))
def test_cutoff_sensitivity_is_the_derivative(peaks, convention):
    # A frequency at the edge is counted in lowest order: good to some percent of ten percent.
    spectrum = peaks(SHAPES, 1.0)
    found = transition(spectrum, 0.15, convention, edge="smooth")
    low, high = (
        transition(spectrum, 0.15, convention, edge="smooth", cutoff_mev=found.omega_c_mev * f).tc_k
        for f in (0.9, 1.1)
    )
    expected = math.log(high / low) / math.log(1.1 / 0.9)
    assert found.cutoff_sensitivity == pytest.approx(expected, rel=0.05, abs=0.01)


def test_where_tc_hangs_on_the_cutoff_the_record_warns(einstein):
    weak = transition(einstein(10.0, 0.5), 0.15)
    assert "cutoff-sensitive" in [flag.code for flag in weak.warnings]
    strong = transition(einstein(10.0, 2.0), 0.1, "ebmb")
    assert "cutoff-sensitive" not in [flag.code for flag in strong.warnings]
    few = transition(einstein(10.0, 30.0), 0.1)
    assert "few-frequencies" in [flag.code for flag in few.warnings]


def test_the_few_frequencies_of_elk_at_very_strong_coupling(dense, peaks):
    # 2 omega_2 lies below pi k Tc: one Coulomb frequency is left and never lost.
    spectrum = peaks(SHAPES, 25.0, points=80)
    kt = KB_MEV_PER_K * transition(spectrum, 0.1, "elk").tc_k
    by_hand = dense(spectrum, 0.1, "elk")
    assert by_hand.counts(kt)[1] == 1
    assert kt == pytest.approx(by_hand.k_tc(0.9 * kt, 1.1 * kt), rel=1e-6)
