"""Exact continuation to the real axis (Marsiglio, Schossmann, Carbotte, doi:10.1103/PhysRevB.37.4965).

With ``W = omega Z``, ``phi = Z Delta``, ``E = sqrt(W^2 - phi^2)``, Im E > 0, and alpha2F continued as an odd
function A,

    phi_i(w) = pi T sum_jm [lambda_ij(w - i w_m) - mu*_ij] Delta_jm / R_jm
             + (i pi/2) sum_j int A_ij(v) [coth(v/2T) + tanh((w - v)/2T)] phi_j(w - v) / E_j(w - v) dv
    W_i(w) = w + i pi T sum_jm lambda_ij(w - i w_m) w_m / R_jm
             + (i pi/2) sum_j int A_ij(v) [coth(v/2T) + tanh((w - v)/2T)] W_j(w - v) / E_j(w - v) dv

The sums over m are known from the imaginary axis and done once. The integrals are convolutions, by FFT on a
uniform grid, with weights that allow the edge of the gap, where 1/E diverges, anywhere between two points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import InputError
from htc.spectra import Spectrum
from htc.theory.eliashberg.gap import GapSolution
from htc.theory.eliashberg.real_axis.anderson import fixed_point
from htc.theory.eliashberg.real_axis.quasiparticles import edge_grid, find_edges
from htc.theory.eliashberg.real_axis.records import RealAxis
from htc.theory.eliashberg.real_axis.roots import inverse_weights, retarded_root
from htc.theory.eliashberg.real_axis.trust import first_negative, matsubara_mismatch
from htc.theory.eliashberg.real_axis.uniform import coth_weighted, matsubara_kernels, on_grid

__all__ = ["continue_exact"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]
Spectra = Sequence[Sequence[Spectrum]]

POINTS_PER_GAP: Final[int] = 25
POINTS_PER_SPECTRUM: Final[int] = 800
REACH: Final[float] = 8.0
REACH_STRONG: Final[float] = 10.0
"""The grid ends at 8 times the highest phonon frequency or 10 times ``sqrt(lambda) omega_2``, the larger one.

