"""The HTTP service: thin routers over the predictor and the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from htc.service.app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    # What lies in this package besides the application (logs, the doctor) needs no web framework in memory.
    if name != "create_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from htc.service.app import create_app

    return create_app
