"""What an optimisation over a campaign's space is asked to do, as it is kept with the run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from htc.discovery.campaign import Campaign
from htc.discovery.campaign.optimize import MAX_POOL, Looks
from htc.discovery.requests import Goal, StabilityWish
from htc.prediction.record import ModelTier

__all__ = ["SearchRequest"]


class SearchRequest(Goal):
    """A goal, where to look for it, and who judges."""

    campaign: Campaign = Field(
        description="Where candidates come from; its limit is the size of a pool that is drawn."
    )
    looks: Looks = Field(default="random", description="How a pool is found in a larger space.")
    pool: int | None = Field(
        default=None, ge=1, le=MAX_POOL, description="Size of a pool that is bred; null: it is drawn."
    )
    evaluator: Literal["model", "outside"] = Field(
        description="model: workers judge with a tier of the model. outside: somebody asks and tells."
    )
    label: str | None = Field(default=None, max_length=200, description="A name for the run, for people.")
    tier: ModelTier | None = Field(default=None, description="Tier that judges; null: HTC_TIER.")
    stability: StabilityWish = Field(default="none", description="What a judgement includes beside Tc.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Equal seed and answers, equal choices.")

    def breeds(self, total: int) -> bool:
        """Whether the pool is bred in a space of so many candidates times pressures."""
        return self.looks == "evolution" and self.pool is not None and total > self.pool
