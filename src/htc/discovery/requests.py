"""What a person asks for: the candidates of a screening or an optimisation, and how they are judged.

These are the bodies of the HTTP requests, the content of ``jobs.request``, and what ``runs.settings`` keeps.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from htc.materials.checks import DEFAULT_MAX_SITES
from htc.materials.formats import StructureFormat
from htc.prediction.predictor import MAX_MU_STAR, MAX_PRESSURE_GPA
from htc.prediction.record import ModelTier

__all__ = [
    "DEFAULT_REFERENCE",
    "MAX_CANDIDATES",
    "CandidateRequest",
    "Column",
    "Constraint",
    "Direction",
    "Goal",
    "Objective",
    "OptimizeRequest",
    "ScreenRequest",
    "StabilityWish",
    "StoredSelection",
    "StrategyName",
    "StructureText",
    "Substitution",
]

MAX_CANDIDATES: Final = 100_000
"""Candidates times pressures of one run."""
_MAX_POOL: Final = 20_000
"""Candidates times pressures of an optimisation, which keeps them all in mind."""

Column = Literal[
    "tc_predicted",
    "tc_lower_95ci",
    "tc_experiment",
    "tc_uncertainty",
    "lambda_ep",
    "omega_log",
    "pressure_required_gpa",
    "hull_distance_eV",
    "element_cost",
    "hhi_production",
    "hhi_reserve",
    "dust_hazard",
]
"""What can be an objective or a constraint: columns of a prediction, and those of
:mod:`htc.discovery.elements`, which follow from the formula."""
Direction = Literal["max", "min"]
StabilityWish = Literal["none", "hull", "full"]
StrategyName = Literal["hypervolume", "botorch", "greedy", "random"]

_USUAL: Final[dict[str, Direction]] = {
    "tc_predicted": "max",
    "tc_lower_95ci": "max",
    "tc_experiment": "max",
    "tc_uncertainty": "min",
    "lambda_ep": "max",
    "omega_log": "max",
    "pressure_required_gpa": "min",
    "hull_distance_eV": "min",
    "element_cost": "min",
    "hhi_production": "min",
    "hhi_reserve": "min",
    "dust_hazard": "min",
}
DEFAULT_REFERENCE: Final[dict[str, float]] = {
    "tc_predicted": 0.0,
    "tc_lower_95ci": 0.0,
    "tc_experiment": 0.0,
    "tc_uncertainty": 50.0,
    "lambda_ep": 0.0,
    "omega_log": 0.0,
    "pressure_required_gpa": 300.0,
    "hull_distance_eV": 0.5,
    "element_cost": 1000.0,
    "hhi_production": 10_000.0,
    "hhi_reserve": 10_000.0,
    "dust_hazard": 5.0,
}
"""Worst value that still counts for the hypervolume, in the unit of the column: the same for every run, so
that two runs can be compared."""

_Formula = Annotated[str, Field(min_length=1, max_length=200)]
_Symbol = Annotated[str, Field(min_length=1, max_length=2, pattern=r"^[A-Z][a-z]?$")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class StructureText(_Request):
    """A crystal as the text of a file."""

    text: str = Field(
        min_length=1, max_length=1_000_000, description="Content of a CIF, POSCAR or pymatgen JSON file."
    )
    label: str | None = Field(default=None, max_length=200, description="A name for people.")
    format: StructureFormat | None = Field(
        default=None, description="Its format; null: found out from the content."
    )


class Substitution(_Request):
    """Crystals made from one prototype by putting other elements in the place of its own.

    Every combination of the replacements is a candidate. The cell keeps its shape; its volume is estimated
    from how near its elements like to be to each other, which gives the volumes of known compounds made from
    each other to 2 % (median; 13 % unscaled).
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"prototype": "Nb3Sn", "replace": {"Sn": ["Al", "Ge", "Ga", "Si"]}}]}
    )

    prototype: str | None = Field(
        default=None, max_length=100, description="Name of a crystal of the bundled library, e.g. `Nb3Sn`."
    )
    structure_id: str | None = Field(
        default=None, max_length=100, description="Or the id of a stored crystal or prediction."
    )
    structure: StructureText | None = Field(default=None, description="Or a crystal given as text.")
    replace: dict[_Symbol, Annotated[list[_Symbol], Field(min_length=1, max_length=118)]] = Field(
        min_length=1, max_length=8, description="Which elements take the place of which."
    )

    @model_validator(mode="after")
    def _one_crystal(self) -> Self:
        given = [self.prototype, self.structure_id, self.structure]
        if sum(one is not None for one in given) != 1:
            raise ValueError("exactly one of prototype, structure_id and structure is required")
        return self

    @property
    def count(self) -> int:
        """How many combinations there are."""
        return math.prod(len(set(others)) for others in self.replace.values())


