"""The whole of a campaign."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from htc.discovery.campaign.base import Table
from htc.discovery.campaign.candidates import Source, SubstitutionSource
from htc.discovery.campaign.optimize import OptimizeTable
from htc.discovery.campaign.plausibility import Plausibility
from htc.discovery.campaign.pools import GROUPS, PoolWords, pool_of
from htc.discovery.campaign.stages import PredictStage, Stage
from htc.errors import InputError
from htc.materials.formulas import ELEMENTS
from htc.prediction.predictor import MAX_MU_STAR, MAX_PRESSURE_GPA

__all__ = ["Campaign", "Duplicates", "Volume"]

_GroupName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=50)]


class Volume(Table):
    """How the volume of a generated crystal is set before anything is predicted."""

    method: Literal["estimate", "keep"] = Field(
        default="estimate",
        description="estimate: from atomic volumes, measured against known crystals; keep: the prototype's"
        " own. A stage of kind relax may follow either.",
    )
    scale: float = Field(
        default=1.0, gt=0.1, le=10.0, description="Further factor on the volume, e.g. 0.8 for compressed."
    )


class Duplicates(Table):
    """When two candidates are one crystal (pymatgen's StructureMatcher, volumes scaled)."""

    on: bool = Field(default=True, description="Whether duplicates are looked for.")
    ltol: float = Field(default=0.1, gt=0.0, le=1.0, description="Tolerance of lengths, relative.")
    stol: float = Field(
        default=0.1, gt=0.0, le=1.0, description="Tolerance of sites, in cube roots of the volume an atom."
    )
    angle_tol: float = Field(default=3.0, gt=0.0, le=30.0, description="Tolerance of angles, degrees.")


class Campaign(Table):
    """What to look for, where, and how: one file."""

    name: str = Field(min_length=1, max_length=100, description="Name of the campaign.")
    description: str = Field(default="", max_length=10_000, description="What it is for, for people.")
    seed: int = Field(
        default=0, ge=0, lt=2**31, description="Everything random follows from it: equal seed, equal run."
    )
    pressures_gpa: Annotated[
        tuple[Annotated[float, Field(ge=0.0, le=MAX_PRESSURE_GPA)], ...], Field(min_length=1, max_length=20)
    ] = Field(default=(0.0,), description="Each candidate is judged at each of these pressures, GPa.")
    mu_star: float | None = Field(
        default=None, ge=0.0, le=MAX_MU_STAR, description="Coulomb pseudopotential; null: HTC_MU_STAR."
    )
    limit: int | None = Field(
        default=None,
        ge=1,
        description="So many candidates of the whole space, drawn at random (seeded), each once; null: all.",
    )
    groups: dict[_GroupName, PoolWords] = Field(
        default_factory=dict, description="Groups of elements of this campaign's own, by name."
    )
    candidates: Annotated[tuple[Source, ...], Field(min_length=1, max_length=1000)] = Field(
        description="Where candidates come from, in this order."
    )
    plausibility: Plausibility = Field(
        default_factory=Plausibility, description="What is rejected before anything is predicted."
    )
    volume: Volume = Field(default_factory=Volume, description="Volume of generated crystals.")
    duplicates: Duplicates = Field(
        default_factory=Duplicates, description="When two candidates are one crystal."
    )
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=20)] = Field(
        default=(PredictStage(kind="predict"),), description="What is done, in this order."
    )
    optimize: OptimizeTable | None = Field(default=None, description="For `htc optimize`.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.pressures_gpa)) < len(self.pressures_gpa):
            raise ValueError("pressures_gpa: a pressure is given twice")
        for name in self.groups:
            if name in GROUPS or name.capitalize() in ELEMENTS:
                raise ValueError(f"groups.{name}: there is a group or an element of this name already")
        try:
            for name, words in self.groups.items():
                where = f"groups.{name}"
                pool_of(words, self.groups)
            for i, source in enumerate(self.candidates):
                if isinstance(source, SubstitutionSource):
                    for slot, words in source.slots.items():
                        where = f"candidates.{i}.slots.{slot}"
                        pool_of(words, self.groups)
        except InputError as error:
            # Read again by htc.discovery.campaign.reading: place, what, and the hint on a line of its own.
            raise ValueError(f"{where}: {error.what}\n{error.hint or ''}".strip()) from error
        return self

    def as_json(self) -> dict[str, Any]:
        """The campaign as it is kept: ``Campaign.model_validate`` of it is equal to this one."""
        return self.model_dump(mode="json", exclude_none=True)
