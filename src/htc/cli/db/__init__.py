"""``htc db``: the database, one small file a group of commands."""

from __future__ import annotations

import typer

from htc.cli.db import adopt, backup, doctor, schema, server, stats, upgrade_server

__all__ = ["app"]

app = typer.Typer(
    help="Start, inspect and upgrade the database.\n\n"
    "Without HTC_DATABASE_URL this is an embedded PostgreSQL under HTC_HOME: the first command that needs it "
    "starts it, the last one stops it.",
    no_args_is_help=True,
)
for _group in (server, schema, adopt, backup, upgrade_server, doctor, stats):
    _group.register(app)
