"""What of a campaign people look at: Tc by bands, and what others have stored of its formulas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from htc.store.tables import bete_runs, campaign_candidates, campaign_chunks, campaign_stages, runs

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["measured_costs", "measured_spectra", "tc_counts"]


def tc_counts(database: Database, stage_id: int, edges: Sequence[float]) -> list[int]:
    """How many candidates of a stage have a Tc between two neighbours of ``edges``; the rest is left out.

    Args:
        database: an open database.
        stage_id: of the stage.
        edges: shape (n + 1,), K, rising.

    Returns:
        Counts, shape (n,).

    Raises:
        StoreError: the database does not answer.
    """
    c = campaign_candidates.c
    band = sa.func.width_bucket(c.tc_predicted, sa.cast(list(edges), sa.ARRAY(sa.Double)))
    with database.connect() as connection:
        found = connection.execute(
            sa.select(band, sa.func.count())
            .where(c.stage_id == stage_id, c.tc_predicted.is_not(None))
            .group_by(band)
        )
        counts = {int(number): int(n) for number, n in found}
    return [counts.get(number, 0) for number in range(1, len(edges))]


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
