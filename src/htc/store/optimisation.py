"""The pool of an optimisation: what may be chosen, what was asked for, what was told.

A pool is written once, while a cheap model looks at it, and then only its states change: asked for, judged,
failed. Whoever asks and whoever tells does so in one transaction that holds the row of the run, so that two
who come at once get different candidates and no answer is half there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from htc.errors import NotFoundError
from htc.store.jobs.items import Item, insert_items
from htc.store.tables import optimisation_pool, run_items, runs

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = [
    "Answer",
    "PoolRow",
    "PoolState",
    "add_to_pool",
    "mark_asked",
    "pool_end",
    "pool_rows",
    "structure_of",
    "write_answers",
]

PoolState = Literal["left_out", "free", "asked", "done", "failed"]

_PAGE: Final = 2_000
_NO_STRUCTURE: Final = tuple(c for c in optimisation_pool.c if c.name not in {"structure", "run_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRow:
    """One candidate at one pressure."""

    number: int
    """Of the candidate, times the number of pressures, plus the place of the pressure."""
    label: str
    pressure_gpa: float
    formula: str | None
    """Reduced formula; None where there is none, e.g. of an unreadable file."""
    state: PoolState
    prior: Mapping[str, Any] | None = None
    """What the cheap model thinks, by the names of the prediction record."""
    batch: int | None = None
    """In which it was asked for, from 0."""
    asked_at: datetime | None = None
    measured: Mapping[str, float] | None = None
    """What was told, by column."""
    error: Mapping[str, Any] | None = None
    """Why it is left out, or failed."""
    position: int | None = None
    """Which answer of the run it was, from 0."""
    told_by: str | None = None
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a candidate that somebody else judged."""

    number: int
    measured: Mapping[str, float] | None
    """By column; None: it failed."""
    error: str | None = None
    """Why it failed."""


def pool_end(database: Database, run_id: str) -> int:
    """Number after the last candidate that was looked at; 0: none yet.

    Raises:
        StoreError: the database does not answer.
    """
    p = optimisation_pool.c
    with database.connect() as connection:
        last = connection.execute(sa.select(sa.func.max(p.number)).where(p.run_id == run_id)).scalar_one()
    return 0 if last is None else int(last) + 1


def add_to_pool(
    database: Database, run_id: str, rows: Sequence[tuple[PoolRow, Mapping[str, Any] | None]]
) -> None:
    """Add candidates with their crystals (pymatgen's ``as_dict()``); those that are there stay as they are.

    Raises:
        StoreError: the database refused; nothing was written.
    """
    if not rows:
        return
    content = [
        {
            "run_id": run_id,
            "number": row.number,
            "label": row.label[:200].replace("\0", "\N{REPLACEMENT CHARACTER}"),
            "pressure_gpa": row.pressure_gpa,
            "formula": row.formula,
            "structure": sa.null() if structure is None else dict(structure),
            "prior": sa.null() if row.prior is None else dict(row.prior),
            "state": row.state,
            "error": sa.null() if row.error is None else dict(row.error),
        }
        for row, structure in rows
    ]
    with database.begin() as connection:
        connection.execute(insert(optimisation_pool).on_conflict_do_nothing(), content)


def pool_rows(
    database: Database, run_id: str, states: Sequence[PoolState] = (), batch: int | None = None
) -> list[PoolRow]:
    """Candidates in the order of their numbers, without their crystals.

    Args:
        database: an open database.
        run_id: of the run.
        states: only these; all when empty.
        batch: only those asked for in it.

    Raises:
        StoreError: the database does not answer.
    """
    with database.connect() as connection:
        return _rows(connection, run_id, states, batch)


def _rows(
    connection: sa.Connection, run_id: str, states: Sequence[PoolState] = (), batch: int | None = None
) -> list[PoolRow]:
    p = optimisation_pool.c
    query = sa.select(*_NO_STRUCTURE).where(p.run_id == run_id).order_by(p.number)
    if states:
        query = query.where(p.state.in_(states))
    if batch is not None:
        query = query.where(p.batch == batch)
    found = connection.execute(query.execution_options(yield_per=_PAGE))
    return [_row(row) for row in found]


