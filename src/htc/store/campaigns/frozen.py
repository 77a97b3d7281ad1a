"""What a run took from files, the store and services when it began: kept with it, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from htc.store.tables import campaign_sources

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["read_frozen", "write_frozen"]

_PAGE: Final = 500


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
                .where(s.run_id == run_id, s.position > after)
                .order_by(s.position)
                .limit(_PAGE)
            ).all()
        if not rows:
            return
        yield from (row.document for row in rows)
        after = rows[-1].position
