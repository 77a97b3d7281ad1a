"""What a run took from files, the store and services when it began: kept with it, never changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from htc.store.tables import campaign_sources

if TYPE_CHECKING:
    from htc.store.database import Database
    from htc.store.jobs import Lease

__all__ = ["read_frozen", "supplement_of", "write_frozen"]

_PAGE: Final = 500
_SUPPLEMENTS: Final = 2_000_000_000
"""What stages asked for while the run went on is kept from this position on, one document a stage."""


def write_frozen(connection: sa.Connection, run_id: str, documents: Iterable[Mapping[str, Any]]) -> None:
    """Keep documents with a new run, in order.

    Args:
        connection: in the transaction that makes the run.
        run_id: of the run.
        documents: consumed some hundred at a time.

    Raises:
        InputError: a document that JSON cannot hold.
        StoreError: the database refused.
    """
    numbered = enumerate(documents)
    while some := list(islice(numbered, _PAGE)):
        connection.execute(
            sa.insert(campaign_sources),
            [{"run_id": run_id, "position": at, "document": dict(one)} for at, one in some],
        )


def read_frozen(database: Database, run_id: str) -> Iterator[Mapping[str, Any]]:
    """The documents of a run, in order, some hundred at a time.

    Raises:
        StoreError: the database does not answer.
    """
    s = campaign_sources.c
    after = -1
    while True:
        with database.connect() as connection:
            rows = connection.execute(
                sa.select(s.position, s.document)
                .where(s.run_id == run_id, s.position > after, s.position < _SUPPLEMENTS)
                .order_by(s.position)
                .limit(_PAGE)
            ).all()
        if not rows:
            return
        yield from (row.document for row in rows)
        after = rows[-1].position


def supplement_of(
    database: Database, lease: Lease, stage: int, ask: Callable[[], Mapping[str, Any]]
) -> Mapping[str, Any]:
    """What a stage needs of the store and of services: asked once, the same for whoever goes on with the run.

    Args:
        database: an open database.
        lease: of the run.
        stage: place of the stage in the campaign.
        ask: finds it out.

    Raises:
        InputError: an answer that JSON cannot hold.
        StoreError: the database refused.
    """
    s = campaign_sources.c
    kept = sa.select(s.document).where(s.run_id == lease.run_id, s.position == _SUPPLEMENTS + stage)
    with database.connect() as connection:
        found = connection.execute(kept).scalar()
    if found is not None:
        return dict(found)
    document = dict(ask())
    with database.begin() as connection:
        connection.execute(
            insert(campaign_sources)
            .values(run_id=lease.run_id, position=_SUPPLEMENTS + stage, document=document)
            .on_conflict_do_nothing()
        )
        return dict(connection.execute(kept).scalar_one())
