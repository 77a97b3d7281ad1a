"""What a tunnelling experiment sees: the density of states and the edge of the gap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import InputError
from htc.theory.eliashberg.gap import Interaction
from htc.theory.eliashberg.real_axis.records import DensityOfStates, RealAxis
from htc.theory.eliashberg.real_axis.roots import retarded_root

__all__ = ["density_of_states", "edge_grid", "find_edges", "shares_of", "states"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

SEARCH: Final[float] = 3.0
"""Edges are looked for up to this many times Delta at the first Matsubara frequency."""

FIRST: Final[int] = 64
"""Points of the first look; the edge is the lowest place where Re Delta - omega turns negative."""

CLOSER: Final[int] = 17
LOOKS: Final[int] = 3


def find_edges(delta: Callable[[FloatArray], ComplexArray], scale_mev: FloatArray) -> FloatArray:
    """Lowest energies where Re Delta(omega) falls through omega; NaN where it does not.

    At finite temperature Delta vanishes at omega -> 0, so that Re Delta may rise through omega first.

    Args:
        delta: Delta at energies of shape ``(r, p)``, another row of them for each function.
        scale_mev: Delta at the first Matsubara frequency, shape ``(r,)``.
    """
    low = np.full(scale_mev.size, 1e-6) * scale_mev
    high = SEARCH * scale_mev
    rows = np.arange(scale_mev.size)
    found = scale_mev > 0.0
    below = above = np.ones_like(scale_mev)
    for look in range(LOOKS):
        share = np.linspace(0.0, 1.0, FIRST if look == 0 else CLOSER)
        omega = low[:, None] + (high - low)[:, None] * share
        excess = delta(omega).real - omega
        crossing = (excess[:, :-1] > 0.0) & (excess[:, 1:] <= 0.0)
        first = crossing.argmax(axis=1)
        found &= crossing[rows, first]
        low, high = omega[rows, first], omega[rows, first + 1]
        below, above = excess[rows, first], excess[rows, first + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(found, low + (high - low) * below / (below - above), np.nan)


def edge_grid(edges_mev: Sequence[float | None]) -> FloatArray:
    """Energies that close in on every edge from both sides, meV, ascending, from 1/100 of it to 60 times."""
    distances = np.geomspace(1e-5, 0.99, 100)
    around = 1.0 + np.concatenate([-distances[::-1], distances, np.geomspace(1.1, 59.0, 60)])
    known = [edge * around for edge in edges_mev if edge is not None]
    return np.unique(np.concatenate(known)) if known else np.empty(0)


def states(omega_mev: FloatArray, delta_mev: ComplexArray, z: ComplexArray) -> ComplexArray:
    """omega/sqrt(omega^2 - Delta^2), retarded; its real part is the density of states. Shape ``(b, n)``.

    The branch is that of ``sqrt((omega Z)^2 - (Z Delta)^2)`` with a positive imaginary part.
    """
    wave = omega_mev * z
    pairing = delta_mev * z
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(wave / retarded_root(wave * wave - pairing * pairing))


def density_of_states(real_axis: RealAxis, shares: Sequence[float] | None = None) -> DensityOfStates:
    """Re[omega/sqrt(omega^2 - Delta^2)] of every band and of all together.

    Args:
        real_axis: a continuation.
        shares: of the bands in the normal density of states, in any normalisation; see `shares_of`. Not
            needed for one band.

    Raises:
        InputError: several bands and no shares, or shares that are none.
    """
    bands = states(real_axis.omega_mev, real_axis.delta_mev, real_axis.z).real
    count = bands.shape[0]
    if shares is None:
        if count > 1:
            raise InputError(
                f"the total over {count} bands needs the share of each in the normal density of states",
                where="shares",
                hint="shares_of(interaction) finds them from lambda_ij/lambda_ji",
            )
        shares = (1.0,)
    weights = np.asarray(shares, dtype=np.float64)
    if (
        weights.shape != (count,)
        or not np.isfinite(weights).all()
        or weights.min() < 0.0
        or not weights.any()
    ):
        raise InputError(
            f"shares must be {count} numbers >= 0 that are not all zero, not {shares!r}", where="shares"
        )
    return DensityOfStates(real_axis.omega_mev, bands, weights @ bands / weights.sum())


def shares_of(interaction: Interaction) -> tuple[float, ...]:
    """Shares of the bands in the density of states, from ``N_i lambda_ij = N_j lambda_ji``.

    Raises:
        InputError: the coupling does not join the bands, or its two directions contradict each other.
    """
    strength = np.array([[c.lambda_ep for c in row] for row in interaction.couplings])
    count = interaction.bands
    shares = np.zeros(count)
    shares[0] = 1.0
    waiting = [0]
    while waiting:
        i = waiting.pop()
        for j in range(count):
            if shares[j] == 0.0 and strength[i, j] > 0.0 and strength[j, i] > 0.0:
                shares[j] = shares[i] * strength[i, j] / strength[j, i]
                waiting.append(j)
    flow = shares[:, None] * strength
    if not shares.all() or np.abs(flow - flow.T).max() > 0.01 * np.abs(flow).max():
        raise InputError(
            "the couplings do not tell the shares of the bands: lambda_ij/lambda_ji does not join all bands "
            "without contradiction",
            where="shares",
            hint="give the shares",
        )
    return tuple(float(x) for x in shares / shares.sum())
