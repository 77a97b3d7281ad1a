"""Accepting a run: checked as far as that is quick, then put into the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from htc.discovery.requests import OptimizeRequest, ScreenRequest, as_json
from htc.jobs.requests import ValidateRequest
from htc.jobs.stability import check_available
from htc.store.jobs import Job, enqueue

if TYPE_CHECKING:
    from htc.store import Database

__all__ = ["submit"]


def submit(
    database: Database,
    request: ScreenRequest | OptimizeRequest | ValidateRequest,
    *,
    created_by: str,
    key: str | None = None,
) -> tuple[Job, bool]:
    """Accept a run; workers do it.

    Args:
        database: an open database.
        request: what is asked for.
        created_by: who asks.
        key: the same key of the same person is the same run, however often it is sent.

    Returns:
        The job, and whether it is new.

    Raises:
        InputError: a prototype that there is not, or nothing fulfils the selection of stored crystals.
        NotFoundError: a stored crystal that there is not.
        ConflictError: ``key`` was used for another request.
        MissingExtraError: stability was asked for, and no potential is installed.
        StoreError: the database refused.
    """
    if isinstance(request, ValidateRequest):
        return enqueue(
            database, "validate", as_json(request), created_by=created_by, label=request.label, key=key
        )
    from htc.discovery.candidates import resolve

    check_available(request.stability)
    chosen = request.model_copy(update={"candidates": resolve(database, request.candidates)})
    if isinstance(chosen, OptimizeRequest):
        total = min(chosen.budget, chosen.count)
        return enqueue(
            database,
            "optimize",
            as_json(chosen),
            created_by=created_by,
            label=request.label,
            total=total,
            key=key,
        )
    return enqueue(
        database,
        "screen",
        as_json(chosen),
        created_by=created_by,
        label=request.label,
        total=chosen.count,
        key=key,
    )
