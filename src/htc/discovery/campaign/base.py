"""What all tables of a campaign have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Table"]


class Table(BaseModel):
    """A table of the TOML file: unknown keys are errors, numbers are finite, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)
