"""Campaigns and runs: what a batch, a screening or an optimisation leaves its predictions under."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from htc.errors import InputError, NotFoundError
from htc.store.tables import campaigns, runs
from htc.version import __version__

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from htc.store.database import Database

__all__ = [
    "RunEnd",
    "campaign_named",
    "finish_run",
    "run_is_known",
    "runs_that_begin",
    "start_campaign",
    "start_run",
]

RunEnd = Literal["finished", "failed", "cancelled"]


def start_campaign(
    database: Database,
    name: str,
    *,
    created_by: str,
    description: str | None = None,
    definition: Mapping[str, Any] | None = None,
) -> str:
    """Open a campaign, a search that several runs belong to, and return its id.

    Raises:
        InputError: another campaign has this name.
        StoreError: the database refused.
    """
    campaign_id = str(uuid.uuid4())
    with database.begin() as connection:
        taken = connection.execute(select(campaigns.c.id).where(campaigns.c.name == name)).scalar()
        if taken is not None:
            raise InputError(f"there is a campaign {name!r} already", hint=f"its id is {taken}")
        connection.execute(
            insert(campaigns).values(
                id=campaign_id,
                name=name,
                description=description,
                definition=dict(definition or {}),
                created_by=created_by,
            )
        )
    return campaign_id


def campaign_named(
    database: Database,
    name: str,
    *,
    created_by: str,
    description: str | None = None,
    definition: Mapping[str, Any] | None = None,
) -> str:
    """Id of the campaign of a name; one that there is not yet is opened. Two who ask at once get the same.

    Raises:
        StoreError: the database refused.
    """
    with database.begin() as connection:
        connection.execute(
            pg_insert(campaigns)
            .values(
                id=str(uuid.uuid4()),
                name=name,
                description=description,
                definition=dict(definition or {}),
                created_by=created_by,
            )
            .on_conflict_do_nothing(constraint="uq_campaigns_name")
        )
        return str(connection.execute(select(campaigns.c.id).where(campaigns.c.name == name)).scalar_one())


def start_run(
    database: Database,
    kind: str,
    *,
    created_by: str,
    label: str | None = None,
    settings: Mapping[str, Any] | None = None,
    campaign: str | None = None,
    parent: str | None = None,
    also: Callable[[Connection, str], None] | None = None,
) -> str:
    """Open a run and return its id, for :func:`htc.store.save`.

    Args:
        database: an open database.
        kind: what it is, e.g. ``"batch"``, ``"screening"``.
        created_by: who started it.
        label: a name for people.
        settings: what it was started with, JSON-ready. Equal settings get an equal ``settings_hash``.
        campaign: id from :func:`start_campaign`.
        parent: id of the run that this one is a part of.
        also: writes what belongs to the run, given its id, in the same transaction.

    Raises:
        StoreError: there is no such campaign or parent, or the database refused.
    """
    run_id = str(uuid.uuid4())
    with database.begin() as connection:
        connection.execute(
            insert(runs).values(
                id=run_id,
                kind=kind,
                label=label,
                settings=dict(settings or {}),
                created_by=created_by,
                campaign_id=campaign,
                parent_id=parent,
                program_version=__version__,
            )
        )
        if also is not None:
            also(connection, run_id)
    return run_id


def finish_run(database: Database, run_id: str, end: RunEnd = "finished") -> None:
    """Note that a run is over, and how it ended.

    Raises:
        NotFoundError: there is no such run.
    """
    with database.begin() as connection:
        done = connection.execute(
            update(runs).where(runs.c.id == run_id).values(finished_at=func.now(), status=end)
        )
    if done.rowcount == 0:
        raise NotFoundError(f"there is no run {run_id!r}")


def run_is_known(database: Database, run: str) -> bool:
    """Whether there is a run of this id, set aside or not."""
    with database.connect() as connection:
        return connection.execute(select(runs.c.id).where(runs.c.id == run)).first() is not None


def runs_that_begin(database: Database, beginning: str, most: int = 5) -> list[str]:
    """Ids of runs that begin so, in order, at most so many.

    Raises:
        StoreError: the database does not answer.
    """
    if not beginning or "\0" in beginning:
        return []
    query = (
        select(runs.c.id)
        .where(runs.c.id.startswith(beginning, autoescape=True))
        .order_by(runs.c.id)
        .limit(most)
    )
    with database.connect() as connection:
        return list(connection.execute(query).scalars())
