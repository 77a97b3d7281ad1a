"""Models and their cards."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = ["ModelAnswer", "ModelCard", "ModelList"]


class ModelAnswer(BaseModel):
    """A model that speaks here, or once did."""

    id: str = Field(description="Name, version and the beginning of the hash of the weights.")
    description: str | None = Field(description="What it is, in a sentence.")
    model_tier: Literal["fast", "default", "best"] | None = Field(
        description="Tier of the model; null for one that is no longer loaded."
    )
    in_use: bool = Field(description="Whether this service predicts with it.")
    first_used_at: datetime | None = Field(
        description="When its first prediction was stored here, UTC; null: none was yet."
    )


class ModelList(BaseModel):
    """All models known to this service: those in use first, then the newest."""

    models: list[ModelAnswer] = Field(description="The models.")


class ModelCard(ModelAnswer):
    """A model with its card."""

    card: dict[str, Any] = Field(
        description="Training data, method, metrics, calibration, intended use and limits; empty for a model "
        "of an earlier version whose card was not kept."
    )
