"""Spectra, and the equations once more: dense, slow, and sharing no line with the solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from htc.spectra import Spectrum

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that share matrices of 50 rows spend five times the work on waiting for each other."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="session")
def own_spectra() -> SimpleNamespace:
    """Files of the repository."""
    return SimpleNamespace(
        mgb2_iso=ROOT / "tests/data/spectra/epw_mgb2/MgB2.a2f_iso",
        mgb2=ROOT / "src/htc/examples/spectra/mgb2_epw/MgB2.a2f",
        aluminium=ROOT / "src/htc/examples/spectra/al_qe/alpha2F.dat",
        broken=ROOT / "tests/data/spectra/qe_al_broken/alpha2F.dat",
    )


@pytest.fixture(scope="session")
def einstein() -> Callable[..., Spectrum]:
    """One mode: three points, the outer two empty."""

    def make(omega_mev: float = 10.0, lambda_ep: float = 1.0) -> Spectrum:
        omega = omega_mev * np.array([1.0 - 1e-6, 1.0, 1.0 + 1e-6])
        shape = np.array([0.0, 1.0, 0.0])
        return Spectrum(omega, shape * lambda_ep / Spectrum(omega, shape).lambda_ep)

    return make


@pytest.fixture(scope="session")
def peaks() -> Callable[..., Spectrum]:
    """Gaussian peaks ``(centre, width, height)`` in shares of the highest frequency, scaled to lambda."""

    def make(
        shapes: Sequence[tuple[float, float, float]],
        lambda_ep: float = 1.0,
        top_mev: float = 40.0,
        points: int = 200,
    ) -> Spectrum:
        x = np.arange(1, points + 1) / points
        alpha2f = x * (1.0 - x) * 0.05
        for centre, width, height in shapes:
            alpha2f += height * x * np.exp(-0.5 * ((x - centre) / width) ** 2)
        omega = top_mev * x
        return Spectrum(omega, alpha2f * (lambda_ep / Spectrum(omega, alpha2f).lambda_ep))

    return make


class Dense:
    """The linearised equations with all Matsubara frequencies and a term for every point of the grid."""

    def __init__(self, spectrum: Spectrum, mu_star: float, convention: str, edge: str = "step") -> None:
        omega, alpha2f = spectrum.omega_mev, spectrum.alpha2f
        steps = np.zeros_like(omega)
        steps[:-1] += 0.5 * np.diff(omega)
        steps[1:] += 0.5 * np.diff(omega)
        self.omega, self.weight = omega, 2.0 * steps * alpha2f / omega
        highest = omega[alpha2f > 0.0][-1]
        omega_2 = np.sqrt(self.weight @ omega**2 / self.weight.sum())
        self.phonon, self.coulomb, self.mu_star_at, self.infinite_z = {
            "asis": (10.0 * highest, 10.0 * highest, None, True),
            "epw": (10.0 * highest, 10.0 * highest, None, False),
            "ebmb": (15.0 * omega_2, 15.0 * omega_2, omega_2, True),
            "elk": (20.0 * omega_2, 2.0 * omega_2, None, True),
            "isome": (7000.0, 7000.0, highest, True),
        }[convention]
        self.mu_star, self.edge = mu_star, edge
        self.to_the_last = convention == "ebmb" and edge == "step"

    def counts(self, kt: float) -> tuple[int, int]:
        """Frequencies below the phonon and the Coulomb cutoff; one at least."""
        spacing = 2.0 * np.pi * kt
        return tuple(max(int(np.ceil(cutoff / spacing - 0.5)), 1) for cutoff in (self.phonon, self.coulomb))

    def largest(self, kt: float) -> float:
        """The algebraically largest eigenvalue; it falls through zero at Tc."""
        spacing = 2.0 * np.pi * kt
        phonons, repulsions = self.counts(kt)
        if self.edge == "step":
            n = np.arange(phonons)
            with_phonons, with_coulomb = np.ones(phonons), 1.0 * (n < repulsions)
        else:
            n = np.arange(int(np.ceil(1.1 * self.phonon / spacing)) + 1)
            with_phonons, with_coulomb = (
                fade((n + 0.5) * spacing / end) for end in (self.phonon, self.coulomb)
            )
            n, with_coulomb = n[with_phonons > 0.0], with_coulomb[with_phonons > 0.0]
            with_phonons = with_phonons[with_phonons > 0.0]
        mu = self.mu_star
        if self.mu_star_at is not None and mu > 0.0:
            end = (repulsions + 0.5) * spacing if self.to_the_last else self.coulomb
            mu = 1.0 / (1.0 / mu - np.log(end / self.mu_star_at))
        nu = spacing * np.arange(2 * n.size + 1)
        lam = (1.0 / (1.0 + (nu[:, None] / self.omega) ** 2)) @ self.weight
        minus, plus = lam[np.abs(n[:, None] - n)], lam[n[:, None] + n + 1]
        if self.infinite_z:
            z = lam[0] + 2.0 * np.concatenate([[0.0], np.cumsum(lam[1 : n.size])])
        else:
            z = (minus - plus) @ with_phonons
        odd = 2.0 * n + 1.0
        kernel = (minus + plus) * with_phonons - 2.0 * mu * with_coulomb
        # Between roots of the weights the matrix is symmetric wherever the two sums end together.
        root = np.sqrt(with_phonons / odd)
        matrix = root[:, None] * kernel * (root / with_phonons) - np.diag(1.0 + z / odd)
        if np.array_equal(with_phonons, with_coulomb):
            return float(np.linalg.eigvalsh(matrix)[-1])
        return float(np.linalg.eigvals(matrix).real.max())

    def k_tc(self, low: float, high: float) -> float:
        """k Tc by bisection to 1e-9."""
        assert self.largest(low) > 0.0 > self.largest(high)
        while high / low > 1.0 + 1e-9:
            middle = np.sqrt(low * high)
            low, high = (middle, high) if self.largest(middle) > 0.0 else (low, middle)
        return low


def fade(x: np.ndarray) -> np.ndarray:
    """From 1 at 0.9 to 0 at 1.1, twice smooth."""
    t = np.clip((x - 0.9) / 0.2, 0.0, 1.0)
    return np.maximum(1.0 - t**3 * (10.0 - 15.0 * t + 6.0 * t * t), 0.0)


@pytest.fixture(scope="session")
def dense() -> type[Dense]:
    """The independent solver."""
    return Dense
