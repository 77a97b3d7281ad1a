"""``/api/htc/screen``, ``/optimize``, ``/validate``, ``/runs``, ``/results`` and ``/api/bete/screen``."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from htc.errors import InputError
from htc.jobs import submit
from htc.service import runs
from htc.service.access import Requires
from htc.service.idempotency import IdempotentRoute
from htc.service.problems import problem_responses
from htc.service.routers.accepting import ASKING, READING, RunId, accepted
from htc.service.schemas.runs import (
    BeteScreenRequest,
    OptimizeRequest,
    ResultsAnswer,
    RunAnswer,
    RunListAnswer,
    ScreenRequest,
    ValidateRequest,
    ValidationAnswer,
    ValidationSuites,
)
from htc.service.state import Service, ServiceState
from htc.store.jobs import Job, cancel, list_progress, run_summary

__all__ = ["router"]

_EVENT: dict[str, Any] = {
    "type": "object",
    "description": "One server-sent event.",
    "properties": {
        "event": {"type": "string", "description": "What it tells."},
        "data": {"type": "string", "description": "JSON text."},
        "id": {"type": "string", "description": "For Last-Event-ID."},
    },
}

router = APIRouter(tags=["runs"], route_class=IdempotentRoute)


async def _submitted(
    service: Service,
    request: Request,
    response: Response,
    wish: ScreenRequest | OptimizeRequest | ValidateRequest,
) -> RunAnswer:
    def start(created_by: str, key: str | None) -> Job:
        return submit(service.database, wish, created_by=created_by, key=key)[0]

    return await accepted(service, request, response, start)


@router.post(
    "/api/htc/screen",
    operation_id="screen",
    status_code=HTTPStatus.ACCEPTED,
    response_model=RunAnswer,
    responses=ASKING,
    dependencies=[Requires("run")],
)
async def screen(
    service: ServiceState, request: Request, response: Response, wish: ScreenRequest
) -> RunAnswer:
    """Predict many candidates as a run: formulas, crystals, stored crystals, and variants of prototypes.

    Accepted at once and done by workers. One bad candidate never stops the others: its item says what is
    wrong with it.
    """
    return await _submitted(service, request, response, wish)


@router.post(
    "/api/htc/optimize",
    operation_id="optimize",
    status_code=HTTPStatus.ACCEPTED,
    response_model=RunAnswer,
    responses=ASKING,
    dependencies=[Requires("run")],
)
async def optimize(
    service: ServiceState, request: Request, response: Response, wish: OptimizeRequest
) -> RunAnswer:
    """Judge a budget of candidates as a run, those first that may improve the front of objectives most.

    Seeded: the same request over the same model chooses the same candidates.
    """
    return await _submitted(service, request, response, wish)


@router.post(
    "/api/htc/validate",
    operation_id="validate",
    status_code=HTTPStatus.ACCEPTED,
    response_model=RunAnswer,
    responses=ASKING,
    dependencies=[Requires("run")],
)
async def validate(
    service: ServiceState, request: Request, response: Response, wish: ValidateRequest
) -> RunAnswer:
    """Hold predictions, formulas or the Eliashberg solver against what is known, as a run."""
    return await _submitted(service, request, response, wish)


@router.post(
    "/api/bete/screen",
    operation_id="bete_screen",
    status_code=HTTPStatus.ACCEPTED,
    response_model=RunAnswer,
    responses=ASKING,
    dependencies=[Requires("run")],
)
async def bete_screen(
    service: ServiceState, request: Request, response: Response, wish: BeteScreenRequest
) -> RunAnswer:
    """Predict a batch of crystals as a run."""
    return await _submitted(service, request, response, wish.as_screening())


@router.get(
    "/api/htc/validations",
    operation_id="validations",
    responses=problem_responses(HTTPStatus.SERVICE_UNAVAILABLE),
    dependencies=[Requires("read")],
)
async def validations(service: ServiceState) -> ValidationSuites:
    """All suites of validation, each with the figures of its last run."""
    return await service.desk.in_thread(lambda: runs.validations(service))


@router.get(
    "/api/htc/validations/{suite}",
    operation_id="last_validation",
    responses=READING,
    dependencies=[Requires("read")],
)
async def validation(
    service: ServiceState,
    suite: Annotated[str, Path(max_length=100, description="Name of the suite.")],
) -> ValidationAnswer:
    """The last finished validation by a suite: metrics, what changed, and the pairs of a parity plot."""
    return await service.desk.in_thread(lambda: runs.last_validation(service.database, suite))


@router.get(
    "/api/htc/runs",
    operation_id="runs",
    responses=READING,
    dependencies=[Requires("read")],
)
async def list_runs(
    service: ServiceState,
    n: Annotated[int, Query(ge=1, le=1000, description="Rows a page.")] = 30,
    kind: Annotated[
        str | None, Query(max_length=100, description="Only such runs: screen, optimize, validate, batch.")
    ] = None,
    state: Annotated[
        Literal["queued", "running", "finished", "failed", "cancelled"] | None,
        Query(description="Only runs in this state."),
    ] = None,
    after: Annotated[
        str | None, Query(max_length=200, description="`next_cursor` of the page before.")
    ] = None,
) -> RunListAnswer:
    """Runs with their progress, newest first."""
    page = await service.desk.in_thread(
        lambda: list_progress(service.database, n, kind=kind, state=state, after=after)
    )
    return RunListAnswer(
        rows=[runs.run_answer(row, whole=False) for row in page.rows], next_cursor=page.next_cursor
    )


@router.get(
    "/api/htc/runs/{run_id}",
    operation_id="run",
    responses=READING,
    dependencies=[Requires("read")],
)
async def run(service: ServiceState, run_id: RunId) -> RunAnswer:
    """One run: what was asked for, how far it is, and what came out as a whole."""
    return await service.desk.in_thread(lambda: runs.run_answer(run_summary(service.database, run_id)))


@router.get(
    "/api/htc/results/{run_id}",
    operation_id="results",
    responses=READING,
    dependencies=[Requires("read")],
)
async def results(
    service: ServiceState,
    run_id: RunId,
    n: Annotated[int, Query(ge=1, le=1000, description="Items a page.")] = 100,
    after: Annotated[
        str | None,
        Query(max_length=20, description="`next_cursor` of the page before, or the last position seen."),
    ] = None,
    state: Annotated[Literal["done", "failed"] | None, Query(description="Only items that ended so.")] = None,
    pareto: Annotated[bool, Query(description="Whether to say what no other item beats.")] = True,
) -> ResultsAnswer:
    """What came of a run so far: its items page by page, and what no other item beats."""
    return await service.desk.in_thread(
        lambda: runs.results(service.database, run_id, n=n, after=after, state=state, with_pareto=pareto)
    )


@router.post(
    "/api/htc/runs/{run_id}/cancel",
    operation_id="cancel_run",
    responses=READING,
    dependencies=[Requires("run")],
)
async def cancel_run(service: ServiceState, run_id: RunId) -> RunAnswer:
    """Call a run off: at once where it waits, else after the few items in hand. What it found stays.

    A run that has ended stays as it ended.
    """

    def call_off() -> RunAnswer:
        cancel(service.database, run_id)
        return runs.run_answer(run_summary(service.database, run_id), whole=False)

    return await service.desk.in_thread(call_off)


@router.get(
    "/api/htc/runs/{run_id}/events",
    operation_id="run_events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "`items`: items done since, as in the results. `progress`: the run. `end`: the "
            "run as it ended; the stream closes. `trouble`: the database is away; come back. The id of an "
            "event is the last position told of.",
            "content": {"text/event-stream": {"schema": _EVENT}},
        },
        **READING,
    },
    dependencies=[Requires("read")],
)
async def run_events(
    service: ServiceState,
    request: Request,
    run_id: RunId,
    last_event_id: Annotated[
        str | None, Header(max_length=20, description="Id of the last event seen, after a broken connection.")
    ] = None,
) -> Response:
    """A run's progress as server-sent events, with keep-alives; goes on after `Last-Event-ID`."""
    try:
        seen = -1 if last_event_id in {None, ""} else int(str(last_event_id))
    except ValueError:
        seen = -2
    if not -1 <= seen < 2**31:
        raise InputError("an event of this stream has a number as its id", where="Last-Event-ID")
    await service.desk.in_thread(lambda: run_summary(service.database, run_id))
    streams: runs.Streams = request.app.state.streams
    streams.check()
    return StreamingResponse(
        runs.events(service, streams, run_id, seen),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
