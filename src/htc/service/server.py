"""How uvicorn is to run the service: one place for ``htc serve``, its workers and the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fastapi import FastAPI

    from htc.settings import Settings

__all__ = ["application", "server_options"]

KEEP_ALIVE_S: Final = 15
PROXIED_KEEP_ALIVE_S: Final = 620
"""Longer than proxies keep an idle connection to what is behind them (Google's: 600 s): were it closed at the
moment they use it again, they would answer with an error of their own."""
SHUTDOWN_WITHIN_S: Final = 6
"""Platforms kill what is left ten seconds after they said to stop; the job workers need some of these."""


def application() -> FastAPI:
    """The application of a worker process, by the settings of its environment. It ends with its parent."""
    from htc.jobs.supervisor import exit_with_spawner
    from htc.service.app import create_app
    from htc.service.logs import configure
    from htc.settings import get_settings

    exit_with_spawner()
    settings = get_settings()
    configure(settings)
    return create_app(settings, freeze=True)


def server_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of ``uvicorn.Config`` and ``uvicorn.run``, beside the application and its address.

    The protocol is :class:`htc.service.protocol.GuardedProtocol`; there are no web sockets; the headers of
    proxies are the application's business (``HTC_TRUSTED_PROXIES``), and so is the log of requests.
    """
    from htc.service.protocol import GuardedProtocol

    return {
        "http": GuardedProtocol,
        "ws": "none",
        "lifespan": "on",
        "server_header": False,
        "proxy_headers": False,
        "access_log": False,
        "timeout_keep_alive": PROXIED_KEEP_ALIVE_S if settings.trusted_proxies else KEEP_ALIVE_S,
        "timeout_graceful_shutdown": SHUTDOWN_WITHIN_S,
    }
