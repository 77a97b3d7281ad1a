"""``htc smoke``: whether a deployed service works."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from htc.cli.console import out, print_json
from htc.cli.exit_codes import ExitCode

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="smoke")(smoke)


def smoke(
    url: Annotated[str, typer.Argument(metavar="URL", help="Address of the service.")],
    composition: Annotated[
        str, typer.Option("--composition", help="Formula to predict; it is stored once.")
    ] = "MgB2",
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, max=3600, help="How long it may take to come up, in s.")
    ] = 60.0,
    version: Annotated[
        str | None, typer.Option("--expect-version", metavar="VERSION", help="Version that must answer.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask a running service whether it works: alive, ready, locked, predicting, storing, ranking.

    The access key comes from HTC_API_KEY, so that no list of processes shows it. The exit code is 0 when all
    is well; the first check that fails is the last. It needs no database of its own.

    Example: `htc smoke http://127.0.0.1:8000`
    """
    from htc.client.smoke import smoke as checks
    from htc.settings import get_settings

    key = get_settings().api_key
    found = []
    secret = key.get_secret_value() if key else None
    for check in checks(url, key=secret, composition=composition, wait_s=wait_s, version=version):
        found.append(check)
        if not as_json:
            mark = Text("ok    ", "green") if check.passed else Text("failed", "bold red")
            out.print(mark, f"{check.name:8}", Text(check.said), soft_wrap=True)
    passed = all(check.passed for check in found)
    if as_json:
        print_json({"url": url, "passed": passed, "checks": [asdict(check) for check in found]})
    raise typer.Exit(ExitCode.OK if passed else ExitCode.FAILED)
