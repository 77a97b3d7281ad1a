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

__all__ = [
    "CERTAIN_THZ",
    "IMAGINARY_THZ",
    "UNSTABLE_SHARE",
    "UNSTABLE_THZ",
    "Evidence",
    "ExactMode",
    "Verdict",
    "judge",
    "lowest_exact",
]

Verdict = Literal["stable", "unstable", "undecided"]

IMAGINARY_THZ: Final = -0.2
"""A mode below counts as imaginary; above, it is noise of forces and interpolation."""
UNSTABLE_THZ: Final = -0.5
UNSTABLE_SHARE: Final = 0.25
"""A mode is an instability beyond the error of the potential where it lies below ``UNSTABLE_THZ`` and its
curvature is below minus this share of the curvature that the same atoms feel among resting neighbours. A
potential whose force constants are soft turns small sums of them negative, and large ones only smaller."""
CERTAIN_THZ: Final = -3.0
"""A mode below is an instability whatever its share: lower than any that the potentials made up in crystals
that first principles found stable."""
RESIDUAL_FORCE: Final = 0.02
"""eV/Å. Beyond, the cell is at no minimum, and its harmonic frequencies mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactMode:
    """A mode at a wave vector that fits the supercell."""

    frequency_thz: float
    """Negative for imaginary."""
    share: float
    """Its curvature over the one its atoms feel among resting neighbours; negative for imaginary."""
    q: tuple[float, float, float]
    """In reciprocal primitive vectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a verdict looks at."""

    lowest_interpolated_thz: float
    """Lowest frequency on the mesh, THz; negative for imaginary."""
    pockets_refuted: bool
    """Whether the potential itself has no imaginary mode wherever the interpolation on the mesh has one."""
    lowest_exact: ExactMode
    """The lowest at the wave vectors that fit a supercell, the three translations left out."""
    residual_force: float
    """Largest force on an atom of the cell that was displaced, eV/Å."""


def judge(evidence: Evidence) -> tuple[Verdict, str]:
    """The verdict and the reason for it, one sentence."""
    e = evidence
    if e.residual_force > RESIDUAL_FORCE:
        return "undecided", f"the cell is not relaxed: a force of {e.residual_force:.3f} eV/Å is left"
    mode = e.lowest_exact
    at = "q = ({:.3g}, {:.3g}, {:.3g})".format(*mode.q)
    soft = mode.frequency_thz < UNSTABLE_THZ and mode.share < -UNSTABLE_SHARE
    if soft or mode.frequency_thz < CERTAIN_THZ:
        return "unstable", f"a mode of {_thz(mode.frequency_thz)} at {at}"
    if mode.frequency_thz < IMAGINARY_THZ:
        found = f"a mode of {_thz(mode.frequency_thz)} at {at}"
        return "undecided", f"{found} is within the error of the potential"
    if e.lowest_interpolated_thz < IMAGINARY_THZ and not e.pockets_refuted:
        found = f"a mode of {_thz(e.lowest_interpolated_thz)}"
        return "undecided", f"{found} only between the wave vectors that fit the supercell"
    lowest = f"the lowest that is no translation has {_thz(mode.frequency_thz)} at {at}"
    return "stable", f"no mode below {_thz(IMAGINARY_THZ)}; {lowest}"


def _thz(frequency: float) -> str:
    return f"{-frequency:.2f}i THz" if frequency < 0 else f"{frequency:.2f} THz"


def lowest_exact(
    q: NDArray[np.float64],
    frequencies: NDArray[np.float64],
    eigenvectors: NDArray[np.complex128],
    resting: NDArray[np.float64],
) -> ExactMode:
    """The lowest mode at fitting wave vectors, without the three translations at Gamma.

    Args:
        q: shape ``(n_q, 3)``, reciprocal primitive vectors.
        frequencies: shape ``(n_q, 3 n)``, THz.
        eigenvectors: shape ``(n_q, 3 n, 3 n)``, a mode a column.
        resting: dynamical matrix of the atoms among resting neighbours, shape ``(3 n, 3 n)``, THz^2.
    """
    rest = np.array(frequencies, dtype=float)
    for gamma in np.flatnonzero(np.abs(q - np.round(q)).max(axis=1) < 1e-6):
        rest[gamma, np.argsort(np.abs(rest[gamma]))[:3]] = np.inf
    if not np.isfinite(rest).any():
        # One atom at Gamma alone has nothing but translations.
        return ExactMode(frequency_thz=0.0, share=0.0, q=(0.0, 0.0, 0.0))
    row, column = np.unravel_index(int(np.argmin(rest)), rest.shape)
    mode = eigenvectors[row][:, column]
    curvature = float(np.real(mode.conj() @ resting @ mode))
    frequency = float(rest[row, column])
    x, y, z = (float(v) for v in q[row])
    share = frequency * abs(frequency) / curvature if curvature > 0 else float(np.sign(frequency))
    return ExactMode(frequency_thz=frequency, share=share, q=(x, y, z))
