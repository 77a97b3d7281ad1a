"""The exact continuation against itself on the imaginary axis, against limits and against EPW."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from htc.errors import InputError
from htc.spectra import Spectrum
from htc.theory.eliashberg.conventions import resolve
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.gap import Interaction, solve_gap
from htc.theory.eliashberg.linearised import solve as solve_linearised
from htc.theory.eliashberg.real_axis import continue_exact, density_of_states, shares_of
from htc.units import KB_MEV_PER_K


@pytest.mark.parametrize(
    ("temperature_k", "edge", "tolerance"), [(5.0, 5.50783, 2e-5), (26.0, 4.25687, 5e-4)]
)
def test_gap_edges_of_epw(mgb2, solve, temperature_k, edge, tolerance) -> None:
    # Where Re Delta = omega in EPW's own Pade output; it is less exact the higher the temperature.
    solution = solve(mgb2, temperature_k, 0.16, "epw", 500.0)
    result = continue_exact(solution, mgb2)
    assert result.trustworthy, result.reasons
    assert result.edges_mev[0] == pytest.approx(edge, rel=tolerance)


@pytest.mark.data
def test_low_energies_of_epw(data_folder, mgb2, solve) -> None:
    table = np.loadtxt(data_folder / "spectra" / "own" / "epw_mgb2" / "MgB2.pade_iso_005.00", skiprows=1)
    omega = 1e3 * table[:, 0]
    result = continue_exact(solve(mgb2, 5.0, 0.16, "epw", 500.0), mgb2)
    low = (omega > result.omega_mev[0]) & (omega < 13.0)
    for ours, theirs in (
        (result.delta_mev[0], 1e3 * (table[:, 3] + 1j * table[:, 4])),
        (result.z[0], table[:, 1] + 1j * table[:, 2]),
    ):
        here = np.interp(omega[low], result.omega_mev, ours.real)
        np.testing.assert_allclose(here, theirs.real[low], rtol=2e-4)


def test_weak_coupling_ratio(peaked) -> None:
    # Bardeen, Cooper, Schrieffer, doi:10.1103/PhysRev.108.1175: 2 Delta/k Tc = 2 pi exp(-gamma).
    spectrum = peaked(0.2, 10.0, 0.05)
    coupling, cutoffs = Coupling.of(spectrum), resolve("asis", spectrum, 0.0)
    kt_c = solve_linearised(coupling, cutoffs, 0.1).kt_mev
    solution = solve_gap(Interaction.of_one_band(coupling, cutoffs), 0.05 * kt_c, np.array([5.0 * kt_c]))
    edge = continue_exact(solution, spectrum).edges_mev[0]
    assert edge is not None
    assert 2.0 * edge / kt_c == pytest.approx(2.0 * np.pi * np.exp(-np.euler_gamma), rel=1e-3)


def test_half_the_step_changes_little(mgb2, solve) -> None:
    solution = solve(mgb2, 20.0)
    coarse = continue_exact(solution, mgb2, step_mev=0.2)
    fine = continue_exact(solution, mgb2, step_mev=0.1)
    assert coarse.edges_mev[0] == pytest.approx(fine.edges_mev[0], rel=2e-4)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lambda_ep=st.floats(0.4, 4.0),
    second=st.floats(0.0, 2.0),
    width=st.floats(0.05, 0.2),
    mu_star=st.floats(0.0, 0.15),
    temperature_k=st.floats(0.3, 12.0),
)
def test_the_matsubara_axis_comes_back(
    peaked, solve, lambda_ep, second, width, mu_star, temperature_k
) -> None:
    spectrum = peaked(lambda_ep, 10.0, width, second)
    solution = solve(spectrum, temperature_k, mu_star)
    result = continue_exact(solution, spectrum)
    if solution.superconducting and solution.delta_mev[0, 0] > 0.05:
        assert result.trustworthy, result.reasons
        dos = density_of_states(result).bands
        assert dos.min() > -1e-3
        assert dos[0, -1] == pytest.approx(1.0, abs=0.01)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(factor=st.floats(0.1, 20.0))
def test_energies_scale(peaked, solve, factor) -> None:
    small, large = peaked(1.0), peaked(1.0, 10.0 * factor)
    one = continue_exact(solve(small, 3.0), small)
    other = continue_exact(solve(large, 3.0 * factor), large)
    assert other.edges_mev[0] == pytest.approx(factor * one.edges_mev[0], rel=1e-6)


def test_two_equal_bands_are_one(mgb2, solve) -> None:
    solution = solve(mgb2, 10.0, 0.1)
    half = Spectrum(mgb2.omega_mev, mgb2.alpha2f / 2.0)
    coupling = Coupling.of(half)
    pair = Interaction(((coupling, coupling),) * 2, np.full((2, 2), 0.05), solution.interaction.cutoffs)
    both = solve_gap(pair, solution.kt_mev, np.array([20.0, 20.0]))
    one = continue_exact(solution, mgb2)
    two = continue_exact(both, [[half, half], [half, half]])
    assert two.trustworthy
    assert two.edges_mev == pytest.approx(one.edges_mev * 2, rel=1e-6)
    shares = shares_of(pair)
    assert shares == pytest.approx((0.5, 0.5))
    total = density_of_states(two, shares).total
    one_band = density_of_states(one).total
    assert total[-1] == pytest.approx(one_band[-1], abs=1e-6)


def test_two_bands_have_two_edges(mgb2) -> None:
    # Couplings of MgB2 after Golubov et al., doi:10.1088/0953-8984/14/6/320, on one shape of spectrum.
    strength = np.array([[1.017, 0.213], [0.155, 0.448]])
    spectra = [[Spectrum(mgb2.omega_mev, mgb2.alpha2f * x / mgb2.lambda_ep) for x in row] for row in strength]
    couplings = tuple(tuple(Coupling.of(s) for s in row) for row in spectra)
    interaction = Interaction(couplings, np.full((2, 2), 0.05), resolve("asis", mgb2, 0.05))
    result = continue_exact(solve_gap(interaction, 5.0 * KB_MEV_PER_K, np.array([20.0, 10.0])), spectra)
    assert result.trustworthy, result.reasons
    large, small = result.edges_mev
    assert large is not None
    assert small is not None
    assert large > 2.0 * small
    with pytest.raises(InputError, match="share"):
        density_of_states(result)
    assert density_of_states(result, shares_of(interaction)).total.shape == result.omega_mev.shape


def test_the_normal_state(mgb2, solve) -> None:
    result = continue_exact(solve(mgb2, 100.0), mgb2)
    assert result.edges_mev == (None,)
    assert result.trustworthy
    np.testing.assert_allclose(density_of_states(result).total, 1.0, atol=1e-9)
    # Bloch-Grueneisen at omega = 0: Im omega Z = 2 pi int alpha2F / sinh(w/T).
    kt = 100.0 * KB_MEV_PER_K
    expected = 2.0 * np.pi * np.trapezoid(mgb2.alpha2f / np.sinh(mgb2.omega_mev / kt), mgb2.omega_mev)
    assert result.omega_mev[0] * result.z[0, 0].imag == pytest.approx(expected, rel=0.01)


def test_a_spectrum_with_another_shape_is_found_out(mgb2, solve) -> None:
    solution = solve(mgb2, 5.0)
    moved = Spectrum(mgb2.omega_mev * 1.05, mgb2.alpha2f)
    result = continue_exact(solution, moved)
    assert not result.trustworthy
    assert any("Matsubara" in reason for reason in result.reasons)


def test_negative_weight_is_found_out(mgb2, solve) -> None:
    values = mgb2.alpha2f.copy()
    values[60:90] = -0.05
    spectrum = Spectrum(mgb2.omega_mev, values)
    result = continue_exact(solve(spectrum, 5.0), spectrum)
    assert any("damping is negative" in reason for reason in result.reasons)


def test_what_cannot_be_used_is_refused(mgb2, solve) -> None:
    solution = solve(mgb2, 20.0)
    with pytest.raises(InputError, match="lambda"):
        continue_exact(solution, Spectrum(mgb2.omega_mev, mgb2.alpha2f / 2.0))
    with pytest.raises(InputError, match="1 x 1"):
        continue_exact(solution, [[mgb2, mgb2]])
    with pytest.raises(InputError, match="step"):
        continue_exact(solution, mgb2, step_mev=0.0)
    with pytest.raises(InputError, match="positive energy"):
        continue_exact(solution, mgb2, omega_max_mev=-1.0)


def test_a_short_axis_is_a_part_of_a_long_one(mgb2, solve) -> None:
    solution = solve(mgb2, 20.0)
    short = continue_exact(solution, mgb2, omega_max_mev=10.0)
    long = continue_exact(solution, mgb2)
    assert short.omega_mev[-1] <= 10.0
    np.testing.assert_array_equal(short.delta_mev, long.delta_mev[:, : short.omega_mev.size])
