"""What became of single candidates: their rows in every stage that they entered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from htc.store.campaigns.chunks import values_of
from htc.store.tables import campaign_candidates, campaign_stages

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["Fate", "fates_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """A candidate in a stage."""

    position: int
    stage: int
    """Place of the stage in the campaign, from 0."""
    selected: bool
    """Whether it is known who passes the stage."""
    pressure_gpa: float
    state: str
    label: str
    formula: str | None
    values: Mapping[str, Any]
    error: Mapping[str, Any] | None
    prediction_id: str | None
    rank: int | None
    """Its place among those that pass, from 0; None: it does not, or that is not known yet."""
    duplicate_of: str | None
    """Label of the better one that it is the same crystal as."""


def fates_of(
    database: Database,
    run_id: str,
    n: int,
    *,
    formula: str | None = None,
    state: Literal["failed", "rejected"] | None = None,
) -> list[Fate]:
    """Rows of candidates in the order of candidate, then stage.

    Args:
        database: an open database.
        run_id: of a campaign's run.
        n: at most so many.
        formula: only of this reduced formula.
        state: only in this state.

    Raises:
        StoreError: the database does not answer.
    """
    c, s = campaign_candidates.c, campaign_stages.c
    other = campaign_candidates.alias()
    query = (
        sa.select(
            campaign_candidates,
            s.stage,
            s.state.label("stage_state"),
            sa.select(other.c.label)
            .where(other.c.stage_id == c.stage_id, other.c.position == c.duplicate_of)
            .scalar_subquery()
            .label("twin"),
        )
        .join(campaign_stages, s.id == c.stage_id)
        .where(s.run_id == run_id)
        .order_by(c.position, s.stage)
        .limit(n)
    )
    if formula is not None:
        query = query.where(c.formula == formula)
    if state is not None:
        query = query.where(c.state == state)
    with database.connect() as connection:
        return [
            Fate(
                position=row.position,
                stage=row.stage,
                selected=row.stage_state != "running",
                pressure_gpa=row.pressure_gpa,
                state=row.state,
                label=row.label,
                formula=row.formula,
                values=values_of(row),
                error=row.error,
                prediction_id=row.prediction_id,
                rank=row.rank,
                duplicate_of=row.twin,
            )
            for row in connection.execute(query)
        ]