def _row(row: sa.Row[Any]) -> PoolRow:
    fields: dict[str, Any] = {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value
        for name, value in row._mapping.items()
    }
    return PoolRow(**fields)


def structure_of(database: Database, run_id: str, number: int) -> Mapping[str, Any] | None:
    """Crystal of a candidate as pymatgen's ``as_dict()``; None where only its formula is known.

    Raises:
        NotFoundError: there is no such candidate.
        StoreError: the database does not answer.
    """
    p = optimisation_pool.c
    with database.connect() as connection:
        row = connection.execute(
            sa.select(p.structure).where(p.run_id == run_id, p.number == number)
        ).one_or_none()
    if row is None:
        raise NotFoundError(f"the run has no candidate {number}")
    found: Mapping[str, Any] | None = row[0]
    return found


def mark_asked(
    database: Database, run_id: str, choose: Callable[[list[PoolRow], int], Sequence[int]]
) -> list[PoolRow]:
    """Choose candidates and note that they were asked for, all or none.

    Args:
        database: an open database.
        run_id: of the run.
        choose: from the whole pool and the number of the new batch to numbers of free candidates. Others who
            ask or tell wait meanwhile.

    Returns:
        The candidates, in the order chosen.

    Raises:
        NotFoundError: there is no such run.
        StoreError: the database refused; nothing was written.
    """
    p = optimisation_pool.c
    with database.begin() as connection:
        _hold(connection, run_id)
        rows = _rows(connection, run_id)
        batch = max((row.batch for row in rows if row.batch is not None), default=-1) + 1
        numbers = list(choose(rows, batch))
        if numbers:
            connection.execute(
                sa.update(optimisation_pool)
                .where(p.run_id == run_id, p.number.in_(numbers), p.state == "free")
                .values(state="asked", batch=batch, asked_at=sa.func.now())
            )
        new = {row.number: row for row in _rows(connection, run_id, ("asked",), batch)}
    return [new[number] for number in numbers if number in new]


def write_answers(
    database: Database,
    run_id: str,
    decide: Callable[[list[PoolRow]], Sequence[Answer]],
    *,
    told_by: str,
) -> None:
    """Write answers down, all or none; each new one becomes an item of the run.

    Args:
        database: an open database.
        run_id: of the run.
        decide: from the pool as it stands to the answers that are new or replace others; what it raises
            ends the transaction. Others who ask or tell wait meanwhile.
        told_by: who tells.

    Raises:
        NotFoundError: there is no such run.
        StoreError: the database refused; nothing was written.
    """
    p, i = optimisation_pool.c, run_items.c
    with database.begin() as connection:
        _hold(connection, run_id)
        rows = {row.number: row for row in _rows(connection, run_id)}
        following = max((row.position for row in rows.values() if row.position is not None), default=-1) + 1
        for answer in decide(list(rows.values())):
            row = rows[answer.number]
            error = (
                None if answer.measured is not None else {"code": "told", "what": answer.error or "failed"}
            )
            position = following if row.position is None else row.position
            connection.execute(
                sa.update(optimisation_pool)
                .where(p.run_id == run_id, p.number == answer.number)
                .values(
                    state="done" if error is None else "failed",
                    measured=sa.null() if answer.measured is None else dict(answer.measured),
                    error=sa.null() if error is None else error,
                    position=position,
                    told_by=told_by,
                    told_at=sa.func.now(),
                )
            )
            item = Item(
                position=position,
                label=row.label,
                error=error,
                values={
                    "candidate": row.number,
                    "batch": row.batch,
                    "formula": row.formula,
                    "pressure_gpa": row.pressure_gpa,
                    "prior": row.prior,
                    **({} if answer.measured is None else {"measured": dict(answer.measured)}),
                },
            )
            if row.position is None:
                following += 1
            else:
                connection.execute(sa.delete(run_items).where(i.run_id == run_id, i.position == position))
            insert_items(connection, run_id, [item])


def _hold(connection: sa.Connection, run_id: str) -> None:
    found = connection.execute(sa.select(runs.c.id).where(runs.c.id == run_id).with_for_update())
    if found.first() is None:
        raise NotFoundError(f"there is no run {run_id!r}", hint="`htc runs list` shows them")
