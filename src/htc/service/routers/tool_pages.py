"""The pages beside the ranking: spectrum, comparison, runs, validation, and what the numbers mean.

Each is a frame that its module under ``static/js`` fills by the API: a page shows what a program gets.
"""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter, Request, Response

from htc.prediction.predictor import MAX_MU_STAR, MAX_PRESSURE_GPA
from htc.service.examples import example_list
from htc.service.pages import PageRoute, page, reference
from htc.service.schemas.spectra import EnergyUnit
from htc.service.state import ServiceState
from htc.store.filters import TIERS
from htc.store.jobs import run_summary
from htc.theory.eliashberg.conventions import CONVENTIONS

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/spectrum")
def spectrum(request: Request) -> Response:
    """A file with alpha2F goes in, everything that follows from it comes out."""
    return page(
        request,
        "spectrum.html",
        samples=[example for example in example_list() if example.kind == "spectrum"],
        conventions=list(CONVENTIONS.values()),
        units=get_args(EnergyUnit),
        max_mu_star=MAX_MU_STAR,
        max_pressure=MAX_PRESSURE_GPA,
    )


@router.get("/compare")
def compare(request: Request) -> Response:
    """Materials side by side; which ones is in the address."""
    return page(request, "compare.html")


@router.get("/runs")
def runs(request: Request, service: ServiceState) -> Response:
    """All runs, and starting one."""
    return page(
        request,
        "runs.html",
        mu_star=service.settings.mu_star,
        tiers=TIERS,
        chosen_tier=service.settings.tier,
        max_mu_star=MAX_MU_STAR,
        max_pressure=MAX_PRESSURE_GPA,
    )


@router.get("/runs/{run_id}")
def run(request: Request, service: ServiceState, run_id: str) -> Response:
    """One run: progress, results, Pareto plots."""
    return page(request, "run.html", run=run_summary(service.database, run_id))


@router.get("/validate")
def validate(request: Request) -> Response:
    """Predictions against measurements."""
    return page(request, "validate.html")


@router.get("/docs")
def api(request: Request) -> Response:
    """What programs can ask, from the OpenAPI document; without anything from elsewhere."""
    document = request.app.openapi()
    return page(
        request,
        "reference.html",
        groups=reference.groups(document),
        schemas=reference.schemas(document),
    )


@router.get("/help")
def what_the_numbers_mean(request: Request) -> Response:
    """What the numbers mean, in short."""
    return page(request, "help.html", conventions=list(CONVENTIONS.values()))
