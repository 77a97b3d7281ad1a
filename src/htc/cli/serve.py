"""``htc serve``: the HTTP service on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from htc.cli.console import err
from htc.errors import InputError

__all__ = ["register"]

HOST = "127.0.0.1"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="serve")(serve)


def serve(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on 127.0.0.1.")] = 8000,
) -> None:
    """Serve the API on this machine only; stop with Ctrl-C.

    There are no API keys yet, so it listens on the loopback address and nowhere else.

    Example: `htc serve --port 8000`

    Then: `curl http://127.0.0.1:8000/api/htc/predict --json '{"composition": "MgB2"}'`
    """
    import socket

    import uvicorn

    from htc.models import load_model
    from htc.service import create_app
    from htc.settings import get_settings
    from htc.store import Database

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"port {port} cannot be used: {error.strerror}", where="--port", hint="choose another one"
            ) from error
    # Both are opened before the server starts, so that what is wrong with them is said here, not in a log.
    settings = get_settings()
    load_model(settings.model, settings.tier)
    Database.open().close()
    err.print(f"HTC serves http://{HOST}:{port}/docs (Ctrl-C stops it)")
    uvicorn.run(create_app(), host=HOST, port=port, log_level="warning")
