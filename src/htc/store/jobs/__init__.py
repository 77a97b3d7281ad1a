"""The queue of long work: runs that worker processes carry out, with what became of each item.

There is no second system beside the database. A process takes a job by a lease that it renews; when it dies
the lease runs out and another process goes on after the last item that was written down. Whatever a holder
writes is written only while the lease is its own, so that nothing is done twice by two who both think so.

>>> job, _ = enqueue(database, "screen", {"formulas": ["MgB2"]}, created_by="me")        # doctest: +SKIP
>>> lease = claim(database, owner="host:4711")                                           # doctest: +SKIP
>>> record(database, lease, [Item(position=0, label="MgB2", prediction_id=some_id)])     # doctest: +SKIP
>>> finish(database, lease)                                                              # doctest: +SKIP
"""

from htc.store.jobs.items import (
    Item,
    ItemPage,
    RunItem,
    item_formulas,
    items_of,
    objective_rows,
    pages_of_values,
)
from htc.store.jobs.leases import Beat, Lease, claim, fail, finish, give_back, heartbeat, record, retry_later
from htc.store.jobs.queue import MAX_ATTEMPTS, cancel, enqueue
from htc.store.jobs.reading import (
    Job,
    JobKind,
    JobState,
    RunList,
    RunSummary,
    job_counts,
    last_finished,
    list_progress,
    newest_finished,
    run_summary,
)
from htc.store.jobs.signals import JobSignals

__all__ = [
    "MAX_ATTEMPTS",
    "Beat",
    "Item",
    "ItemPage",
    "Job",
    "JobKind",
    "JobSignals",
    "JobState",
    "Lease",
    "RunItem",
    "RunList",
    "RunSummary",
    "cancel",
    "claim",
    "enqueue",
    "fail",
    "finish",
    "give_back",
    "heartbeat",
    "item_formulas",
    "items_of",
    "job_counts",
    "last_finished",
    "list_progress",
    "newest_finished",
    "objective_rows",
    "pages_of_values",
    "record",
    "retry_later",
    "run_summary",
]
