"""The queue of jobs: who waits, who works, and what went wrong."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from htc.store.jobs.signals import CHANNEL
from htc.store.stats.facts import JobQueue

__all__ = ["queue"]

# A worker that waits listens; one that works holds a lease. Sessions of other roles do not show what they do.
_QUEUE: Final = f"""
SELECT coalesce(extract(epoch FROM max(now() - greatest(not_before, created_at))
           FILTER (WHERE state = 'queued' AND not_before <= now())), 0) AS oldest_queued_s,
       count(*) FILTER (WHERE state = 'running' AND lease_until < now()) AS expired_leases,
       count(DISTINCT lease_owner) FILTER (WHERE state = 'running' AND lease_until >= now()) AS holders,
       coalesce(sum(greatest(attempts - 1, 0)), 0) AS repeated_attempts,
       coalesce(sum(failed), 0) AS failed_items,
       (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND query = 'LISTEN {CHANNEL}') AS listeners
FROM jobs
"""  # noqa: S608  # a constant of ours


def queue(connection: Connection) -> JobQueue | None:
    """The state of the queue; None at a revision that has none."""
    if connection.execute(text("SELECT to_regclass('jobs')")).scalar_one() is None:
        return None
    row = connection.execute(text(_QUEUE)).one()
    by_state = connection.execute(text("SELECT kind, state, count(*) FROM jobs GROUP BY 1, 2 ORDER BY 1, 2"))
    return JobQueue(
        jobs=tuple((kind, state, count) for kind, state, count in by_state),
        oldest_queued_s=float(row.oldest_queued_s),
        expired_leases=row.expired_leases,
        repeated_attempts=int(row.repeated_attempts),
        failed_items=int(row.failed_items),
        workers=max(row.holders, row.listeners),
    )
