"""What a validation asks for; those of screening and optimisation are in ``htc.discovery.requests``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from htc.prediction.predictor import MAX_MU_STAR
from htc.prediction.record import ModelTier
from htc.validation.cases import SuiteName

__all__ = ["ValidateRequest"]


class ValidateRequest(BaseModel):
    """Hold predictions against what is known."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, json_schema_extra={"examples": [{"suite": "reference"}]}
    )

    suite: SuiteName = Field(
        default="reference",
        description="reference: the bundled crystals against their measured Tc. formulas: closed formulas "
        "against the literature. eliashberg: the solver against other codes. fold3: the model against "
        "calculations it was not trained on. experiment: predictions against tables of measured Tc. The last "
        "two need the laboratory's data.",
    )
    label: str | None = Field(default=None, max_length=200, description="A name for the run, for people.")
    tier: ModelTier | None = Field(default=None, description="Tier of the model; null: the service's own.")
    mu_star: float | None = Field(
        default=None,
        ge=0.0,
        le=MAX_MU_STAR,
        description="Coulomb pseudopotential of predictions; null: the service's own. A suite whose data fix "
        "it (fold3) takes that.",
    )