class StoredSelection(_Request):
    """Crystals that are stored already. All that is given must hold."""

    elements: list[_Symbol] = Field(
        default_factory=list, max_length=20, description="Symbols that must all be in the crystal."
    )
    without: list[_Symbol] = Field(
        default_factory=list, max_length=118, description="Symbols of which none may be."
    )
    only: list[_Symbol] = Field(default_factory=list, max_length=118, description="No other element may be.")
    formula: str | None = Field(default=None, max_length=200, description="Chemical formula.")
    spacegroup_number: int | None = Field(
        default=None, ge=1, le=230, description="Number of the space group."
    )
    limit: int = Field(default=1000, ge=1, le=10_000, description="At most so many.")


class CandidateRequest(_Request):
    """Where the candidates come from; everything that is given is put together, in this order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "formulas": ["MgB2", "NbN"],
                    "substitutions": [{"prototype": "Nb3Sn", "replace": {"Sn": ["Al", "Ge", "Ga"]}}],
                }
            ]
        }
    )

    formulas: list[_Formula] = Field(
        default_factory=list,
        max_length=10_000,
        description="Chemical formulas; known crystals are looked up.",
    )
    structures: list[StructureText] = Field(
        default_factory=list, max_length=1_000, description=f"Crystals of up to {DEFAULT_MAX_SITES} sites."
    )
    structure_ids: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        default_factory=list, max_length=10_000, description="Ids of stored crystals or predictions."
    )
    substitutions: list[Substitution] = Field(
        default_factory=list, max_length=100, description="Crystals made from prototypes."
    )
    stored: StoredSelection | None = Field(
        default=None, description="Stored crystals that fulfil conditions; chosen as the run is accepted."
    )

    @property
    def count(self) -> int:
        """How many candidates there are; those of ``stored`` only after they have been chosen."""
        return (
            len(self.formulas)
            + len(self.structures)
            + len(self.structure_ids)
            + sum(one.count for one in self.substitutions)
        )


class _Conditions(_Request):
    label: str | None = Field(default=None, max_length=200, description="A name for the run, for people.")
    candidates: CandidateRequest = Field(description="What to look at.")
    pressures_gpa: list[Annotated[float, Field(ge=0.0, le=MAX_PRESSURE_GPA)]] = Field(
        default_factory=lambda: [0.0],
        min_length=1,
        max_length=20,
        description="Each candidate is judged at each of these pressures, GPa. A crystal is taken as its "
        "cell at that pressure: nothing is compressed.",
    )
    mu_star: float | None = Field(
        default=None, ge=0.0, le=MAX_MU_STAR, description="Coulomb pseudopotential; null: the service's own."
    )
    tier: ModelTier | None = Field(
        default=None, description="Tier of the model that judges; null: the service's own."
    )
    stability: StabilityWish = Field(
        default="none",
        description="none: only Tc. hull: also the energy above the convex hull by an interatomic potential "
        "(seconds a crystal; needs the extra [mlip]). full: phonons, too (minutes a crystal).",
    )

    @property
    def count(self) -> int:
        """Candidates times pressures."""
        return self.candidates.count * len(set(self.pressures_gpa))


class ScreenRequest(_Conditions):
    """Judge every candidate."""

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        _check_count(self, MAX_CANDIDATES)
        return self


class Objective(_Request):
    """One thing to have more or less of."""

    column: Column = Field(description="Column of the prediction.")
    direction: Direction | None = Field(
        default=None, description="max or min; null: what is usually wanted of it."
    )
    reference: float | None = Field(
        default=None,
        description="Worst value that still counts for the hypervolume, in the unit of the column; null: "
        + ", ".join(f"{name} {value:g}" for name, value in DEFAULT_REFERENCE.items())
        + ".",
    )

    @property
    def wanted(self) -> Direction:
        """The direction, filled in."""
        return self.direction or _USUAL[self.column]

    @property
    def worst(self) -> float:
        """The reference, filled in."""
        if self.reference is not None:
            return self.reference
        if self.wanted != _USUAL[self.column]:
            raise ValueError(f"{self.column} is not usually wanted {self.wanted}: a reference is needed")
        return DEFAULT_REFERENCE[self.column]

    @model_validator(mode="after")
    def _has_a_reference(self) -> Self:
        _ = self.worst
        return self


class Constraint(_Request):
    """A bound that a result must keep to count."""

    column: Column = Field(description="Column of the prediction or of the elements.")
    min: float | None = Field(default=None, description="At least this, in the unit of the column.")
    max: float | None = Field(default=None, description="At most this.")

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError(f"a constraint on {self.column} needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"{self.column} cannot be at least {self.min:g} and at most {self.max:g}")
        return self

    def holds(self, value: float | None) -> bool:
        """Whether a value keeps it; one that is not known does not."""
        if value is None or not math.isfinite(value):
            return False
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


def default_objectives() -> list[Objective]:
    """Tc up, pressure down, distance to the hull down."""
    return [
        Objective(column="tc_predicted"),
        Objective(column="pressure_required_gpa"),
        Objective(column="hull_distance_eV"),
    ]


class Goal(_Request):
    """What an optimisation looks for, and how it chooses."""

    objectives: list[Objective] = Field(
        default_factory=default_objectives,
        min_length=1,
        max_length=4,
        description="What to have more or less of.",
    )
    constraints: list[Constraint] = Field(
        default_factory=list, max_length=8, description="Bounds that a result must keep to count."
    )
    without: list[_Symbol] = Field(
        default_factory=list, max_length=118, description="No candidate with one of these elements."
    )
    wanted: int | None = Field(
        default=None,
        ge=1,
        le=_MAX_POOL,
        description="How many good ones are sought. With one objective: the best so many of the candidates. "
        "With several: for each compromise between them the best so many. null: a quarter of the budget with "
        "one objective, the front alone with several.",
    )
    strategy: StrategyName = Field(
        default="hypervolume",
        description="How candidates are chosen. hypervolume: by the uncertainty of the model, corrected by "
        "what was judged. botorch: Gaussian processes and qLogNEHVI of BoTorch (needs the extra [bo]). "
        "greedy: what the cheap model predicts best. random: any.",
    )
    budget: int = Field(default=100, ge=1, le=_MAX_POOL, description="How many are judged.")
    batch_size: int = Field(default=8, ge=1, le=256, description="How many are chosen at once.")
    prior_tier: ModelTier = Field(
        default="fast", description="Tier of the model that looks at the whole pool."
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        columns = [one.column for one in self.objectives]
        if len(set(columns)) < len(columns):
            raise ValueError("an objective is given twice")
        bounds = [one.column for one in self.constraints]
        if len(set(bounds)) < len(bounds):
            raise ValueError("a column is constrained twice: give min and max in one")
        return self


class OptimizeRequest(_Conditions, Goal):
    """Judge a budget of candidates, those first that may improve the front most.

    A cheap tier of the model looks at the whole pool once. Then batches are judged by the tier asked for:
    those that are, by the model's own uncertainty, most likely to be among the best. What was judged corrects
    what is thought of its relatives.
    """

    seed: int = Field(default=0, ge=0, lt=2**31, description="Equal seed, equal choices.")

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        _check_count(self, _MAX_POOL)
        return self


def _check_count(request: _Conditions, most: int) -> None:
    if request.candidates.stored is None and request.count == 0:
        raise ValueError("there are no candidates")
    if request.count > most:
        raise ValueError(f"{request.count:,} candidates times pressures are more than {most:,}")


def as_json(request: BaseModel) -> dict[str, Any]:
    """A request as it is kept."""
    return request.model_dump(mode="json", exclude_none=True)
