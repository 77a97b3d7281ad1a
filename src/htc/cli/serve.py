"""``htc serve``: the HTTP service on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from htc.cli.console import err
from htc.errors import InputError

if TYPE_CHECKING:
    from htc.settings import Settings

__all__ = ["register"]

HEALTHCHECK_S: Final = 60
"""A process that does not answer its supervisor for so long is ended; loading a model may take ten, s."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="serve")(serve)


def serve(
    port: Annotated[
        int, typer.Option("--port", envvar="PORT", min=1, max=65535, help="Port to listen on. [PORT]")
    ] = 8000,
    host: Annotated[
        str | None,
        typer.Option(
            "--host", metavar="ADDRESS", help="Address to listen on; 127.0.0.1 unless HTC_HOST says."
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=64, help="Processes that answer requests.")
    ] = 1,
    job_workers: Annotated[
        int,
        typer.Option(
            "--job-workers",
            min=0,
            max=64,
            help="Processes that do runs; 0: `htc worker` does them.",
        ),
    ] = 1,
) -> None:
    """Serve the API and the page, and do the runs that are asked for; stop with Ctrl-C.

    On the loopback address nobody needs a key. At an address that others can reach everyone does, and the
    service does not start before there is one (`htc keys create`).

    Example: `htc serve --port 8000`

    Then: `curl http://127.0.0.1:8000/api/htc/predict --json '{"composition": "MgB2"}'`
    """
    import os
    import socket

    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        # Its processes are what shares the cores: threads of the matrix library within them only wait for
        # each other, and cost a quarter of the predictions a second.
        os.environ.setdefault(name, "1")

    from htc.cli.worker import supervised
    from htc.models import load_model
    from htc.service.access import check_listening
    from htc.service.logs import configure
    from htc.settings import get_settings
    from htc.store import Database

    if host is not None:
        # Where every process of the service reads it.
        os.environ["HTC_HOST"] = host
        get_settings.cache_clear()
    settings = get_settings()
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, port))
        except OSError as error:
            raise InputError(
                f"port {port} cannot be used: {error.strerror}",
                where="--port",
                hint="choose another one, or another --host",
            ) from error
    # Both are opened before the server starts, so that what is wrong with them is said here, not in a log.
    load_model(settings.model, settings.tier)
    # Held open, so that an embedded database does not stop and start again between two processes.
    with Database.open() as database:
        check_listening(settings, database)
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        err.print(f"HTC serves http://{shown}:{port}/ (Ctrl-C stops it)", markup=False)
        configure(settings)
        with supervised(job_workers):
            _serve(settings, port, workers)


def _serve(settings: Settings, port: int, workers: int) -> None:
    """Answer requests until a signal says to stop."""
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from htc.service.metrics_folder import shared_metrics
    from htc.service.server import server_options
    from htc.service.sockets import own_socket

    options: dict[str, Any] = {
        "host": settings.host,
        "port": port,
        "log_config": None,
        **server_options(settings),
    }
    if workers == 1:
        uvicorn.run("htc.service.server:application", factory=True, **options)
        return
    config = uvicorn.Config(
        "htc.service.server:application",
        factory=True,
        workers=workers,
        timeout_worker_healthcheck=HEALTHCHECK_S,
        **options,
    )
    with shared_metrics(), own_socket(settings.host, port) as reserved:
        Multiprocess(config, sockets=[reserved]).run()
