"""Writing under a lease, and taking a run over that a person asks for by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from htc.errors import ConflictError
from htc.store.jobs.leases import LEASE_S, Beat, Lease, _held, _until
from htc.store.jobs.reading import job_of
from htc.store.tables import jobs, runs

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["held", "take_at_once", "take_over"]


def held(connection: sa.Connection, lease: Lease, changes: Mapping[str, Any] | None = None) -> Beat:
    """Hold the job further in the caller's transaction, and change columns of ``jobs`` with it.

    Whatever else the caller writes in this transaction is written only while the lease is the holder's: on
    ``"lost"`` it must write nothing.

    Args:
        connection: in a transaction.
        lease: from ``claim`` or :func:`take_over`.
        changes: columns of ``jobs`` and their values.
    """
    return _held(connection, lease, changes or {})


def take_at_once(connection: sa.Connection, run_id: str, owner: str, seconds: float = LEASE_S) -> Lease:
    """Take up a job in the transaction that makes it, before any worker sees it.

    Args:
        connection: in a transaction, see ``also`` of ``enqueue``.
        run_id: of the run.
        owner: who takes it; unique for every process.
        seconds: how long it is the owner's without a heartbeat.
    """
    connection.execute(
        sa.update(jobs)
        .where(jobs.c.run_id == run_id)
        .values(
            state="running",
            attempts=1,
            lease_owner=owner,
            lease_until=_until(seconds),
            heartbeat_at=sa.func.now(),
            started_at=sa.func.now(),
        )
    )
    return Lease(job_of(connection, run_id), owner, seconds)


def take_over(
    database: Database,
    run_id: str,
    owner: str,
    *,
    is_dead: Callable[[str], bool],
    seconds: float = LEASE_S,
) -> Lease:
    """Take up a run that a person names: one that waits, was stopped, failed, or whose holder is gone.

    Unlike ``claim`` it does not count earlier attempts: who asks for a run by name wants it tried again.

    Args:
        database: an open database.
        run_id: of the run.
        owner: who takes it; unique for every process.
        is_dead: whether the holder of this name is known to be gone; its lease need not run out then.
        seconds: how long it is the owner's without a heartbeat.

    Raises:
        NotFoundError: there is no such job.
        ConflictError: it is finished, or a process that may be alive holds it.
        StoreError: the database refused.
    """
    t = jobs.c
    with database.begin() as connection:
        job_of(connection, run_id)
        state, holder, is_over, left_s = connection.execute(
            sa.select(
                t.state,
                t.lease_owner,
                t.lease_until < sa.func.now(),
                sa.func.extract("epoch", t.lease_until - sa.func.now()),
            )
            .where(t.run_id == run_id)
            .with_for_update()
        ).one()
        if state == "finished":
            raise ConflictError(
                "this run is finished",
                where=run_id,
                hint=f"`htc runs show {run_id[:8]}` shows what came of it",
            )
        if state == "running" and not is_over and not is_dead(holder):
            raise ConflictError(
                f"{holder.rpartition(':')[0]} is at work on this run",
                where=run_id,
                hint=f"if that process is dead, its lease runs out in {max(0.0, float(left_s)):.0f} s; "
                f"`htc runs cancel {run_id[:8]}` stops it",
            )
        connection.execute(
            sa.update(jobs)
            .where(t.run_id == run_id)
            .values(
                state="running",
                attempts=1,
                error=sa.null(),
                finished_at=sa.null(),
                cancel_requested=False,
                lease_owner=owner,
                lease_until=_until(seconds),
                heartbeat_at=sa.func.now(),
                started_at=sa.func.coalesce(t.started_at, sa.func.now()),
            )
        )
        connection.execute(
            sa.update(runs).where(runs.c.id == run_id).values(status="running", finished_at=sa.null())
        )
        return Lease(job_of(connection, run_id), owner, seconds)
