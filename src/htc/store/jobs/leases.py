"""Taking a job, holding it, writing down what was done, and letting go of it.

Every change asks in the same transaction whether the lease is still the holder's. A holder that was away too
long, and whose job another process has taken since, can therefore write nothing any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlalchemy as sa

from htc.store.jobs.items import Item, insert_items
from htc.store.jobs.queue import MAX_ATTEMPTS, end_run
from htc.store.jobs.reading import Job, JobKind, job_of
from htc.store.tables import jobs

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = [
    "LEASE_S",
    "Beat",
    "Lease",
    "claim",
    "fail",
    "finish",
    "give_back",
    "heartbeat",
    "record",
    "retry_later",
]

LEASE_S: Final = 30.0
"""How long a job stays with a process of which nothing is heard, s."""

Beat = Literal["held", "cancel", "lost"]
"""What a holder learns: go on; stop, the job was called off; stop, it is somebody else's now."""

_FREE: Final = {"lease_owner": None, "lease_until": None}


@dataclass(frozen=True, slots=True)
class Lease:
    """A job in the hands of one process."""

    job: Job
    owner: str
    seconds: float = LEASE_S

    @property
    def run_id(self) -> str:
        """The job's run."""
        return self.job.run_id


def claim(
    database: Database,
    owner: str,
    *,
    seconds: float = LEASE_S,
    kinds: Sequence[JobKind] = (),
    run_id: str | None = None,
) -> Lease | None:
    """Take the job that has waited longest, or one whose holder is not heard of any more.

    A job that was called off, or that was taken up :data:`MAX_ATTEMPTS` times without getting on, is ended
    here and not given out.

    Args:
        database: an open database.
        owner: who takes it; unique for every process, also for the next one of the same number.
        seconds: how long it is the owner's without a :func:`heartbeat`.
        kinds: only such jobs; all when empty.
        run_id: only the job of this run.

    Raises:
        StoreError: the database refused.
    """
    while True:
        with database.begin() as connection:
            lease, is_decided = _claim(connection, owner, seconds, kinds, run_id)
        if is_decided:
            return lease


