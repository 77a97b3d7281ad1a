"""Requests and answers of the API; names are those of the database columns."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from htc.prediction.predictor import MAX_MU_STAR, MAX_PRESSURE_GPA

__all__ = [
    "MAX_STRUCTURE_CHARACTERS",
    "PRESSURE_OF_A_CRYSTAL",
    "Conditions",
    "CrystalRequest",
    "MaterialRequest",
    "PredictRequest",
    "PredictionAnswer",
    "PredictionDetail",
    "SpectrumData",
]

MAX_STRUCTURE_CHARACTERS: Final = 1_000_000
"""A cell of 200 sites takes some 20 000 characters in any format."""


PRESSURE_OF_A_CRYSTAL: Final = (
    "A crystal that is given is taken as its cell at this pressure: nothing is compressed, and a note of the "
    "prediction says so. Of a formula a crystal known near this pressure is looked for, else the composition "
    "alone speaks, which has no pressure in it."
)


class Conditions(BaseModel):
    """What a prediction holds for."""

    pressure_gpa: float = Field(
        default=0.0, ge=0.0, le=MAX_PRESSURE_GPA, description=f"Pressure, GPa. {PRESSURE_OF_A_CRYSTAL}"
    )
    mu_star: float | None = Field(
        default=None,
        ge=0.0,
        le=MAX_MU_STAR,
        description="Coulomb pseudopotential; null takes the service's default.",
    )


class CrystalRequest(BaseModel):
    """A crystal, as text or by id."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    structure: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_STRUCTURE_CHARACTERS,
        description="Content of a CIF, POSCAR or pymatgen JSON file with one crystal.",
    )
    structure_format: Literal["cif", "poscar", "json"] | None = Field(
        default=None, description="Format of `structure`; null to find out from its content."
    )
    structure_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Hash of a stored crystal, or id of a prediction or electron-phonon run made of it.",
    )


class MaterialRequest(CrystalRequest):
    """A material: exactly one of composition, structure and structure_id."""

    composition: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Chemical formula. Its crystal is looked up in the library, then among the stored ones, "
        "then at the services of the settings; where none is known the composition alone speaks.",
        examples=["MgB2"],
    )


class PredictRequest(MaterialRequest, Conditions):
    """A material to predict: exactly one of composition, structure and structure_id."""

    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        json_schema_extra={"examples": [{"composition": "MgB2", "pressure_gpa": 0.0}]},
    )


