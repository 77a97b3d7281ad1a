"""Intervals: what they must obey whatever the forests say, and that they hold on data of a known law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htc.errors import InputError
from htc.models import Coupling
from htc.models.calibration import (
    CALIBRATION_MU_STAR,
    N_BANDS,
    N_GROUPS,
    conformal_shifts,
    effective_log_lambda,
    group_of,
)
from htc.models.coupling import tc_spread
from htc.models.extrapolation import Nearness
from htc.theory.empirical import allen_dynes_f1

NEAR = Nearness(distance=1.0, band=0, level="high", reasons=())

couplings = st.builds(
    lambda lambda_ep, s_lambda, omega, s_omega, correlation, down, up: Coupling(
        lambda_ep=lambda_ep,
        lambda_ep_uncertainty=s_lambda * lambda_ep,
        omega_log_k=omega,
        omega_log_uncertainty_k=s_omega * omega,
        correlation=correlation,
        effective_low=lambda_ep * np.exp(-down),
        effective_high=lambda_ep * np.exp(up),
        kind="structure",
        nearness=NEAR,
    ),
    st.floats(0.02, 4.0),
    st.floats(0.01, 0.8),
    st.floats(20.0, 2000.0),
    st.floats(0.01, 0.5),
    st.floats(-0.99, 0.99),
    st.floats(0.0, 2.0),
    st.floats(0.0, 2.0),
)
mu_stars = st.floats(0.0, 0.5)


@settings(deadline=None)
@given(coupling=couplings, mu_star=mu_stars)
def test_an_interval_contains_its_prediction_and_is_not_negative(coupling: Coupling, mu_star: float) -> None:
    estimate = coupling.tc(mu_star)
    assert 0.0 <= estimate.lower_95_k <= estimate.tc_k <= estimate.upper_95_k
    assert estimate.std_k >= 0.0
    assert np.isfinite([estimate.tc_k, estimate.upper_95_k, estimate.std_k]).all()


@settings(deadline=None)
@given(coupling=couplings, first=mu_stars, second=mu_stars)
def test_tc_and_both_ends_fall_with_mu_star(coupling: Coupling, first: float, second: float) -> None:
    weak, strong = (coupling.tc(mu) for mu in sorted((first, second)))
    assert strong.tc_k <= weak.tc_k * (1 + 1e-9)
    assert strong.lower_95_k <= weak.lower_95_k * (1 + 1e-9)
    assert strong.upper_95_k <= weak.upper_95_k * (1 + 1e-9)


@settings(deadline=None)
@given(coupling=couplings, mu_star=mu_stars)
def test_equal_input_gives_an_equal_answer(coupling: Coupling, mu_star: float) -> None:
    assert coupling.tc(mu_star) == coupling.tc(mu_star)


@pytest.mark.parametrize("mu_star", [-0.1, float("nan"), float("inf")])
def test_a_mu_star_that_is_none_is_refused(mu_star: float) -> None:
    coupling = Coupling(0.5, 0.1, 300.0, 30.0, 0.0, 0.4, 0.6, "structure", NEAR)
    with pytest.raises(InputError):
        coupling.tc(mu_star)


def test_sampled_deviation_matches_the_linear_one_where_errors_are_small() -> None:
    at = {"lambda_ep": 0.9, "omega_log_k": 250.0}
    s_lambda, s_omega, correlation, mu = 0.01, 0.02, -0.4, 0.1
    coupling = Coupling(0.9, 0.009, 250.0, 5.0, correlation, 0.8, 1.0, "structure", NEAR)

    def tc(x: float, y: float) -> float:
        return float(allen_dynes_f1(at["lambda_ep"] * np.exp(x), at["omega_log_k"] * np.exp(y), mu))

    step = 1e-5
    slopes = np.array([tc(step, 0) - tc(-step, 0), tc(0, step) - tc(0, -step)]) / (2 * step)
    covariance = [
        [s_lambda**2, correlation * s_lambda * s_omega],
        [correlation * s_lambda * s_omega, s_omega**2],
    ]
    assert coupling.tc(mu).std_k == pytest.approx(np.sqrt(slopes @ covariance @ slopes), rel=0.02)


def test_a_spread_beyond_all_knowledge_still_gives_a_deviation() -> None:
    wide = tc_spread(np.array([0.6]), np.array([300.0]), np.array([3.0]), np.array([3.0]), 0.2, 0.1)
    known = tc_spread(np.array([0.6]), np.array([300.0]), np.array([0.3]), np.array([0.1]), 0.2, 0.1)
    assert np.isfinite(wide).all()
    assert wide > known


@settings(deadline=None)
@given(
    lambda_ep=st.floats(0.25, 10.0),
    omega=st.floats(10.0, 2500.0),
    mu_star=st.floats(0.0, 0.15),
)
def test_effective_coupling_inverts_the_formula(lambda_ep: float, omega: float, mu_star: float) -> None:
    tc = np.asarray(allen_dynes_f1(np.array([lambda_ep]), omega, mu_star))
    found = effective_log_lambda(tc, np.array([omega]), np.array([lambda_ep]), mu_star)
    again = np.asarray(allen_dynes_f1(np.exp(found), omega, mu_star))
    np.testing.assert_allclose(again, tc, rtol=1e-9, atol=1e-12)
    if tc[0] > 1e-6:
        np.testing.assert_allclose(np.exp(found), lambda_ep, rtol=1e-6)


@settings(deadline=None)
@given(lambda_ep=st.floats(0.001, 5.0), mu_star=st.floats(0.0, 0.5))
def test_where_there_is_no_tc_the_effective_coupling_gives_none(lambda_ep: float, mu_star: float) -> None:
    found = effective_log_lambda(np.zeros(1), np.array([300.0]), np.array([lambda_ep]), mu_star)
    assert float(np.asarray(allen_dynes_f1(np.exp(found) * (1 - 1e-9), 300.0, mu_star))[0]) <= 1e-9


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), bias=st.floats(-1.0, 1.0), scale=st.floats(0.2, 3.0))
def test_conformal_shifts_cover_whatever_the_quantiles_were(seed: int, bias: float, scale: float) -> None:
    """Exchangeable data: at least 95 % minus what 2000 fresh draws scatter, however wrong the quantiles."""
    rng = np.random.default_rng(seed)
    tc = rng.choice([0.3, 3.0, 12.0], size=4000)
    spread = rng.lognormal(size=4000)
    residual = rng.normal(size=4000) * spread
    low, high = scale * (-1.0 + bias) * spread, scale * (1.0 + bias) * spread
    groups = group_of(tc, rng.integers(N_BANDS, size=4000))
    tuned, fresh = np.arange(4000) < 2000, np.arange(4000) >= 2000
    shifts = conformal_shifts(residual[tuned], low[tuned], high[tuned], groups[tuned])
    inside = (residual >= low + shifts[groups, 0]) & (residual <= high + shifts[groups, 1])
    assert inside[fresh].mean() > 0.925
    # Some 220 materials tune a group and 220 test it.
    for group in range(N_GROUPS):
        assert inside[fresh & (groups == group)].mean() > 0.86


def test_groups_are_by_predicted_tc_and_distance() -> None:
    tc = np.array([0.0, 0.99, 1.0, 4.9, 5.0, 200.0])
    near = np.zeros(6, dtype=np.int64)
    ranges = group_of(tc, near) // N_BANDS
    assert ranges.tolist() == [0, 0, 1, 1, 2, 2]
    found = {int(group_of(tc[[i]], near[[i]] + band)[0]) for i in (0, 2, 4) for band in range(N_BANDS)}
    assert found == set(range(N_GROUPS))
    assert CALIBRATION_MU_STAR == 0.10


def test_a_thin_group_takes_the_shifts_of_its_range_of_tc_or_of_all() -> None:
    rng = np.random.default_rng(0)
    # No material far away in the lowest range, and hardly any at all in the highest.
    groups = np.concatenate([rng.choice([0, 1], size=200), rng.choice([3, 4, 5], size=300), [6, 7, 8]])
    n = len(groups)
    residual = rng.normal(size=n)
    low, high = np.full(n, -1.0), np.full(n, 1.0)
    shifts = conformal_shifts(residual, low, high, groups)
    lowest = groups < N_BANDS
    own = conformal_shifts(residual[lowest], low[lowest], high[lowest], np.zeros(lowest.sum(), int))[0]
    everything = conformal_shifts(residual, low, high, np.zeros(n, int))[0]
    assert shifts[2].tolist() == own.tolist()
    assert shifts[6].tolist() == shifts[8].tolist() == everything.tolist()
    assert shifts[3].tolist() != shifts[4].tolist()
    assert np.isfinite(shifts).all()
