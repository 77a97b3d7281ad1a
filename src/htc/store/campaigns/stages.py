"""The stages of a campaign's run: begun once, finished once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from htc.store.jobs.holding import held
from htc.store.jobs.items import Item, insert_items
from htc.store.tables import campaign_candidates, campaign_chunks, campaign_stages, jobs, run_items

if TYPE_CHECKING:
    from htc.store.database import Database
    from htc.store.jobs import Beat, Lease

__all__ = ["StageState", "StoredStage", "close_stage", "open_stage", "stages_of", "write_final_items"]

StageState = Literal["running", "selected", "finished"]

_ITEMS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStage:
    """A stage and how far it is. Counts are candidates at a pressure."""

    id: int
    stage: int
    """Its place in the campaign, from 0."""
    kind: str
    spec: Mapping[str, Any]
    state: StageState
    entries: int
    """How many enter."""
    done: int
    """With values, also those that do not pass."""
    failed: int
    rejected: int
    """By the plausibility rules of the space, or because the theory says nothing about them."""
    rejections: Mapping[str, int]
    """Those of the space, by rule."""
    passed: int | None
    """None while that is not known."""
    duplicates: int | None
    promoted: int
    """How many of those that pass have been predicted in full."""
    worker_seconds: float
    """Time that worker processes spent, s."""
    costs: Mapping[str, float]
    """Time of everything else, s: ``wall``, ``store``, ``planning``, ``selection``."""
    began_at: datetime
    finished_at: datetime | None

    @property
    def judged(self) -> int:
        """Entries that are over with."""
        return self.done + self.failed + self.rejected

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "stage": self.stage,
            "kind": self.kind,
            "spec": dict(self.spec),
            "state": self.state,
            "entries": self.entries,
            "done": self.done,
            "failed": self.failed,
            "rejected": self.rejected,
            "rejections": dict(self.rejections),
            "passed": self.passed,
            "duplicates": self.duplicates,
            "worker_seconds": round(self.worker_seconds, 3),
            "costs": {name: round(value, 3) for name, value in self.costs.items()},
            "began_at": self.began_at.isoformat(),
            "finished_at": None if self.finished_at is None else self.finished_at.isoformat(),
        }


def stages_of(database: Database, run_id: str) -> list[StoredStage]:
    """The stages of a run that have begun, in order; none for a run that is no campaign's.

    Raises:
        StoreError: the database does not answer.
    """
    s, c = campaign_stages.c, campaign_chunks.c
    sums = (
        sa.select(
            c.stage_id,
            *(
                sa.func.sum(c[name]).filter(~c.promoting).label(name)
                for name in ("done", "failed", "rejected")
            ),
            sa.func.sum(c.done).filter(c.promoting).label("promoted"),
            sa.func.sum(c.failed).filter(c.promoting).label("unpromoted"),
            sa.func.sum(c.worker_seconds).label("worker_seconds"),
        )
        .join(campaign_stages, s.id == c.stage_id)
        .where(s.run_id == run_id)
        .group_by(c.stage_id)
        .subquery()
    )
    reasons = sa.func.jsonb_each_text(c.rejections).table_valued("key", "value")
    by_rule = (
        sa.select(c.stage_id, reasons.c.key, sa.func.sum(sa.cast(reasons.c.value, sa.BigInteger)))
        .select_from(campaign_chunks.join(campaign_stages, s.id == c.stage_id).join(reasons, sa.true()))
        .where(s.run_id == run_id, ~c.promoting)
        .group_by(c.stage_id, reasons.c.key)
        .order_by(reasons.c.key)
    )
    with database.connect() as connection:
        rows = connection.execute(
            sa.select(campaign_stages, *(x for x in sums.c if x.name != "stage_id"))
            .outerjoin(sums, sums.c.stage_id == s.id)
            .where(s.run_id == run_id)
            .order_by(s.stage)
        ).all()
        rejections: dict[int, dict[str, int]] = {}
        if any(row.rejected for row in rows):
            for stage_id, rule, n in connection.execute(by_rule):
                rejections.setdefault(stage_id, {})[rule] = int(n)
    return [
        StoredStage(
            id=row.id,
            stage=row.stage,
            kind=row.kind,
            spec=row.spec,
            state=row.state,
            entries=row.entries,
            # Who fails when it is promoted was counted as done before.
            done=int(row.done or 0) - int(row.unpromoted or 0),
            failed=int(row.failed or 0) + int(row.unpromoted or 0),
            rejected=int(row.rejected or 0),
            rejections=rejections.get(row.id, {}),
            passed=None if row.passed is None else row.passed - int(row.unpromoted or 0),
            duplicates=row.duplicates,
            promoted=int(row.promoted or 0),
            worker_seconds=float(row.worker_seconds or 0.0),
            costs=row.costs,
            began_at=row.began_at.astimezone(UTC),
            finished_at=None if row.finished_at is None else row.finished_at.astimezone(UTC),
        )
        for row in rows
    ]


def open_stage(
    database: Database, lease: Lease, stage: int, kind: str, spec: Mapping[str, Any], entries: int
) -> Beat:
    """Begin a stage; one that has begun already stays as it is. ``jobs.total`` grows by its entries.

    Args:
        database: an open database.
        lease: of the run.
        stage: its place in the campaign.
        kind: what it does.
        spec: its table in the campaign.
        entries: how many candidates at a pressure enter.

    Raises:
        StoreError: the database refused.
    """
    with database.begin() as connection:
        beat = held(connection, lease)
        if beat == "lost":
            return beat
        made = connection.execute(
            insert(campaign_stages)
            .values(run_id=lease.run_id, stage=stage, kind=kind, spec=dict(spec), entries=entries)
            .on_conflict_do_nothing(constraint="uq_campaign_stages_run_id_stage")
            .returning(campaign_stages.c.id)
        ).first()
        if made is not None:
            total = sa.func.coalesce(jobs.c.total, 0) if stage else sa.literal(0, sa.Integer)
            held(connection, lease, {"total": total + entries})
    return beat


def close_stage(database: Database, lease: Lease, stage_id: int) -> Beat:
    """A stage is over: everything that passes is stored.

    Raises:
        StoreError: the database refused.
    """
    s = campaign_stages.c
    with database.begin() as connection:
        beat = held(connection, lease)
        if beat != "lost":
            connection.execute(
                sa.update(campaign_stages)
                .where(s.id == stage_id, s.state == "selected")
                .values(state="finished", finished_at=sa.func.now())
            )
    return beat


def write_final_items(database: Database, lease: Lease, stage_id: int, positions: Sequence[int]) -> Beat:
    """What the last stage leaves, best first, as the items of the run; those that are there stay.

    Args:
        database: an open database.
        lease: of the run.
        stage_id: the last stage.
        positions: of those that pass, best first.

    Raises:
        StoreError: the database refused.
    """
    c, i = campaign_candidates.c, run_items.c
    beat: Beat = "held"
    for start in range(0, len(positions), _ITEMS):
        some = positions[start : start + _ITEMS]
        with database.begin() as connection:
            beat = held(connection, lease)
            if beat == "lost":
                return beat
            there = set(
                connection.execute(
                    sa.select(i.position).where(
                        i.run_id == lease.run_id, i.position >= start, i.position < start + len(some)
                    )
                ).scalars()
            )
            rows = {
                row.position: row
                for row in connection.execute(
                    sa.select(c.position, c.label, c.prediction_id, c.formula, c.rank, c.more).where(
                        c.stage_id == stage_id, c.position.in_(some)
                    )
                )
            }
            insert_items(
                connection,
                lease.run_id,
                [
                    Item(
                        position=start + at,
                        label=rows[position].label[:200],
                        prediction_id=rows[position].prediction_id,
                        values={"candidate": position, "formula": rows[position].formula}
                        | (rows[position].more or {}),
                    )
                    for at, position in enumerate(some)
                    if start + at not in there
                ],
            )
    return beat
