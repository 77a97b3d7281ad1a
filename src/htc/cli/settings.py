"""``htc settings``: what each setting means and where its value comes from."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import SecretStr

from htc.cli.console import out, print_json

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="settings")(settings)


def settings(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the settings in JSON; secrets are masked.")
    ] = False,
) -> None:
    """Show every setting with its value and meaning.

    Each is set by an environment variable or by a line of the settings file.

    Example: `HTC_MU_STAR=0.1 htc settings`
    """
    from rich.table import Table

    from htc.settings import Settings, config_file, get_settings

    current = get_settings()

    def shown(value: object) -> str | float | None:
        if value is None or isinstance(value, float):
            return value
        return "(set)" if isinstance(value, SecretStr) else str(value)

    values = {name: shown(getattr(current, name)) for name in Settings.model_fields}
    if as_json:
        print_json(values)
        return
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("variable", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("meaning", overflow="fold")
    for name, field in Settings.model_fields.items():
        table.add_row(
            f"HTC_{name.upper()}", "-" if values[name] is None else str(values[name]), field.description
        )
    out.print(table)
    out.print(
        f"settings file: {config_file()}" + ("" if config_file().exists() else " (not there)"), markup=False
    )
