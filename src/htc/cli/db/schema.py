"""``htc db upgrade|downgrade``: the revision of the schema."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from htc.cli.console import err, out, print_json

if TYPE_CHECKING:
    from htc.store.migrating import Migration, Step
    from htc.store.migrating.outcome import Tell

__all__ = ["failure_as_json", "register", "tell"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Wait = Annotated[
    float,
    typer.Option("--wait", min=0, metavar="SECONDS", help="How long to try to get the tables to itself."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to ``htc db``."""
    for command in (upgrade, downgrade):
        app.command()(command)


def upgrade(
    sql: Annotated[bool, typer.Option("--sql", help="Print the statements instead of running them.")] = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="REVISION",
            help="With --sql: print the statements for a database at this revision ('empty': without tables)"
            " and look at no database.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Run everything and roll it back; the tables are locked while it runs."
        ),
    ] = False,
    wait: Wait = 60.0,
    as_json: AsJson = False,
) -> None:
    """Bring the schema to this program's revision: all of it in one transaction, or nothing.

    Before it, files, connection, privileges, tables, locks and room are examined. Before the commit, the
    schema is compared with what the revision promises, and the rows are counted.

    Example: `htc db upgrade --sql > upgrade.sql`
    """
    from htc.errors import SettingsError
    from htc.settings import get_settings
    from htc.store import migrating, schema
    from htc.store.database import Database

    if start is not None:
        if not sql:
            raise SettingsError("--from goes with --sql", hint="an upgrade starts where the database stands")
        typer.echo(migrating.upgrade_sql(None if start == "empty" else start), nl=False)
        return
    settings = get_settings()
    with failure_as_json(as_json) as told, Database.open(settings, ensure_schema=False) as database:
        if sql:
            with database.connect() as connection:
                before = schema.standing(connection)
            schema.refuse_strange(before, database.where)
            typer.echo(migrating.upgrade_sql(before.revision), nl=False)
            return
        outcome = migrating.upgrade(database, tell=told, patience_s=wait, dry_run=dry_run, settings=settings)
        where = database.where
    _report(outcome, where, as_json)


def downgrade(
    revision: Annotated[str, typer.Argument(help="The revision to go back to.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Wait = 60.0,
    as_json: AsJson = False,
) -> None:
    """Go back to an earlier revision. Says first which tables and columns lose how much, and asks.

    Example: `htc db downgrade 003_htc_predictions`
    """
    from htc.errors import InputError
    from htc.settings import get_settings
    from htc.store import migrating
    from htc.store.database import Database

    settings = get_settings()
    with failure_as_json(as_json) as told, Database.open(settings, ensure_schema=False) as database:
        lost = migrating.losses(database, revision)
        if any(one.count for one in lost):
            err.print(f"{revision} has no place for this; it is lost for good:", markup=False)
            for one in lost:
                if one.count:
                    err.print(f"  {one.in_words()}", markup=False, soft_wrap=True)
        empty = [one for one in lost if not one.count]
        if empty:
            err.print(f"Dropped and empty: {len(empty)} columns and tables.")
        if lost and not yes:
            if not sys.stdin.isatty():
                raise InputError(
                    "a downgrade asks before it drops anything, and there is no terminal to ask at",
                    where="htc db downgrade",
                    hint="add --yes to go ahead without being asked",
                )
            typer.confirm(f"Go back to {revision}?", abort=True, err=True)
        outcome = migrating.downgrade(database, revision, tell=told, patience_s=wait, settings=settings)
        if database.embedded is not None:
            err.print("The next command that opens this embedded database brings it up again.")
        where = database.where
    _report(outcome, where, as_json)


def tell(step: Step) -> None:
    """One line on stderr for each step."""
    style = {"waiting": "yellow", "warning": "yellow", "committed": "green"}.get(step.kind, "dim")
    took = f"  [dim]{step.seconds:.2f} s[/]" if step.seconds is not None else ""
    err.print(f"[{style}]{step.kind:<11}[/] {escape(step.text)}{took}", soft_wrap=True)


@contextmanager
def failure_as_json(as_json: bool) -> Iterator[Tell]:
    """What is to hear of the steps; with ``--json`` an error prints them on stdout before it goes on."""
    from dataclasses import asdict

    from htc.errors import HTCError

    steps: list[Step] = []

    def told(step: Step) -> None:
        steps.append(step)
        tell(step)

    try:
        yield told
    except HTCError as error:
        if as_json:
            said = {"code": error.code, "what": error.what, "where": error.where, "hint": error.hint}
            print_json({"where": error.where, "steps": [asdict(step) for step in steps], "error": said})
        raise


def _report(outcome: Migration, where: str, as_json: bool) -> None:
    if as_json:
        print_json({"where": where, **outcome.as_dict()})
    elif not outcome.applied:
        out.print(f"already at {outcome.after}")
    elif outcome.dry_run:
        out.print(f"{outcome.revision or 'empty'} -> {outcome.after} would work; nothing was changed")
    else:
        out.print(f"{outcome.revision or 'empty'} -> {outcome.after}")
