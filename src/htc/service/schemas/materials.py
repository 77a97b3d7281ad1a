"""Everything known of one formula."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from htc.service.schemas.predictions import PredictionAnswer

__all__ = ["MaterialAnswer", "MaterialCrystal", "MaterialSpectrum", "ReferenceValue"]


class ReferenceValue(BaseModel):
    """A measured critical temperature from the library of known superconductors."""

    name: str = Field(description="Formula, or the name of this form of it.")
    prototype: str = Field(description="Structure type.")
    spacegroup_number: int = Field(description="Number of the space group, 1 to 230.")
    pressure_gpa: float = Field(description="Pressure it exists and was measured at, GPa.")
    tc_measured: float | None = Field(
        description="Measured critical temperature, K; null where there is none, or none well known."
    )
    sources: list[str] = Field(description="References: the structure's, then Tc's where it is another.")
    note: str | None = Field(description="What else is to be said about it.")


class MaterialCrystal(BaseModel):
    """A stored crystal of the formula."""

    structure_hash: str = Field(description="Its hash, for `/api/htc/structures/{hash}`.")
    structure_origin: str | None = Field(description="Where it is known from.")
    spacegroup_number: int | None = Field(description="Number of the space group, 1 to 230.")
    nsites: int | None = Field(description="Sites in the primitive cell.")
    volume: float | None = Field(description="Volume of the primitive cell, cubic angstrom.")
    hull_distance_eV: float | None = Field(  # noqa: N815  # name of the column
        description="Least energy above the hull among its predictions, eV/atom; null if not computed."
    )
    phonon_verdict: Literal["stable", "unstable", "undecided"] | None = Field(
        description="Newest verdict on its phonons; null if not computed."
    )
    prediction_ids: list[str] = Field(description="Its predictions, newest first.")


class MaterialSpectrum(BaseModel):
    """A stored alpha2F of the formula."""

    id: str = Field(description="Its electron-phonon run, for `/api/bete/runs/{id}`.")
    prediction_id: str = Field(description="Prediction made with it.")
    spectrum_origin: Literal["measured", "surrogate"] = Field(
        description="Whether it was given, or formed from predicted moments."
    )
    created_at: datetime | None = Field(description="When it was stored, UTC.")


class MaterialAnswer(BaseModel):
    """Everything known of one reduced formula."""

    formula: str = Field(description="Reduced formula.")
    elements: list[str] = Field(description="Symbols of its elements, in alphabetical order.")
    best: PredictionAnswer | None = Field(
        description="The prediction to show first: at the lowest pressure, by a given spectrum or else the "
        "best tier of the model, of a crystal rather than a composition, of the crystal lowest above the "
        "hull, and of these the newest. Null where nothing is stored."
    )
    best_structure_hash: str | None = Field(description="Its crystal; null where there is none.")
    predictions: list[PredictionAnswer] = Field(
        description="Its predictions, 200 at most, the history of the material: those from a spectrum of "
        "their own first, of each kind the newest first."
    )
    prediction_count: int = Field(description="How many predictions are stored in all.")
    structures: list[MaterialCrystal] = Field(description="The crystals among these predictions.")
    spectra: list[MaterialSpectrum] = Field(description="The spectra among these predictions.")
    references: list[ReferenceValue] = Field(
        description="Measured values the library knows, lowest pressure first; empty if none."
    )
