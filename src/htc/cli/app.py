"""The application object and the way errors leave the program."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer
from rich.markup import escape

from htc.cli import (
    cluster,
    db,
    delete,
    demo,
    dft,
    doctor,
    eliashberg,
    evidence,
    export,
    import_,
    keys,
    model,
    optimize,
    predict,
    prototypes,
    runs,
    screen,
    serve,
    settings,
    show,
    smoke,
    stability,
    tc,
    telemetry,
    top,
    validate,
    worker,
)
from htc.cli.console import err, out
from htc.cli.exit_codes import ExitCode, exit_code
from htc.errors import HTCError
from htc.version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="htc",
    help="Predict, store and rank the critical temperatures of conventional superconductors.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

predict.register(app)
tc.register(app)
eliashberg.register(app)
top.register(app)
show.register(app)
delete.register(app)
import_.register(app)
export.register(app)
app.add_typer(stability.app, name="stability")
app.add_typer(dft.app, name="dft")
app.add_typer(evidence.app, name="evidence")
app.add_typer(model.app, name="model")
app.add_typer(db.app, name="db")
app.add_typer(telemetry.app, name="telemetry")
app.add_typer(keys.app, name="keys")
app.add_typer(optimize.app, name="optimize")
app.add_typer(runs.app, name="runs")
app.add_typer(cluster.app, name="cluster")
screen.register(app)
prototypes.register(app)
validate.register(app)
serve.register(app)
worker.register(app)
smoke.register(app)
doctor.register(app)
demo.register(app)
settings.register(app)


def report(error: HTCError) -> None:
    """Print an error to stderr in its three parts."""
    where = f"{escape(error.where)}: " if error.where else ""
    err.print(f"[bold red]error[/] {where}{escape(error.what)}", soft_wrap=True)
    if error.hint:
        err.print(f"  [dim]{escape(error.hint)}[/]", soft_wrap=True)


def _terminated(*_: object) -> None:
    sys.exit(ExitCode.TERMINATED)


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"htc {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Predict, store and rank the critical temperatures of conventional superconductors."""


def main() -> None:
    """Entry point of the ``htc`` command."""
    # Like Ctrl-C: leaving through the context managers stops the database server that this process started.
    signal.signal(signal.SIGTERM, _terminated)
    if "OMP_NUM_THREADS" not in os.environ:
        # numpy's matrices are small here: threads within a product mostly wait for each other, and move its
        # last bits. torch has settings of its own, which this leaves alone.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app()
    except HTCError as error:
        report(error)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away (`htc top | head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.OK)
