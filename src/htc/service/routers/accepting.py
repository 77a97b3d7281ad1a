"""How a run is asked for and answered, whatever it does."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import Path, Request, Response

from htc.service import details, runs
from htc.service.access import caller_of
from htc.service.idempotency import HEADER
from htc.service.problems import problem_responses
from htc.service.schemas.runs import RunAnswer
from htc.store.jobs import Job, run_summary

if TYPE_CHECKING:
    from htc.service.state import Service

__all__ = ["ASKING", "READING", "RunId", "accepted"]

RunId = Annotated[str, Path(min_length=1, max_length=100, description="Id of the run.")]

READING = problem_responses(
    HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
)
ASKING = {
    202: {
        "description": "Accepted; a worker does it. `Location` is where its results are found.",
        "headers": {
            "Location": {"description": "Address of the results.", "schema": {"type": "string"}},
        },
    },
    **problem_responses(
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.NOT_IMPLEMENTED,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
}


async def accepted(
    service: Service, request: Request, response: Response, start: Callable[[str, str | None], Job]
) -> RunAnswer:
    """Put a run into the queue, and say where its results will be.

    Args:
        service: whose database.
        request: who asks, and perhaps with which idempotency key.
        response: gets the ``Location``.
        start: puts it into the queue, for this person and under this key.
    """
    # Beside what IdempotentRoute remembers: also a request whose answer was lost in a crash starts one run.
    caller = caller_of(request)
    given = request.headers.get(HEADER)
    key = None if given is None else f"{caller.name}\n{given}"
    created_by = details.created_by(service, caller)

    def accept() -> RunAnswer:
        job = start(created_by, key)
        return runs.run_answer(run_summary(service.database, job.run_id), whole=False)

    answer = await service.desk.in_thread(accept)
    response.headers["Location"] = f"/api/htc/results/{answer.run_id}"
    return answer
