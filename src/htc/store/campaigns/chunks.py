"""Chunks: what is done of a stage, and the rows of its candidates, written together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from htc.errors import InputError, StoreError
from htc.store.jobs.holding import held
from htc.store.jsontext import dumps
from htc.store.predictions import save, write_predictions
from htc.store.tables import campaign_candidates, campaign_chunks, campaign_stages, jobs

if TYPE_CHECKING:
    from htc.prediction.record import Prediction
    from htc.store.database import Database
    from htc.store.jobs import Beat, Lease

__all__ = [
    "VALUE_COLUMNS",
    "DoneChunk",
    "Row",
    "done_ranges",
    "values_of",
    "write_chunk",
    "write_promotions",
]

VALUE_COLUMNS: Final = (
    "tc_predicted",
    "tc_lower_95ci",
    "tc_upper_95ci",
    "tc_uncertainty",
    "tc_experiment",
    "tc_experiment_lower_95ci",
    "tc_experiment_upper_95ci",
    "lambda_ep",
    "omega_log",
    "hull_distance_eV",
    "phonon_verdict",
    "confidence_level",
    "family",
    "extrapolation_warning",
)
"""Values that have a column of their own; further ones go into ``more``."""

_COPIED: Final = (
    "stage_id",
    "position",
    "pressure_gpa",
    "state",
    "label",
    "formula",
    *VALUE_COLUMNS,
    "more",
    "error",
    "carry",
    "prediction_id",
)
_SAID_ELSEWHERE: Final = frozenset({*VALUE_COLUMNS, "pressure_required_gpa", "model_tier"})
"""Values that need no place in ``more``: they have a column, or the stage says them of all its rows."""
_LABEL: Final = 300
_TOGETHER: Final = 100
"""Predictions a statement."""


def values_of(row: sa.Row[Any]) -> dict[str, Any]:
    """The values of a row of ``campaign_candidates``, wherever it keeps them."""
    found = {name: value for name in VALUE_COLUMNS if (value := row._mapping[name]) is not None}
    return found | (row.more or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one candidate at one pressure, to be written down."""

    position: int
    pressure_gpa: float
    state: str
    label: str
    formula: str | None
    values: Mapping[str, Any]
    error: Mapping[str, Any] | None = None
    carry: Mapping[str, Any] | None = None
    prediction: Prediction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneChunk:
    """A range of a stage's entries that is over with."""

    starts_at: int
    ends_before: int
    rejections: Mapping[str, int] = field(default_factory=dict)
    """Candidates without a row, by the rule that rejected them."""
    worker: str = ""
    worker_seconds: float = 0.0


def done_ranges(database: Database, stage_id: int, *, promoting: bool = False) -> list[tuple[int, int]]:
    """``(starts_at, ends_before)`` of what is done of a stage, in order, neighbours put together.

    Raises:
        StoreError: the database does not answer.
    """
    c = campaign_chunks.c
    out: list[tuple[int, int]] = []
    with database.connect() as connection:
        for start, end in connection.execute(
            sa.select(c.starts_at, c.ends_before)
            .where(c.stage_id == stage_id, c.promoting == promoting)
            .order_by(c.starts_at)
        ):
            if out and out[-1][1] == start:
                out[-1] = (out[-1][0], end)
            else:
                out.append((start, end))
    return out


def write_chunk(
    database: Database,
    lease: Lease,
    stage_id: int,
    chunk: DoneChunk,
    rows: Sequence[Row],
    *,
    message: str | None = None,
    trying: Mapping[str, Any] | None = None,
    costs: Mapping[str, float] | None = None,
) -> Beat:
    """Write a chunk down: its mark, a row for each candidate, the predictions; all or, lease lost, nothing.

    A prediction that the rules of the database refuse makes its row a failed one.

    Args:
        database: an open database.
        lease: of the run.
        stage_id: of the stage.
        chunk: what it covers.
        rows: its candidates.
        message: what is being done, for people.
        trying: what is in hand, for whoever takes over.
        costs: what the stage has cost so far beside the workers' time, s.

    Raises:
        StoreError: the database refused; nothing was written.
    """
    rejected = sum(row.state == "rejected" for row in rows) + sum(chunk.rejections.values())
    try:
        with database.begin() as connection:
            failed = sum(row.state == "failed" for row in rows)
            n = chunk.ends_before - chunk.starts_at
            beat = held(connection, lease, _progress(n, failed, message, trying))
            if beat == "lost":
                return beat
            ids = _store(connection, lease, [row.prediction for row in rows if row.prediction is not None])
            _mark(connection, stage_id, chunk, n - failed - rejected, failed, rejected, promoting=False)
            _copy(connection, stage_id, rows, ids)
            _note_costs(connection, stage_id, costs)
            return beat
    except (InputError, StoreError) as error:
        sound = _without_refused(database, lease, rows, error)
    return write_chunk(database, lease, stage_id, chunk, sound, message=message, trying=trying, costs=costs)


