"""What became of each item of a run: written once, read page by page, also while the run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import sqlalchemy as sa

from htc.errors import InputError
from htc.store.naming import file_name
from htc.store.rankings import check_page
from htc.store.tables import htc_predictions, jobs, run_items

if TYPE_CHECKING:
    from htc.store.database import Database

__all__ = [
    "OBJECTIVE_COLUMNS",
    "Item",
    "ItemPage",
    "RunItem",
    "insert_items",
    "item_formulas",
    "items_of",
    "objective_rows",
    "pages_of_values",
    "position_of",
]

ItemState = Literal["done", "failed"]

_PREDICTION: Final = (
    "reduced_formula",
    "tc_predicted",
    "tc_lower_95ci",
    "tc_upper_95ci",
    "tc_uncertainty",
    "tc_experiment",
    "lambda_ep",
    "omega_log",
    "pressure_required_gpa",
    "hull_distance_eV",
    "phonon_stable",
    "applicable",
    "reason",
    "confidence_level",
    "extrapolation_warning",
    "family",
    "model_tier",
)
"""What an item says of its prediction; the rest is a request away."""

OBJECTIVE_COLUMNS: Final = (
    "tc_predicted",
    "tc_lower_95ci",
    "tc_experiment",
    "tc_uncertainty",
    "lambda_ep",
    "omega_log",
    "pressure_required_gpa",
    "hull_distance_eV",
)
"""Columns of a prediction that can be an objective."""

_PAGE: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What became of one item, to be written down."""

    position: int
    label: str
    prediction_id: str | None = None
    error: Mapping[str, Any] | None = None
    """Why it failed: ``code``, ``what``, ``where`` and ``hint``; None where it did not."""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunItem:
    """What became of one item, as it was written down. Temperatures in K, pressure in GPa, energies in eV."""

    position: int
    label: str
    state: ItemState
    prediction_id: str | None
    error: Mapping[str, Any] | None
    values: Mapping[str, Any]
    created_at: datetime
    prediction: Mapping[str, Any] | None
    """The main values of the prediction; None where there is none."""


@dataclass(frozen=True, slots=True)
class ItemPage:
    """Some items in order, and where the next ones begin; None: no more so far."""

    rows: tuple[RunItem, ...]
    next_cursor: str | None
    """For :func:`position_of`: a position as text."""


def insert_items(connection: sa.Connection, run_id: str, items: Sequence[Item]) -> None:
    """Write items down; the caller holds the run's lease."""
    if not items:
        return
    connection.execute(
        sa.insert(run_items),
        [
            {
                "run_id": run_id,
                "position": item.position,
                # NUL is no text of PostgreSQL; half a surrogate pair is no UTF-8.
                "label": item.label.encode("utf-8", "replace")
                .decode()
                .replace("\0", "\N{REPLACEMENT CHARACTER}"),
                "state": "done" if item.error is None else "failed",
                "prediction_id": item.prediction_id,
                "error": sa.null() if item.error is None else dict(item.error),
                "values": dict(item.values),
            }
            for item in items
        ],
    )


def items_of(
    database: Database,
    run_id: str,
    n: int = 100,
    *,
    after: int = -1,
    state: ItemState | None = None,
) -> ItemPage:
    """Items of a run in their order. Every page costs the same.

    The predictions of a run that no worker did, e.g. of ``htc predict``, come best first instead.

    Args:
        database: an open database.
        run_id: of the run.
        n: rows a page, 1 to 10,000.
        after: position of the last item that is known; -1 from the beginning.
        state: only such items.

    Raises:
        InputError: n or ``after`` out of range.
        StoreError: the database does not answer.
    """
    check_page(n)
    if not -1 <= after < 2**31:
        raise InputError(f"there is no position {after}", where="after", hint="-1 begins at the first item")
    with database.connect() as connection:
        query = _with_prediction(run_id, after, n + 1, state)
        rows = [_item(row) for row in connection.execute(query)]
        if not rows and state != "failed" and not _has_job(connection, run_id):
            rows = [_item(row) for row in connection.execute(_of_a_batch(run_id, after, n + 1))]
    return ItemPage(tuple(rows[:n]), str(rows[n - 1].position) if len(rows) > n else None)


def position_of(cursor: str | None) -> int:
    """The ``after`` of :func:`items_of` that a cursor stands for; None: from the beginning.

    Raises:
        InputError: it is no cursor of items.
    """
    if cursor is None or cursor == "-1":
        return -1
    if not (cursor.isascii() and cursor.isdigit()) or int(cursor) >= 2**31:
        raise InputError(
            f"{cursor[:40]!r} is no position to go on after",
            where="after",
            hint="give `next_cursor` of the page before, or the last position seen",
        )
    return int(cursor)


def _has_job(connection: sa.Connection, run_id: str) -> bool:
    found = connection.execute(sa.select(jobs.c.run_id).where(jobs.c.run_id == run_id))
    return found.first() is not None


