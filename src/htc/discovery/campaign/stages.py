"""The ``[[stages]]`` tables: what is done to candidates, to how many, and who goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import Field, create_model, model_validator

from htc.discovery.campaign.base import Table
from htc.prediction.record import ConfidenceLevel, ModelTier, PhononVerdict

__all__ = [
    "NUMERIC_COLUMNS",
    "EliashbergStage",
    "HullStage",
    "Keep",
    "NumericColumn",
    "PhononsStage",
    "PredictStage",
    "RelaxStage",
    "Stage",
]

NumericColumn = Literal[
    "tc_predicted",
    "tc_lower_95ci",
    "tc_upper_95ci",
    "tc_uncertainty",
    "tc_experiment",
    "tc_experiment_lower_95ci",
    "tc_experiment_upper_95ci",
    "tc_eliashberg",
    "lambda_ep",
    "omega_log",
    "pressure_required_gpa",
    "hull_distance_eV",
    "imaginary_modes_count",
    "lowest_frequency_thz",
    "volume_change",
]
NUMERIC_COLUMNS: Final[dict[str, str]] = {
    "tc_predicted": "Tc, K",
    "tc_lower_95ci": "lower end of its 95 % interval, K",
    "tc_upper_95ci": "upper end of its 95 % interval, K",
    "tc_uncertainty": "one standard deviation of Tc, K",
    "tc_experiment": "what a laboratory will measure, K",
    "tc_experiment_lower_95ci": "lower end of its 95 % interval, K",
    "tc_experiment_upper_95ci": "upper end of its 95 % interval, K",
    "tc_eliashberg": "Tc by the Eliashberg equations on a surrogate spectrum, K",
    "lambda_ep": "electron-phonon coupling constant",
    "omega_log": "logarithmic average phonon frequency, K",
    "pressure_required_gpa": "pressure, GPa",
    "hull_distance_eV": "energy above the hull, eV/atom",
    "imaginary_modes_count": "imaginary phonon modes on the mesh",
    "lowest_frequency_thz": "lowest phonon frequency, THz",
    "volume_change": "relative change of volume by the relaxation",
}
"""Columns a rule may name, and what they are."""


class _KeepBase(Table):
    phonon_verdict: tuple[PhononVerdict, ...] | None = Field(
        default=None, min_length=1, description="What the phonons may say."
    )
    confidence_level: tuple[ConfidenceLevel, ...] | None = Field(
        default=None, min_length=1, description="How sure the model must be."
    )
    extrapolation_warning: bool | None = Field(
        default=None, description="false: only candidates the model knows relatives of."
    )
    best: int | None = Field(
        default=None, ge=1, description="Of those that fulfil the rest, so many; null: all of them."
    )
    by: NumericColumn = Field(default="tc_predicted", description="Column that `best` goes by.")
    direction: Literal["max", "min"] | None = Field(
        default=None,
        description="Whether the largest or the smallest are best; null: largest Tc, lambda_ep, omega_log and"
        " lowest_frequency_thz, smallest of the others.",
    )

    @property
    def wanted(self) -> Literal["max", "min"]:
        """The direction, filled in."""
        if self.direction is not None:
            return self.direction
        upwards = self.by.startswith("tc_") and self.by != "tc_uncertainty"
        return "max" if upwards or self.by in {"lambda_ep", "omega_log", "lowest_frequency_thz"} else "min"

    @property
    def bounds(self) -> dict[str, tuple[float | None, float | None]]:
        """Lower and upper bound of every column that has one. A value that is not there fulfils none."""
        out: dict[str, tuple[float | None, float | None]] = {}
        for column in NUMERIC_COLUMNS:
            low, high = getattr(self, f"min_{column}"), getattr(self, f"max_{column}")
            if low is not None or high is not None:
                out[column] = (low, high)
        return out

    @model_validator(mode="after")
    def _satisfiable(self) -> Self:
        for column, (low, high) in self.bounds.items():
            if low is not None and high is not None and low > high:
                raise ValueError(f"min_{column} is above max_{column}: nothing fulfils both")
        return self


def _bound_fields() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for column, meaning in NUMERIC_COLUMNS.items():
        for side, word in (("min", "At least"), ("max", "At most")):
            fields[f"{side}_{column}"] = (
                float | None,
                Field(default=None, description=f"{word}: {meaning}."),
            )
    return fields


if TYPE_CHECKING:

    class Keep(_KeepBase):
        """Who passes a stage."""
else:
    # A bound each way for every column, made from the table so that the two cannot differ.
    Keep = create_model("Keep", __base__=_KeepBase, __doc__="Who passes a stage.", **_bound_fields())


class _Stage(Table):
    budget: int | None = Field(
        default=None,
        ge=1,
        description="At most so many candidates (times pressures) enter, the best of those that passed the"
        " stage before; null: all.",
    )
    keep: Keep = Field(default_factory=Keep, description="Who goes on to the next stage.")


class PredictStage(_Stage):
    """Tc by a tier of the model."""

    kind: Literal["predict"] = Field(description="Kind of the stage.")
    tier: ModelTier = Field(default="default", description="Tier of the model.")


class _PotentialStage(_Stage):
    potential: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Name of the interatomic potential, as of `htc stability`; null: the default one.",
    )


class RelaxStage(_PotentialStage):
    """Cell and positions relaxed at the pressure with an interatomic potential (extra [mlip])."""

    kind: Literal["relax"] = Field(description="Kind of the stage.")
    fmax: float = Field(default=0.02, gt=0.0, le=1.0, description="Largest force that may be left, eV/Å.")
    max_steps: int = Field(default=300, ge=1, le=5000, description="Steps at most.")


class PhononsStage(_PotentialStage):
    """Phonons with an interatomic potential (extra [mlip])."""

    kind: Literal["phonons"] = Field(description="Kind of the stage.")


class HullStage(_PotentialStage):
    """Energy above the hull of competing phases (extra [mlip])."""

    kind: Literal["hull"] = Field(description="Kind of the stage.")
    made_up: bool = Field(
        default=True,
        description="Compete with crystals made up from common structure types, too: a minute or two for the"
        " first candidate of a chemical system, less for the next. false: with known crystals only, seconds;"
        " the distance is then the lower bound it says it is.",
    )


class EliashbergStage(_Stage):
    """Tc by the isotropic Eliashberg equations on a spectrum made from the predicted moments."""

    kind: Literal["eliashberg"] = Field(description="Kind of the stage.")


Stage = Annotated[
    PredictStage | RelaxStage | PhononsStage | HullStage | EliashbergStage, Field(discriminator="kind")
]
