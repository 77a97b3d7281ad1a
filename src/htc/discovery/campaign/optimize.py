"""The ``[optimize]`` table: what `htc optimize` looks for in the campaign's space."""

from __future__ import annotations

from pydantic import Field

from htc.discovery.campaign.base import Table
from htc.discovery.campaign.stages import Keep
from htc.discovery.requests import Objective, default_objectives

__all__ = ["OptimizeTable"]


class OptimizeTable(Table):
    """Objectives, constraints and budget of an optimisation."""

    objectives: list[Objective] = Field(
        default_factory=default_objectives,
        min_length=1,
        max_length=4,
        description="What to have more or less of.",
    )
    constraints: Keep = Field(default_factory=Keep, description="What a result must fulfil to count.")
    budget: int = Field(default=100, ge=1, description="How many are judged.")
    batch_size: int = Field(default=8, ge=1, le=256, description="How many are chosen at once.")
