"""``htc db upgrade``: examined, locked, run in one transaction, examined again, committed, noted."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, text

from htc.errors import SchemaError
from htc.store import catalogue
from htc.store.migrating.aftercare import look_after
from htc.store.migrating.chain import move
from htc.store.migrating.dependents import views_named
from htc.store.migrating.log import failures_noted, note
from htc.store.migrating.outcome import Applied, Migration, Step, Tell, quiet
from htc.store.migrating.preflight import preflight, refuse_failures
from htc.store.migrating.transaction import PATIENCE_S, quoted, transaction, under_lock
from htc.store.schema import HEAD, Standing, refuse_elsewhere, refuse_strange, standing

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store.database import Database

_CAST: Final = re.compile(r"::[a-z ]+(\(\d+\))?(\[\])?|[()\s]")

__all__ = ["count_rows", "drift_of", "of_ours", "upgrade", "verify"]


def upgrade(
    database: Database,
    *,
    target: str = HEAD,
    tell: Tell = quiet,
    patience_s: float = PATIENCE_S,
    dry_run: bool = False,
    settings: Settings | None = None,
) -> Migration:
    """Run all outstanding revisions in one transaction: all of them, or none.

    Args:
        database: an open database.
        target: the revision to stop at.
        tell: hears of every step.
        patience_s: seconds for which it tries to get its locks.
        dry_run: run everything, then roll it back. The tables are locked meanwhile.
        settings: whose findings log keeps the outcome; None keeps it nowhere.

    Raises:
        SchemaError: ahead, unknown, not fit to be upgraded, or the outcome is not what the revision promises.
        StoreError: the database refused, or others hold the tables; it then stands where it stood.
    """
    with failures_noted(database, settings, "upgrade"):
        outcome = _upgrade(database, target, tell, patience_s, dry_run=dry_run)
    if outcome.applied and not dry_run:
        note(database, settings, "upgrade", outcome)
    if not dry_run:
        look_after(database, outcome, tell)
    return outcome


def _upgrade(database: Database, target: str, tell: Tell, patience_s: float, *, dry_run: bool) -> Migration:
    started = time.perf_counter()
    steps: list[Step] = []

    def say(step: Step) -> None:
        steps.append(step)
        tell(step)

    with database.connect() as connection:
        before = standing(connection)
        refuse_elsewhere(connection, before, database.where)
    refuse_strange(before, database.where)
    if before.revision == target:
        return Migration(before=before, after=target)
    with under_lock(database, say) as connection:
        before = standing(connection)
        refuse_strange(before, database.where)
        if before.revision == target:
            say(Step("note", f"another migrator brought it to {target} meanwhile"))
            return Migration(before=before, after=target, steps=tuple(steps))
        examined = preflight(connection, database, before, target, tell=say)
    refuse_failures(examined, database.where)

    def tables(connection: Connection) -> list[str]:
        now = standing(connection)
        refuse_strange(now, database.where)
        return of_ours(now) if now.revision != target else []

    def work(connection: Connection) -> tuple[Standing, tuple[Applied, ...], dict[str, int]]:
        now = standing(connection)
        if now.revision == target:
            say(Step("note", f"another migrator brought it to {target} meanwhile"))
            return now, (), {}
        drift = drift_of(connection, now.revision)
        rows = count_rows(connection, now.tables)
        applied = move(connection, target, on_applied=lambda one: say(_ran(one)))
        after = verify(connection, target, drift, rows, database.where, say)
        return now, applied, after

    with views_named(database):
        start, applied, rows = transaction(
            database, work, tables=tables, tell=say, patience_s=patience_s, commit=not dry_run
        )
    seconds = time.perf_counter() - started
    if applied:
        way = f"{start.revision or 'empty'} -> {target}"
        say(
            Step("rolled back", f"{way}, as asked: nothing was changed", seconds)
            if dry_run
            else Step("committed", way, seconds)
        )
    return Migration(
        before=start,
        after=target,
        applied=applied,
        rows=rows,
        seconds=seconds,
        dry_run=dry_run,
        steps=tuple(steps),
    )


def of_ours(now: Standing) -> list[str]:
    """Our tables and materialized views that are there."""
    views = catalogue.expected(now.revision).views if now.revision else {}
    held = [name for name, view in views.items() if view.materialized]
    return sorted({*now.tables, *held})


def count_rows(connection: Connection, tables: frozenset[str]) -> dict[str, int]:
    """Rows of each table, counted."""
    return {
        # Names of our own tables only.
        name: connection.execute(text(f"SELECT count(*) FROM {quoted(name)}")).scalar_one()  # noqa: S608
        for name in sorted(tables)
    }


def verify(
    connection: Connection,
    target: str,
    drift: frozenset[tuple[str, str | None, str]],
    rows: Mapping[str, int],
    where: str,
    say: Tell,
) -> dict[str, int]:
    """Before the commit: what the stamp promises is there, and no table has become smaller.

    Args:
        connection: in the transaction that ran the revisions.
        target: the stamp there should be.
        drift: what had been changed by hand before, which the revisions could not know.
        rows: of each table, before.
        where: the database, for the message.
        say: hears what was verified.

    Raises:
        SchemaError: it is not so.
    """
    now = standing(connection)
    if now.revision != target:
        raise SchemaError(f"the migration left the stamp {now.revisions}; nothing was changed", where=where)
    found = catalogue.differences(catalogue.expected(target), catalogue.read(connection))
    wrong: list[catalogue.Difference] = []
    known: list[catalogue.Difference] = []
    for one in found:
        if one.change == "extra":
            continue
        excused = not one.essential and ((one.kind, one.parent, one.name) in drift or _only_casts(one, drift))
        (known if excused else wrong).append(one)
    if wrong:
        raise SchemaError(
            f"revision {target} ran, but the schema is not what it promises; nothing was changed: "
            + "; ".join(one.in_words() for one in wrong[:5])
            + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""),
            where=where,
            hint="`htc db doctor` compares the schema with its revision",
        )
    after = count_rows(connection, now.tables)
    lost = [
        f"{name} had {n} rows and has {after.get(name, 0)}"
        for name, n in rows.items()
        if after.get(name, 0) < n
    ]
    if lost:
        raise SchemaError(f"rows were lost, nothing was changed: {'; '.join(lost)}", where=where)
    say(Step("verified", f"the schema is that of {target}; {_rows_in_words(rows)}"))
    if known:
        say(
            Step(
                "warning",
                f"changed by hand before and left so: {'; '.join(one.in_words() for one in known)}"
                " (`htc db doctor` says what to do)",
            )
        )
    return after


def _only_casts(one: catalogue.Difference, drift: frozenset[tuple[str, str | None, str]]) -> bool:
    """Whether a definition is printed otherwise only because a column kept a related type of its own."""
    if one.aspect != "definition" or not any(kind == "column" for kind, _, _ in drift):
        return False
    return re.sub(_CAST, "", one.expected or "") == re.sub(_CAST, "", one.found or "")


def drift_of(connection: Connection, revision: str | None) -> frozenset[tuple[str, str | None, str]]:
    """What is not as the revision made it: kind, table and name."""
    if revision is None:
        return frozenset()
    found = catalogue.differences(catalogue.expected(revision), catalogue.read(connection))
    return frozenset((one.kind, one.parent, one.name) for one in found)


def _ran(one: Applied) -> Step:
    return Step("ran", one.revision, one.seconds)


def _rows_in_words(rows: Mapping[str, int]) -> str:
    total = sum(rows.values())
    return f"all {total} rows are there" if total else "there were no rows"
