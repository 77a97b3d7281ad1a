"""Three verdicts on dynamical stability, and the thresholds between them.

Frequencies at wave vectors that fit the supercell are exact for its force constants; those between are
interpolated, and interpolation makes pockets of imaginary modes of its own. So only a mode at a fitting wave
vector can call a crystal unstable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["IMAGINARY_THZ", "UNSTABLE_THZ", "Evidence", "Verdict", "judge"]

Verdict = Literal["stable", "unstable", "undecided"]

IMAGINARY_THZ: Final = -0.1
"""A mode below counts as imaginary; above, it is noise of forces and interpolation."""
UNSTABLE_THZ: Final = -0.5
"""A mode below, at a wave vector that fits the supercell, is an instability of the potential's crystal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a verdict looks at."""

    lowest_thz: float
    """Lowest frequency on the mesh, THz; negative for imaginary."""
    lowest_exact_thz: float
    """Lowest at the wave vectors that fit the supercell, the three translations left out, THz."""
    exact_q: tuple[float, float, float]
    """Where, in reciprocal primitive vectors."""
    residual_force: float
    """Largest force on an atom of the cell that was displaced, eV/Å."""


RESIDUAL_FORCE: Final = 0.02
"""eV/Å. Beyond, the cell is at no minimum, and its harmonic frequencies mean nothing."""


def judge(evidence: Evidence) -> tuple[Verdict, str]:
    """The verdict and the reason for it, one sentence."""
    e = evidence
    if e.residual_force > RESIDUAL_FORCE:
        return (
            "undecided",
            f"the cell is not relaxed: a force of {e.residual_force:.3f} eV/Å is left",
        )
    at = "({:.3g}, {:.3g}, {:.3g})".format(*e.exact_q)
    if e.lowest_exact_thz < UNSTABLE_THZ:
        return "unstable", f"a mode of {_thz(e.lowest_exact_thz)} at q = {at}"
    if e.lowest_exact_thz < IMAGINARY_THZ:
        return (
            "undecided",
            f"a mode of {_thz(e.lowest_exact_thz)} at q = {at} is within the error of the potential",
        )
    if e.lowest_thz < IMAGINARY_THZ:
        return (
            "undecided",
            f"a mode of {_thz(e.lowest_thz)} only between the wave vectors that fit the supercell",
        )
    return "stable", f"no mode below {abs(IMAGINARY_THZ):g}i THz; the lowest is {_thz(e.lowest_exact_thz)}"


def _thz(frequency: float) -> str:
    return f"{-frequency:.2f}i THz" if frequency < 0 else f"{frequency:.2f} THz"


def lowest_exact(
    q: NDArray[np.float64], frequencies: NDArray[np.float64]
) -> tuple[float, tuple[float, float, float]]:
    """Lowest frequency at fitting wave vectors, without the three translations at Gamma.

    Args:
        q: shape ``(n_q, 3)``, reciprocal primitive vectors.
        frequencies: shape ``(n_q, 3 n)``, THz.
    """
    rest = np.array(frequencies, dtype=float)
    for gamma in np.flatnonzero(np.abs(q - np.round(q)).max(axis=1) < 1e-6):
        rest[gamma, np.argsort(np.abs(rest[gamma]))[:3]] = np.inf
    row, _ = np.unravel_index(int(np.argmin(rest)), rest.shape)
    x, y, z = (float(v) for v in q[row])
    return float(rest.min()), (x, y, z)
