"""Accepting an optimisation over a campaign's space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from htc.discovery.breeding import bred_by
from htc.discovery.campaign import Campaign, OptimizeTable
from htc.discovery.campaign.optimize import Looks
from htc.discovery.requests import Goal
from htc.errors import MissingExtraError
from htc.jobs.campaign.spaces import freeze
from htc.jobs.search.request import SearchRequest
from htc.jobs.stability import check_available
from htc.store.campaigns import write_frozen
from htc.store.jobs import Job, enqueue
from htc.store.runs import campaign_named, start_run

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store import Database

__all__ = ["search_request", "start", "submit_search"]


def search_request(
    campaign: Campaign, evaluator: Literal["model", "outside"], *, label: str | None = None, **changes: Any
) -> SearchRequest:
    """The request of a campaign with its ``[optimize]`` table, or with the defaults of one.

    Args:
        campaign: as its author wrote it.
        evaluator: who judges.
        label: a name for the run.
        changes: fields of the table that are to be others, None as written.

    Raises:
        ValidationError: a change that cannot be.
    """
    table = campaign.optimize or OptimizeTable()
    fields = table.model_dump(exclude_unset=True) | {k: v for k, v in changes.items() if v is not None}
    table = OptimizeTable.model_validate(fields)
    if "objectives" not in table.model_fields_set and len(campaign.pressures_gpa) == 1:
        # One pressure is nothing to choose by.
        others = [one for one in table.objectives if one.column != "pressure_required_gpa"]
        table = table.model_copy(update={"objectives": others})
    looks: Looks = "random" if bred_by(table) is None else table.looks
    limit = campaign.limit
    if looks == "random":
        most = max(1, table.pool // len(campaign.pressures_gpa))
        limit = most if limit is None else min(most, limit)
    return SearchRequest(
        campaign=campaign.model_copy(update={"limit": limit, "optimize": None}),
        evaluator=evaluator,
        label=label,
        looks=looks,
        pool=table.pool if looks == "evolution" else None,
        tier=table.tier,
        stability=table.stability,
        seed=campaign.seed,
        **table.model_dump(include=set(Goal.model_fields)),
    )


def start(
    database: Database,
    settings: Settings,
    request: SearchRequest,
    *,
    created_by: str,
    base: Path | None = None,
) -> str:
    """Open a run whose evaluator is outside; ``fill`` comes next. Returns its id.

    Args:
        database: an open database.
        settings: of this process.
        request: from :func:`search_request`.
        created_by: who asks.
        base: folder that the paths of files are relative to; None: files are refused.

    Raises:
        InputError: a source that cannot be used, or no candidates at all.
        MissingExtraError: the strategy needs an extra that is not installed.
        StoreError: the database refused.
    """
    _check_strategy(request)
    _, documents = freeze(request.campaign, database, settings, base)
    return start_run(
        database,
        "optimize",
        created_by=created_by,
        label=request.label or request.campaign.name,
        settings=_content(request),
        campaign=_campaign_id(database, request.campaign, created_by),
        also=lambda connection, run_id: write_frozen(connection, run_id, documents),
    )


def submit_search(
    database: Database,
    settings: Settings,
    request: SearchRequest,
    *,
    created_by: str,
    base: Path | None = None,
    key: str | None = None,
) -> Job:
    """Put a run whose evaluator is the model into the queue; arguments and errors as of :func:`start`.

    Args:
        key: the same key of the same person is the same run, however often it is sent.

    Raises:
        ConflictError: ``key`` was used for another request.
    """
    _check_strategy(request)
    check_available(request.stability)
    space, documents = freeze(request.campaign, database, settings, base)
    job, _ = enqueue(
        database,
        "optimize",
        _content(request),
        created_by=created_by,
        label=request.label or request.campaign.name,
        total=min(request.budget, len(space) * len(request.campaign.pressures_gpa)),
        campaign=_campaign_id(database, request.campaign, created_by),
        key=key,
        also=lambda connection, run_id: write_frozen(connection, run_id, documents),
    )
    return job


def _content(request: SearchRequest) -> dict[str, Any]:
    content = request.model_dump(mode="json", exclude_none=True)
    content["campaign"] = request.campaign.as_json()
    return content


def _campaign_id(database: Database, campaign: Campaign, created_by: str) -> str:
    return campaign_named(
        database,
        campaign.name,
        created_by=created_by,
        description=campaign.description or None,
        definition=campaign.as_json(),
    )


def _check_strategy(request: SearchRequest) -> None:
    from importlib.util import find_spec

    module = {"botorch": "botorch"}.get(request.strategy)
    if module is not None and find_spec(module) is None:
        raise MissingExtraError(
            f"the strategy {request.strategy} needs {module}", hint='pip install "htc[bo]"'
        )
