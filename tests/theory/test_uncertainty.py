"""Uncertainty by sampling: limits that are known, and seeds that repeat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from htc.errors import InputError, SpectrumError
from htc.spectra import find_plateau, read_spectra
from htc.theory import log_covariance, propagate, propagate_plateau
from htc.theory.empirical import allen_dynes, allen_dynes_f1

AL = Path(__file__).resolve().parents[2] / "src/htc/examples/spectra/al_qe/alpha2F.dat"


def test_without_uncertainty_there_is_one_answer():
    result = propagate(0.8, 300.0, 0.1, covariance=np.zeros((2, 2)))
    exact = float(allen_dynes_f1(0.8, 300.0, 0.1))
    assert result.mean == pytest.approx(exact)
    assert result.lower_95 == pytest.approx(exact)
    assert result.upper_95 == pytest.approx(exact)
    assert result.std == pytest.approx(0.0, abs=1e-12)
    assert result.probability_zero == 0.0


def test_uncertainty_of_omega_log_alone_is_log_normal_in_tc():
    # Tc is proportional to omega_log: its logarithm is normal with the same width.
    sigma = 0.1
    result = propagate(0.8, 300.0, 0.1, covariance=np.diag([0.0, sigma**2]), samples=200_000)
    exact = float(allen_dynes_f1(0.8, 300.0, 0.1))
    assert result.median == pytest.approx(exact, rel=2e-3)
    assert result.mean == pytest.approx(exact * np.exp(sigma**2 / 2), rel=2e-3)
    assert result.lower_95 == pytest.approx(exact * np.exp(-1.96 * sigma), rel=5e-3)
    assert result.upper_95 == pytest.approx(exact * np.exp(1.96 * sigma), rel=5e-3)


def test_small_uncertainty_of_lambda_is_linear():
    step = 1e-3
    slope = float(allen_dynes_f1(0.8 + step, 300.0, 0.1) - allen_dynes_f1(0.8 - step, 300.0, 0.1)) / (
        2 * step
    )
    covariance = log_covariance([0.8, 300.0], [0.005, 0.0])
    result = propagate(0.8, 300.0, 0.1, covariance=covariance, samples=100_000)
    assert result.std == pytest.approx(slope * 0.005, rel=0.02)


def test_anticorrelation_narrows_tc():
    def width(r: float) -> float:
        covariance = log_covariance([0.8, 300.0], [0.05, 20.0], [[1.0, r], [r, 1.0]])
        return propagate(0.8, 300.0, 0.1, covariance=covariance).std

    assert width(-0.9) < width(0.0) < width(0.9)


def test_near_the_threshold_part_of_the_distribution_is_zero():
    covariance = log_covariance([0.2, 300.0], [0.1, 0.0])
    result = propagate(0.2, 300.0, 0.13, covariance=covariance, mu_star_std=0.03)
    assert 0.1 < result.probability_zero < 0.6
    assert result.lower_95 == 0.0
    assert result.upper_95 > 0.0


def test_mu_star_is_never_negative():
    # At mu* >= 0 no sample can exceed the Tc of mu* = 0.
    result = propagate(0.8, 300.0, 0.0, covariance=np.zeros((2, 2)), mu_star_std=0.1)
    assert result.upper_95 <= float(allen_dynes_f1(0.8, 300.0, 0.0))


def test_omega_2_moves_with_omega_log_unless_told_otherwise():
    matrix = log_covariance([0.8, 300.0, 360.0], [0.05, 30.0, 36.0])
    assert matrix[1, 2] == pytest.approx(matrix[1, 1]) == pytest.approx(matrix[2, 2])
    assert matrix[0, 1] == matrix[0, 2] == 0.0
    result = propagate(0.8, 300.0, 0.1, covariance=matrix, omega_2_k=360.0, formula="allen_dynes")
    assert result.median == pytest.approx(float(allen_dynes(0.8, 300.0, 360.0, 0.1)), rel=0.03)
    assert result.formula == "allen_dynes"


def test_standard_deviations_are_those_of_the_variables_themselves():
    variance = log_covariance([0.8, 300.0], [0.3, 30.0])[0, 0]
    drawn = 0.8 * np.exp(np.sqrt(variance) * np.random.default_rng(1).standard_normal(400_000))
    assert drawn.std() == pytest.approx(0.3, rel=0.02)


def test_seeds_repeat():
    def run(seed: int):
        return propagate(0.8, 300.0, 0.1, covariance=log_covariance([0.8, 300.0], [0.1, 20.0]), seed=seed)

    assert run(3) == run(3)
    assert run(3) != run(4)


def test_plateau_of_a_file():
    plateau = find_plateau(read_spectra(AL))
    result = propagate_plateau(plateau, 0.10)
    tc = allen_dynes(plateau.lambda_ep, plateau.omega_log_k, plateau.omega_2_k, 0.10)[plateau.flat]
    assert result.lower_95 < tc.min() * 1.05
    assert result.upper_95 > tc.max() * 0.95
    assert result.median == pytest.approx(np.median(tc), rel=0.05)
    with pytest.raises(SpectrumError, match="no plateau"):
        propagate_plateau(find_plateau(read_spectra(AL), tolerance=1e-4), 0.10)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"covariance": np.eye(3)}, r"shape \(2, 2\)"),
        ({"covariance": [[0.1, 0.5], [0.5, 0.1]]}, "negative eigenvalue"),
        ({"covariance": [[0.1, 0.0], [0.05, 0.1]]}, "symmetric"),
        ({"covariance": [[np.nan, 0.0], [0.0, 0.1]]}, "finite"),
        ({"covariance": np.eye(2), "samples": 3}, "samples"),
        ({"covariance": np.eye(2), "mu_star_std": -1.0}, "mu_star"),
        ({"covariance": np.eye(2), "formula": "guess"}, "no formula"),
        ({"covariance": np.eye(2), "formula": "allen_dynes"}, "needs omega_2"),
    ],
)
def test_what_cannot_be_propagated(arguments, says):
    with pytest.raises(InputError, match=says):
        propagate(0.8, 300.0, 0.1, **arguments)


@pytest.mark.parametrize(
    ("values", "stds", "correlation"),
    [
        ([0.8], [0.1], None),
        ([0.8, 300.0], [0.1], None),
        ([0.8, -1.0], [0.1, 1.0], None),
        ([0.8, 300.0], [0.1, -1.0], None),
        ([0.8, 300.0], [0.1, 1.0], np.eye(3)),
        ([0.8, 300.0], [0.1, 1.0], [[1.0, 2.0], [2.0, 1.0]]),
    ],
)
def test_what_is_no_covariance(values, stds, correlation):
    with pytest.raises(InputError):
        log_covariance(values, stds, correlation)
