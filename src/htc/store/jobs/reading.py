"""How runs and their jobs stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlalchemy as sa

from htc.errors import NotFoundError
from htc.store import cursors
from htc.store.listing import newest_first
from htc.store.rankings import check_page
from htc.store.tables import htc_predictions, jobs, run_items, runs

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = [
    "Job",
    "JobKind",
    "JobState",
    "RunList",
    "RunSummary",
    "job_counts",
    "job_of",
    "last_finished",
    "list_progress",
    "newest_finished",
    "run_summary",
]

JobKind = Literal["screen", "optimize", "validate", "campaign"]
JobState = Literal["queued", "running", "finished", "failed", "cancelled"]

_BY_TIME: Final = "j"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker is asked to do."""

    run_id: str
    kind: JobKind
    request: Mapping[str, Any]
    state: JobState
    done: int
    failed: int
    total: int | None
    attempts: int
    trying: Mapping[str, Any] | None
    """What the process that died had in hand: ``positions``, ``label``, and how many died of it."""
    cancel_requested: bool
    requested_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run and how far it is. Times in UTC."""

    run_id: str
    kind: str
    label: str | None
    state: JobState
    done: int
    """Items that are over with, the failed ones included."""
    failed: int
    total: int | None
    """None where nobody knows yet."""
    message: str | None
    error: Mapping[str, Any] | None
    attempts: int
    """How often a worker took it up since it last got on; 0 for a run without a job."""
    cancel_requested: bool
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    heartbeat_at: datetime | None
    """When the process at work was last heard of."""
    campaign_id: str | None
    is_job: bool
    """Whether workers carry it out; a batch of `htc predict` or of a request is done by who began it."""
    request: Mapping[str, Any] | None = None
    """What was asked for; not in lists."""
    result: Mapping[str, Any] | None = None
    """What came out as a whole; not in lists."""


@dataclass(frozen=True, slots=True)
class RunList:
    """Some runs, newest first, and where the next ones begin."""

    rows: tuple[RunSummary, ...]
    next_cursor: str | None


def job_of(connection: sa.Connection, run_id: str) -> Job:
    """The job of a run.

    Raises:
        NotFoundError: there is no such job.
    """
    row = connection.execute(
        sa.select(*(jobs.c[name] for name in Job.__dataclass_fields__)).where(jobs.c.run_id == run_id)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no job {run_id!r}", hint="`htc runs list` shows them")
    return Job(**row._mapping)


def run_summary(database: Database, run_id: str) -> RunSummary:
    """How one run stands.

    Raises:
        NotFoundError: there is no such run.
        StoreError: the database does not answer.
    """
    # An optimisation whose evaluator is outside has no job: what was asked for is in the run.
    request = sa.case((runs.c.kind == "optimize", sa.func.coalesce(jobs.c.request, runs.c.settings)))
    query = _summaries(sa.func.coalesce(jobs.c.request, request).label("request"), jobs.c.result)
    query = query.where(runs.c.id == run_id)
    with database.connect() as connection:
        # A text with NUL in it names nothing, and PostgreSQL would not even look.
        row = None if "\0" in run_id else connection.execute(query).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no run {run_id!r}", hint="`htc runs list` shows them")
        summary = _summary(row)
        if summary.is_job:
            return summary
        p = htc_predictions.c
        stored = connection.execute(
            sa.select(sa.func.count()).where(p.experiment_id == run_id, p.deleted_at.is_(None))
        ).scalar_one()
        i = run_items.c
        told = connection.execute(
            sa.select(sa.func.count(), sa.func.count().filter(i.state == "failed")).where(i.run_id == run_id)
        ).one()
    if told[0]:
        return replace(summary, done=told[0], failed=told[1])
    return replace(summary, done=stored)


def list_progress(
    database: Database,
    n: int = 20,
    *,
    kind: str | None = None,
    state: JobState | None = None,
    after: str | None = None,
) -> RunList:
    """Runs with their progress, newest first. Every page costs the same.

    Args:
        database: an open database.
        n: rows a page, 1 to 10,000.
        kind: only such runs, e.g. ``"screen"``.
        state: only runs in this state.
        after: ``next_cursor`` of the page before.

    Raises:
        InputError: n out of range, or a damaged cursor.
        StoreError: the database does not answer.
    """
    check_page(n)
    t = runs.c
    query = _summaries().where(t.deleted_at.is_(None))
    if kind is not None:
        query = query.where(t.kind == kind)
    if state is not None:
        query = query.where(sa.literal(state) == _STATE)
    query = newest_first(query, n, _BY_TIME, after)
    with database.connect() as connection:
        found = [_summary(row) for row in connection.execute(query)]
    cursor = None
    if len(found) > n:
        cursor = cursors.pack(_BY_TIME, found[n - 1].created_at.isoformat(), found[n - 1].run_id)
    return RunList(tuple(found[:n]), cursor)


def newest_finished(database: Database, kind: JobKind, **wanted: str) -> RunSummary | None:
    """The last job of a kind that finished, among those whose request has these values; None: there is none.

    Raises:
        StoreError: the database does not answer.
    """
    found = last_finished(database, kind, 1, **wanted)
    return found[0] if found else None


def last_finished(database: Database, kind: JobKind, n: int, **wanted: str) -> list[RunSummary]:
    """The last jobs of a kind that finished, newest first, with request and result.

    Args:
        database: an open database.
        kind: of the jobs.
        n: how many, 1 to 10,000.
        wanted: values that their request has.

    Raises:
        InputError: n out of range.
        StoreError: the database does not answer.
    """
    check_page(n)
    j = jobs.c
    query = (
        _summaries(j.request, j.result)
        .where(j.kind == kind, j.state == "finished", runs.c.deleted_at.is_(None))
        .where(*(j.request[name].astext == value for name, value in wanted.items()))
        .order_by(j.finished_at.desc(), j.run_id)
        .limit(n)
    )
    with database.connect() as connection:
        return [_summary(row) for row in connection.execute(query)]


def job_counts(database: Database) -> dict[JobState, int]:
    """How many jobs are in each state.

    Raises:
        StoreError: the database does not answer.
    """
    query = sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state)
    with database.connect() as connection:
        found = {row[0]: row[1] for row in connection.execute(query)}
    states: tuple[JobState, ...] = ("queued", "running", "finished", "failed", "cancelled")
    return {state: found.get(state, 0) for state in states}


_STATE: Final = sa.func.coalesce(jobs.c.state, runs.c.status)


def _summaries(*more: sa.ColumnElement[Any]) -> sa.Select[Any]:
    r, j = runs.c, jobs.c
    return sa.select(
        r.id.label("run_id"),
        r.kind,
        r.label,
        _STATE.label("state"),
        sa.func.coalesce(j.done, 0).label("done"),
        sa.func.coalesce(j.failed, 0).label("failed"),
        j.total,
        j.message,
        j.error,
        sa.func.coalesce(j.attempts, 0).label("attempts"),
        sa.func.coalesce(j.cancel_requested, sa.false()).label("cancel_requested"),
        r.created_by,
        r.created_at,
        j.started_at,
        sa.func.coalesce(j.finished_at, r.finished_at).label("finished_at"),
        j.heartbeat_at,
        r.campaign_id,
        j.run_id.is_not(None).label("is_job"),
        *more,
    ).select_from(runs.outerjoin(jobs, j.run_id == r.id))


def _summary(row: sa.Row[Any]) -> RunSummary:
    fields: dict[str, Any] = {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value
        for name, value in row._mapping.items()
    }
    return RunSummary(**fields)
