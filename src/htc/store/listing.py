"""Runs and crystals, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from htc.errors import InputError
from htc.store import cursors
from htc.store.filters import Filters
from htc.store.rankings import check_page
from htc.store.tables import runs, structures

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = [
    "RunPage",
    "StoredCrystal",
    "StoredRun",
    "StructurePage",
    "find_structures",
    "list_runs",
    "newest_first",
]

_BY_TIME: Final = "r"
_BY_HASH: Final = "s"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A batch, a screening or an optimisation. Times in UTC."""

    id: str
    kind: str
    label: str | None
    status: str
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    campaign_id: str | None
    parent_id: str | None


@dataclass(frozen=True, slots=True)
class RunPage:
    """Some runs, newest first, and where the next ones begin."""

    rows: tuple[StoredRun, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCrystal:
    """What a crystal is found by. Volume in cubic angstrom."""

    hash: str
    reduced_formula: str
    anonymous_formula: str | None
    elements: tuple[str, ...]
    nsites: int
    volume: float | None
    spacegroup_number: int | None


@dataclass(frozen=True, slots=True)
class StructurePage:
    """Some crystals and where the next ones begin."""

    rows: tuple[StoredCrystal, ...]
    next_cursor: str | None


def newest_first(query: sa.Select[Any], n: int, list_name: str, after: str | None) -> sa.Select[Any]:
    """A query of runs, newest first, ``n`` of them behind a place, and one more that tells of a next page.

    Raises:
        InputError: ``after`` is damaged, or of a list of another name.
    """
    t = runs.c
    query = query.order_by(t.created_at.desc(), t.id).limit(sa.literal_column(str(n + 1)))
    if after is None:
        return query
    said, run_id = cursors.unpack(list_name, after, str, str)
    try:
        moment = datetime.fromisoformat(said)
    except ValueError as error:
        raise InputError("this is no place to go on from in this list", where=after[:60]) from error
    return query.where(t.created_at <= moment, sa.or_(t.created_at < moment, t.id > run_id))


def list_runs(
    database: Database,
    n: int = 20,
    *,
    kind: str | None = None,
    campaign: str | None = None,
    after: str | None = None,
) -> RunPage:
    """The runs, newest first. Every page costs the same.

    Args:
        database: an open database.
        n: rows a page, 1 to 10,000.
        kind: only such runs, e.g. ``"screening"``.
        campaign: only runs of the campaign of this id.
        after: ``next_cursor`` of the page before.

    Raises:
        InputError: n out of range, or a damaged cursor.
        StoreError: the database does not answer.
    """
    check_page(n)
    t = runs.c
    query = sa.select(*(t[name] for name in StoredRun.__dataclass_fields__)).where(t.deleted_at.is_(None))
    if kind is not None:
        query = query.where(t.kind == kind)
    if campaign is not None:
        query = query.where(t.campaign_id == campaign)
    query = newest_first(query, n, _BY_TIME, after)
    with database.connect() as connection:
        found = [StoredRun(**_in_utc(row)) for row in connection.execute(query).mappings()]
    cursor = None
    if len(found) > n:
        cursor = cursors.pack(_BY_TIME, found[n - 1].created_at.isoformat(), found[n - 1].id)
    return RunPage(tuple(found[:n]), cursor)


def find_structures(
    database: Database,
    n: int = 20,
    *,
    elements: Sequence[str] = (),
    without: Sequence[str] = (),
    only: Sequence[str] = (),
    formula: str | None = None,
    anonymous_formula: str | None = None,
    spacegroup: int | None = None,
    after: str | None = None,
) -> StructurePage:
    """Crystals that fulfil everything asked for, in the order of their hashes.

    Args:
        database: an open database.
        n: rows a page, 1 to 10,000.
        elements: symbols that must all be in the crystal.
        without: symbols of which none may be.
        only: no other element may be.
        formula: reduced formula as pymatgen writes it.
        anonymous_formula: pymatgen's, e.g. ``"AB2"``.
        spacegroup: number of the space group, 1 to 230.
        after: ``next_cursor`` of the page before.

    Raises:
        InputError: an unknown element, a space group that there is not, n out of range, a damaged cursor.
        StoreError: the database does not answer.
    """
    check_page(n)
    wish = Filters(elements=tuple(elements), without=tuple(without), only=tuple(only))
    if spacegroup is not None and not 1 <= spacegroup <= 230:
        raise InputError(f"there is no space group {spacegroup}", hint="they are numbered from 1 to 230")
    t = structures.c
    query = (
        sa.select(*(t[name] for name in StoredCrystal.__dataclass_fields__))
        .order_by(t.hash)
        .limit(sa.literal_column(str(n + 1)))
    )
    if wish.elements:
        query = query.where(t.elements.contains(list(wish.elements)))
    if wish.only:
        query = query.where(t.elements.contained_by(list(wish.only)))
    if wish.without:
        query = query.where(~t.elements.overlap(list(wish.without)))
    for column, value in (
        (t.reduced_formula, formula),
        (t.anonymous_formula, anonymous_formula),
        (t.spacegroup_number, spacegroup),
    ):
        if value is not None:
            query = query.where(column == value)
    if after is not None:
        query = query.where(t.hash > cursors.unpack(_BY_HASH, after, str)[0])
    with database.connect() as connection:
        found = [
            StoredCrystal(**dict(row) | {"elements": tuple(row["elements"])})
            for row in connection.execute(query).mappings()
        ]
    cursor = cursors.pack(_BY_HASH, found[n - 1].hash) if len(found) > n else None
    return StructurePage(tuple(found[:n]), cursor)


def _in_utc(row: sa.RowMapping) -> dict[str, Any]:
    return {k: v.astimezone(UTC) if isinstance(v, datetime) else v for k, v in row.items()}
