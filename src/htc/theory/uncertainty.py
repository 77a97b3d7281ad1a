"""Uncertainty of lambda, omega_log, omega_2 and mu* carried to Tc by sampling their joint distribution.

Tc is exponential in lambda, so that no fixed percentage and no linear propagation describes it: its
distribution is skewed, and near the threshold part of it is exactly zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htc.errors import InputError
from htc.spectra import Plateau
from htc.theory.empirical import get_formula

__all__ = ["TcDistribution", "log_covariance", "propagate", "propagate_plateau"]

FloatArray = NDArray[np.float64]

SAMPLES: Final[int] = 20_000
MAX_SAMPLES: Final[int] = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TcDistribution:
    """What sampling says of Tc; temperatures in K."""

    mean: float
    median: float
    std: float
    lower_95: float
    """2.5th percentile."""
    upper_95: float
    """97.5th percentile."""
    probability_zero: float
    """Share of samples in which the formula gives no superconductivity."""
    formula: str
    samples: int
    seed: int


def log_covariance(values: ArrayLike, stds: ArrayLike, correlation: ArrayLike | None = None) -> FloatArray:
    """Covariance of ln(value) from standard deviations in the values' own unit.

    A log-normal of median m and standard deviation s has a logarithm of variance
    ``ln[(1 + sqrt(1 + 4 s^2/m^2))/2]``.

    Args:
        values: medians, > 0, shape ``(k,)``, e.g. (lambda, omega_log) or (lambda, omega_log, omega_2).
        stds: standard deviations, >= 0, shape ``(k,)``, same units.
        correlation: correlation matrix of the logarithms, shape ``(k, k)``. Without one, lambda is
            independent of the frequencies, and omega_log and omega_2 move together.

    Returns:
        Shape ``(k, k)``.

    Raises:
        InputError: a shape or a value is not usable.
    """
    medians, sigmas = np.asarray(values, dtype=np.float64), np.asarray(stds, dtype=np.float64)
    if medians.ndim != 1 or medians.size not in (2, 3) or sigmas.shape != medians.shape:
        raise InputError(
            f"values and stds must both have 2 or 3 elements, not {medians.shape}, {sigmas.shape}"
        )
    if not (np.isfinite(medians).all() and (medians > 0.0).all()):
        raise InputError("values must be finite and > 0", where="values")
    if not (np.isfinite(sigmas).all() and (sigmas >= 0.0).all()):
        raise InputError("standard deviations must be finite and >= 0", where="stds")
    size = medians.size
    if correlation is None:
        matrix = np.eye(size)
        matrix[1:, 1:] = 1.0
    else:
        matrix = np.asarray(correlation, dtype=np.float64)
        if matrix.shape != (size, size) or not np.allclose(np.diag(matrix), 1.0):
            raise InputError(
                f"correlation must be {size} x {size} with ones on its diagonal", where="correlation"
            )
    widths = np.sqrt(np.log(0.5 * (1.0 + np.sqrt(1.0 + 4.0 * (sigmas / medians) ** 2))))
    return _covariance(matrix * np.outer(widths, widths), size)


def propagate(
    lambda_ep: float,
    omega_log_k: float,
    mu_star: float,
    *,
    covariance: ArrayLike,
    omega_2_k: float | None = None,
    mu_star_std: float = 0.0,
    formula: str = "allen_dynes_f1",
    samples: int = SAMPLES,
    seed: int = 0,
) -> TcDistribution:
    """Distribution of Tc from that of its arguments.

    lambda and the frequencies are jointly log-normal about the given medians; mu* is normal, truncated to
    mu* >= 0, and independent of them. A drawn omega_2 below its omega_log is impossible for alpha2F >= 0 and
    is raised to omega_log, unless the medians themselves stand so.

    Args:
        lambda_ep: median of lambda, > 0.
        omega_log_k: median of omega_log, K, > 0.
        mu_star: mean of mu* before truncation, >= 0.
        covariance: covariance of (ln lambda, ln omega_log[, ln omega_2]), see `log_covariance`; shape
            ``(2, 2)``, or ``(3, 3)`` when omega_2_k is given.
        omega_2_k: median of omega_2, K, > 0, for formulas that need it.
        mu_star_std: standard deviation of mu* before truncation, >= 0.
        formula: name of a closed formula.
        samples: number of samples, 100 to 10^7.
        seed: seed of the generator; equal seeds give equal results.

    Raises:
        InputError: the formula is unknown or needs omega_2, or a value or shape is not usable.
    """
    medians = np.array(
        [lambda_ep, omega_log_k] + ([] if omega_2_k is None else [omega_2_k]), dtype=np.float64
    )
    if not (np.isfinite(medians).all() and (medians > 0.0).all()):
        raise InputError("lambda_ep and the frequencies must be finite and > 0")
    if not (np.isfinite(mu_star) and mu_star >= 0.0 and np.isfinite(mu_star_std) and mu_star_std >= 0.0):
        raise InputError("mu_star and its standard deviation must be finite and >= 0", where="mu_star")
    if not 100 <= samples <= MAX_SAMPLES:
        raise InputError(f"samples must lie between 100 and {MAX_SAMPLES}, not {samples}", where="samples")
    chosen = get_formula(formula)
    matrix = _covariance(covariance, medians.size)

    generator = np.random.default_rng(seed)
    # By eigenvectors: a singular covariance (omega_2 moving with omega_log) has no Cholesky factor.
    variances, axes = np.linalg.eigh(matrix)
    normal = generator.standard_normal((samples, medians.size))
    logs = np.log(medians) + (normal * np.sqrt(np.maximum(variances, 0.0))) @ axes.T
    drawn = np.exp(logs)
    if omega_2_k is not None and omega_2_k >= omega_log_k:
        drawn[:, 2] = np.maximum(drawn[:, 2], drawn[:, 1])
    mu = _truncated_normal(generator, mu_star, mu_star_std, samples)
    tc = chosen(drawn[:, 0], drawn[:, 1], mu, omega_2_k=None if omega_2_k is None else drawn[:, 2])
    lower, median, upper = (float(q) for q in np.quantile(tc, (0.025, 0.5, 0.975)))
    return TcDistribution(
        mean=float(tc.mean()),
        median=median,
        std=float(tc.std(ddof=1)),
        lower_95=lower,
        upper_95=upper,
        probability_zero=float((tc == 0.0).mean()),
        formula=formula,
        samples=samples,
        seed=seed,
    )


def propagate_plateau(
    plateau: Plateau,
    mu_star: float,
    *,
    mu_star_std: float = 0.0,
    formula: str = "allen_dynes",
    samples: int = SAMPLES,
    seed: int = 0,
) -> TcDistribution:
    """Distribution of Tc from the spread of a file's spectra over their smearing plateau.

    Medians are the plateau's geometric means and the covariance is that of its members: a measure of how far
    the smearing is undecided, not of the theory's error.

    Raises:
        SpectrumError: there is no plateau.
        InputError: as for `propagate`.
    """
    logs = plateau.log_moments()  # (3, members)
    if not np.isfinite(logs).all():
        logs = logs[:2]
    centre = np.exp(logs.mean(axis=1))
    return propagate(
        float(centre[0]),
        float(centre[1]),
        mu_star,
        covariance=np.cov(logs),
        omega_2_k=float(centre[2]) if len(centre) == 3 else None,
        mu_star_std=mu_star_std,
        formula=formula,
        samples=samples,
        seed=seed,
    )


def _covariance(matrix: ArrayLike, size: int) -> FloatArray:
    array = np.asarray(matrix, dtype=np.float64)
    if array.shape != (size, size):
        raise InputError(
            f"covariance must have shape ({size}, {size}), not {array.shape}", where="covariance"
        )
    if not np.isfinite(array).all() or not np.allclose(array, array.T, atol=1e-12):
        raise InputError("covariance must be finite and symmetric", where="covariance")
    if np.linalg.eigvalsh(array)[0] < -1e-10 * max(1.0, float(np.abs(array).max())):
        raise InputError(
            "covariance has a negative eigenvalue",
            where="covariance",
            hint="check the correlations: |r| <= 1",
        )
    return array


def _truncated_normal(generator: np.random.Generator, mean: float, std: float, size: int) -> FloatArray:
    """Normal variates of at least zero; with mean >= 0 at least half of the draws are kept."""
    if std == 0.0:
        return np.full(size, mean)
    values = generator.normal(mean, std, size)
    while (negative := values < 0.0).any():
        values[negative] = generator.normal(mean, std, int(negative.sum()))
    return values
