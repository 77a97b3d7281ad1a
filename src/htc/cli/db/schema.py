"""``htc db upgrade``: the revision of the schema."""

from __future__ import annotations

from typing import Annotated

import typer

from htc.cli.console import out

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to ``htc db``."""
    app.command()(upgrade)


def upgrade(
    sql: Annotated[bool, typer.Option("--sql", help="Print the statements instead of running them.")] = False,
) -> None:
    """Bring the schema to this program's revision: all of it in one transaction, or nothing.

    Example: `htc db upgrade --sql > upgrade.sql`
    """
    from htc.settings import get_settings
    from htc.store import schema
    from htc.store.database import Database

    with Database.open(get_settings(), ensure_schema=False) as database:
        if sql:
            with database.connect() as connection:
                before = schema.standing(connection)
            typer.echo(schema.upgrade_sql(before.revision))
            return
        before = schema.upgrade(database)
        if before.is_current:
            out.print(f"already at {schema.HEAD}")
        else:
            out.print(f"{before.revision or 'empty'} -> {schema.HEAD}")
