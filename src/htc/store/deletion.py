"""Setting predictions aside: they stay in the database and no longer count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from htc.errors import NotFoundError
from htc.store.tables import bete_runs, htc_predictions

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["bring_back", "set_aside"]


def set_aside(database: Database, ids: Sequence[str]) -> int:
    """Take predictions out of every ranking, search and view; nothing is deleted.

    A structure or spectrum behind them is set aside too, unless another prediction that counts uses it. The
    ranking by formula follows with its next refresh.

    Args:
        database: an open database.
        ids: whole ids of predictions.

    Returns:
        How many counted until now.

    Raises:
        NotFoundError: an id is not there; then none is set aside.
        StoreError: the database refused.
    """
    return _move(database, ids, aside=True)


def bring_back(database: Database, ids: Sequence[str]) -> int:
    """Let predictions that were set aside count again; how many did not. Errors as in :func:`set_aside`."""
    return _move(database, ids, aside=False)


def _move(database: Database, ids: Sequence[str], *, aside: bool) -> int:
    p, b = htc_predictions, bete_runs
    wanted = p.c.id.in_(ids)
    with database.begin() as connection:
        known = set(connection.execute(sa.select(p.c.id).where(wanted)).scalars())
        missing = [i for i in ids if i not in known]
        if missing:
            raise NotFoundError(
                f"no prediction has the id {missing[0]!r}", hint="`htc top --json` lists whole ids"
            )
        moment = sa.func.now() if aside else sa.null()
        others = p.c.deleted_at.is_(None) if aside else p.c.deleted_at.is_not(None)
        moved = connection.execute(
            sa.update(p).where(wanted, others).values(deleted_at=moment).returning(p.c.bete_run_id)
        ).scalars()
        behind = moved.all()
        runs = [run for run in behind if run is not None]
        if runs:
            still_used = sa.exists().where(p.c.bete_run_id == b.c.id, p.c.deleted_at.is_(None))
            change = sa.update(b).where(b.c.id.in_(runs)).values(deleted_at=moment)
            connection.execute(change.where(~still_used) if aside else change)
    return len(behind)
