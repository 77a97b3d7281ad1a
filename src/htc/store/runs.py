"""Runs: what a batch, a screening or an optimisation leaves its predictions under."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, update

from htc.errors import NotFoundError
from htc.store.tables import runs

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["finish_run", "start_run"]


def start_run(
    database: Database,
    kind: str,
    *,
    created_by: str,
    label: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> str:
    """Open a run and return its id, for :func:`htc.store.save`.

    Args:
        database: an open database.
        kind: what it is, e.g. ``"batch"``, ``"screening"``.
        created_by: who started it.
        label: a name for people.
        settings: what it was started with, JSON-ready.
    """
    run_id = str(uuid.uuid4())
    with database.begin() as connection:
        connection.execute(
            insert(runs).values(
                id=run_id, kind=kind, label=label, settings=dict(settings or {}), created_by=created_by
            )
        )
    return run_id


def finish_run(database: Database, run_id: str) -> None:
    """Note that a run is complete.

    Raises:
        NotFoundError: there is no such run.
    """
    with database.begin() as connection:
        done = connection.execute(update(runs).where(runs.c.id == run_id).values(finished_at=func.now()))
    if done.rowcount == 0:
        raise NotFoundError(f"there is no run {run_id!r}")
