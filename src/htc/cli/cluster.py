"""``htc cluster``: worker processes on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from htc.cli.console import out, print_json

__all__ = ["app"]

app = typer.Typer(name="cluster", help="Worker processes on a cluster.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Worker processes on a cluster."""


@app.command()
def script(
    profile: Annotated[Path, typer.Argument(metavar="PROFILE", help="Profile of the cluster, a TOML file.")],
    scheduler: Annotated[
        str,
        typer.Option("--scheduler", metavar="ADDRESS", help="Scheduler that the workers connect to."),
    ] = "tcp://SCHEDULER:8786",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the script and the profile.")] = False,
) -> None:
    """Print the script of one job, as a run with this profile submits it.

    Submitted by hand, with the address of a scheduler of your own, it brings workers to that one. Needs the
    extra [dask].

    Example: `htc cluster script slurm.toml --scheduler tcp://head:8786`
    """
    from htc.discovery.executors import job_script, load_profile

    read = load_profile(profile)
    text = job_script(read, scheduler)
    if as_json:
        print_json({"script": text, "profile": read.model_dump(mode="json")})
        return
    # As it is: a shell reads it.
    out.print(text, end="", highlight=False, markup=False, soft_wrap=True)
