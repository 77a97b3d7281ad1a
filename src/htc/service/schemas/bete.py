"""Structure to electron-phonon spectrum."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from htc.service.schemas.predictions import Conditions, CrystalRequest, PredictionAnswer, SpectrumData

__all__ = ["BetePredictRequest", "BetePrediction", "BeteRun"]


class BetePredictRequest(CrystalRequest, Conditions):
    """A crystal: exactly one of structure and structure_id."""


class BeteRun(BaseModel):
    """A stored electron-phonon run: a crystal or a spectrum, and the Tc it gives."""

    id: str = Field(description="Identifier (UUID) of the run.")
    prediction_id: str | None = Field(description="The prediction made of it.")
    tc_kelvin: float | None = Field(description="Critical temperature, K.")
    structure_formula: str | None = Field(description="Reduced formula.")
    lambda_ep: float | None = Field(description="Electron-phonon coupling constant.")
    omega_log: float | None = Field(description="Logarithmic average phonon frequency, K.")
    mu_star: float | None = Field(description="Coulomb pseudopotential.")
    spectrum_origin: Literal["measured", "surrogate"] | None = Field(
        description="Whether the spectrum was given or formed from predicted moments; null without one."
    )
    spectrum: SpectrumData | None = Field(description="alpha2F with its running lambda; null without one.")
    structure_hash: str | None = Field(
        description="Hash of the stored crystal, for `/api/htc/structures/{hash}`."
    )
    run_type: Literal["single", "batch"] | None = Field(description="Whether it was asked for alone.")
    parent_batch_id: str | None = Field(description="Run it belongs to.")
    input_hash: str | None = Field(description="SHA-256 over everything the result follows from.")
    created_at: datetime | None = Field(description="When it was stored, UTC.")
    created_by: str | None = Field(description="Who asked for it.")
    deleted_at: datetime | None = Field(description="When it was set aside, UTC; null: it counts.")


class BetePrediction(BaseModel):
    """What was predicted of a crystal, and its spectrum."""

    prediction: PredictionAnswer = Field(description="The prediction, with interval, method and confidence.")
    run: BeteRun | None = Field(
        description="The electron-phonon run with the surrogate spectrum; null outside the theory."
    )
