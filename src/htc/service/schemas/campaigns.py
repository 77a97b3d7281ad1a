"""Campaigns: what is asked for, and how far each stage is."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from htc.discovery.campaign import Campaign

__all__ = ["CampaignWish", "FunnelAnswer", "PrunedAnswer", "StageAnswer"]


class CampaignWish(BaseModel):
    """A campaign as a run."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {
                    "campaign": {
                        "name": "A15 of niobium",
                        "candidates": [
                            {
                                "kind": "substitution",
                                "prototypes": ["A15"],
                                "slots": {"Cr": ["Nb"], "Si": ["Al", "Ga", "Ge", "Sn"]},
                            }
                        ],
                        "stages": [{"kind": "predict", "tier": "fast", "keep": {"best": 3}}],
                    }
                }
            ]
        },
    )

    campaign: Campaign = Field(description="The campaign, with the keys of its TOML file.")
    label: str | None = Field(default=None, max_length=200, description="A name for the run, for people.")


class StageAnswer(BaseModel):
    """One stage of a campaign. Counts are candidates at a pressure."""

    model_config = ConfigDict(from_attributes=True)

    stage: int = Field(description="Its place in the campaign, from 0.")
    kind: Literal["predict", "relax", "phonons", "hull", "eliashberg"] = Field(description="What it does.")
    spec: dict[str, Any] = Field(description="Its table in the campaign.")
    state: Literal["running", "selected", "finished"] = Field(
        description="running; selected: it is known who passes; finished: those are stored."
    )
    entries: int = Field(description="How many enter.")
    done: int = Field(description="With values.")
    failed: int = Field(description="With a reason why not.")
    rejected: int = Field(description="By the plausibility rules, or because the theory says nothing.")
    rejections: dict[str, int] = Field(description="Those of the plausibility rules, by rule.")
    passed: int | None = Field(description="How many go on; null while that is not known.")
    duplicates: int | None = Field(
        description="Left out because they are the same crystal as one that passes."
    )
    worker_seconds: float = Field(description="Time of the workers, s.")
    began_at: datetime = Field(description="When it began, UTC.")
    finished_at: datetime | None = Field(description="When it was over, UTC.")


class PrunedAnswer(BaseModel):
    """Rows of candidates that did not pass and were dropped when the run was over."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime = Field(description="The last time, UTC.")
    by: str = Field(description="Who did it.")
    rows: int = Field(description="How many, over all times.")
    keep_best: int = Field(description="How many that did not pass were kept of each stage.")


class FunnelAnswer(BaseModel):
    """A campaign's stages so far."""

    run_id: str = Field(description="Id of the run.")
    planned: int = Field(description="How many stages the campaign has.")
    stages: list[StageAnswer] = Field(description="Those that have begun, in order.")
    pruned: PrunedAnswer | None = Field(
        default=None, description="What was dropped of its rows; null: nothing. Counts are of the whole run."
    )
