"""What a run took from files, the store and services when it began: kept with it, never changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from htc.store.tables import campaign_sources

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["read_frozen", "write_frozen"]

_PAGE: Final = 500


def write_frozen(database: Database, run_id: str, documents: Sequence[Mapping[str, Any]]) -> None:
    """Keep documents with a run, in order, all of them or none. A run that has some keeps those.

    Raises:
        InputError: a document that JSON cannot hold.
        StoreError: the database refused.
    """
    if not documents:
        return
    s = campaign_sources.c
    with database.begin() as connection:
        if connection.execute(sa.select(s.position).where(s.run_id == run_id).limit(1)).first() is None:
            for start in range(0, len(documents), _PAGE):
                connection.execute(
                    sa.insert(campaign_sources),
                    [
                        {"run_id": run_id, "position": start + at, "document": dict(one)}
                        for at, one in enumerate(documents[start : start + _PAGE])
                    ],
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
