"""Dropping the rows of a finished campaign that did not pass; what they said as a whole stays.

Before the first row goes, one document is written beside the run: how many rows go, and how Tc is spread over
each stage. The counts of the funnel come from the chunks, the ranked list from items and predictions. None of
those is touched, so that whoever looks at the run sees the same numbers as before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from htc.errors import ConflictError, InputError, NotFoundError
from htc.store.campaigns.ranking import column_of
from htc.store.campaigns.reading import PRUNINGS, tc_counts_of
from htc.store.tables import campaign_candidates, campaign_sources, campaign_stages, jobs

if TYPE_CHECKING:
    from htc.store.campaigns.ranking import Rule
    from htc.store.database import Database

__all__ = ["MOST_KEPT", "Pruned", "Superfluous", "prune", "pruned_of", "superfluous"]

MOST_KEPT: Final = 1_000_000
"""Rows that can be kept of a stage beside those that pass: their numbers are held in memory."""
_BATCH: Final = 10_000
_BESIDE: Final = 32
"""Bytes of a row outside of it: its pointer in the page and its entry in the primary key."""


@dataclass(frozen=True, slots=True)
class Superfluous:
    """Rows that did not pass and are not to be kept."""

    rows: int
    bytes: int
    """About so many, with their entries in the index."""
    by_stage: Mapping[int, int]
    """Rows by the place of their stage in the campaign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was dropped of a run."""

    at: datetime
    """The last time, UTC."""
    by: str
    rows: int
    """Over all times."""
    keep_best: int
    """How many that did not pass were kept of each stage, the best by its rule."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"at": self.at.isoformat(), "by": self.by, "rows": self.rows, "keep_best": self.keep_best}


def superfluous(database: Database, run_id: str, rules: Sequence[Rule], keep_best: int) -> Superfluous:
    """What :func:`prune` would drop; nothing is changed.

    Args:
        database: an open database.
        run_id: of a campaign's run that is finished.
        rules: of its stages, in order; the best are those by their order.
        keep_best: how many that did not pass are kept of each stage.

    Raises:
        NotFoundError: no such run.
        ConflictError: it is not finished: it may go on, and needs its rows then.
        InputError: not a campaign's, or ``keep_best`` out of range.
        StoreError: the database does not answer.
    """
    with database.connect() as connection:
        return _superfluous(connection, _stages(connection, run_id, rules, keep_best), rules, keep_best)


def prune(
    database: Database,
    run_id: str,
    rules: Sequence[Rule],
    keep_best: int,
    *,
    by: str,
    told: Callable[[int, int], None] = lambda _, __: None,
) -> Superfluous:
    """Drop the rows of a finished run that did not pass, ten thousand a transaction.

    What is to go is written down first. Ended half-way, by whatever, the next call drops the rest; two at a
    time do each other no harm.

    Args:
        database: an open database.
        run_id: as in :func:`superfluous`.
        rules: as in :func:`superfluous`.
        keep_best: as in :func:`superfluous`; no more than the last time, because what is gone is gone.
        by: who wants it.
        told: called with the rows dropped so far and all that go.

    Returns:
        What was dropped.

    Raises:
        ConflictError: not finished, or fewer were kept the last time.
        NotFoundError, InputError: as in :func:`superfluous`.
        StoreError: the database refused; what was dropped before stays dropped.
    """
    with database.begin() as connection:
        stages = _stages(connection, run_id, rules, keep_best, lock=True)
        before = _documents(connection, run_id)
        fewest = min((one["keep_best"] for one in before), default=None)
        if fewest is not None and keep_best > fewest:
            raise ConflictError(
                f"this run was pruned already, and only the best {fewest:,} of each stage were kept",
                where=run_id,
                hint=f"what is gone does not come back; at most {fewest} can be kept",
            )
        kept = {
            stage: _best(connection, stage_id, rules[stage], keep_best) for stage, stage_id in stages.items()
        }
        found = _superfluous(connection, stages, rules, keep_best, kept)
        if fewest is None or (keep_best < fewest and found.rows):
            unfinished = 0
            if fewest is not None:
                # Said to be gone the last time, and not gone yet.
                unfinished = _superfluous(connection, stages, rules, fewest).rows
            document: dict[str, Any] = {
                "by": by,
                "keep_best": keep_best,
                "rows": found.rows - unfinished,
                "at": connection.execute(sa.select(sa.func.now())).scalar_one().astimezone(UTC).isoformat(),
            }
            if not before:
                document["tc_counts"] = {
                    str(stage_id): tc_counts_of(connection, stage_id) for stage_id in stages.values()
                }
            connection.execute(
                sa.insert(campaign_sources).values(
                    run_id=run_id, position=PRUNINGS + len(before), document=document
                )
            )
    gone = 0
    for stage, stage_id in stages.items():
        after = -1
        while found.by_stage[stage]:
            with database.begin() as connection:
                after, dropped = _drop_some(connection, stage_id, after, kept[stage])
            if dropped is None:
                break
            gone += dropped
            told(gone, found.rows)
    return found


