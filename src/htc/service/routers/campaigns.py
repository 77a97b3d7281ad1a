"""``/api/htc/campaigns`` and ``/api/htc/runs/{run_id}/funnel``: screening campaigns."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from htc.jobs.campaign import CampaignRequest, submit_campaign
from htc.jobs.campaign.spaces import within_limits
from htc.service.access import Requires
from htc.service.idempotency import IdempotentRoute
from htc.service.routers.accepting import ASKING, READING, RunId, accepted
from htc.service.schemas.campaigns import CampaignWish, FunnelAnswer, PrunedAnswer, StageAnswer
from htc.service.schemas.runs import RunAnswer
from htc.service.state import ServiceState
from htc.store.campaigns import pruned_of, stages_of
from htc.store.jobs import Job, run_summary

__all__ = ["router"]

router = APIRouter(tags=["runs"], route_class=IdempotentRoute)


@router.post(
    "/api/htc/campaigns",
    operation_id="screen_campaign",
    status_code=HTTPStatus.ACCEPTED,
    response_model=RunAnswer,
    responses=ASKING,
    dependencies=[Requires("run")],
)
async def screen_campaign(
    service: ServiceState, request: Request, response: Response, wish: CampaignWish
) -> RunAnswer:
    """Put the candidates of a campaign through its stages, as a run.

    What `htc screen` does with a file, but for sources that are files. The items of the results are those
    that pass the last stage, best first; `funnel` tells of the stages meanwhile.
    """

    def start(created_by: str, key: str | None) -> Job:
        asked = CampaignRequest(campaign=within_limits(wish.campaign), label=wish.label)
        return submit_campaign(
            service.database, service.settings, asked, created_by=created_by, base=None, key=key
        )[0]

    return await accepted(service, request, response, start)


@router.get(
    "/api/htc/runs/{run_id}/funnel",
    operation_id="run_funnel",
    responses=READING,
    dependencies=[Requires("read")],
)
async def run_funnel(service: ServiceState, run_id: RunId) -> FunnelAnswer:
    """How far each stage of a campaign is; no stages for a run of another kind."""

    def ask() -> FunnelAnswer:
        summary = run_summary(service.database, run_id)
        planned = ((summary.request or {}).get("campaign") or {}).get("stages", [])
        stages = stages_of(service.database, run_id)
        pruned = pruned_of(service.database, run_id)
        return FunnelAnswer(
            run_id=run_id,
            planned=max(len(planned), len(stages)),
            stages=[StageAnswer.model_validate(one) for one in stages],
            pruned=None if pruned is None else PrunedAnswer.model_validate(pruned),
        )

    return await service.desk.in_thread(ask)
