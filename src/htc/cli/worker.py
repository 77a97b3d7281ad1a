"""``htc worker``: a process that does runs."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from htc.cli.console import err

__all__ = ["register", "supervised"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="worker")(worker)


def worker(
    processes: Annotated[
        int, typer.Option("--processes", "-n", min=1, max=64, help="How many, each with one run at a time.")
    ] = 1,
    once: Annotated[
        bool, typer.Option("--once", help="Do what waits, then end instead of waiting for more.")
    ] = False,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", hidden=True, help="End when standard input is closed.")
    ] = False,
) -> None:
    """Do the screenings, optimisations and validations that wait in the database; stop with Ctrl-C.

    Several may run, on several machines, over one database. A run whose worker dies is taken over within half
    a minute and goes on after the last candidate that was stored.

    Example: `htc worker --processes 2`
    """
    if processes > 1 and not once:
        with supervised(processes):
            err.print(f"{processes} workers wait for runs (Ctrl-C stops them)")
            signal.pause()
        return
    from htc.jobs.supervisor import exit_with_parent
    from htc.jobs.worker import Worker
    from htc.models import load_model
    from htc.service.logs import configure
    from htc.settings import get_settings
    from htc.store import Database

    settings = get_settings()
    configure(settings)
    # What is wrong with the model is said here, not found out by the first run.
    load_model(settings.model, settings.tier)
    with Database.open(settings) as database:
        one = Worker(settings, database)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: one.stop())
        if with_parent:
            exit_with_parent()
        if once:
            while one.work_once():
                pass
            one.close()
        else:
            if not with_parent:
                err.print("waiting for runs (Ctrl-C stops it)")
            one.run()


@contextmanager
def supervised(processes: int) -> Iterator[None]:
    """So many workers, kept alive until the end."""
    from htc.jobs.supervisor import Supervisor

    command = [sys.executable, "-m", "htc", "worker", "--with-parent"]
    supervisor = Supervisor([(f"worker {n + 1}", command) for n in range(processes)])
    supervisor.start()
    try:
        yield
    finally:
        supervisor.stop()
