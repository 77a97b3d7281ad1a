"""What a campaign's run is asked to do; the content of ``jobs.request``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from htc.discovery.campaign import Campaign

__all__ = ["CampaignRequest", "replaced"]


class CampaignRequest(BaseModel):
    """A campaign, and who does its work."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    campaign: Campaign = Field(description="The campaign, as its TOML file has it.")
    label: str | None = Field(default=None, max_length=200, description="A name for the run, for people.")
    workers: int | None = Field(
        default=None, ge=1, le=1024, description="Worker processes; null: one for each core."
    )
    scheduler: str | None = Field(
        default=None,
        pattern=r"^(tcp|tls|ucx|ws|wss)://",
        max_length=300,
        description="Address of a Dask scheduler whose workers do it.",
    )
    cluster: str | None = Field(
        default=None,
        max_length=20_000,
        description="Content of a cluster's profile (TOML): Slurm jobs do it.",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.scheduler is not None and self.cluster is not None:
            raise ValueError("a scheduler and a cluster exclude each other")
        return self


def replaced(request: CampaignRequest, elsewhere: Mapping[str, Any]) -> CampaignRequest:
    """The request with its work done elsewhere: whoever goes on with a run may have other workers.

    Args:
        request: of the run.
        elsewhere: ``workers``, ``scheduler`` or ``cluster``; where one is given, it is that place alone.
    """
    given = {name: value for name, value in elsewhere.items() if value is not None}
    if given:
        given = {"scheduler": None, "cluster": None, **given}
    return request.model_copy(update=given)
