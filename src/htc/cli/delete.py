"""``htc delete``: setting predictions aside."""

from __future__ import annotations

from typing import Annotated

import typer

from htc.cli.console import out, print_json

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="delete")(delete)


def delete(
    ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Ids of predictions, or their beginnings.")
    ],
    undo: Annotated[
        bool, typer.Option("--undo", help="Let predictions that were set aside count again.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Set predictions aside: they leave every ranking and view, and can be brought back with --undo.

    Nothing is removed from the database. Predicting the same input again brings its prediction back too.

    Example: `htc delete 06dc4a52`
    """
    from htc.store import Database, bring_back, get, set_aside

    with Database.open() as database:
        whole = [get(database, each).id for each in ids]
        moved = (bring_back if undo else set_aside)(database, whole)
    if as_json:
        print_json({"ids": whole, "changed": moved, "set_aside": not undo})
    elif undo:
        out.print(f"{moved} brought back" if moved else "nothing to bring back: they count already")
    else:
        out.print(f"{moved} set aside" if moved else "nothing to do: they were set aside before")
