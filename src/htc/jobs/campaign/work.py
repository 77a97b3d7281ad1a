"""The work of a campaign's run, for whoever holds its lease."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from htc.jobs.campaign.request import CampaignRequest, replaced
from htc.jobs.campaign.watching import Watch

if TYPE_CHECKING:
    from htc.jobs.task import Task

__all__ = ["campaign"]


def campaign(
    task: Task,
    *,
    watch: Watch = lambda _: None,
    makes_way: bool = True,
    elsewhere: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Do it from where it stands; the result has the funnel, the costs and the front.

    Args:
        task: the run in the hands of this process.
        watch: told how it goes.
        makes_way: whether other runs that wait are given a turn.
        elsewhere: ``workers``, ``scheduler`` or ``cluster`` instead of the request's.

    Raises:
        Halt: the run is put down; it goes on where it stopped.
        HTCError: it cannot be done.
    """
    from htc.jobs.campaign.coordinator import Coordinator
    from htc.jobs.campaign.executing import executor_for
    from htc.jobs.campaign.spaces import space_of

    request = CampaignRequest.model_validate(task.job.request)
    space = space_of(request.campaign, task.database, task.lease.run_id)
    executor = executor_for(replaced(request, elsewhere or {}))
    try:
        coordinator = Coordinator(task, request.campaign, space, executor, watch=watch, makes_way=makes_way)
        return coordinator.run()
    finally:
        executor.close()
