"""Pade approximants against the exact continuation: right where they say so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from htc.errors import InputError
from htc.theory.eliashberg.real_axis import continue_exact, continue_pade, gap_edges


def test_edge_of_epw(mgb2, solve) -> None:
    result = continue_pade(solve(mgb2, 5.0, 0.16, "epw", 500.0))
    assert result.edges_mev[0] == pytest.approx(5.50783, rel=2e-5)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lambda_ep=st.floats(0.4, 3.0),
    second=st.floats(0.0, 2.0),
    mu_star=st.floats(0.0, 0.15),
    temperature_k=st.floats(0.3, 12.0),
)
def test_trust_is_deserved(peaked, solve, lambda_ep, second, mu_star, temperature_k) -> None:
    spectrum = peaked(lambda_ep, 10.0, 0.15, second)
    solution = solve(spectrum, temperature_k, mu_star)
    if not solution.superconducting or solution.delta_mev[0, 0] < 0.05:
        return
    exact = continue_exact(solution, spectrum)
    quick, full = gap_edges([solution])[0], continue_pade(solution, exact.omega_mev)
    if quick.trustworthy:
        assert quick.edges_mev[0] == pytest.approx(exact.edges_mev[0], rel=0.02)
    edge = exact.edges_mev[0]
    trusted = exact.omega_mev <= full.trusted_to_mev
    if edge is not None and trusted.any():
        error = np.abs(full.delta_mev - exact.delta_mev)[0] / np.abs(exact.delta_mev[0]).max()
        assert error[trusted & (exact.omega_mev > 0.25 * edge)].max(initial=0.0) < 0.06


def test_close_to_tc_it_is_not_trusted(mgb2, solve) -> None:
    full = continue_pade(solve(mgb2, 33.5, 0.16, "epw", 500.0))
    assert not full.trustworthy
    assert full.reasons


def test_many_temperatures_are_the_same_as_one(mgb2, solve) -> None:
    solutions = [solve(mgb2, t) for t in (2.0, 20.0, 100.0, 35.0)]
    together = gap_edges(solutions)
    assert together[2].edges_mev == (None,)
    for solution, record in zip(solutions, together, strict=True):
        alone = gap_edges([solution])[0].edges_mev[0]
        assert record.edges_mev[0] == (None if alone is None else pytest.approx(alone, rel=1e-9))
    assert gap_edges([]) == ()


def test_energies_of_ones_own(mgb2, solve) -> None:
    solution = solve(mgb2, 5.0)
    omega = np.linspace(0.5, 12.0, 24)
    result = continue_pade(solution, omega)
    assert result.trustworthy, result.reasons
    assert result.trusted_to_mev > 12.0
    np.testing.assert_array_equal(result.omega_mev, omega)
    for wrong in ([0.0, 1.0], [2.0, 1.0], [], [np.nan]):
        with pytest.raises(InputError):
            continue_pade(solution, np.array(wrong))
