"""Many materials in one request, one line of the answer each."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from htc.prediction.predictor import MAX_MU_STAR, MAX_PRESSURE_GPA
from htc.service.schemas.predictions import PRESSURE_OF_A_CRYSTAL, MaterialRequest, PredictionAnswer
from htc.service.schemas.problems import Problem

__all__ = ["MAX_BATCH_ITEMS", "BatchItem", "BatchLine", "BatchRequest"]

MAX_BATCH_ITEMS: Final = 1000


class BatchItem(MaterialRequest):
    """One material of a batch: exactly one of composition, structure and structure_id."""

    label: str | None = Field(
        default=None, max_length=200, description="Name of the item, given back in its line and stored."
    )
    pressure_gpa: float | None = Field(
        default=None,
        ge=0.0,
        le=MAX_PRESSURE_GPA,
        description=f"Pressure, GPa; null takes the batch's. {PRESSURE_OF_A_CRYSTAL}",
    )
    mu_star: float | None = Field(
        default=None, ge=0.0, le=MAX_MU_STAR, description="Coulomb pseudopotential; null takes the batch's."
    )


class BatchRequest(BaseModel):
    """Up to 1000 materials to predict."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [{"items": [{"composition": "MgB2"}, {"composition": "Nb3Sn", "label": "wire"}]}]
        },
    )

    items: list[BatchItem] = Field(
        min_length=1, max_length=MAX_BATCH_ITEMS, description="The materials; answered in this order."
    )
    pressure_gpa: float = Field(
        default=0.0, ge=0.0, le=MAX_PRESSURE_GPA, description="Pressure of items that state none, GPa."
    )
    mu_star: float | None = Field(
        default=None,
        ge=0.0,
        le=MAX_MU_STAR,
        description="Coulomb pseudopotential of items that state none; null takes the service's default.",
    )
    label: str | None = Field(default=None, max_length=200, description="A name for the run, for people.")


class BatchLine(BaseModel):
    """One line of the answer: a prediction or a problem, never both."""

    index: int = Field(description="Place of the item in the request, from 0.")
    label: str | None = Field(description="Its label, as given.")
    prediction: PredictionAnswer | None = Field(description="Its prediction; null where there is a problem.")
    problem: Problem | None = Field(description="Why there is none; null where there is a prediction.")
