"""Rows in ranking order under filters, a bounded stretch at a time.

A statement walks one facet's indexes, best row first, and checks the other filters on the rows that come by;
it stops when it has enough. Where next to no row passes - two common properties that never go together - it
would walk on to the end. So it goes over a limited number of candidates, says where it stopped, and whoever
asked decides whether to go on from there.

The filters' indexes begin at ``RANKED_FROM_K``. Below, the ranking itself is walked and everything checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from htc.store.conditions import EVERYTHING, Condition, conditions_of
from htc.store.plain import plain_rows
from htc.store.selectivity import most_selective
from htc.store.tables import RANKED, RANKED_FROM_K, SET_ASIDE

if TYPE_CHECKING:
    import sqlalchemy as sa

    from htc.store.filters import Filters

__all__ = ["Place", "Rows", "walk"]

ORDER: Final = "ORDER BY tc_predicted DESC NULLS LAST, id"

_FIRST: Final = 2_000
"""Candidates of a first statement: a few milliseconds."""
_LATER: Final = 10_000

# A walk in index order is what every statement here is for. Left to itself the planner, which counts each row
# fetched as a seek of a spinning disk, would now and then fetch a whole facet and sort it.
_AS_INDEXED: Final = (
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;"
    " SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL jit = off"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the ranking: just below this row, whether it is still there or not."""

    tc: float
    """K."""
    id: str


@dataclass(frozen=True, slots=True)
class Rows:
    """What a statement found."""

    rows: Sequence[Sequence[Any]]
    """Values in the order of the columns asked for."""
    next: Place | None
    """Where the next statement goes on; None: there is nothing left."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of the ranking that is walked in one way."""

    drivers: tuple[tuple[str, str], ...]
    """Condition of each walk, with what is checked on its rows (empty: nothing)."""
    values: Mapping[str, Any]
    ordered: bool = True


def walk(
    connection: sa.Connection,
    columns: Sequence[str],
    filters: Filters,
    after: Place | None,
    n: int,
    most: int | None,
) -> Rows:
    """The next rows that pass.

    Args:
        connection: to an open database; settings are changed within its transaction.
        columns: names of columns, among them id and tc_predicted.
        filters: which rows.
        after: where the rows before ended.
        n: how many rows at most.
        most: candidates to look at before giving what was found so far; None: no limit. Below
            ``RANKED_FROM_K`` a tenth of it, once a row was found.

    Raises:
        StoreError: the database does not answer.
    """
    found: list[Sequence[Any]] = []
    tc_at, id_at = columns.index("tc_predicted"), columns.index("id")
    names = ", ".join(columns)
    looked_at = 0
    for stretch in _stretches(connection, filters, after):
        if stretch.ordered:
            connection.exec_driver_sql(_AS_INDEXED)
        bounded = stretch.ordered and any(check for _, check in stretch.drivers)
        size = _FIRST
        while True:
            rows = _step(connection, names, stretch, after, n, size if bounded else None)
            found += [row for row in rows if row[-2]] if bounded else rows
            if len(found) > n:
                return Rows(found[:n], Place(found[n - 1][tc_at], found[n - 1][id_at]))
            # A candidate of the last number comes along whether it passes or not: there the walk stopped.
            if not bounded or not rows or rows[-1][-1] != size:
                break
            looked_at += size
            after = Place(rows[-1][tc_at], rows[-1][id_at])
            if most is not None and looked_at >= most:
                return Rows(found, after)
            size = _LATER if most is None else max(min(_LATER, most - looked_at), 1)
        if found and most is not None:
            most = min(most, looked_at + most // 10)
    return Rows(found, None)


def _stretches(connection: sa.Connection, filters: Filters, after: Place | None) -> Iterator[_Stretch]:
    conditions = conditions_of(filters)
    driver = most_selective(connection, conditions) or EVERYTHING
    low, high = filters.min_tc_predicted, filters.max_tc_predicted
    if after is not None:
        high = after.tc if high is None else min(after.tc, high)
    if driver.indexed != RANKED:
        yield _stretch(driver, conditions, filters, "")
        return
    if high is None or high >= RANKED_FROM_K:
        yield _stretch(driver, conditions, filters, f"tc_predicted >= {RANKED_FROM_K}")
    if low is None or low < RANKED_FROM_K:
        yield _stretch(EVERYTHING, conditions, filters, f"tc_predicted < {RANKED_FROM_K}")


def _stretch(driver: Condition, conditions: Sequence[Condition], filters: Filters, range_: str) -> _Stretch:
    values: dict[str, Any] = dict(driver.walk_values)
    covered = {driver.name} if driver.covers is None else driver.covers
    left = [c for c in conditions if c.name not in covered]
    ends = [range_] if range_ else []
    for name, sign in (("min_tc_predicted", ">="), ("max_tc_predicted", "<=")):
        if getattr(filters, name) is not None:
            ends.append(f"tc_predicted {sign} %({name})s::float8")
            values[name] = getattr(filters, name)
    drivers = [
        (" AND ".join([one, driver.indexed, *ends]), " AND ".join(f"({c.check})" for c in left))
        for one in driver.walks
    ]
    checked = left
    if filters.include_set_aside:
        checked = list(conditions)
        drivers.append((" AND ".join([SET_ASIDE, *ends]), " AND ".join(f"({c.check})" for c in conditions)))
    for condition in checked:
        values |= condition.values
    return _Stretch(tuple(drivers), values, driver.ordered)


def _step(
    connection: sa.Connection,
    columns: str,
    stretch: _Stretch,
    after: Place | None,
    n: int,
    size: int | None,
) -> Sequence[Sequence[Any]]:
    """The next rows that pass. With a size: among so many candidates, each with ``passes`` and its number."""
    values = dict(stretch.values)
    place = ""
    if after is not None:
        # Two comparisons, the first of which the index understands.
        place = (
            " AND tc_predicted <= %(after_tc)s::float8"
            " AND (tc_predicted < %(after_tc)s::float8 OR id > %(after_id)s)"
        )
        values |= {"after_tc": after.tc, "after_id": after.id}
    text = _every_row(columns, stretch, place, n) if size is None else _some(columns, stretch, place, n, size)
    return plain_rows(connection, text, values)


def _every_row(columns: str, stretch: _Stretch, place: str, n: int) -> str:
    walks = [
        f"(SELECT {columns} FROM htc_predictions"  # noqa: S608 - own text
        f" WHERE {where}{f' AND {check}' if check else ''}{place} {ORDER} LIMIT {n + 1})"
        for where, check in stretch.drivers
    ]
    return walks[0] if len(walks) == 1 else f"{' UNION ALL '.join(walks)} {ORDER} LIMIT {n + 1}"


def _some(columns: str, stretch: _Stretch, place: str, n: int, size: int) -> str:
    walks = [
        f"(SELECT {columns}, ({check or 'true'}) AS passes FROM htc_predictions"  # noqa: S608 - own text
        f" WHERE {where}{place} {ORDER} LIMIT {size})"
        for where, check in stretch.drivers
    ]
    return (
        f"SELECT * FROM (SELECT *, row_number() OVER ({ORDER}) AS place"  # noqa: S608 - own text
        f" FROM ({' UNION ALL '.join(walks)}) AS walks {ORDER} LIMIT {size}) AS candidates"
        f" WHERE passes OR place = {size} {ORDER} LIMIT {n + 1}"
    )
