"""Who fulfils a rule, in order; and writing down who passes."""

from __future__ import annotations

from array import array
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from htc.errors import InputError
from htc.store.campaigns.chunks import VALUE_COLUMNS, values_of
from htc.store.jobs.holding import held
from htc.store.tables import campaign_candidates, campaign_stages

if TYPE_CHECKING:
    from htc.store.database import Database
    from htc.store.jobs import Beat, Lease

__all__ = [
    "Fulfilling",
    "Ranked",
    "Rule",
    "column_of",
    "fulfilling",
    "passed_positions",
    "rows_at",
    "write_selection",
]

_PAGE: Final = 10_000
_MORE_NUMBERS: Final = frozenset(
    {"tc_eliashberg", "imaginary_modes_count", "lowest_frequency_thz", "volume_change"}
)
"""Numbers that only few rows have; they lie in ``more``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Conditions on the values of a stage, and the order of those that fulfil them. A value that is not
    there fulfils no condition and comes last."""

    bounds: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    """Lower and upper bound by column, both inclusive."""
    among: Mapping[str, tuple[str | bool, ...]] = field(default_factory=dict)
    """Values that a column may have."""
    by: str = "tc_predicted"
    largest_first: bool = True


@dataclass(frozen=True, slots=True)
class Fulfilling:
    """A candidate that fulfils a rule."""

    position: int
    label: str
    formula: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A candidate's row."""

    position: int
    pressure_gpa: float
    state: str
    label: str
    formula: str | None
    values: Mapping[str, Any]
    carry: Mapping[str, Any] | None
    prediction_id: str | None
    rank: int | None


def column_of(name: str) -> sa.ColumnElement[Any]:
    """What a rule means by a name.

    Raises:
        InputError: a column that there is not.
    """
    c = campaign_candidates.c
    if name == "pressure_required_gpa":
        return c.pressure_gpa
    if name in VALUE_COLUMNS:
        return c[name]
    if name in _MORE_NUMBERS:
        return sa.cast(c.more[name].astext, sa.Double)
    raise InputError(f"a campaign has no column {name}", where="keep")


def fulfilling(database: Database, stage_id: int, rule: Rule) -> Generator[Fulfilling, None, None]:
    """Candidates that fulfil a rule, best first, equals by their position; read as they are asked for.

    Raises:
        InputError: a column that there is not.
        StoreError: the database does not answer.
    """
    c = campaign_candidates.c
    query = sa.select(c.position, c.label, c.formula).where(
        c.stage_id == stage_id, c.state.in_(("done", "duplicate"))
    )
    for name, (low, high) in rule.bounds.items():
        column = column_of(name)
        query = query.where(column.is_not(None))
        if low is not None:
            query = query.where(column >= low)
        if high is not None:
            query = query.where(column <= high)
    for name, allowed in rule.among.items():
        query = query.where(column_of(name).in_(allowed))
    by = column_of(rule.by)
    query = query.order_by((by.desc() if rule.largest_first else by.asc()).nulls_last(), c.position)
    with (
        database.connect() as connection,
        connection.execution_options(yield_per=_PAGE).execute(query) as rows,
    ):
        for row in rows:
            yield Fulfilling(row.position, row.label, row.formula)


def write_selection(
    database: Database,
    lease: Lease,
    stage_id: int,
    passing: Sequence[int],
    duplicates: Iterable[tuple[int, int]],
    costs: Mapping[str, float],
) -> Beat:
    """Write down who passes a stage, once.

    Args:
        database: an open database.
        lease: of the run.
        stage_id: the stage, all of whose entries are done.
        passing: positions, best first.
        duplicates: position of a candidate and of the one it is a duplicate of.
        costs: what the stage has cost, s.

    Raises:
        StoreError: the database refused; nothing was written.
    """
    twins = list(duplicates)
    with database.begin() as connection:
        beat = held(connection, lease)
        if beat == "lost":
            return beat
        driver: Any = connection.connection.driver_connection
        cursor = driver.cursor()
        cursor.execute(
            "CREATE TEMPORARY TABLE htc_selection (position bigint, rank integer, duplicate_of bigint) "
            "ON COMMIT DROP"
        )
        with cursor.copy("COPY htc_selection FROM STDIN") as copy:
            for rank, position in enumerate(passing):
                copy.write_row((position, rank, None))
            for position, other in twins:
                copy.write_row((position, None, other))
        connection.execute(sa.text("ANALYZE htc_selection"))
        connection.execute(
            sa.text(
                "UPDATE campaign_candidates c SET rank = s.rank, duplicate_of = s.duplicate_of, state = "
                "CASE WHEN s.rank IS NULL THEN 'duplicate' ELSE c.state END "
                "FROM htc_selection s WHERE c.stage_id = :stage AND c.position = s.position"
            ),
            {"stage": stage_id},
        )
        connection.execute(
            sa.update(campaign_stages)
            .where(campaign_stages.c.id == stage_id, campaign_stages.c.state == "running")
            .values(state="selected", passed=len(passing), duplicates=len(twins), costs=dict(costs))
        )
    return beat


def passed_positions(database: Database, stage_id: int, *, also_failed: bool = False) -> array[int]:
    """Positions of those that pass a stage, best first; eight bytes each.

    Args:
        database: an open database.
        stage_id: the stage.
        also_failed: also those that were chosen and then could not be promoted, in their places.

    Raises:
        StoreError: the database does not answer.
    """
    c = campaign_candidates.c
    query = sa.select(c.position).where(c.stage_id == stage_id, c.rank.is_not(None)).order_by(c.rank)
    if not also_failed:
        query = query.where(c.state == "done")
    out = array("q")
    with database.connect() as connection:
        for some in connection.execution_options(yield_per=_PAGE).execute(query).scalars().partitions():
            out.extend(some)
    return out


def rows_at(database: Database, stage_id: int, positions: Sequence[int]) -> dict[int, Ranked]:
    """Rows of a stage by position.

    Raises:
        StoreError: the database does not answer.
    """
    c = campaign_candidates.c
    with database.connect() as connection:
        found = connection.execute(
            sa.select(campaign_candidates).where(c.stage_id == stage_id, c.position.in_(list(positions)))
        )
        return {
            row.position: Ranked(
                position=row.position,
                pressure_gpa=row.pressure_gpa,
                state=row.state,
                label=row.label,
                formula=row.formula,
                values=values_of(row),
                carry=row.carry,
                prediction_id=row.prediction_id,
                rank=row.rank,
            )
            for row in found
        }
