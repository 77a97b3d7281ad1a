"""The ``[optimize]`` table: what `htc optimize` looks for in the campaign's space."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import ConfigDict, Field

from htc.discovery.requests import Goal, StabilityWish
from htc.prediction.record import ModelTier

__all__ = ["MAX_POOL", "Looks", "OptimizeTable"]

Looks = Literal["evolution", "random"]

MAX_POOL: Final = 20_000
"""Candidates times pressures of an optimisation, which keeps them all in mind."""


class OptimizeTable(Goal):
    """Objectives, constraints and budget of an optimisation, and how it chooses."""

    model_config = ConfigDict(frozen=True)

    pool: int = Field(
        default=5000,
        ge=1,
        le=MAX_POOL,
        description="Candidates times pressures to choose from: of a larger space so many are looked at.",
    )
    looks: Looks = Field(
        default="evolution",
        description="Which of a larger space are looked at. evolution: bred generation by generation from the"
        " best of those looked at before, by NSGA-II. random: drawn, as is what nothing can be bred for.",
    )
    tier: ModelTier | None = Field(
        default=None, description="Tier of the model that judges, where the model does; null: HTC_TIER."
    )
    stability: StabilityWish = Field(
        default="none",
        description="What the model's judgement includes beside Tc: none, hull (seconds a crystal), full "
        "(phonons too, minutes).",
    )
