"""Many materials in one request, answered line by line as they are predicted."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from anyio import CancelScope
from fastapi.responses import StreamingResponse

from htc.errors import HTCError
from htc.service.answers import dumps
from htc.service.predictions import Question
from htc.service.problems import problem_body
from htc.store import finish_run, start_run

if TYPE_CHECKING:
    from htc.service.schemas import BatchRequest
    from htc.service.state import Service
    from htc.store.records import Record
    from htc.store.runs import RunEnd

__all__ = ["NDJSON", "answer_batch"]

NDJSON: Final = "application/x-ndjson"

_CHUNK: Final = 32
"""Items predicted and stored together: about a second, so that lines come in a steady stream."""

_log = logging.getLogger(__name__)


async def answer_batch(service: Service, wish: BatchRequest, created_by: str) -> StreamingResponse:
    """Open a run, and stream a line for each item of the request.

    Raises:
        StoreError: the run cannot be opened; nothing was predicted.
    """
    mu_star = service.settings.mu_star if wish.mu_star is None else wish.mu_star
    run = await service.desk.in_thread(
        lambda: start_run(
            service.database,
            "batch",
            created_by=created_by,
            label=wish.label,
            settings={"inputs": len(wish.items), "pressure_gpa": wish.pressure_gpa, "mu_star": mu_star},
        )
    )
    lines = _lines(service, wish, mu_star, created_by, run)
    return StreamingResponse(lines, media_type=NDJSON, headers={"X-Run-ID": run})


async def _lines(
    service: Service, wish: BatchRequest, mu_star: float, created_by: str, run: str
) -> AsyncIterator[bytes]:
    end: RunEnd = "cancelled"
    try:
        for first in range(0, len(wish.items), _CHUNK):
            items = wish.items[first : first + _CHUNK]
            answers = await service.desk.ask_all(
                [
                    Question(
                        item,
                        wish.pressure_gpa if item.pressure_gpa is None else item.pressure_gpa,
                        mu_star if item.mu_star is None else item.mu_star,
                        source=item.label or item.composition or item.structure_id or f"item {first + i}",
                        created_by=created_by,
                        run=run,
                    )
                    for i, item in enumerate(items)
                ]
            )
            told = enumerate(zip(items, answers, strict=True), start=first)
            yield b"".join(_line(index, item.label, answer) for index, (item, answer) in told)
        end = "finished"
    except Exception:
        end = "failed"
        raise
    finally:
        # Also where nobody listens any more.
        with CancelScope(shield=True):
            await service.desk.in_thread(lambda: _finish(service, run, end))


def _line(index: int, label: str | None, answer: tuple[Record, bool] | Exception) -> bytes:
    line: Record = {"index": index, "label": label, "prediction": None, "problem": None}
    if isinstance(answer, Exception):
        if not isinstance(answer, HTCError):
            _log.error("item %d of a batch met a fault of the program", index, exc_info=answer)
        line["problem"] = problem_body(answer)
    else:
        line["prediction"] = answer[0]
    return dumps(line) + b"\n"


def _finish(service: Service, run: str, end: RunEnd) -> None:
    try:
        finish_run(service.database, run, end)
    except HTCError as error:
        _log.warning("the end of the run %s could not be noted: %s", run, error)