def _with_prediction(run_id: str, after: int, limit: int, state: str | None) -> sa.Select[Any]:
    i, p = run_items.c, htc_predictions.c
    query = (
        sa.select(run_items, *(p[name] for name in _PREDICTION))
        .select_from(run_items.outerjoin(htc_predictions, p.id == i.prediction_id))
        .where(i.run_id == run_id, i.position > after)
        .order_by(i.position)
        .limit(sa.literal_column(str(limit)))
    )
    return query if state is None else query.where(i.state == state)


def _of_a_batch(run_id: str, after: int, limit: int) -> sa.Select[Any]:
    p = htc_predictions.c
    return (
        sa.select(
            (sa.func.row_number().over(order_by=(p.tc_predicted.desc().nulls_last(), p.id)) - 1).label(
                "position"
            ),
            sa.func.coalesce(p.source, p.reduced_formula, p.id).label("label"),
            sa.literal("done").label("state"),
            p.id.label("prediction_id"),
            sa.null().label("error"),
            sa.literal({}, type_=run_items.c["values"].type).label("values"),
            p.created_at,
            *(p[name] for name in _PREDICTION),
        )
        .where(p.experiment_id == run_id, p.deleted_at.is_(None))
        .order_by(p.tc_predicted.desc().nulls_last(), p.id)
        .offset(after + 1)
        .limit(limit)
    )


def _item(row: sa.Row[Any]) -> RunItem:
    said = row._mapping
    return RunItem(
        position=said["position"],
        label=file_name(said["label"]),
        state=said["state"],
        prediction_id=said["prediction_id"],
        error=said["error"],
        values=said["values"],
        created_at=(said["created_at"] or datetime.fromtimestamp(0, UTC)).astimezone(UTC),
        prediction=None if said["prediction_id"] is None else {name: said[name] for name in _PREDICTION},
    )


def objective_rows(
    database: Database, run_id: str, columns: Sequence[str]
) -> list[tuple[int, str | None, str, tuple[float | None, ...]]]:
    """Position, prediction, label and objective values of every item with a Tc; in their order.

    A value that was measured (``measured`` in the item's values) stands before that of the prediction.

    Args:
        database: an open database.
        run_id: of the run.
        columns: some of :data:`OBJECTIVE_COLUMNS`.

    Raises:
        InputError: a column that cannot be an objective.
        StoreError: the database does not answer.
    """
    for column in columns:
        if column not in OBJECTIVE_COLUMNS:
            raise InputError(
                f"{column} cannot be an objective", hint=f"there are: {', '.join(OBJECTIVE_COLUMNS)}"
            )
    i, p = run_items.c, htc_predictions.c
    wanted = [p[column] for column in columns]
    told = i["values"]["measured"]
    best = [sa.func.coalesce(told[column].as_float(), p[column]) for column in columns]
    with database.connect() as connection:
        rows = connection.execute(
            sa.select(i.position, i.prediction_id, i.label, *best)
            .select_from(run_items.outerjoin(htc_predictions, p.id == i.prediction_id))
            .where(i.run_id == run_id, sa.or_(p.tc_predicted.is_not(None), i["values"].has_key("measured")))
            .order_by(i.position)
        ).all()
        if not rows and not _has_job(connection, run_id):
            place = sa.func.row_number().over(order_by=(p.tc_predicted.desc(), p.id)) - 1
            rows = connection.execute(
                sa.select(place, p.id, sa.func.coalesce(p.source, p.reduced_formula, p.id), *wanted)
                .where(p.experiment_id == run_id, p.deleted_at.is_(None), p.tc_predicted.is_not(None))
                .order_by(p.tc_predicted.desc(), p.id)
            ).all()
    return [(row[0], row[1], file_name(row[2]), tuple(row[3:])) for row in rows]


def item_formulas(database: Database, run_id: str) -> dict[int, str]:
    """Reduced formula of each item of which it is known, by position.

    Raises:
        StoreError: the database does not answer.
    """
    i, p = run_items.c, htc_predictions.c
    formula = sa.func.coalesce(p.reduced_formula, i["values"]["formula"].as_string())
    with database.connect() as connection:
        rows = connection.execute(
            sa.select(i.position, formula)
            .select_from(run_items.outerjoin(htc_predictions, p.id == i.prediction_id))
            .where(i.run_id == run_id)
        )
        return {row[0]: row[1] for row in rows if row[1] is not None}


def pages_of_values(database: Database, run_id: str) -> Iterator[list[RunItem]]:
    """All items of a run, a few thousand at a time; for a worker that takes a run over.

    Raises:
        StoreError: the database does not answer.
    """
    after = -1
    while True:
        page = items_of(database, run_id, _PAGE, after=after)
        if page.rows:
            yield list(page.rows)
        if page.next_cursor is None:
            return
        after = position_of(page.next_cursor)
