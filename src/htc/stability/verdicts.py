"""Three verdicts on dynamical stability, and the thresholds between them."""

from __future__ import annotations

from typing import Final, Literal

__all__ = ["IMAGINARY_THZ", "Verdict"]

Verdict = Literal["stable", "unstable", "undecided"]

IMAGINARY_THZ: Final = -0.1
"""A mode below counts as imaginary; above, it is noise of forces and interpolation."""
