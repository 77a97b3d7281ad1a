"""Which processes do the chunks of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from htc.discovery.executors import Executor
    from htc.jobs.campaign.request import CampaignRequest

__all__ = ["executor_for"]


def executor_for(request: CampaignRequest) -> Executor:
    """Processes of this machine, or those of a Dask cluster where the request names one.

    Raises:
        MissingExtraError: Dask is not installed.
        InputError: the cluster's profile cannot be used.
        HTCError: the cluster cannot be reached, or runs another version.
    """
    if request.scheduler is not None or request.cluster is not None:
        from htc.discovery.executors import DaskExecutor

        if request.scheduler is not None:
            return DaskExecutor(request.scheduler)
        return DaskExecutor(profile=request.cluster)
    from htc.discovery.executors import LocalExecutor

    return LocalExecutor(request.workers)
