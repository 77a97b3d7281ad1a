"""Jobs in, and jobs called off."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from htc.errors import ConflictError, NotFoundError
from htc.store.jobs.reading import Job, JobKind, job_of
from htc.store.jobs.signals import CHANNEL
from htc.store.tables import jobs, runs
from htc.version import __version__

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["MAX_ATTEMPTS", "cancel", "end_run", "enqueue"]

MAX_ATTEMPTS: Final = 5
"""How often a job is taken up without getting on before it is given up."""

_NAMESPACE: Final = uuid.UUID("6f0c1a52-3a52-4c0e-9a0b-6d4a4f6f3f0e")
"""Makes the same run of the same owner's same key."""


def enqueue(
    database: Database,
    kind: JobKind,
    request: Mapping[str, Any],
    *,
    created_by: str,
    label: str | None = None,
    total: int | None = None,
    campaign: str | None = None,
    key: str | None = None,
    also: Callable[[sa.Connection, str], None] | None = None,
) -> tuple[Job, bool]:
    """Put a job into the queue, together with its run.

    Args:
        database: an open database.
        kind: what it is.
        request: everything a worker needs to do it, JSON-ready.
        created_by: who asks; written into every row that comes of it.
        label: a name for people.
        total: how many items it has, where that is known.
        campaign: id from :func:`htc.store.start_campaign`.
        key: the same key of the same person means the same job, however often it is sent.
        also: writes what belongs to a new job, given its run's id, in the same transaction.

    Returns:
        The job, and whether it is new: False, ``key`` was used for it before.

    Raises:
        ConflictError: ``key`` was used for another request.
        StoreError: the database refused.
    """
    run_id = str(uuid.uuid4() if key is None else uuid.uuid5(_NAMESPACE, f"{created_by}\n{key}"))
    wanted = dict(request)
    with database.begin() as connection:
        made = connection.execute(
            insert(runs)
            .values(
                id=run_id,
                kind=kind,
                label=label,
                settings=wanted,
                created_by=created_by,
                campaign_id=campaign,
                program_version=__version__,
            )
            .on_conflict_do_nothing(index_elements=[runs.c.id])
            .returning(runs.c.id)
        )
        if made.first() is None:
            job = job_of(connection, run_id)
            if (job.kind, dict(job.request)) != (kind, wanted):
                raise ConflictError(
                    "this key was used for another request",
                    where="Idempotency-Key",
                    hint="use a new key for a new request",
                )
            return job, False
        connection.execute(
            sa.insert(jobs).values(
                run_id=run_id, kind=kind, request=wanted, total=total, requested_by=created_by
            )
        )
        if also is not None:
            also(connection, run_id)
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, run_id)))
        return job_of(connection, run_id), True


def cancel(database: Database, run_id: str) -> Job:
    """Call a job off: at once where it waits, else as soon as the process at work looks up.

    What it found so far stays. A job that has ended stays as it ended.

    Raises:
        NotFoundError: there is no such job.
        StoreError: the database refused.
    """
    t = jobs.c
    with database.begin() as connection:
        state = connection.execute(
            sa.select(t.state, t.lease_until < sa.func.now()).where(t.run_id == run_id).with_for_update()
        ).one_or_none()
        if state is None:
            raise NotFoundError(f"there is no job {run_id!r}", hint="`htc runs list` shows them")
        waiting = state[0] == "queued" or (state[0] == "running" and state[1])
        if waiting:
            connection.execute(
                sa.update(jobs)
                .where(t.run_id == run_id)
                .values(
                    state="cancelled",
                    cancel_requested=True,
                    lease_owner=None,
                    lease_until=None,
                    trying=None,
                    finished_at=sa.func.now(),
                )
            )
            end_run(connection, run_id, "cancelled")
        elif state[0] == "running":
            connection.execute(sa.update(jobs).where(t.run_id == run_id).values(cancel_requested=True))
        return job_of(connection, run_id)


def end_run(connection: sa.Connection, run_id: str, status: str) -> None:
    """Note in ``runs`` how the run of a job ended."""
    connection.execute(
        sa.update(runs).where(runs.c.id == run_id).values(status=status, finished_at=sa.func.now())
    )
