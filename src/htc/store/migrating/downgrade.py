"""``htc db downgrade``: what an earlier revision has no place for is said, with numbers, before it goes."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from htc.errors import SchemaError
from htc.store import catalogue
from htc.store.migrating.chain import move, need_known
from htc.store.migrating.log import failures_noted, note
from htc.store.migrating.outcome import Applied, Migration, Step, Tell, quiet
from htc.store.migrating.transaction import PATIENCE_S, quoted, transaction
from htc.store.migrating.upgrade import count_rows, drift_of, of_ours, verify
from htc.store.schema import REVISIONS, Standing, refuse_strange, standing

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store.database import Database

__all__ = ["Loss", "downgrade", "losses"]

_CONSTANT = re.compile(r"^(true|false|-?[\d.]+|'[^']*'::[\w ]+(\[\])?(\(\d+\))?)$")


@dataclass(frozen=True, slots=True)
class Loss:
    """A table or a column that goes, and how much it holds."""

    table: str
    column: str | None
    """None: the whole table."""
    count: int
    """Rows of the table; values of the column that are neither NULL nor its default, or that do not fit."""
    because: str = ""
    """Why values of a column that stays are lost."""

    def in_words(self) -> str:
        """One line for people."""
        if self.column is None:
            return f"table {self.table}: {self.count} rows"
        return f"column {self.table}.{self.column}: {self.count} values" + (
            f" ({self.because})" if self.because else ""
        )


def losses(database: Database, revision: str) -> tuple[Loss, ...]:
    """What a downgrade to ``revision`` takes away, largest first; empty columns and tables too.

    Raises:
        SchemaError: no such revision, or the database stands before it, or in a strange state.
    """
    with database.connect() as connection:
        now = standing(connection)
        _refuse(now, revision, database.where)
        return _losses(connection, str(now.revision), revision)


def downgrade(
    database: Database,
    revision: str,
    *,
    tell: Tell = quiet,
    patience_s: float = PATIENCE_S,
    settings: Settings | None = None,
) -> Migration:
    """Go back to an earlier revision. What it has no place for is lost, see :func:`losses`.

    Args:
        database: an open database.
        revision: where to go.
        tell: hears of every step.
        patience_s: seconds for which it tries to get its locks.
        settings: whose findings log keeps the outcome; None keeps it nowhere.

    Raises:
        SchemaError: no such revision, or the outcome is not what it promises.
        StoreError: the database refused, or others hold the tables; it then stands where it stood.
    """
    with failures_noted(database, settings, "downgrade"):
        outcome = _downgrade(database, revision, tell, patience_s)
    if outcome.applied:
        note(database, settings, "downgrade", outcome)
    return outcome


def _downgrade(database: Database, revision: str, tell: Tell, patience_s: float) -> Migration:
    started = time.perf_counter()
    steps: list[Step] = []

    def say(step: Step) -> None:
        steps.append(step)
        tell(step)

    with database.connect() as connection:
        before = standing(connection)
    _refuse(before, revision, database.where)
    if before.revision == revision:
        return Migration(before=before, after=revision)

    def tables(connection: Connection) -> list[str]:
        now = standing(connection)
        _refuse(now, revision, database.where)
        return of_ours(now) if now.revision != revision else []

    def work(
        connection: Connection,
    ) -> tuple[Standing, tuple[Applied, ...], Mapping[str, int], tuple[Loss, ...]]:
        now = standing(connection)
        if now.revision == revision:
            return now, (), {}, ()
        lost = _losses(connection, str(now.revision), revision)
        drift = drift_of(connection, now.revision)
        kept = frozenset(catalogue.expected(revision).tables) & now.tables
        rows = count_rows(connection, kept)
        applied = move(
            connection,
            revision,
            down=True,
            on_applied=lambda one: say(Step("ran", f"{one.revision} undone", one.seconds)),
        )
        return now, applied, verify(connection, revision, drift, rows, database.where, say), lost

    start, applied, rows, lost = transaction(database, work, tables=tables, tell=say, patience_s=patience_s)
    seconds = time.perf_counter() - started
    if applied:
        say(Step("committed", f"{start.revision} -> {revision}", seconds))
    for one in lost:
        if one.count:
            say(Step("note", f"dropped: {one.in_words()}"))
    return Migration(
        before=start, after=revision, applied=applied, rows=rows, seconds=seconds, steps=tuple(steps)
    )


def _refuse(now: Standing, revision: str, where: str) -> None:
    need_known(revision)
    refuse_strange(now, where)
    if now.revision is None or REVISIONS.index(now.revision) < REVISIONS.index(revision):
        raise SchemaError(
            f"the database stands at {now.revision or 'no revision'}, which is before {revision}",
            where=where,
            hint="`htc db upgrade` goes forward",
        )


def _losses(connection: Connection, start: str, end: str) -> tuple[Loss, ...]:
    have, left = catalogue.expected(start), catalogue.expected(end)
    real = catalogue.read(connection)
    out = []
    for name, table in have.tables.items():
        if name not in real.tables:
            continue
        if name not in left.tables:
            out.append(Loss(name, None, _count(connection, name, "true")))
            continue
        for column, now in table.columns.items():
            if column not in real.tables[name].columns:
                continue
            then = left.tables[name].columns.get(column)
            if then is None:
                out.append(Loss(name, column, _count(connection, name, _holds_something(column, now))))
            elif then.type == "uuid" and now.type != "uuid":
                condition = (
                    f"{quoted(column)} IS NOT NULL AND {quoted(column)}::text !~ '^[0-9a-fA-F-]{{36}}$'"
                )
                number = _count(connection, name, condition)
                if number:
                    out.append(
                        Loss(name, column, number, "not UUIDs, which is all that the earlier column takes")
                    )
    return tuple(sorted(out, key=lambda loss: (-loss.count, loss.table, loss.column or "")))


def _holds_something(column: str, of: catalogue.Column) -> str:
    condition = f"{quoted(column)} IS NOT NULL"
    if of.default is not None and of.type != "json" and _CONSTANT.match(of.default):
        condition += f" AND {quoted(column)} IS DISTINCT FROM {of.default}"
    return condition


def _count(connection: Connection, table: str, condition: str) -> int:
    # Names and defaults come from the catalogue files of the package.
    return int(
        connection.execute(
            text(f"SELECT count(*) FROM {quoted(table)} WHERE {condition}".replace(":", "\\:"))  # noqa: S608
        ).scalar_one()
    )
