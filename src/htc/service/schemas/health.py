"""The state of the service."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

__all__ = ["Health"]


class Health(BaseModel):
    """State of the service."""

    status: Literal["ok", "unavailable"] = Field(description="Whether predictions can be made and stored.")
    database: Literal["connected", "disconnected"] = Field(description="Whether the database answers.")
    dependencies: bool = Field(
        description="Whether model and database revision are the ones this program needs."
    )
    version: str = Field(description="Version of HTC.")
    model_id: str | None = Field(
        description="Identity of the electron-phonon model, null if it cannot be loaded."
    )
    database_revision: str | None = Field(description="Revision of the database, null if it does not answer.")
    features: dict[str, bool] = Field(description="What this service can do.")
    problems: list[str] = Field(description="What is wrong, empty if nothing.")
