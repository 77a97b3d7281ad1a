"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["TierChoice"]


class TierChoice(StrEnum):
    """Tiers of the model, as an option of the command line."""

    fast = "fast"
    default = "default"
    best = "best"
