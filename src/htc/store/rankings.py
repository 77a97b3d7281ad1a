"""The best materials: pages by key, the ranking by formula, and how fresh it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from htc.errors import InputError, NotFoundError, SchemaError
from htc.store.tables import LIVE, bete_runs, htc_predictions, ranking_refreshes, top_superconductors

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = ["Formula", "Freshness", "Page", "Ranked", "freshness", "refresh_rankings", "top", "top_formulas"]

VIEW: Final = "top_superconductors"
REFRESH_LOCK: Final = 0x4854_4302
"""Key of the advisory lock that lets one refresh work at a time."""

MAX_PAGE: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A row of the ranking. Temperatures in K, pressure in GPa."""

    id: str
    reduced_formula: str | None
    tc_predicted: float
    tc_lower_95ci: float | None
    tc_upper_95ci: float | None
    tc_uncertainty: float | None
    lambda_ep: float | None
    omega_log: float | None
    mu_star: float | None
    prediction_method: str | None
    confidence_level: str | None
    extrapolation_warning: bool | None
    pressure_required_gpa: float | None
    family: str | None
    model_id: str | None
    structure_origin: str | None
    source: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of the ranking and where the next ones begin."""

    rows: tuple[Ranked, ...]
    next_cursor: str | None
    """For ``after``: the id of the last row; None on the last page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A row of the materialized view ``top_superconductors``."""

    structure_formula: str | None
    avg_tc: float
    """Average Tc over all stored predictions above 1 K for structures of this formula, K."""
    prediction_count: int
    last_prediction: datetime | None


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the ranking by formula is."""

    refreshed_at: datetime | None
    """When it was last computed; None: never."""
    newer_rows: int
    """Rows of bete_runs stored since, which it does not show."""


def top(database: Database, n: int = 20, min_tc: float | None = None, after: str | None = None) -> Page:
    """The predictions of highest Tc. Page 10,000 costs what page 1 costs.

    Args:
        database: an open database.
        n: rows a page, 1 to 10,000.
        min_tc: only Tc at or above this, K.
        after: ``next_cursor`` of the page before: only what ranks below that prediction.

    Raises:
        InputError: n out of range, or min_tc not a number.
        NotFoundError: no ranked prediction has the id ``after``.
    """
    _check_page(n, min_tc)
    t = htc_predictions.c
    # Order and NULLS LAST are the index's own, or it would not be used.
    query = (
        sa.select(*(t[name] for name in Ranked.__dataclass_fields__))
        # Rows of an earlier version may hold NaN, infinity or a negative Tc: kept, shown by id, not ranked.
        .where(sa.text(LIVE))
        .order_by(t.tc_predicted.desc().nulls_last(), t.id)
        .limit(n + 1)
    )
    if min_tc is not None:
        query = query.where(t.tc_predicted >= min_tc)
    with database.connect() as connection:
        if after is not None:
            tc = connection.execute(sa.select(t.tc_predicted).where(t.id == after)).scalar_one_or_none()
            if tc is None:
                raise NotFoundError(
                    f"there is no ranked prediction {after!r} to go on after",
                    hint="give the whole id of the last row of the page before",
                )
            query = query.where(t.tc_predicted <= tc, sa.or_(t.tc_predicted < tc, t.id > after))
        rows = [Ranked(**row) for row in connection.execute(query).mappings()]
    page = tuple(rows[:n])
    return Page(page, page[-1].id if len(rows) > n else None)


def top_formulas(
    database: Database, n: int = 20, min_tc: float | None = None
) -> tuple[Sequence[Formula], Freshness]:
    """The formulas of highest average Tc as of the last refresh, and how long ago that was.

    Raises:
        InputError: n out of range, or min_tc not a number.
    """
    _check_page(n, min_tc)
    v = top_superconductors.c
    query = sa.select(top_superconductors).order_by(v.avg_tc.desc(), v.structure_formula).limit(n)
    if min_tc is not None:
        query = query.where(v.avg_tc >= min_tc)
    with database.connect() as connection:
        populated = _is_populated(connection)
        rows = [Formula(**row) for row in connection.execute(query).mappings()] if populated else []
        return rows, _freshness(connection)


def freshness(database: Database) -> Freshness:
    """How fresh the ranking by formula is."""
    with database.connect() as connection:
        return _freshness(connection)


def refresh_rankings(database: Database) -> Freshness:
    """Recompute ``top_superconductors`` without blocking its readers, once after a run.

    Concurrent callers take turns; one that waited while another began a refresh after its call has nothing
    left to do.

    Raises:
        StoreError: the database refused.
    """
    with database.begin() as connection:
        asked = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(REFRESH_LOCK)))
        r = ranking_refreshes.c
        last = connection.execute(
            sa.select(sa.func.max(r.started_at)).where(r.view_name == VIEW)
        ).scalar_one()
        if last is None or last < asked:
            _refresh(connection)
        return _freshness(connection)


def _check_page(n: int, min_tc: float | None) -> None:
    if not 1 <= n <= MAX_PAGE:
        raise InputError(f"{n} rows cannot be asked for at once", hint=f"ask for 1 to {MAX_PAGE}")
    if min_tc is not None and math.isnan(min_tc):
        raise InputError("the least Tc must be a number")


def _refresh(connection: sa.Connection) -> None:
    started = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    # A transaction that writes right now is not in the view, though its created_at is earlier than now.
    oldest_writer = connection.execute(
        sa.text(
            "SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
        )
    ).scalar_one()
    # CONCURRENTLY needs a view that has been filled once.
    how = "CONCURRENTLY " if _is_populated(connection) else ""
    connection.execute(sa.text(f"REFRESH MATERIALIZED VIEW {how}{VIEW}"))
    count = connection.execute(sa.select(sa.func.count()).select_from(top_superconductors)).scalar_one()
    connection.execute(
        sa.insert(ranking_refreshes).values(
            view_name=VIEW,
            started_at=started,
            finished_at=sa.func.clock_timestamp(),
            covers_until=min(started, oldest_writer) if oldest_writer else started,
            row_count=count,
        )
    )


def _is_populated(connection: sa.Connection) -> bool:
    found = connection.execute(
        sa.text("SELECT relispopulated FROM pg_class WHERE oid = to_regclass(:view)"), {"view": VIEW}
    ).scalar_one_or_none()
    if found is None:
        raise SchemaError(
            f"the materialized view {VIEW} is missing", hint="`htc db status` shows the revision"
        )
    return bool(found)


def _freshness(connection: sa.Connection) -> Freshness:
    r = ranking_refreshes.c
    last = connection.execute(
        sa.select(r.started_at, r.covers_until)
        .where(r.view_name == VIEW)
        .order_by(r.started_at.desc())
        .limit(1)
    ).one_or_none()
    newer = sa.select(sa.func.count()).select_from(bete_runs)
    if last is None:
        return Freshness(None, connection.execute(newer).scalar_one())
    newer = newer.where(bete_runs.c.created_at >= last.covers_until)
    return Freshness(last.started_at.astimezone(UTC), connection.execute(newer).scalar_one())