def _claim(
    connection: sa.Connection, owner: str, seconds: float, kinds: Sequence[JobKind], run_id: str | None
) -> tuple[Lease | None, bool]:
    t = jobs.c
    now = sa.func.now()
    waits = sa.and_(t.state == "queued", t.not_before <= now)
    abandoned = sa.and_(t.state == "running", t.lease_until < now)
    query = (
        sa.select(t.run_id, t.state, t.attempts, t.trying, t.cancel_requested, t.lease_owner)
        .where(sa.or_(waits, abandoned))
        .order_by(t.not_before, t.created_at, t.run_id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if kinds:
        query = query.where(t.kind.in_(kinds))
    if run_id is not None:
        query = query.where(t.run_id == run_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None, True
    here = sa.update(jobs).where(t.run_id == row.run_id)
    if row.cancel_requested:
        connection.execute(here.values(state="cancelled", trying=None, finished_at=now, **_FREE))
        end_run(connection, row.run_id, "cancelled")
        return None, False
    trying = row.trying
    if row.state == "running" and trying is not None:
        trying = {**trying, "deaths": int(trying.get("deaths", 0)) + 1}
    if row.attempts >= MAX_ATTEMPTS:
        reason = {
            "code": "given-up",
            "what": f"taken up {row.attempts} times without getting on",
            "where": None if trying is None else str(trying.get("label")),
            "hint": "the log of the workers says what happened each time",
        }
        last = connection.execute(sa.select(t.error).where(t.run_id == row.run_id)).scalar_one()
        if last is not None:
            reason = {**last, "what": f"{last['what']} (the last of {row.attempts} attempts)"}
        connection.execute(here.values(state="failed", error=reason, finished_at=now, **_FREE))
        end_run(connection, row.run_id, "failed")
        return None, False
    connection.execute(
        here.values(
            state="running",
            attempts=t.attempts + 1,
            trying=sa.null() if trying is None else trying,
            lease_owner=owner,
            lease_until=_until(seconds),
            heartbeat_at=now,
            started_at=sa.func.coalesce(t.started_at, now),
        )
    )
    return Lease(job_of(connection, row.run_id), owner, seconds), True


def heartbeat(database: Database, lease: Lease) -> Beat:
    """Hold the job for another while.

    Raises:
        StoreError: the database does not answer; the lease goes on running out.
    """
    with database.begin() as connection:
        return _held(connection, lease, {})


def record(
    database: Database,
    lease: Lease,
    items: Sequence[Item] = (),
    *,
    total: int | None = None,
    message: str | None = None,
    trying: Mapping[str, Any] | None = None,
) -> Beat:
    """Write down what was done, all of it or, where the lease is lost, nothing; and hold the job further.

    Args:
        database: an open database.
        lease: from :func:`claim`.
        items: what became of some items; no position twice in a run.
        total: how many items there are, where that has become known.
        message: what is being done, for people.
        trying: what is taken in hand next (``positions``, ``label``): found by whoever takes the job over
            if this process dies of it.

    Raises:
        StoreError: the database refused; nothing was written.
    """
    changes: dict[str, Any] = {"trying": sa.null() if trying is None else dict(trying)}
    if items:
        failed = sum(item.error is not None for item in items)
        changes |= {
            "done": jobs.c.done + len(items),
            "failed": jobs.c.failed + failed,
            "attempts": 1,
            "error": sa.null(),
        }
    if total is not None:
        changes["total"] = total
    if message is not None:
        changes["message"] = message
    with database.begin() as connection:
        beat = _held(connection, lease, changes)
        if beat != "lost":
            insert_items(connection, lease.run_id, items)
    return beat


def finish(
    database: Database,
    lease: Lease,
    *,
    result: Mapping[str, Any] | None = None,
    message: str | None = None,
    end: Literal["finished", "cancelled"] = "finished",
) -> bool:
    """The job is done, or was stopped because it was called off; False: it is somebody else's now.

    Args:
        database: an open database.
        lease: from :func:`claim`.
        result: what came out as a whole, JSON-ready.
        message: a sentence for people.
        end: how it ended.

    Raises:
        StoreError: the database refused.
    """
    changes: dict[str, Any] = {"state": end, "trying": sa.null(), "error": sa.null()}
    if result is not None:
        changes["result"] = dict(result)
    if message is not None:
        changes["message"] = message
    return _ended(database, lease, changes, end)


def fail(database: Database, lease: Lease, error: Mapping[str, Any]) -> bool:
    """The job cannot be done; False: it is somebody else's now.

    Args:
        database: an open database.
        lease: from :func:`claim`.
        error: ``code``, ``what``, ``where`` and ``hint`` of an ``HTCError``.

    Raises:
        StoreError: the database refused.
    """
    return _ended(database, lease, {"state": "failed", "error": dict(error), "trying": sa.null()}, "failed")


def give_back(database: Database, lease: Lease) -> bool:
    """Put the job back into the queue, behind those that wait: this process stops, or others have a turn.

    That is no failed attempt. False: it is somebody else's already.

    Raises:
        StoreError: the database refused; the lease runs out by itself.
    """
    return _released(database, lease, {"attempts": sa.func.greatest(jobs.c.attempts - 1, 0)}, 0.0)


def retry_later(database: Database, lease: Lease, error: Mapping[str, Any], seconds: float) -> bool:
    """Put the job back after something went wrong that may not go wrong again; it counts as an attempt.

    Args:
        database: an open database.
        lease: from :func:`claim`.
        error: what went wrong, kept in case it was the last attempt.
        seconds: how long nobody takes it.

    Raises:
        StoreError: the database refused; the lease runs out by itself.
    """
    return _released(database, lease, {"error": dict(error)}, seconds)


def _released(database: Database, lease: Lease, changes: dict[str, Any], seconds: float) -> bool:
    t = jobs.c
    with database.begin() as connection:
        done = connection.execute(
            sa.update(jobs)
            .where(t.run_id == lease.run_id, t.lease_owner == lease.owner, t.state == "running")
            .values(state="queued", trying=sa.null(), not_before=_until(seconds), **_FREE, **changes)
        )
    return done.rowcount == 1


def _ended(database: Database, lease: Lease, changes: dict[str, Any], status: str) -> bool:
    with database.begin() as connection:
        t = jobs.c
        done = connection.execute(
            sa.update(jobs)
            .where(t.run_id == lease.run_id, t.lease_owner == lease.owner, t.state == "running")
            .values(finished_at=sa.func.now(), **_FREE, **changes)
        )
        if done.rowcount == 1:
            end_run(connection, lease.run_id, status)
    return done.rowcount == 1


def _held(connection: sa.Connection, lease: Lease, changes: Mapping[str, Any]) -> Beat:
    t = jobs.c
    row = connection.execute(
        sa.update(jobs)
        .where(t.run_id == lease.run_id, t.lease_owner == lease.owner, t.state == "running")
        .values(lease_until=_until(lease.seconds), heartbeat_at=sa.func.now(), **changes)
        .returning(t.cancel_requested)
    ).one_or_none()
    if row is None:
        return "lost"
    return "cancel" if row.cancel_requested else "held"


def _until(seconds: float) -> sa.ColumnElement[Any]:
    return sa.func.now() + timedelta(seconds=seconds)
