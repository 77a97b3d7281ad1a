"""``htc db adopt``: a database of an earlier deployment, taken over."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from htc.cli.console import err, out, print_json
from htc.cli.db.schema import failure_as_json

if TYPE_CHECKING:
    from htc.store.adoption import Plan

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``htc db``."""
    app.command()(adopt)


def adopt(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything, roll it back, and say how it went.")
    ] = False,
    set_aside: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE",
            help="Rename this table of another program to TABLE_before_htc; may be given several times.",
        ),
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to try to get the tables to itself.")
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Take over a database of an earlier deployment, in whatever state it was left, without losing a row.

    Finds out what the tables really are, shows the plan and asks. Then one transaction mends the tables, sets
    the stamp and upgrades; before the commit, counts and checksums prove that every row is what it was.

    Example: `htc db adopt --dry-run`
    """
    from htc.errors import InputError
    from htc.settings import get_settings
    from htc.store.adoption import adopt as carry_out
    from htc.store.adoption import plan
    from htc.store.database import Database

    settings = get_settings()
    with failure_as_json(as_json) as told, Database.open(settings, ensure_schema=False) as database:
        found = plan(database, set_aside or ())
        _show(found)
        if found.is_needed and not found.refusals and not (yes or dry_run):
            if not sys.stdin.isatty():
                raise InputError(
                    "adopt asks before it changes anything, and there is no terminal to ask at",
                    where="htc db adopt",
                    hint="add --yes to go ahead, or --dry-run to see how it would go",
                )
            typer.confirm("Do this?", abort=True, err=True)
        outcome = carry_out(
            database,
            set_aside or (),
            shown=found,
            tell=told,
            patience_s=wait,
            dry_run=dry_run,
            settings=settings,
        )
        where = database.where
    if as_json:
        print_json({"where": where, "plan": found.as_dict(), **outcome.as_dict()})
    elif not found.is_needed:
        out.print(f"nothing to adopt: already at {outcome.after}")
    elif dry_run:
        out.print(f"{outcome.after} would be reached with every row; nothing was changed")
    else:
        out.print(f"adopted: now at {outcome.after}")


def _show(found: Plan) -> None:
    stamps = ", ".join(found.standing.revisions) or "none"
    err.print(f"stamp       {escape(stamps)}", soft_wrap=True)
    for one in found.tables:
        rows = "" if one.rows is None else f", {one.rows} rows"
        err.print(f"found       {escape(f'{one.name}: {one.state}{rows}')}", soft_wrap=True)
    err.print(f"hypothesis  {escape(found.hypothesis)}", soft_wrap=True)
    for text in found.notes:
        err.print(f"note        {escape(text)}", soft_wrap=True)
    if found.is_needed and not found.refusals:
        for number, step in enumerate(found.steps(), start=1):
            err.print(f"step {number:<6} {escape(step)}", soft_wrap=True)
