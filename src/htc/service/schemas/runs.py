"""Runs: what is asked for, how far it is, what came of every item, and what no other item beats."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from htc.discovery.requests import (
    CandidateRequest,
    Column,
    Objective,
    OptimizeRequest,
    ScreenRequest,
    StabilityWish,
    StoredSelection,
    StructureText,
    Substitution,
)
from htc.jobs.requests import ValidateRequest
from htc.prediction.predictor import MAX_MU_STAR, MAX_PRESSURE_GPA
from htc.prediction.record import ModelTier

__all__ = [
    "BeteScreenRequest",
    "CandidateRequest",
    "ItemError",
    "ItemPrediction",
    "Objective",
    "OptimizeRequest",
    "ParetoAnswer",
    "ParetoObjective",
    "ParetoPoint",
    "ResultsAnswer",
    "RunAnswer",
    "RunItemAnswer",
    "RunListAnswer",
    "ScreenRequest",
    "StoredSelection",
    "StructureText",
    "Substitution",
    "ValidateRequest",
    "ValidationAnswer",
    "ValidationMetrics",
    "ValidationPoint",
]

RunState = Literal["queued", "running", "finished", "failed", "cancelled"]


class BeteScreenRequest(BaseModel):
    """A batch of crystals to predict as a run."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    structures: list[StructureText] = Field(
        min_length=1, max_length=1000, description="The crystals, as the text of files."
    )
    label: str | None = Field(default=None, max_length=200, description="A name for the run, for people.")
    pressure_gpa: float = Field(
        default=0.0, ge=0.0, le=MAX_PRESSURE_GPA, description="Pressure of all of them, GPa."
    )
    mu_star: float | None = Field(
        default=None, ge=0.0, le=MAX_MU_STAR, description="Coulomb pseudopotential; null: the service's own."
    )
    tier: ModelTier | None = Field(default=None, description="Tier of the model; null: the service's own.")
    stability: StabilityWish = Field(
        default="none", description="none: only Tc. hull: also the energy above the hull. full: phonons, too."
    )

    def as_screening(self) -> ScreenRequest:
        """The same as a screening."""
        return ScreenRequest(
            label=self.label,
            candidates=CandidateRequest(structures=self.structures),
            pressures_gpa=[self.pressure_gpa],
            mu_star=self.mu_star,
            tier=self.tier,
            stability=self.stability,
        )


class ItemError(BaseModel):
    """Why something failed."""

    model_config = ConfigDict(extra="ignore")

    code: str = Field(description="Stable machine-readable name.")
    what: str = Field(description="What is wrong.")
    where: str | None = Field(default=None, description="Where it was found.")
    hint: str | None = Field(default=None, description="What can be done about it.")


class RunAnswer(BaseModel):
    """How far a run is."""

    model_config = ConfigDict(from_attributes=True)

    run_id: str = Field(description="Id of the run; the `experiment_id` of its predictions.")
    kind: str = Field(description="screen, optimize or validate; batch and others for what no worker does.")
    label: str | None = Field(description="A name for people.")
    state: RunState = Field(
        description="queued, running, or how it ended: finished, failed (see `error`), cancelled."
    )
    done: int = Field(description="Items that are over with, those that failed included.")
    failed: int = Field(description="Items without a prediction; each says why.")
    total: int | None = Field(description="How many items there are; null while nobody knows.")
    message: str | None = Field(description="What is being done, for people.")
    error: ItemError | None = Field(description="Why it failed, or why it is being tried again.")
    attempts: int = Field(description="How often a worker took it up since it last got on.")
    cancel_requested: bool = Field(description="Whether it was called off.")
    created_by: str = Field(description="Who asked for it.")
    created_at: datetime = Field(description="When it was accepted, UTC.")
    started_at: datetime | None = Field(description="When a worker first took it up, UTC.")
    finished_at: datetime | None = Field(description="When it ended, UTC.")
    heartbeat_at: datetime | None = Field(description="When the worker was last heard of, UTC.")
    campaign_id: str | None = Field(description="Campaign it belongs to.")
    is_job: bool = Field(description="Whether workers carry it out.")
    request: dict[str, Any] | None = Field(default=None, description="What was asked for; not in lists.")
    result: dict[str, Any] | None = Field(
        default=None, description="What came out as a whole, e.g. metrics; not in lists."
    )


class RunListAnswer(BaseModel):
    """Some runs, newest first."""

    rows: list[RunAnswer] = Field(description="The runs.")
    next_cursor: str | None = Field(description="For `after`; null on the last page.")


