"""``htc db start|stop|status|psql``: the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from htc.cli.console import err, out, print_json
from htc.cli.top import freshness_in_words

if TYPE_CHECKING:
    from htc.store.embedded import EmbeddedServer
    from htc.store.status import DatabaseStatus

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to ``htc db``."""
    for command in (start, stop, status):
        app.command()(command)
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(psql)


def start() -> None:
    """Start the embedded database and let it stay until `htc db stop`.

    Commands start it themselves when they need it; starting it by hand keeps it for other programs.

    Example: `htc db start`
    """
    from htc.store.database import Database

    server = embedded_server("started")
    with Database.open() as database:
        server.keep()
        running = server.status()
        out.print(f"running, PostgreSQL {database.server_version // 10_000}", soft_wrap=True)
        out.print(
            f"  data    {running.data_dir}\n  socket  {running.socket_dir}", soft_wrap=True, markup=False
        )


def stop(
    force: Annotated[bool, typer.Option("--force", help="Also when other processes are using it.")] = False,
) -> None:
    """Stop the embedded database.

    Example: `htc db stop`
    """
    was_running = embedded_server("stopped").stop(force=force)
    out.print("stopped" if was_running else "it was not running")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say where the data lies, what it holds, and how fresh the ranking is. Changes nothing.

    Example: `htc db status --json`
    """
    from htc.settings import get_settings
    from htc.store.status import look

    found = look(get_settings())
    if as_json:
        print_json(found.as_dict())
    else:
        _print_status(found)


def psql(
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments for psql, after `--`.")] = None,
) -> None:
    """Open psql on the database.

    Example: `htc db psql -- -c 'select count(*) from htc_predictions'`
    """
    from htc.settings import get_settings
    from htc.store.psql import run_psql

    raise typer.Exit(run_psql(get_settings(), arguments or []))


def embedded_server(verb: str, instead: str = "unset it to use the embedded database") -> EmbeddedServer:
    from htc.errors import SettingsError
    from htc.settings import get_settings
    from htc.store.embedded import EmbeddedServer

    settings = get_settings()
    if settings.database_url is not None:
        raise SettingsError(
            f"the database of HTC_DATABASE_URL is not {verb} by htc",
            where="HTC_DATABASE_URL",
            hint=instead,
        )
    return EmbeddedServer(settings.home)


def _print_status(found: DatabaseStatus) -> None:
    from rich.filesize import decimal
    from rich.table import Table
    from rich.text import Text

    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("data", Text(found.where))
    if found.server is not None:
        state: str = found.server.state
        if state == "running":
            state += ", stays until `htc db stop`" if found.server.kept else ", stops with its last user"
            state += ", in use" if found.server.in_use else ""
        elif state == "stopped":
            state += ", started when needed"
        elif state == "absent":
            state = "none yet: the first prediction makes it"
        facts.add_row("embedded server", state)
        facts.add_row("log", Text(str(found.server.log)))
    if found.unused_data_dir is not None:
        facts.add_row("not used", Text(f"{found.unused_data_dir}, since HTC_DATABASE_URL is set"))
    if found.server_version is not None:
        facts.add_row("PostgreSQL", found.server_version)
        current = found.revision == found.program_revision
        facts.add_row(
            "revision",
            (found.revision or "none") + ("" if current else f" (program: {found.program_revision})"),
        )
    if found.size_bytes is not None:
        facts.add_row("size", decimal(found.size_bytes))
    if found.freshness is not None:
        facts.add_row("ranking by formula", freshness_in_words(found.freshness))
    out.print(facts)
    if found.tables:
        tables = Table("table", box=None, header_style="dim", padding=(0, 2))
        tables.add_column("rows", justify="right")
        tables.add_column("with indexes", justify="right")
        for table in found.tables:
            tables.add_row(
                table.name, f"{'~' if table.is_estimate else ''}{table.rows}", decimal(table.total_bytes)
            )
        out.print(tables)
    if found.server is not None and found.server.state == "not answering":
        err.print("the server lives but does not answer; see its log")
