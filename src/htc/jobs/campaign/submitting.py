"""Accepting a campaign: checked, its outside sources frozen, then a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from htc.jobs.campaign.request import CampaignRequest
from htc.store.campaigns import write_frozen
from htc.store.jobs import Job, Lease, enqueue
from htc.store.jobs.holding import take_at_once
from htc.store.runs import campaign_named

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa

    from htc.settings import Settings
    from htc.store import Database

__all__ = ["submit_campaign"]


def submit_campaign(
    database: Database,
    settings: Settings,
    request: CampaignRequest,
    *,
    created_by: str,
    base: Path | None = None,
    key: str | None = None,
    owner: str | None = None,
) -> tuple[Job, Lease | None]:
    """Accept a campaign.

    Files, stored crystals and services are read now and kept with the run: it never changes under it.

    Args:
        database: an open database.
        settings: of this process.
        request: the campaign, and who does its work.
        created_by: who asks.
        base: folder that the paths of files are relative to; None: who asks is on another machine.
        key: the same key of the same person is the same run, however often it is sent.
        owner: who takes it up at once; None leaves it to the workers.

    Returns:
        The job; and the lease, where ``owner`` was given and the run is new.

    Raises:
        InputError: a source that cannot be used, or no candidates at all.
        MissingExtraError: a stage needs an extra that is not installed.
        ConflictError: ``key`` was used for another request.
        StoreError: the database refused.
    """
    from htc.jobs.campaign.requirements import check_stages
    from htc.jobs.campaign.spaces import freeze

    campaign = request.campaign
    check_stages(campaign, elsewhere=request.scheduler is not None or request.cluster is not None)
    space, documents = freeze(campaign, database, settings, base)
    leases: list[Lease] = []

    def also(connection: sa.Connection, run_id: str) -> None:
        write_frozen(connection, run_id, documents)
        if owner is not None:
            leases.append(take_at_once(connection, run_id, owner))

    content: dict[str, Any] = request.model_dump(mode="json", exclude_none=True)
    content["campaign"] = campaign.as_json()
    job, _ = enqueue(
        database,
        "campaign",
        content,
        created_by=created_by,
        label=request.label or campaign.name,
        total=len(space) * len(campaign.pressures_gpa),
        campaign=campaign_named(
            database,
            campaign.name,
            created_by=created_by,
            description=campaign.description or None,
            definition=campaign.as_json(),
        ),
        key=key,
        also=also,
    )
    return job, leases[0] if leases else None
