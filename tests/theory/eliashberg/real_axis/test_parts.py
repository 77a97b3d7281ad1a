"""The parts the continuations are made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htc.errors import InputError
from htc.spectra import Spectrum
from htc.theory.eliashberg.real_axis import RealAxis, continue_exact, density_of_states
from htc.theory.eliashberg.real_axis.anderson import fixed_point
from htc.theory.eliashberg.real_axis.continued_fraction import ContinuedFraction
from htc.theory.eliashberg.real_axis.imaginary import delta_and_z
from htc.theory.eliashberg.real_axis.quasiparticles import find_edges
from htc.theory.eliashberg.real_axis.roots import inverse_weights, retarded_root
from htc.theory.eliashberg.real_axis.trust import matsubara_mismatch
from htc.theory.eliashberg.real_axis.uniform import on_grid


def test_a_fraction_finds_a_rational_function_and_its_poles() -> None:
    y = np.linspace(0.5, 20.0, 30)
    values = np.stack([1.0 / (y + 2.0) + 3.0 / (y * y + 2.0 * y + 10.0), 1.0 / (y + 1.0)])
    fraction = ContinuedFraction(np.tile(y, (2, 1)), values)
    assert fraction.terms[0] <= 8
    omega = np.array([0.3, 3.0, 7.0])
    z = -1j * omega
    expected = 1.0 / (z + 2.0) + 3.0 / (z * z + 2.0 * z + 10.0)
    np.testing.assert_allclose(fraction(omega)[0], expected, rtol=1e-9)
    poles = fraction.poles(0)
    for pole in (-2.0, -1.0 + 3.0j, -1.0 - 3.0j):
        assert np.abs(poles - 1j * pole).min() < 1e-6


def test_a_constant_is_a_fraction_of_one_term() -> None:
    fraction = ContinuedFraction(np.arange(1.0, 5.0)[None], np.zeros((1, 4)))
    assert fraction.terms[0] == 1
    np.testing.assert_array_equal(fraction(np.array([1.0, 2.0])), 0.0)


def test_integrals_through_the_edge_of_the_gap() -> None:
    # int_0^2 x/sqrt(x^2 - 1) dx = sqrt(3) - sqrt(-1): real and imaginary part.
    for count in (50, 51, 73):
        x = np.linspace(0.0, 2.0, count)
        root = retarded_root(x.astype(np.complex128) ** 2 - 1.0)
        value = (x * inverse_weights(root, np.diff(x))).sum()
        assert value == pytest.approx(np.sqrt(3.0) - 1j, abs=4e-3)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    points=st.integers(2, 400),
    step=st.floats(0.02, 3.0),
)
def test_lambda_is_kept_on_any_grid(seed, points, step) -> None:
    rng = np.random.default_rng(seed)
    omega = np.cumsum(rng.uniform(0.01, 2.0, points))
    spectrum = Spectrum(omega, rng.uniform(0.0, 1.0, points))
    share = on_grid(spectrum, step, int(omega[-1] / step) + 3)
    assert step * (share[0] + 2.0 * share[1:].sum()) == pytest.approx(spectrum.lambda_ep, rel=1e-9)
    assert share.min() >= -1e-9


def test_accelerated_fixed_point() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(6, 6))
    matrix *= 0.95 / np.abs(np.linalg.eigvals(matrix)).max()
    shift = rng.normal(size=6)
    x, residual, steps = fixed_point(lambda v: matrix @ v + shift, np.zeros(6), 1e-10, 100)
    assert residual <= 1e-10
    assert steps < 20
    np.testing.assert_allclose(x, np.linalg.solve(np.eye(6) - matrix, shift), atol=1e-8)


def test_a_fixed_point_out_of_reach_is_told() -> None:
    _, residual, steps = fixed_point(lambda v: v + 1.0, np.zeros(3), 1e-10, 7)
    assert steps == 7
    assert residual == pytest.approx(1.0)


@pytest.mark.parametrize("convention", ["asis", "epw"])
def test_matsubara_values_are_those_of_the_equations(mgb2, solve, convention) -> None:
    # At 20 K all frequencies are on the grid and satisfy the equations to the last digits.
    solution = solve(mgb2, 20.0, 0.1, convention, 500.0)
    assert solution.grid.dense
    delta, z = delta_and_z(solution, solution.grid.index)
    np.testing.assert_allclose(delta, solution.delta_mev, rtol=1e-6)
    np.testing.assert_allclose(z, solution.z, rtol=1e-6)


def test_z_between_sparse_frequencies(peaked, solve) -> None:
    # In the limit of no gap Z is known term by term: (2n + 1)(Z - 1) = lambda(0) + 2 sum_l lambda(l).
    spectrum = peaked(1.0)
    solution = solve(spectrum, 0.3)
    assert not solution.grid.dense
    index = np.array([0.0, 40.0, 150.0, 300.0])
    coupling = solution.interaction.couplings[0][0]
    spacing = 2.0 * np.pi * solution.kt_mev
    omega = spacing * (index + 0.5)
    sums = [coupling.lambda_ep + 2.0 * coupling(spacing * np.arange(1.0, n + 1.0)).sum() for n in index]
    normal = 1.0 + np.array(sums) / (2.0 * index + 1.0)
    _, z = delta_and_z(solution, index)
    # What the gap takes away falls off as omega^-3.
    np.testing.assert_allclose(z[0, 2:], normal[2:], rtol=2e-2)
    assert np.all(z[0] <= normal + 1e-9)
    assert np.all(omega > 0.0)


def test_edges_of_functions() -> None:
    def delta(omega):
        # Constant; with a dip at zero; too small everywhere.
        rows = [np.full(omega.shape[1], 1.0), omega[1] ** 2 / (omega[1] ** 2 + 0.01), 0.3 * omega[2]]
        return np.stack(rows).astype(np.complex128)

    edges = find_edges(delta, np.array([1.0, 1.0, 1.0]))
    # omega^2/(omega^2 + 0.01) = omega at the roots of omega^2 - omega + 0.01; the upper one is the edge.
    assert edges[0] == pytest.approx(1.0, rel=1e-6)
    assert edges[1] == pytest.approx(0.5 + np.sqrt(0.24), rel=1e-5)
    assert np.isnan(edges[2])


def _constant_gap(omega, gap) -> RealAxis:
    delta = np.full((1, omega.size), gap, dtype=np.complex128)
    z = np.ones_like(delta)
    return RealAxis("exact", 0.1, omega, delta, z, (gap,), 0.0, 1, float(omega[-1]), True, ())


def test_density_of_states_of_bcs() -> None:
    omega = np.array([0.2, 0.9, 1.1, 2.0, 10.0])
    expected = np.where(omega > 1.0, omega / np.sqrt(np.maximum(omega**2 - 1.0, 1e-9)), 0.0)
    result = density_of_states(_constant_gap(omega, 1.0))
    np.testing.assert_allclose(result.total, expected, atol=1e-12)
    for shares in ([1.0, 2.0], [-1.0], [0.0], [np.nan]):
        with pytest.raises(InputError, match="shares"):
            density_of_states(_constant_gap(omega, 1.0), shares)


def test_a_wrong_gap_does_not_give_the_matsubara_axis_back(mgb2, solve) -> None:
    solution = solve(mgb2, 5.0)
    result = continue_exact(solution, mgb2, omega_max_mev=800.0)
    top = mgb2.max_omega_mev
    right = matsubara_mismatch(solution, result.omega_mev, result.delta_mev, result.z, top)
    wrong = matsubara_mismatch(solution, result.omega_mev, 1.02 * result.delta_mev, result.z, top)
    turned = matsubara_mismatch(solution, result.omega_mev, result.delta_mev.conj(), result.z, top)
    assert right < 1e-3
    assert wrong > 5.0 * right
    assert turned > 0.05