class ItemPrediction(BaseModel):
    """The main values of an item's prediction; the rest is at /api/htc/predictions/{id}."""

    model_config = ConfigDict(extra="ignore")

    reduced_formula: str | None = Field(description="Reduced formula.")
    tc_predicted: float | None = Field(description="Critical temperature, K; null outside the theory.")
    tc_lower_95ci: float | None = Field(description="Lower end of the 95 % interval, K.")
    tc_upper_95ci: float | None = Field(description="Upper end of the 95 % interval, K.")
    tc_uncertainty: float | None = Field(description="One standard deviation of Tc, K.")
    tc_experiment: float | None = Field(description="What a laboratory will measure, K; null if not known.")
    lambda_ep: float | None = Field(description="Electron-phonon coupling constant.")
    omega_log: float | None = Field(description="Logarithmic average phonon frequency, K.")
    pressure_required_gpa: float | None = Field(description="Pressure the prediction holds for, GPa.")
    hull_distance_eV: float | None = Field(  # noqa: N815  # name of the column
        description="Energy above the hull, eV/atom; null if not computed."
    )
    phonon_stable: bool | None = Field(description="Dynamical stability; null if not computed or undecided.")
    applicable: bool = Field(description="Whether electron-phonon theory applies.")
    reason: str | None = Field(description="Why there is no Tc; null where there is one.")
    confidence_level: Literal["low", "medium", "high"] | None = Field(
        description="From the distance to the training data."
    )
    extrapolation_warning: bool | None = Field(
        description="Whether the material lies outside the training data."
    )
    family: str | None = Field(description="Family of the material.")
    model_tier: ModelTier | None = Field(description="Which tier of the model spoke.")


class RunItemAnswer(BaseModel):
    """What became of one item."""

    model_config = ConfigDict(from_attributes=True)

    position: int = Field(description="Its place in the run, from 0, in the order in which they are done.")
    label: str = Field(description="Its name: a formula, a label, what was put in the place of what.")
    state: Literal["done", "failed"] = Field(description="Whether it has a prediction.")
    prediction_id: str | None = Field(
        description="Its prediction, which an earlier run may have stored already."
    )
    prediction: ItemPrediction | None = Field(description="The main values of that prediction.")
    error: ItemError | None = Field(description="Why it failed; null where it did not.")
    values: dict[str, Any] = Field(
        description="More about it: an optimisation's candidate, batch and prior Tc (K); the measured Tc "
        "(K), source and DOI of a validation."
    )
    created_at: datetime = Field(description="When it was written down, UTC.")


class ParetoObjective(BaseModel):
    """An objective the items are compared by."""

    column: Column = Field(description="Column of the prediction.")
    direction: Literal["max", "min"] = Field(description="Whether more or less is better.")
    reference: float = Field(
        description="Worst value that still counts for the hypervolume, in the column's unit."
    )


class ParetoPoint(BaseModel):
    """An item that no other is at least as good as in everything and better than in something."""

    position: int = Field(description="Position of the item.")
    prediction_id: str | None = Field(description="Its prediction.")
    label: str = Field(description="Its name.")
    values: dict[str, float] = Field(description="Its value of every objective, in the column's unit.")


class ParetoAnswer(BaseModel):
    """What is not beaten so far."""

    objectives: list[ParetoObjective] = Field(description="What was compared by.")
    unused: list[str] = Field(description="Objectives that no item has a value of.")
    compared: int = Field(description="Items with a value for every objective compared by.")
    incomplete: int = Field(description="Items with a Tc that lack a value, and are left out.")
    hypervolume: float | None = Field(
        description="Volume dominated above the references, in the product of the units; null for a front "
        "too large to tell."
    )
    points: list[ParetoPoint] = Field(description="The front.")


class ResultsAnswer(BaseModel):
    """A run, some of its items, and what is not beaten. Usable while the run goes on."""

    run: RunAnswer = Field(description="How far it is.")
    items: list[RunItemAnswer] = Field(description="Items, by position.")
    next_cursor: str | None = Field(
        description="For `after`; null: no more so far. While the run goes on, ask again after the last "
        "position seen, which is a cursor, too."
    )
    pareto: ParetoAnswer | None = Field(description="What no other item beats; null where not asked for.")


class ValidationMetrics(BaseModel):
    """How far values are from those they are held against; null where there are too few to say."""

    n: int = Field(description="Pairs.")
    compositions: int = Field(description="Different compositions among them.")
    mae: float | None = Field(description="Mean absolute error, in the unit of the view.")
    rmse: float | None = Field(description="Root mean square error.")
    bias: float | None = Field(description="Mean of judged minus known.")
    r2: float | None = Field(description="Coefficient of determination.")
    mape: float | None = Field(
        description="Mean relative error, as a share, of pairs whose known value is at least `mape_from`."
    )
    spearman: float | None = Field(description="Rank correlation.")
    median_factor: float | None = Field(description="Median factor between judged and known, above 0.1.")
    coverage: float | None = Field(description="Share of known values inside the 95 % interval stated.")
    within: float | None = Field(description="Share of the pairs that agree within the tolerance they state.")
    intervals: dict[str, tuple[float, float]] = Field(
        description="95 % bootstrap interval of each figure that has one, compositions resampled."
    )


