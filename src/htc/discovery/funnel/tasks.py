"""What travels between a campaign's coordinator and its worker processes.

A :class:`ChunkTask` has all that a process needs: it asks no database. The entries of a task, and what comes
of each, do not depend on how the entries of a stage were cut into chunks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from htc.errors import HTCError

if TYPE_CHECKING:
    from htc.discovery.space import SpaceSlice
    from htc.prediction.record import Prediction

__all__ = [
    "CandidateRow",
    "ChunkFailure",
    "ChunkResult",
    "ChunkTask",
    "OutcomeState",
    "StageEntry",
    "StageKind",
]

StageKind = Literal["predict", "relax", "phonons", "hull", "eliashberg"]
OutcomeState = Literal["done", "failed", "rejected", "duplicate"]
"""``done`` has values; ``failed`` has an error; ``rejected`` was never a candidate, the plausibility rules or
the theory speak against it; ``duplicate`` is set by the coordinator alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEntry:
    """One candidate at one pressure that has passed the stages before."""

    number: int
    """Of the candidate, in the campaign's space."""
    pressure_gpa: float
    carry: Mapping[str, Any] | None = None
    """Crystal as the stages before left it (relaxed, say), as pymatgen's ``Structure.as_dict()``; None: as
    the space makes it."""
    prediction: Prediction | None = None
    """What the stages before found out, stability included."""
    values: Mapping[str, float | str | bool | None] = field(default_factory=dict)
    """``values`` of its row of the stage before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkTask:
    """Some candidates to be put through one stage. Picklable, self-contained."""

    run_id: str
    stage: int
    """Place of the stage in the campaign, from 0."""
    chunk: int
    """Tells the tasks of a run apart; nothing of the result may depend on it."""
    kind: StageKind
    spec: Mapping[str, Any]
    """The ``[[stages]]`` table as the campaign holds it, ``model_dump(mode="json")`` with defaults."""
    candidates: SpaceSlice
    """The candidates, by number."""
    entries: tuple[StageEntry, ...] | None = None
    """Which candidates at which pressure, in the order of their numbers; None (first stage): every
    candidate of the slice at each of ``pressures_gpa``."""
    pressures_gpa: tuple[float, ...] = (0.0,)
    mu_star: float = 0.13
    seed: int = 0
    """Of the campaign. Whatever is drawn for a candidate is drawn from (seed, stage, number, pressure)."""
    full: bool = True
    """False: the row's ``values`` are enough, ``prediction`` and ``carry`` may stay None (cheap stage)."""
    model: str | None = None
    """Folder of the electron-phonon model; None: the one shipped."""
    supplement: Mapping[str, Any] | None = None
    """What a hull needs of the store and of providers, from ``htc.discovery.stages.supplement_for``; None:
    nobody was asked, and each result says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRow:
    """What came of one candidate at one pressure."""

    number: int
    pressure_gpa: float
    label: str
    formula: str | None
    """Reduced formula."""
    state: OutcomeState
    values: Mapping[str, float | str | bool | None] = field(default_factory=dict)
    """Columns that rules and rankings may name: those of ``htc_predictions`` under the same names
    (``tc_predicted``, ``tc_lower_95ci``, ``hull_distance_eV``, ``phonon_verdict``, ...), and further ones."""
    prediction: Prediction | None = None
    """Whole record, to be stored; asked for with ``ChunkTask.full``."""
    carry: Mapping[str, Any] | None = None
    """Crystal that the next stages go on with; None: the same as before."""
    error: Mapping[str, Any] | None = None
    """Why it failed or was rejected: ``code``, ``what``, ``where``, ``hint`` of an ``HTCError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkResult:
    """What a process answers to a task."""

    stage: int
    chunk: int
    rows: tuple[CandidateRow, ...]
    """In the order of the entries; without those that the space itself rejected."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """How many candidates of the slice the space rejected, by reason: they are counted, not kept, because
    the space says the same of them at any time. Each counts once for every pressure."""
    seconds: float = 0.0
    """Wall time the process spent on it, s."""
    worker: str = ""
    """Which process it was, for people: ``host:pid``."""


@dataclass(frozen=True, slots=True)
class ChunkFailure:
    """A task that came to nothing."""

    error: HTCError
    worker_died: bool
    """Whether the process that had it died (out of memory, segmentation fault). The coordinator then tries
    it in halves until the guilty candidate is alone. False: the whole chunk fails for a reason that another
    try would only repeat, e.g. a missing extra or a model that cannot be read: the run ends with it."""
