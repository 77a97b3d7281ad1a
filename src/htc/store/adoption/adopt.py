"""``htc db adopt``: the plan, carried out in one transaction, with proof."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection

from htc.errors import SchemaError
from htc.store import catalogue
from htc.store.adoption.content import Checksum, checksum, expressions_at_head, refuse_changes
from htc.store.adoption.plan import BASE, SUFFIX, Plan, make_plan
from htc.store.faults import store_errors
from htc.store.migrating.aftercare import look_after
from htc.store.migrating.chain import move, run_alone
from htc.store.migrating.dependents import views_named
from htc.store.migrating.log import failures_noted, note
from htc.store.migrating.outcome import Applied, Migration, Step, Tell, quiet
from htc.store.migrating.preflight import preflight, refuse_failures
from htc.store.migrating.transaction import PATIENCE_S, quoted, transaction, under_lock
from htc.store.migrating.upgrade import count_rows, drift_of, verify
from htc.store.schema import HEAD, standing

if TYPE_CHECKING:
    from htc.settings import Settings
    from htc.store.database import Database

__all__ = ["adopt", "plan"]

_VERSION_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS alembic_version"
    " (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def plan(database: Database, set_aside: Collection[str] = ()) -> Plan:
    """Say what :func:`adopt` would do. Nothing is changed.

    Args:
        database: an open database.
        set_aside: tables or views of another program that are to be renamed out of the way.

    Raises:
        SchemaError: a newer program made the schema, or ``set_aside`` names something that is not in the way.
        StoreError: the database cannot be read.
    """
    with database.connect() as connection:
        return make_plan(connection, set_aside, where=database.where)


def adopt(
    database: Database,
    set_aside: Collection[str] = (),
    *,
    shown: Plan | None = None,
    tell: Tell = quiet,
    patience_s: float = PATIENCE_S,
    dry_run: bool = False,
    settings: Settings | None = None,
) -> Migration:
    """Bring a database of an earlier deployment to this program's revision, in one transaction.

    Args:
        database: an open database.
        set_aside: tables or views of another program, renamed to ``<name>_before_htc``.
        shown: the plan a person agreed to; a database that meanwhile needs another one is left alone.
        tell: hears of every step.
        patience_s: seconds for which it tries to get its locks.
        dry_run: do everything, then roll it back.
        settings: whose findings log keeps the outcome; None keeps it nowhere.

    Raises:
        SchemaError: a table is not ours, or the outcome is not what it should be. Nothing was changed.
        StoreError: the database refused, or others hold the tables. Nothing was changed.
    """
    with failures_noted(database, settings, "adopt"):
        first = shown or plan(database, set_aside)
        _refuse(first, database.where)
        if not first.is_needed:
            return Migration(before=first.standing, after=HEAD)
        outcome = _adopt(database, first, set_aside, tell, patience_s, dry_run=dry_run)
    if not dry_run:
        note(database, settings, "adopt", outcome, hypothesis=first.hypothesis, did=first.steps())
        look_after(database, outcome, tell)
    return outcome


def _adopt(
    database: Database,
    first: Plan,
    set_aside: Collection[str],
    tell: Tell,
    patience_s: float,
    *,
    dry_run: bool,
) -> Migration:
    started = time.perf_counter()
    steps: list[Step] = []

    def say(step: Step) -> None:
        steps.append(step)
        tell(step)

    with under_lock(database, say) as connection:
        examined = preflight(
            connection, database, first.standing, tell=say, schema_too=False, start=first.stamp
        )
    refuse_failures(examined, database.where)

    def tables(connection: Connection) -> list[str]:
        return sorted({one.name for one in first.tables} & catalogue.read(connection).relations)

    def work(connection: Connection) -> tuple[tuple[Applied, ...], dict[str, int]]:
        agreed = make_plan(connection, set_aside, where=database.where)
        if agreed.as_dict() | {"tables": 0} != first.as_dict() | {"tables": 0}:
            raise SchemaError(
                "the database has changed since the plan was made; nothing was done",
                where=database.where,
                hint="run `htc db adopt` again",
            )
        return _carry_out(connection, agreed, say, database.where)

    with views_named(database):
        applied, rows = transaction(
            database, work, tables=tables, tell=say, patience_s=patience_s, commit=not dry_run
        )
    seconds = time.perf_counter() - started
    way = f"{', '.join(first.standing.revisions) or 'no stamp'} -> {HEAD}"
    say(
        Step("rolled back", f"{way}, as asked: nothing was changed", seconds)
        if dry_run
        else Step("committed", way, seconds)
    )
    return Migration(
        before=first.standing,
        after=HEAD,
        applied=applied,
        rows=rows,
        seconds=seconds,
        dry_run=dry_run,
        steps=tuple(steps),
    )


def _carry_out(
    connection: Connection, agreed: Plan, say: Tell, where: str
) -> tuple[tuple[Applied, ...], dict[str, int]]:
    with store_errors(where):
        # Times are compared as texts.
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        columns = agreed.columns or {}
        before = {name: checksum(connection, name, of.before) for name, of in columns.items()}
        for action in agreed.actions:
            since = time.perf_counter()
            if action.revision is not None:
                run_alone(connection, action.revision)
            for statement in action.statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))
            say(Step("ran", action.text, time.perf_counter() - since))
        after = {name: checksum(connection, name, of.after) for name, of in columns.items()}
        refuse_changes(before, after, "after mending", where)
        _stamp(connection, agreed.stamp)
        _need_shape(connection, agreed.stamp, where)
        drift = drift_of(connection, agreed.stamp)
        rows = count_rows(connection, standing(connection).tables)
        old = _content(connection, columns, at_head=False)
    applied = move(connection, HEAD, on_applied=lambda one: say(Step("ran", one.revision, one.seconds)))
    with store_errors(where):
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        refuse_changes(old, _content(connection, columns, at_head=True), "after the upgrade", where)
        if before:
            total = sum(one.rows for one in before.values())
            say(Step("verified", f"checksums: {total} rows of {', '.join(before)} are what they were"))
        return applied, verify(connection, HEAD, drift, rows, where, say)


def _content(connection: Connection, tables: Mapping[str, object], *, at_head: bool) -> dict[str, Checksum]:
    """Checksums of what 003 and HEAD have in common."""
    out = {}
    for name in tables:
        source, expressions = expressions_at_head(HEAD, name)
        out[name] = checksum(connection, source if at_head else name, expressions)
    return out


def _stamp(connection: Connection, revision: str | None) -> None:
    connection.exec_driver_sql(_VERSION_TABLE)
    connection.exec_driver_sql("DELETE FROM alembic_version")
    if revision is not None:
        connection.exec_driver_sql("INSERT INTO alembic_version (version_num) VALUES (%s)", (revision,))


def _need_shape(connection: Connection, revision: str | None, where: str) -> None:
    if revision != BASE:
        return
    found = catalogue.differences(catalogue.expected(BASE), catalogue.read(connection))
    wrong = [d.in_words() for d in found if d.essential and d.name != "parent_batch_id"]
    if wrong:
        raise SchemaError(
            f"after mending, the tables are not those of {BASE}; nothing was changed: {'; '.join(wrong[:5])}",
            where=where,
            hint="please report this with the output of `htc db adopt --dry-run --json`",
        )


def _refuse(agreed: Plan, where: str) -> None:
    if not agreed.refusals:
        return
    told = "; ".join(f"{one.table}: {', '.join(one.reasons)}" for one in agreed.refusals)
    ours = [one.table for one in agreed.refusals if one.is_ours]
    if ours:
        raise SchemaError(
            f"there are tables or views of HTC that the rest is too old or too damaged for. {told}."
            " Nothing was changed",
            where=where,
            hint=f"restore a backup (`htc db restore FILE`); if {', '.join(ours)} came here by mistake"
            " and may go, drop them first",
        )
    options = " ".join(f"--set-aside {one.table}" for one in agreed.refusals)
    new = ", ".join(quoted(one.table + SUFFIX).strip('"') for one in agreed.refusals)
    raise SchemaError(
        f"not everything here is, or can become, a table of HTC. {told}. Nothing was changed",
        where=where,
        hint=f"correct what it names, or `htc db adopt {options}` keeps it as {new} and makes new tables",
    )