class ValidationPoint(BaseModel):
    """One pair of a parity plot."""

    model_config = ConfigDict(from_attributes=True)

    label: str = Field(description="Name of the case.")
    formula: str = Field(description="Chemical formula.")
    view: str = Field(description="The view it belongs to.")
    known: float = Field(description="What it is held against, in the unit of the view.")
    predicted: float = Field(description="What is judged, in the same unit.")
    lower_95: float | None = Field(description="Lower end of its 95 % interval.")
    upper_95: float | None = Field(description="Upper end of its 95 % interval.")
    within: bool | None = Field(description="Whether they agree within the tolerance; null: none is stated.")
    tolerance: float | None = Field(description="That tolerance.")
    pressure_gpa: float = Field(description="Pressure, GPa.")
    groups: dict[str, str] = Field(description="Parts it belongs to, e.g. its family.")
    source: str = Field(description="Where the known value comes from.")
    doi: str | None = Field(description="DOI of that source.")
    note: str | None = Field(description="What else is to be known.")
    prediction_id: str | None = Field(description="The stored prediction.")


class ValidationView(BaseModel):
    """Pairs of one meaning and unit."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(description="Its name.")
    title: str = Field(description="What is held against what.")
    unit: str = Field(description="Unit of both; empty for a number without.")
    known: str = Field(description="Title of the axis of what is known.")
    predicted: str = Field(description="Title of the axis of what is judged.")
    group: str | None = Field(description="Key of the groups of the points that a plot tells apart.")
    headline: str = Field(description="The figure that says most.")
    headline_part: str = Field(description="The part whose figures stand for the view.")
    mape_from: float = Field(description="Smallest known value that a relative error is taken of.")
    parts: dict[str, ValidationMetrics] = Field(description="Metrics of all pairs and of parts of them.")


class ValidationFigureChange(BaseModel):
    """A figure in the run before and now, on the cases that both have."""

    view: str = Field(description="The view.")
    figure: str = Field(description="Name of the figure.")
    before: float = Field(description="In the run before.")
    now: float = Field(description="In this run.")
    worse: bool = Field(description="Whether it got worse by more than it may.")


class ValidationCaseChange(BaseModel):
    """A case whose judged value moved."""

    label: str = Field(description="Name of the case.")
    view: str = Field(description="The view.")
    known: float = Field(description="What it is held against.")
    before: float = Field(description="Judged in the run before.")
    now: float = Field(description="Judged in this run.")
    worse: bool = Field(description="Whether it got worse by more than it may.")
    known_changed: bool = Field(description="Whether what is known changed: then it is no regression.")


class ValidationComparison(BaseModel):
    """What changed since the run before, at the same tier and mu*."""

    run_id: str = Field(description="The run before.")
    finished_at: str | None = Field(description="When it finished, UTC.")
    conditions: dict[str, Any] = Field(description="Model, mu* and program of that run.")
    same_data: bool = Field(description="Whether the cases are the same.")
    figures: list[ValidationFigureChange] = Field(description="Figures, on common cases.")
    cases: list[ValidationCaseChange] = Field(description="Cases that moved, worse ones first; at most 200.")
    changed: int = Field(description="How many cases moved.")
    lost: list[str] = Field(description="Cases with a pair before and none now.")
    new: list[str] = Field(description="Cases with a pair now and none before.")
    regressions: list[str] = Field(description="What got worse by more than it may, in words.")


class ValidationSuite(BaseModel):
    """A suite, and how its last run came out."""

    suite: str = Field(description="Name of the suite.")
    needs_data: bool = Field(description="Whether it needs the laboratory's data.")
    available: bool = Field(description="Whether this service has what it needs.")
    run: RunAnswer | None = Field(description="Its last finished run; null: none.")
    views: list[ValidationView] = Field(description="Metrics of that run.")
    regressions: int | None = Field(description="How many there were; null: nothing to compare with.")


class ValidationSuites(BaseModel):
    """All suites."""

    suites: list[ValidationSuite] = Field(description="In their order.")


class ValidationAnswer(BaseModel):
    """The last finished validation by a suite."""

    suite: str = Field(description="Name of the suite.")
    title: str = Field(description="What it holds against what.")
    about: str = Field(description="On which data.")
    run: RunAnswer = Field(description="The run it comes from.")
    conditions: dict[str, Any] = Field(description="Model, mu* and program.")
    views: list[ValidationView] = Field(description="Metrics, one view a meaning and unit.")
    cautions: list[str] = Field(description="What keeps these numbers from saying more than they do.")
    excluded: dict[str, int] = Field(description="Rows of the data that make no case, counted by reason.")
    refused: list[str] = Field(description="Cases outside electron-phonon theory, which got no Tc.")
    failed: int = Field(description="Cases that could not be judged.")
    comparison: ValidationComparison | None = Field(description="What changed since the run before.")
    points: list[ValidationPoint] = Field(description="The pairs.")
