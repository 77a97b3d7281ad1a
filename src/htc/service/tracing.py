"""OpenTelemetry: a span a request, sent to a collector, where the environment names one.

FastAPI makes the spans; what is here decides whether, and where they go. Without a collector nothing is
loaded and nothing is recorded.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from htc.errors import MissingExtraError
from htc.service.probes import LIVE, READY
from htc.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from fastapi.telemetry import TelemetryConfig

__all__ = ["Tracing", "is_wanted", "tracing"]

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_UNTRACED: Final = frozenset({LIVE, READY, "/api/htc/health", "/metrics"})


def is_wanted() -> bool:
    """Whether the environment names a collector of traces."""
    return any(os.environ.get(name) for name in _ENDPOINTS)


class Tracing:
    """What the application is told about traces, and the end of sending them.

    Attributes:
        config: the argument ``telemetry`` of ``FastAPI``.
    """

    def __init__(self, config: TelemetryConfig, close: Callable[[], None] | None = None) -> None:
        """Args: as above, and what sends the last spans."""
        self.config = config
        self._close = close

    def close(self) -> None:
        """Send what was not sent yet. May take seconds where the collector does not answer."""
        if self._close is not None:
            self._close()


def tracing() -> Tracing:
    """Traces as the environment wants them.

    Raises:
        MissingExtraError: a collector is named and the packages are not installed.
    """
    # Metrics are told to Prometheus, and the log has a place of its own.
    off: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
    if not is_wanted():
        return Tracing(off)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingExtraError(
            f"traces are to be sent, and OpenTelemetry is not installed: {error}",
            where=next(name for name in _ENDPOINTS if os.environ.get(name)),
            hint="pip install 'htc[otel]', or unset the variable",
        ) from error
    # What the environment says (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) goes before what we are called.
    resource = Resource({"service.version": __version__}).merge(Resource.create())
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "htc"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    on: TelemetryConfig = {
        **off,
        "tracing": True,
        "operation_spans": False,
        "tracer_provider": provider,
        "exclude": _is_untraced,
    }
    return Tracing(on, provider.shutdown)


def _is_untraced(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path") in _UNTRACED
