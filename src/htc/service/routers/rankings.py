"""``/api/htc/rankings``."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response

from htc.service import rankings
from htc.service.access import Requires
from htc.service.problems import problem_responses
from htc.service.schemas import FormulaQuery, FormulaRanking, Ranking, RankingQuery
from htc.service.state import ServiceState

__all__ = ["router"]

router = APIRouter(
    prefix="/api/htc/rankings",
    tags=["rankings"],
    dependencies=[Requires("read")],
    responses=problem_responses(
        HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)


@router.get("", operation_id="list_rankings", response_model=Ranking)
async def list_rankings(service: ServiceState, query: Annotated[RankingQuery, Query()]) -> Response:
    """The predictions of highest Tc that pass the filters, page by page; every page costs the same."""
    return await service.desk.page(("ranking", repr(query)), lambda: rankings.ranking(service, query))


@router.get("/formulas", operation_id="list_formula_rankings", response_model=FormulaRanking)
async def list_formula_rankings(service: ServiceState, query: Annotated[FormulaQuery, Query()]) -> Response:
    """The formulas of highest average Tc as of the last refresh, and how long ago that was."""
    return await service.desk.page(
        ("formulas", repr(query)), lambda: rankings.formula_ranking(service, query)
    )