def pruned_of(database: Database, run_id: str) -> Pruned | None:
    """What was dropped of a run; None: nothing ever.

    Raises:
        StoreError: the database does not answer.
    """
    with database.connect() as connection:
        found = _documents(connection, run_id)
    if not found:
        return None
    return Pruned(
        at=datetime.fromisoformat(found[-1]["at"]),
        by=found[-1]["by"],
        rows=sum(one["rows"] for one in found),
        keep_best=min(one["keep_best"] for one in found),
    )


def _documents(connection: sa.Connection, run_id: str) -> list[Mapping[str, Any]]:
    s = campaign_sources.c
    found = connection.execute(
        sa.select(s.document).where(s.run_id == run_id, s.position >= PRUNINGS).order_by(s.position)
    ).scalars()
    return [dict(one) for one in found]


def _stages(
    connection: sa.Connection, run_id: str, rules: Sequence[Rule], keep_best: int, *, lock: bool = False
) -> dict[int, int]:
    """Id by place of the stages of a finished run."""
    if not 0 <= keep_best <= MOST_KEPT:
        raise InputError(f"{keep_best:,} is not between 0 and {MOST_KEPT:,}", where="keep_best")
    query = sa.select(jobs.c.kind, jobs.c.state).where(jobs.c.run_id == run_id)
    job = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if job is None:
        raise NotFoundError(f"there is no job {run_id!r}", hint="`htc runs list` shows them")
    if job.kind != "campaign":
        raise InputError(f"run {run_id[:8]} is of kind {job.kind}: only campaigns have such rows")
    if job.state != "finished":
        raise ConflictError(
            f"run {run_id[:8]} is {job.state}, not finished: to go on it needs the rows that it has",
            where=run_id,
            hint=f"`htc screen --resume {run_id[:8]}` ends it",
        )
    s = campaign_stages.c
    found = connection.execute(sa.select(s.stage, s.id).where(s.run_id == run_id).order_by(s.stage)).all()
    if len(found) > len(rules):
        raise InputError(f"{len(rules)} rules for {len(found)} stages", where="rules")
    return {row.stage: row.id for row in found}


def _best(connection: sa.Connection, stage_id: int, rule: Rule, n: int) -> list[int]:
    """Positions, in order, of the best that have values and did not pass."""
    if not n:
        return []
    c = campaign_candidates.c
    column = column_of(rule.by)
    order = (column.desc() if rule.largest_first else column.asc()).nulls_last()
    return sorted(
        connection.execute(
            sa.select(c.position)
            .where(c.stage_id == stage_id, c.rank.is_(None), c.state == "done")
            .order_by(order, c.position)
            .limit(n)
        ).scalars()
    )


def _superfluous(
    connection: sa.Connection,
    stages: Mapping[int, int],
    rules: Sequence[Rule],
    keep_best: int,
    kept: Mapping[int, Sequence[int]] | None = None,
) -> Superfluous:
    c = campaign_candidates.c
    whole = sa.func.pg_column_size(sa.literal_column("campaign_candidates.*"))
    rows, size = {}, 0
    for stage, stage_id in stages.items():
        best = _best(connection, stage_id, rules[stage], keep_best) if kept is None else kept[stage]
        n, its_bytes = connection.execute(
            sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(whole + _BESIDE), 0))
            .select_from(campaign_candidates)
            .where(c.stage_id == stage_id, c.rank.is_(None), _not_among(best))
        ).one()
        rows[stage] = int(n)
        size += int(its_bytes)
    return Superfluous(sum(rows.values()), size, rows)


def _drop_some(
    connection: sa.Connection, stage_id: int, after: int, kept: Sequence[int]
) -> tuple[int, int | None]:
    """The last position looked at, and how many went; None: there was none left to look at."""
    c = campaign_candidates.c
    some = (
        sa.select(c.position)
        .where(c.stage_id == stage_id, c.position > after)
        .order_by(c.position)
        .limit(_BATCH)
        .subquery()
    )
    last = connection.execute(sa.select(sa.func.max(some.c.position))).scalar()
    if last is None:
        return after, None
    gone = connection.execute(
        sa.delete(campaign_candidates).where(
            c.stage_id == stage_id,
            c.position > after,
            c.position <= last,
            c.rank.is_(None),
            _not_among(kept[bisect_right(kept, after) : bisect_right(kept, last)]),
        )
    )
    return last, gone.rowcount


def _not_among(positions: Sequence[int]) -> sa.ColumnElement[bool]:
    if not positions:
        return sa.true()
    return campaign_candidates.c.position != sa.all_(sa.cast(list(positions), sa.ARRAY(sa.BigInteger)))