def write_promotions(
    database: Database,
    lease: Lease,
    stage_id: int,
    chunk: DoneChunk,
    rows: Sequence[Row],
    *,
    message: str | None = None,
    trying: Mapping[str, Any] | None = None,
    costs: Mapping[str, float] | None = None,
) -> Beat:
    """Write down the whole predictions of candidates that pass a stage whose rows hold values only.

    Arguments and errors as in :func:`write_chunk`.
    """
    c = campaign_candidates.c
    try:
        with database.begin() as connection:
            failed = sum(row.state == "failed" for row in rows)
            beat = held(connection, lease, _progress(0, failed, message, trying))
            if beat == "lost":
                return beat
            ids = _store(connection, lease, [row.prediction for row in rows if row.prediction is not None])
            _mark(connection, stage_id, chunk, len(rows) - failed, failed, 0, promoting=True)
            if rows:
                connection.execute(
                    sa.update(campaign_candidates)
                    .where(c.stage_id == stage_id, c.position == sa.bindparam("its_position"))
                    .values(
                        state=sa.bindparam("its_state"),
                        error=sa.bindparam("its_error"),
                        carry=sa.bindparam("its_carry"),
                        prediction_id=sa.bindparam("its_prediction"),
                    ),
                    [
                        {
                            "its_position": row.position,
                            "its_state": row.state,
                            "its_error": sa.null() if row.error is None else dict(row.error),
                            "its_carry": sa.null() if row.carry is None else dict(row.carry),
                            "its_prediction": None
                            if row.prediction is None
                            else ids[row.prediction.input_hash],
                        }
                        for row in rows
                    ],
                )
            _note_costs(connection, stage_id, costs)
            return beat
    except (InputError, StoreError) as error:
        sound = _without_refused(database, lease, rows, error)
    return write_promotions(
        database, lease, stage_id, chunk, sound, message=message, trying=trying, costs=costs
    )


def _progress(
    done: int, failed: int, message: str | None, trying: Mapping[str, Any] | None
) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "done": jobs.c.done + done,
        "failed": jobs.c.failed + failed,
        "attempts": 1,
        "error": sa.null(),
        "trying": sa.null() if trying is None else dict(trying),
    }
    if message is not None:
        changes["message"] = message
    return changes


def _store(connection: sa.Connection, lease: Lease, predictions: Sequence[Prediction]) -> dict[str, str]:
    """Id by input hash."""
    ids: dict[str, str] = {}
    for start in range(0, len(predictions), _TOGETHER):
        some = predictions[start : start + _TOGETHER]
        saved = write_predictions(connection, some, run=lease.run_id, created_by=lease.job.requested_by)
        ids |= {p.input_hash: one.id for p, one in zip(some, saved, strict=True)}
    return ids


def _mark(
    connection: sa.Connection,
    stage_id: int,
    chunk: DoneChunk,
    done: int,
    failed: int,
    rejected: int,
    *,
    promoting: bool,
) -> None:
    connection.execute(
        sa.insert(campaign_chunks).values(
            stage_id=stage_id,
            promoting=promoting,
            starts_at=chunk.starts_at,
            ends_before=chunk.ends_before,
            done=done,
            failed=failed,
            rejected=rejected,
            rejections=dict(chunk.rejections),
            worker=chunk.worker or None,
            worker_seconds=chunk.worker_seconds,
        )
    )


def _copy(connection: sa.Connection, stage_id: int, rows: Sequence[Row], ids: Mapping[str, str]) -> None:
    if not rows:
        return
    names = ", ".join(f'"{name}"' for name in _COPIED)
    driver: Any = connection.connection.driver_connection
    with driver.cursor().copy(f"COPY campaign_candidates ({names}) FROM STDIN") as copy:
        for row in rows:
            more = {
                name: v for name, v in row.values.items() if name not in _SAID_ELSEWHERE and v is not None
            }
            copy.write_row(
                (
                    stage_id,
                    row.position,
                    row.pressure_gpa,
                    row.state,
                    _text(row.label[:_LABEL]),
                    None if row.formula is None else _text(row.formula),
                    *(_value(row.values.get(name)) for name in VALUE_COLUMNS),
                    _json({name: _value(v) for name, v in more.items()} or None),
                    _json(row.error),
                    _json(row.carry),
                    None if row.prediction is None else ids[row.prediction.input_hash],
                )
            )


def _value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    # numpy's numbers as Python's
    return value.item() if hasattr(value, "item") else value


def _text(text: str) -> str:
    # NUL is no text of PostgreSQL; half a surrogate pair is no UTF-8.
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else dumps(value).replace("\\u0000", "\\ufffd")


def _note_costs(connection: sa.Connection, stage_id: int, costs: Mapping[str, float] | None) -> None:
    if costs is not None:
        connection.execute(
            sa.update(campaign_stages).where(campaign_stages.c.id == stage_id).values(costs=dict(costs))
        )


def _without_refused(database: Database, lease: Lease, rows: Sequence[Row], error: Exception) -> list[Row]:
    """The rows, those failed whose prediction is refused; ``error`` again where that is not the reason.

    Predictions that are fine are stored by this; the next attempt finds them.
    """
    # Only what a row says can be that row's fault; no connection and no room are everybody's.
    if not isinstance(error, InputError) and type(error) is not StoreError:
        raise error
    sound: list[Row] = []
    for row in rows:
        refusal: InputError | StoreError | None = None
        if row.prediction is not None:
            try:
                save(database, [row.prediction], run=lease.run_id, created_by=lease.job.requested_by)
            except (InputError, StoreError) as found:
                if not isinstance(found, InputError) and type(found) is not StoreError:
                    raise
                refusal = found
        if refusal is None:
            sound.append(row)
            continue
        sound.append(
            Row(
                position=row.position,
                pressure_gpa=row.pressure_gpa,
                state="failed",
                label=row.label,
                formula=row.formula,
                values=row.values,
                error={"code": refusal.code, "what": refusal.what, "where": row.label, "hint": refusal.hint},
            )
        )
    if all(a is b for a, b in zip(rows, sound, strict=True)):
        raise error
    return sound