Up there the gap must have come to its limit; strong coupling repeats the phonons further up.
"""

SHOWN: Final[float] = 0.5
"""Share of the grid that the result has unless told otherwise."""

MOST_POINTS: Final[int] = 60_000
"""More are not taken to resolve a small gap: the step is widened, and said so if the gap suffers."""

FEWEST_PER_GAP: Final[int] = 6

TOLERANCE: Final[float] = 1e-9
"""Of the equations, over the larger of the largest gap and the step of the grid."""

ACCEPTED: Final[float] = 1e-6
MAX_STEPS: Final[int] = 300

MISMATCH: Final[float] = 2e-3
"""How well the Matsubara frequencies must come back: 1e-5 as a rule, 1e-3 for a narrow peak of lambda = 4."""


def continue_exact(
    solution: GapSolution,
    spectra: Spectra | Spectrum,
    *,
    omega_max_mev: float | None = None,
    step_mev: float | None = None,
) -> RealAxis:
    """Delta and Z on the real axis by the equations themselves.

    Args:
        solution: on the imaginary axis.
        spectra: alpha2F_ij, those the couplings of the solution were made of; one spectrum for one band.
        omega_max_mev: end of the result; at least 4 times the highest phonon frequency unless given.
        step_mev: step of the grid; chosen from the gap and the spectra unless given.

    Returns:
        Delta and Z on that grid and, interpolated, on finer ones about the gap edges. An iteration that
        has not converged is returned, and flagged.

    Raises:
        InputError: spectra that do not fit the bands, or an unusable end or step.
    """
    rows = _matrix(solution, spectra)
    top = max(_top(s) for row in rows for s in row)
    end = max(REACH * top, REACH_STRONG * _strength(rows))
    shown = SHOWN * end if omega_max_mev is None else float(omega_max_mev)
    if not (np.isfinite(shown) and shown > 0.0):
        raise InputError(f"the real axis must end at a positive energy, not {shown!r}", where="omega_max_mev")
    end = max(end, shown)
    first = np.abs(solution.delta_mev[:, 0])
    step = _step(rows, first, top, end) if step_mev is None else float(step_mev)
    if not (0.0 < step <= top / 10.0 and end / step <= 10 * MOST_POINTS):
        raise InputError(
            f"a step of {step:g} meV must be positive, at most a tenth of the highest phonon frequency, "
            f"{top:g} meV, and leave no more than {10 * MOST_POINTS} points up to {end:g} meV",
            where="step_mev",
        )
    equations = _Equations(solution, rows, top, step, int(np.ceil(end / step)))
    phi, wave, error, steps = equations.solve()
    largest = float(first.max(initial=0.0))
    residual = error / largest if largest > 0.0 else error / step
    return _result(solution, equations, phi, wave, residual, steps, top, shown)


def _matrix(solution: GapSolution, spectra: Spectra | Spectrum) -> list[list[Spectrum]]:
    rows = [[spectra]] if isinstance(spectra, Spectrum) else [list(row) for row in spectra]
    bands = solution.interaction.bands
    if len(rows) != bands or any(len(row) != bands for row in rows):
        raise InputError(f"{bands} bands need {bands} x {bands} spectra", where="spectra")
    for i, row in enumerate(rows):
        for j, spectrum in enumerate(row):
            strength = solution.interaction.couplings[i][j].lambda_ep
            if abs(spectrum.lambda_ep - strength) > 1e-3 * max(abs(strength), 1e-3):
                raise InputError(
                    f"the spectrum of bands {i + 1}, {j + 1} has lambda = {spectrum.lambda_ep:g}, but the "
                    f"solution was made with {strength:g}",
                    where="spectra",
                    hint="give the spectra that the couplings were made of",
                )
    return rows


def _top(spectrum: Spectrum) -> float:
    """Highest frequency with any weight."""
    weighted = np.flatnonzero(spectrum.alpha2f)
    last = min(int(weighted[-1]) + 1, spectrum.omega_mev.size - 1) if weighted.size else 0
    return float(spectrum.omega_mev[last])


def _strength(rows: list[list[Spectrum]]) -> float:
    """The largest ``sqrt(lambda) omega_2`` of a band, meV."""
    squares = [sum(float(np.trapezoid(s.alpha2f * s.omega_mev, s.omega_mev)) for s in row) for row in rows]
    return float(np.sqrt(2.0 * max(*squares, 0.0)))


def _step(rows: list[list[Spectrum]], first: FloatArray, top: float, end: float) -> float:
    finest = min(float(np.median(np.diff(s.omega_mev))) for row in rows for s in row)
    step = max(finest, top / POINTS_PER_SPECTRUM)
    gaps = first[first > 0.0]
    if gaps.size:
        step = min(step, float(gaps.min()) / POINTS_PER_GAP)
    return max(min(step, top / 100.0), end / MOST_POINTS)


class _Equations:
    """The equations on one grid."""

    def __init__(
        self, solution: GapSolution, rows: list[list[Spectrum]], top: float, step: float, count: int
    ) -> None:
        self.solution, self.step, self.count = solution, step, count
        self.bands, kt = solution.interaction.bands, solution.kt_mev
        # Electrons reach one phonon below zero and one beyond the end.
        self.phonons = min(int(np.ceil(top / step)) + 1, count)
        places = np.arange(-self.phonons, count + self.phonons, dtype=np.float64) + 0.5
        self.energies: FloatArray = places * step
        self.omega = self.energies[self.phonons : self.phonons + count]
        self.length = _fast_length(self.energies.size)
        self.thermal = np.tanh(self.energies / (2.0 * kt))
        self.odd = np.empty((self.bands, self.bands, self.length), dtype=np.complex128)
        self.even = np.empty_like(self.odd)
        energies = step * np.arange(self.phonons + 1)
        for i, row in enumerate(rows):
            for j, spectrum in enumerate(row):
                share = on_grid(spectrum, step, self.phonons + 1)
                self.odd[i, j] = self._kernel(share * energies, -1.0)
                self.even[i, j] = self._kernel(coth_weighted(share, step, kt), 1.0)
        self.phi_0, self.wave_0 = self._matsubara_part()

    def _kernel(self, half: FloatArray, sign: float) -> ComplexArray:
        kernel = np.zeros(self.length)
        kernel[: half.size] = half
        kernel[1 - half.size :] = sign * half[:0:-1]
        return np.fft.fft(kernel)

    def _matsubara_part(self) -> tuple[FloatArray, FloatArray]:
        solution = self.solution
        grid, kt, nu = solution.grid, solution.kt_mev, solution.omega_mev
        spacing = 2.0 * np.pi * kt
        root = np.sqrt(nu**2 + solution.delta_mev**2)
        pairs, turns = solution.delta_mev / root, nu / root
        cutoffs, mu = solution.interaction.cutoffs, solution.interaction.mu_star_at(kt)
        weights = grid.full if cutoffs.infinite_z else grid.phonon
        x = self.energies
        pairing, turning = matsubara_kernels(
            x, self.step, nu, pairs * (spacing * grid.phonon), turns * (spacing * weights)
        )
        if cutoffs.infinite_z:
            # The rest of the sum, by Euler and Maclaurin, less its value at y = 0: odd A sees no constant.
            ratio = (x / (spacing * grid.end)) ** 2
            turning -= 0.5 * np.log1p(ratio)
            turning += ratio * (3.0 + ratio) / (1.0 + ratio) ** 2 / (24.0 * grid.end**2)
        kernels = np.fft.fft(np.stack([-pairing, turning], axis=1), self.length)
        sums = self._sum(self.odd, kernels).real
        coulomb = spacing * (mu @ (pairs @ grid.coulomb))
        return sums[:, 0] - coulomb[:, None], sums[:, 1] + self.omega

    def _sum(self, *pairs: ComplexArray) -> ComplexArray:
        total = np.einsum("ijm,jcm->icm", pairs[0], pairs[1])
        if len(pairs) > 2:
            total += np.einsum("ijm,jcm->icm", pairs[2], pairs[3])
        values = np.fft.ifft(total)[..., self.phonons : self.phonons + self.count]
        return np.asarray(self.step * values)

    def __call__(self, phi: ComplexArray, wave: ComplexArray) -> tuple[ComplexArray, ComplexArray]:
        """The right-hand sides."""
        k = self.phonons
        beyond = self.energies[-k:]
        phi = np.concatenate([phi[:, k - 1 :: -1].conj(), phi, np.repeat(phi[:, -1:], k, axis=1)], axis=1)
        wave = np.concatenate(
            [-wave[:, k - 1 :: -1].conj(), wave, wave[:, -1:] + (beyond - self.omega[-1])], axis=1
        )
        root = retarded_root(wave[:, k:] ** 2 - phi[:, k:] ** 2)
        root = np.concatenate([-root[:, k - 1 :: -1].conj(), root], axis=1)
        if self.solution.superconducting:
            inverse = inverse_weights(root, 1.0)
            inverse[:, 0], inverse[:, -1] = 1.0 / root[:, 0], 1.0 / root[:, -1]
        else:
            inverse = 1.0 / root
        both = np.stack([phi * inverse, wave * inverse], axis=1)
        plain, thermal = np.fft.fft(both, self.length), np.fft.fft(both * self.thermal, self.length)
        sums = (0.5j * np.pi) * self._sum(self.even, plain, self.odd, thermal)
        return self.phi_0 + sums[:, 0], self.wave_0 + sums[:, 1]

    def solve(self) -> tuple[ComplexArray, ComplexArray, float, int]:
        """phi, W, the largest error of either equation in meV, and the number of iterations."""
        solution = self.solution
        shape = (2, self.bands, self.count)
        start = np.empty(shape, dtype=np.complex128)
        for i in range(self.bands):
            start[0, i] = np.interp(self.omega, solution.omega_mev, solution.delta_mev[i] * solution.z[i])
            start[1, i] = self.omega * np.interp(self.omega, solution.omega_mev, solution.z[i])

        # Real and imaginary parts apart: the equations commute with conjugation, not with a factor of i.
        def step(x: FloatArray) -> FloatArray:
            return np.stack(self(*x.view(np.complex128).reshape(shape))).ravel().view(np.float64)

        largest = max(float(np.abs(solution.delta_mev).max()), self.step)
        x, error, steps = fixed_point(step, start.ravel().view(np.float64), TOLERANCE * largest, MAX_STEPS)
        phi, wave = x.view(np.complex128).reshape(shape)
        return phi, wave, error, steps


def _fast_length(size: int) -> int:
    """The next number of the form 2^a 3^b 5^c, for which FFTs are fast."""
    best = 1 << (size - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            quotient = -(-size // three)
            best = min(best, three << (quotient - 1).bit_length())
            three *= 3
        five *= 5
    return best


def _result(
    solution: GapSolution,
    equations: _Equations,
    phi: ComplexArray,
    wave: ComplexArray,
    residual: float,
    steps: int,
    top: float,
    shown: float,
) -> RealAxis:
    omega, step = equations.omega, equations.step
    first = np.abs(solution.delta_mev[:, 0])

    def delta_at(x: FloatArray) -> ComplexArray:
        return np.stack(
            [x[i] * _cubic(phi[i], x[i], step) / _cubic(wave[i], x[i], step) for i in range(len(x))]
        )

    found = find_edges(delta_at, first)
    edges = tuple(float(e) if np.isfinite(e) else None for e in found)
    fine = np.concatenate([omega, edge_grid(edges)])
    fine = np.unique(fine[(fine >= omega[0]) & (fine <= omega[-1])])
    delta = fine * np.stack(
        [_cubic(p, fine, step) / _cubic(w, fine, step) for p, w in zip(phi, wave, strict=True)]
    )
    z = np.stack([_cubic(w, fine, step) for w in wave]) / fine
    reasons = []
    if not residual <= ACCEPTED:
        reasons.append(f"the equations did not converge: their residual is {residual:.1e} of the gap")
    if solution.superconducting:
        mismatch = matsubara_mismatch(solution, fine, delta, z, top)
        if not mismatch <= MISMATCH:
            reasons.append(f"the Matsubara frequencies come back with an error of {mismatch:.1e} only")
        small = first[first > 0.0].min()
        if small < FEWEST_PER_GAP * step:
            reasons.append(f"a step of {step:.3g} meV does not resolve a gap of {small:.3g} meV")
    density, damping = first_negative(fine, delta, z, edges)
    if np.isfinite(density):
        reasons.append(f"the density of states is negative at {density:.4g} meV")
    if np.isfinite(damping):
        reasons.append(f"the damping is negative at {damping:.4g} meV")
    kept = fine <= max(shown, fine[0])
    fine, delta, z = fine[kept], delta[:, kept], z[:, kept]
    trusted = 0.0 if reasons else float(fine[-1])
    return RealAxis(
        "exact", solution.kt_mev, fine, delta, z, edges, residual, steps, trusted, not reasons, tuple(reasons)
    )


def _cubic(values: ComplexArray, x: FloatArray, step: float) -> ComplexArray:
    """Values at x by cubics through four points of the grid ``(j + 1/2) step``."""
    place = x / step - 0.5
    j = np.clip(np.floor(place).astype(np.intp), 1, values.size - 3)
    t = place - j
    a, b, c, d = (values[j + k] for k in (-1, 0, 1, 2))
    return np.asarray(
        -t * (t - 1.0) * (t - 2.0) / 6.0 * a
        + (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0 * b
        - (t + 1.0) * t * (t - 2.0) / 2.0 * c
        + (t + 1.0) * t * (t - 1.0) / 6.0 * d
    )
