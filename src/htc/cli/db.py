"""``htc db``: the database."""

from __future__ import annotations

import typer

__all__ = ["app"]

app = typer.Typer(help="Start, inspect and upgrade the database.", no_args_is_help=True)
