"""Continuation to the real axis by Pade approximants.

Approximants go through Delta and Z at Matsubara frequencies. At low energies, up to the first phonons, they
are as good as the temperature is low. Beyond, and close to Tc, where the first frequency is further away than
the structure looked for, nothing in one approximant tells how wrong it is. So three are made: one through all
chosen frequencies, one through every second of them, and one of ``Z Delta`` and ``omega Z`` instead of Delta
and Z, which knows that electrons are damped down to omega = 0. Where they agree, they are believed; and among
the phonons, whose structure all of them wash out alike, only where they agree closely.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import InputError
from htc.theory.eliashberg.gap import GapSolution
from htc.theory.eliashberg.real_axis.continued_fraction import ContinuedFraction
from htc.theory.eliashberg.real_axis.imaginary import delta_and_z
from htc.theory.eliashberg.real_axis.quasiparticles import edge_grid, find_edges
from htc.theory.eliashberg.real_axis.records import GapEdges, RealAxis
from htc.theory.eliashberg.real_axis.trust import first_negative, matsubara_mismatch

__all__ = ["continue_pade", "gap_edges"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

CLOSE: Final[float] = 1.0 / 3.0
"""Share of the chosen frequencies that are the lowest ones; the others follow in proportion."""

REACH: Final[float] = 3.0
"""Frequencies are chosen up to this many times the highest phonon frequency."""

MANY: Final[int] = 48
FEW: Final[int] = 24
"""Frequencies for a real axis, and for a gap edge, which needs less."""

END: Final[float] = 4.0
POINTS: Final[int] = 800
"""A grid not given goes to this many times the highest phonon frequency, with this many points."""

SAME_EDGE: Final[float] = 0.01
SAME: Final[float] = 0.02
SAME_AMONG_PHONONS: Final[float] = 0.003
"""Agreement of edges, and of Delta over the larger of Delta and the gap, that is taken for certainty."""

ONSET: Final[float] = 0.01
"""The phonons begin where this share of lambda lies below."""

LOWEST: Final[float] = 0.25
"""Below this share of the edge approximants are not compared: of the broadening there they know little."""

HEAVY: Final[float] = 0.02
"""What a pole must add on the real axis, over the first Matsubara value, to count."""

MISMATCH: Final[float] = 0.05
"""How well the Matsubara frequencies must come back."""


def gap_edges(solutions: Sequence[GapSolution]) -> tuple[GapEdges, ...]:
    """The measurable gaps of many solutions at once, such as those of a gap curve.

    Args:
        solutions: at any temperatures, with any numbers of bands.
    """
    if not solutions:
        return ()
    approximants = _Approximants(solutions, FEW)
    found = approximants.edges()
    results, start = [], 0
    for solution in solutions:
        part = found[:, start : start + solution.interaction.bands]
        start += solution.interaction.bands
        edges, spread, reasons = _judge(part)
        results.append(GapEdges(solution.kt_mev, edges, spread, not reasons, tuple(reasons)))
    return tuple(results)


def continue_pade(solution: GapSolution, omega_mev: FloatArray | None = None) -> RealAxis:
    """Delta and Z on the real axis by Pade approximants.

    Args:
        solution: on the imaginary axis.
        omega_mev: energies, meV, > 0, ascending, shape ``(n,)``; unless given 800 up to 4 times the highest
            phonon frequency and more about the gap edges.

    Raises:
        InputError: the energies are none.
    """
    bands = solution.interaction.bands
    approximants = _Approximants([solution], MANY)
    edges, _, reasons = _judge(approximants.edges())
    end = END * _top(solution)
    grid = np.unique(np.concatenate([end / POINTS * np.arange(1, POINTS + 1), edge_grid(edges)]))
    omega = grid if omega_mev is None else _energies(omega_mev)
    delta, z = approximants(omega)
    tested = approximants(grid)
    trusted = float(max(end, omega[-1])) if not reasons else 0.0
    if solution.superconducting and not reasons:
        mismatch = matsubara_mismatch(solution, grid, *tested, 0.25 * end)
        if not mismatch <= MISMATCH:
            reasons.append(f"the Matsubara frequencies come back with an error of {mismatch:.1e} only")
            trusted = 0.0
    if not reasons:
        trusted = _limits(solution, approximants, grid, tested, edges, reasons, trusted, float(omega[-1]))
    residual = float(approximants.fractions.residual[:bands].max())
    steps = int(approximants.fractions.terms.max())
    return RealAxis(
        "pade", solution.kt_mev, omega, delta, z, edges, residual, steps, trusted, not reasons, tuple(reasons)
    )


def _limits(
    solution: GapSolution,
    approximants: _Approximants,
    grid: FloatArray,
    tested: tuple[ComplexArray, ComplexArray],
    edges: tuple[float | None, ...],
    reasons: list[str],
    trusted: float,
    last: float,
) -> float:
    """Add to the reasons what happens below the last energy; return where the first of it does."""
    size = np.maximum(np.abs(tested[0]), np.abs(solution.delta_mev[:, :1]))
    apart = np.zeros(grid.size)
    for other in approximants.others(grid):
        with np.errstate(invalid="ignore"):
            apart = np.maximum(
                apart, (np.abs(other - tested[0]) / np.where(size > 0.0, size, 1.0)).max(axis=0)
            )
    lowest = min((e for e in edges if e is not None), default=0.0)
    limit = np.where(grid < lowest + _onset(solution), SAME, SAME_AMONG_PHONONS)
    bad = np.flatnonzero((grid >= LOWEST * lowest) & ~(apart <= limit))
    density, damping = first_negative(grid, *tested, edges)
    faults = [
        (
            float(grid[bad[0]]) if bad.size else np.inf,
            "Delta depends on the choice of Matsubara frequencies from",
        ),
        (density, "the density of states is negative at"),
        (damping, "the damping is negative at"),
        (approximants.lowest_pole(float(grid[-1])), "there is a pole in the upper half plane at"),
    ]
    for energy, text in faults:
        if energy <= last:
            reasons.append(f"{text} {energy:.4g} meV{' on' if text.endswith('from') else ''}")
    return min(trusted, *(energy for energy, _ in faults))


def _judge(found: FloatArray) -> tuple[tuple[float | None, ...], float, list[str]]:
    """Edges of the first approximant, spread over all three, and complaints; ``found`` is ``(3, b)``."""
    edges = tuple(float(e) if np.isfinite(e) else None for e in found[0])
    reasons, spread = [], 0.0
    for band, column in enumerate(found.T):
        name = f" of band {band + 1}" if found.shape[1] > 1 else ""
        known = np.isfinite(column)
        if not known.any():
            continue
        if not known.all():
            reasons.append(f"only {known.sum()} of {known.size} approximants have a gap edge{name}")
            spread = np.inf
            continue
        low, high = float(column.min()), float(column.max())
        spread = max(spread, high / low - 1.0)
        if high > (1.0 + SAME_EDGE) * low:
            reasons.append(f"approximants put the gap edge{name} anywhere from {low:.4g} to {high:.4g} meV")
    return edges, spread, reasons


def _top(solution: GapSolution) -> float:
    return max(float(c.omega_mev.max()) for row in solution.interaction.couplings for c in row)


def _onset(solution: GapSolution) -> float:
    """Where the phonons begin, meV."""
    lowest = np.inf
    for row in solution.interaction.couplings:
        for coupling in row:
            order = np.argsort(coupling.omega_mev)
            reached = np.cumsum(coupling.weight[order]) >= ONSET * coupling.lambda_ep
            lowest = min(lowest, float(coupling.omega_mev[order][reached.argmax()]))
    return lowest


def _chosen(solution: GapSolution, many: int) -> FloatArray:
    """Matsubara frequencies to go through: the lowest ones, then in proportion, shape ``(many,)`` or less."""
    last = solution.grid.end - 1
    wanted = REACH * _top(solution) / (2.0 * np.pi * solution.kt_mev)
    last = min(last, max(int(wanted), many // 2))
    if last < many:
        return np.arange(last + 1.0)
    close = int(CLOSE * many)
    index = np.concatenate([np.arange(close), np.rint(np.geomspace(close, last, many - close))])
    return np.unique(index)


def _energies(omega_mev: FloatArray) -> FloatArray:
    omega = np.array(omega_mev, dtype=np.float64)
    if omega.ndim != 1 or not omega.size or not np.isfinite(omega).all():
        raise InputError("energies must be a list of finite numbers", where="omega_mev")
    if omega[0] <= 0.0 or np.any(np.diff(omega) <= 0.0):
        raise InputError(
            "energies must be > 0 and ascend",
            where="omega_mev",
            hint="at -omega both functions take the conjugate values",
        )
    return omega


class _Approximants:
    """Fractions for all bands of all solutions, in five blocks of rows.

    They are of Delta, Z, Delta by half of the frequencies, Z Delta and omega_n (Z - 1).
    """

    def __init__(self, solutions: Sequence[GapSolution], many: int) -> None:
        picks = [_chosen(solution, many) for solution in solutions]
        width = max(pick.size for pick in picks)
        rows = sum(solution.interaction.bands for solution in solutions)
        y, delta, z = np.ones((rows, width)), np.zeros((rows, width)), np.ones((rows, width))
        usable = np.zeros((rows, width), dtype=np.bool_)
        row = 0
        for solution, pick in zip(solutions, picks, strict=True):
            block = (slice(row, row + solution.interaction.bands), slice(0, pick.size))
            delta[block], z[block] = delta_and_z(solution, pick, closed_form=many > FEW)
            y[block] = (2.0 * pick + 1.0) * np.pi * solution.kt_mev
            usable[block] = True
            row = block[0].stop
        half = usable.copy()
        half[:, 1::2] = False
        self.rows = rows
        self.scale = np.abs(delta[:, 0])
        self.fractions = ContinuedFraction(
            np.tile(y, (5, 1)),
            np.concatenate([delta, z, delta, delta * z, (z - 1.0) * y]),
            np.concatenate([usable, usable, half, usable, usable]),
        )

    def _blocks(self, omega: FloatArray) -> ComplexArray:
        values = self.fractions(omega)
        return values.reshape(5, self.rows, values.shape[1])

    def __call__(self, omega: FloatArray) -> tuple[ComplexArray, ComplexArray]:
        """Delta and Z of the first approximant, shapes ``(b, n)``."""
        blocks = self._blocks(omega)
        return blocks[0], blocks[1]

    def others(self, omega: FloatArray) -> tuple[ComplexArray, ComplexArray]:
        """Delta of the two others."""
        blocks = self._blocks(omega)
        return blocks[2], _ratio(blocks[3], blocks[4], omega)

    def edges(self) -> FloatArray:
        """Gap edges of all three, shape ``(3, b)``."""

        def delta(omega: FloatArray) -> ComplexArray:
            parts = omega.reshape(3, self.rows, -1)
            values = self.fractions(np.concatenate([parts[0], parts[0], parts[1], parts[2], parts[2]]))
            blocks = values.reshape(5, self.rows, -1)
            last = _ratio(blocks[3], blocks[4], parts[2])
            return np.concatenate([blocks[0], blocks[2], last])

        return find_edges(delta, np.tile(self.scale, 3)).reshape(3, self.rows)

    def lowest_pole(self, end_mev: float) -> float:
        """Energy, meV, of the lowest pole of Delta or Z above the real axis that counts; infinite if none."""
        lowest = np.inf
        for row in range(2 * self.rows):
            poles = self.fractions.poles(row)
            poles = poles[(poles.imag > 0.0) & (np.abs(poles.real) < end_mev)]
            if not poles.size:
                continue
            # Residues by a mean over small circles.
            circle = 1e-3 * poles.imag[:, None] * np.exp(0.5j * np.pi * np.arange(4))
            values = self.fractions((poles[:, None] + circle).ravel())[row].reshape(circle.shape)
            weight = np.abs((values * circle).mean(axis=1)) / poles.imag
            heavy = poles[weight > HEAVY * (self.scale[row] if row < self.rows else 1.0)]
            lowest = min(lowest, float(np.abs(heavy.real).min(initial=np.inf)))
        return lowest


def _ratio(pairing: ComplexArray, excess: ComplexArray, omega: FloatArray) -> ComplexArray:
    """Delta from Z Delta and from ``y (Z - 1)``, ``y = -i omega``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(pairing / (1.0 + 1j * excess / omega))