class PredictionAnswer(BaseModel):
    """A stored prediction."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field(description="Identifier (UUID) of the stored prediction.")
    composition: str | None = Field(description="Full formula.")
    reduced_formula: str | None = Field(description="Reduced formula.")
    structure_info: dict[str, Any] | None = Field(description="Where the crystal came from and its symmetry.")
    tc_predicted: float | None = Field(description="Critical temperature, K; null outside the theory.")
    tc_lower_95ci: float | None = Field(description="Lower end of the 95 % interval, K.")
    tc_upper_95ci: float | None = Field(description="Upper end of the 95 % interval, K.")
    tc_uncertainty: float | None = Field(description="One standard deviation of Tc, K.")
    pressure_required_gpa: float | None = Field(description="Pressure the prediction holds for, GPa.")
    pressure_uncertainty_gpa: float | None = Field(description="Uncertainty of the pressure, GPa.")
    lambda_ep: float | None = Field(description="Electron-phonon coupling constant.")
    omega_log: float | None = Field(description="Logarithmic average phonon frequency, K.")
    lambda_ep_uncertainty: float | None = Field(description="One standard deviation of lambda_ep.")
    omega_log_uncertainty: float | None = Field(description="One standard deviation of omega_log, K.")
    omega_2: float | None = Field(
        description="Second-moment phonon frequency, K; null where only a model without it spoke."
    )
    omega_2_uncertainty: float | None = Field(description="One standard deviation of omega_2, K.")
    tc_experiment: float | None = Field(
        description="What a laboratory will measure, K; null where nothing is known to compare with."
    )
    tc_experiment_lower_95ci: float | None = Field(
        description="Lower end of the 95 % interval against experiment, K; Tc's own is against calculation."
    )
    tc_experiment_upper_95ci: float | None = Field(
        description="Upper end of the 95 % interval against experiment, K."
    )
    mu_star: float | None = Field(description="Coulomb pseudopotential.")
    xi_parameter: float | None = Field(description="lambda_ep / (1 + lambda_ep).")
    phonon_stable: bool | None = Field(description="Dynamical stability; null if not computed or undecided.")
    phonon_verdict: Literal["stable", "unstable", "undecided"] | None = Field(
        description="What the phonons of an interatomic potential say; null if not computed."
    )
    lowest_frequency_thz: float | None = Field(
        description="Lowest phonon frequency of that potential, THz; negative for imaginary."
    )
    thermo_stable: bool | None = Field(description="Thermodynamic stability; null if not computed.")
    extrapolation_warning: bool = Field(description="Whether the material lies outside the training data.")
    hull_distance_eV: float | None = Field(  # noqa: N815  # name of the column
        description="Energy above the hull, eV/atom; null if not computed."
    )
    hull_competitors: int | None = Field(
        description="Competing phases that hull knew: the true distance is at least the one given."
    )
    stability_potential: str | None = Field(
        description="Potential or table the stability was found with; null if not computed."
    )
    imaginary_modes_count: int | None = Field(description="Imaginary phonon modes; null if not computed.")
    prediction_method: str | None = Field(description="Formula and origin of the coupling.")
    confidence_level: Literal["low", "medium", "high"] | None = Field(
        description="From the distance to the training data, not from the value of Tc."
    )
    experiment_id: str | None = Field(description="Run the prediction belongs to.")
    created_by: str | None = Field(description="Who asked for it.")
    created_at: datetime | None = Field(description="When it was stored, UTC.")
    applicable: bool = Field(description="Whether electron-phonon theory applies.")
    reason: str | None = Field(description="Why there is no Tc; null where there is one.")
    family: str | None = Field(description="Family of the material.")
    extrapolation_reasons: list[str] = Field(
        description="What about the material is outside the training data."
    )
    cautions: list[str] = Field(description="What else speaks against trusting the number.")
    structure_origin: str | None = Field(
        description="Where the crystal is known from; null for composition only."
    )
    model_id: str | None = Field(description="Model that gave the coupling.")
    model_tier: Literal["fast", "default", "best"] | None = Field(
        description="Which tier of the model spoke; null for a given spectrum."
    )
    spectrum_origin: Literal["measured", "surrogate"] | None = Field(
        description="Whether the spectrum was given or formed from predicted moments; null without one."
    )
    notes: list[str] = Field(
        description="What was assumed, dropped or could not be asked on the way, one sentence each."
    )
    source: str | None = Field(description="The input as its giver named it; of a path the file's name.")
    elements: list[str] | None = Field(description="Symbols of its elements, in alphabetical order.")
    structure_hash: str | None = Field(
        description="Hash of the stored crystal, for `/api/htc/structures/{hash}`; null for composition only."
    )
    bete_run_id: str | None = Field(
        description="Electron-phonon run with the spectrum, for `/api/bete/runs/{id}`; null outside the "
        "theory and for composition only."
    )
    input_hash: str | None = Field(
        description="SHA-256 over input, pressure, mu*, model and settings: equal hash, equal prediction."
    )
    deleted_at: datetime | None = Field(description="When it was set aside, UTC; null: it counts.")


class SpectrumData(BaseModel):
    """An Eliashberg function alpha2F; all arrays are of one length."""

    label: str | None = Field(default=None, description="What tells it from others of one file.")
    omega_mev: list[float] = Field(description="Phonon energies, meV, rising.")
    alpha2f: list[float] = Field(description="alpha2F at these energies, dimensionless.")
    cumulative_lambda: list[float] = Field(
        description="2 times the integral of alpha2F/omega from zero to each energy; its last is lambda_ep."
    )


class PredictionDetail(PredictionAnswer):
    """A stored prediction with crystal, spectrum and provenance."""

    structure: dict[str, Any] | None = Field(
        description="Crystal the model saw, as pymatgen's `Structure.as_dict()`; null for composition only."
    )
    spectrum: SpectrumData | None = Field(description="alpha2F, where there is one.")
    provenance: dict[str, Any] = Field(description="Whatever else is needed to compute it again.")
    legacy_defects: list[str] = Field(
        description="Rules of today that a row of an earlier version breaks; empty otherwise."
    )
