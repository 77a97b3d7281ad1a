"""What of a campaign people look at: Tc by bands, and what others have stored of its formulas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from htc.store.tables import (
    bete_runs,
    campaign_candidates,
    campaign_chunks,
    campaign_sources,
    campaign_stages,
    runs,
)

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["PRUNINGS", "TC_STEP_K", "measured_costs", "measured_spectra", "tc_counts", "tc_counts_of"]


TC_STEP_K: Final = 0.25
_TC_MOST_K: Final = 150.0
PRUNINGS: Final = 2_100_000_000
"""From this position on ``campaign_sources`` says what was dropped of a run's rows, a document a time; the
first one has what the rows said as a whole."""


def tc_counts(database: Database, stage_id: int) -> list[int]:
    """How many candidates of a stage have a Tc in each band of ``TC_STEP_K``; also where rows were dropped.

    Args:
        database: an open database.
        stage_id: of the stage.

    Returns:
        Counts from 0 K on, as far as there are any; what is above 150 K is left out.

    Raises:
        StoreError: the database does not answer.
    """
    s = campaign_sources.c
    with database.connect() as connection:
        kept = connection.execute(
            sa.select(s.document["tc_counts"][str(stage_id)])
            .join(campaign_stages, campaign_stages.c.run_id == s.run_id)
            .where(campaign_stages.c.id == stage_id, s.position == PRUNINGS)
        ).scalar()
        return tc_counts_of(connection, stage_id) if kept is None else [int(n) for n in kept]


def tc_counts_of(connection: sa.Connection, stage_id: int) -> list[int]:
    """:func:`tc_counts` of the rows that there are."""
    c = campaign_candidates.c
    band = sa.cast(sa.func.floor(c.tc_predicted / TC_STEP_K), sa.Integer)
    found = connection.execute(
        sa.select(band, sa.func.count())
        .where(c.stage_id == stage_id, c.tc_predicted >= 0.0, c.tc_predicted < _TC_MOST_K)
        .group_by(band)
    )
    counts = {int(number): int(n) for number, n in found}
    return [counts.get(number, 0) for number in range(max(counts, default=-1) + 1)]


def measured_costs(database: Database) -> dict[tuple[str, str | None], float]:
    """What a candidate has cost a worker, s, by kind of stage and tier: mean over all campaigns here.

    Raises:
        StoreError: the database does not answer.
    """
    s, c = campaign_stages.c, campaign_chunks.c
    tier = s.spec["tier"].astext
    entries = sa.func.sum(c.ends_before - c.starts_at)
    query = (
        sa.select(s.kind, tier, sa.func.sum(c.worker_seconds) / entries)
        .join(campaign_stages, s.id == c.stage_id)
        .join(runs, runs.c.id == s.run_id)
        .where(~c.promoting, runs.c.deleted_at.is_(None))
        .group_by(s.kind, tier)
        .having(sa.func.sum(c.done) > 0)
    )
    with database.connect() as connection:
        return {(kind, tier): float(seconds) for kind, tier, seconds in connection.execute(query)}


def measured_spectra(database: Database, formulas: Sequence[str]) -> dict[str, tuple[int, float]]:
    """Formulas of which computed or measured spectra are stored: how many, and their highest Tc, K.

    Raises:
        StoreError: the database does not answer.
    """
    b = bete_runs.c
    with database.connect() as connection:
        found = connection.execute(
            sa.select(b.structure_formula, sa.func.count(), sa.func.max(b.tc_kelvin))
            .where(
                b.structure_formula.in_(list(formulas)),
                b.spectrum_origin == "measured",
                b.deleted_at.is_(None),
                b.tc_kelvin.is_not(None),
            )
            .group_by(b.structure_formula)
        )
        return {formula: (int(n), float(tc)) for formula, n, tc in found}
