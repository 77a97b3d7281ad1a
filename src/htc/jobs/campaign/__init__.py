"""A campaign's run: a job that one process holds by a lease, and that worker processes without a database do.

:func:`submit_campaign` puts it into the queue, :func:`campaign` is the work of whoever holds the lease, and
:func:`run_here` does it in this process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from htc.jobs.campaign.foreground import run_here
    from htc.jobs.campaign.request import CampaignRequest
    from htc.jobs.campaign.submitting import submit_campaign
    from htc.jobs.campaign.work import campaign

__all__ = ["CampaignRequest", "campaign", "run_here", "submit_campaign"]

_WHERE = {
    "CampaignRequest": "htc.jobs.campaign.request",
    "campaign": "htc.jobs.campaign.work",
    "run_here": "htc.jobs.campaign.foreground",
    "submit_campaign": "htc.jobs.campaign.submitting",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_WHERE[name]), name)
