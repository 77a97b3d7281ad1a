"""Rankings: the best predictions, and the best formulas."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["FormulaQuery", "FormulaRanking", "FormulaRow", "RankedRow", "Ranking", "RankingQuery"]

MAX_ROWS = 1000


class RankingQuery(BaseModel):
    """Which predictions are wanted; all that is given must hold. A row without the value asked for is out."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    n: int = Field(default=50, ge=1, le=MAX_ROWS, description="Rows a page.")
    after: str | None = Field(
        default=None, max_length=200, description="`next_cursor` of the page before; null for the first page."
    )
    elements: str | None = Field(
        default=None,
        max_length=400,
        description="Symbols that must all be in the material, with commas.",
        examples=["Mg,B"],
    )
    any_of: str | None = Field(
        default=None,
        max_length=400,
        description="Symbols of which at least one must be in the material, with commas.",
    )
    without: str | None = Field(
        default=None, max_length=400, description="Symbols of which none may be, with commas."
    )
    only: str | None = Field(
        default=None,
        max_length=400,
        description="A chemical system, symbols with commas: no other element may be.",
    )
    min_tc_predicted: float | None = Field(default=None, description="Least `tc_predicted`, K.")
    max_tc_predicted: float | None = Field(default=None, description="Greatest `tc_predicted`, K.")
    min_pressure_required_gpa: float | None = Field(default=None, description="Least pressure, GPa.")
    max_pressure_required_gpa: float | None = Field(default=None, description="Greatest pressure, GPa.")
    phonon_stable: bool | None = Field(
        default=None, description="true: without imaginary modes; false: with some."
    )
    thermo_stable: bool | None = Field(
        default=None, description="true: on the hull of the competitors known; false: above it."
    )
    max_hull_distance_eV: float | None = Field(  # noqa: N815  # name of the column
        default=None, description="Greatest energy above the convex hull, eV/atom."
    )
    min_confidence_level: Literal["low", "medium", "high"] | None = Field(
        default=None, description="Least level of confidence."
    )
    confidence_level: str | None = Field(
        default=None, max_length=40, description="Levels of confidence wanted, with commas."
    )
    model_id: str | None = Field(default=None, max_length=200, description="Id of the model.")
    model_tier: Literal["fast", "default", "best"] | None = Field(
        default=None, description="Tier of the model."
    )
    experiment_id: str | None = Field(default=None, max_length=100, description="Id of the run.")
    formula: str | None = Field(default=None, max_length=200, description="Chemical formula.")
    family: str | None = Field(
        default=None, max_length=100, description="Family of materials.", examples=["boride"]
    )
    best_known: bool = Field(
        default=False,
        description="Without predictions of models where a calculated spectrum of the same formula and "
        "pressure is stored.",
    )
    include_set_aside: bool = Field(default=False, description="Also predictions that were set aside.")


class RankedRow(BaseModel):
    """A row of the ranking."""

    id: str = Field(description="Id of the prediction.")
    reduced_formula: str | None = Field(description="Reduced formula.")
    tc_predicted: float = Field(description="Critical temperature, K.")
    tc_lower_95ci: float | None = Field(description="Lower end of the 95 % interval, K.")
    tc_upper_95ci: float | None = Field(description="Upper end of the 95 % interval, K.")
    tc_uncertainty: float | None = Field(description="One standard deviation of Tc, K.")
    tc_experiment: float | None = Field(description="What a laboratory will measure, K; null if not known.")
    lambda_ep: float | None = Field(description="Electron-phonon coupling constant.")
    omega_log: float | None = Field(description="Logarithmic average phonon frequency, K.")
    mu_star: float | None = Field(description="Coulomb pseudopotential.")
    pressure_required_gpa: float | None = Field(description="Pressure the prediction holds for, GPa.")
    hull_distance_eV: float | None = Field(  # noqa: N815  # name of the column
        description="Energy above the hull, eV/atom; null if not computed."
    )
    phonon_stable: bool | None = Field(description="Dynamical stability; null if not computed or undecided.")
    phonon_verdict: Literal["stable", "unstable", "undecided"] | None = Field(
        description="What the phonons of an interatomic potential say; null if not computed."
    )
    thermo_stable: bool | None = Field(description="Thermodynamic stability; null if not computed.")
    confidence_level: Literal["low", "medium", "high"] | None = Field(description="Level of confidence.")
    extrapolation_warning: bool | None = Field(
        description="Whether the material lies outside the training data."
    )
    prediction_method: str | None = Field(description="Formula and origin of the coupling.")
    family: str | None = Field(description="Family of the material.")
    model_tier: Literal["fast", "default", "best"] | None = Field(description="Tier of the model that spoke.")
    model_id: str | None = Field(description="Model that gave the coupling.")
    structure_origin: str | None = Field(description="Where the crystal is known from.")
    structure_hash: str | None = Field(description="Hash of the stored crystal.")
    source: str | None = Field(description="The input as its giver named it; of a path the file's name.")
    experiment_id: str | None = Field(description="Run the prediction belongs to.")
    created_at: datetime | None = Field(description="When it was stored, UTC.")


class Ranking(BaseModel):
    """A page of predictions, highest Tc first, equal ones by id."""

    rows: list[RankedRow] = Field(description="The predictions.")
    next_cursor: str | None = Field(
        description="For `after`; null on the last page. A page with fewer rows than asked for, even none, "
        "and a cursor: the search was stopped after many rows that do not pass, and goes on from there."
    )


class FormulaQuery(BaseModel):
    """Which formulas are wanted."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    n: int = Field(default=50, ge=1, le=MAX_ROWS, description="Rows a page.")
    after: str | None = Field(
        default=None, max_length=500, description="`next_cursor` of the page before; null for the first page."
    )
    min_avg_tc: float | None = Field(default=None, description="Least average Tc, K.")


class FormulaRow(BaseModel):
    """A formula with the average of its predictions."""

    structure_formula: str | None = Field(description="Reduced formula.")
    avg_tc: float = Field(
        description="Average Tc over all stored electron-phonon runs above 1 K of this formula, K."
    )
    prediction_count: int = Field(description="How many these are.")
    last_prediction: datetime | None = Field(description="When the last of them was stored, UTC.")


class FormulaRanking(BaseModel):
    """A page of formulas, highest average Tc first, as of the last refresh of `top_superconductors`."""

    rows: list[FormulaRow] = Field(description="The formulas.")
    next_cursor: str | None = Field(description="For `after`; null on the last page.")
    refreshed_at: datetime | None = Field(description="When the ranking was last computed, UTC; null: never.")
    newer_rows: int = Field(description="Electron-phonon runs stored since, which it does not show.")
