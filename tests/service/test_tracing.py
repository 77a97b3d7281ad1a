"""Traces: off unless a collector is named, and then sent to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec

import pytest
from fastapi import FastAPI
from httpx import Client

from htc.errors import MissingExtraError
from htc.service import create_app
from htc.service.tracing import is_wanted, tracing
from htc.settings import Settings
from htc.store import Database

Serving = Callable[[FastAPI], AbstractContextManager[Client]]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def is_installed() -> bool:
    # The API comes with FastAPI, the SDK with the extra.
    return find_spec("opentelemetry") is not None and find_spec("opentelemetry.sdk") is not None


@pytest.fixture(autouse=True)
def _no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)


class Collector(HTTPServer):
    """Takes what is sent to it."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_a_collector_nothing_is_recorded() -> None:
    assert not is_wanted()
    told = tracing()
    assert told.config["tracing"] is False
    assert told.config["logs"] is False
    told.close()


@pytest.mark.skipif(is_installed(), reason="the extra `otel` is installed")
def test_a_collector_without_the_packages_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    with pytest.raises(MissingExtraError, match="OpenTelemetry is not installed") as caught:
        create_app(Settings())
    assert caught.value.where == "OTEL_EXPORTER_OTLP_ENDPOINT"
    assert "htc[otel]" in (caught.value.hint or "")


@pytest.mark.skipif(not is_installed(), reason="the extra `otel` is not installed")
def test_requests_are_spans_of_the_callers_trace(
    database_in_settings: Database, serving: Serving, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    with serving(create_app(Settings())) as client:
        headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        assert client.post("/api/htc/predict", json={"composition": "Nb"}, headers=headers).status_code == 200
        client.get("/livez")
        client.get("/api/htc/health")
    assert {path for path, _ in collector.received} == {"/v1/traces"}
    resources = [
        resource
        for _, body in collector.received
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
    ]
    named = {a.key: a.value.string_value for a in resources[0].resource.attributes}
    assert named["service.name"] == "htc"
    assert named["service.version"]
    spans = [span for r in resources for scope in r.scope_spans for span in scope.spans]
    assert [span.name for span in spans] == ["POST /api/htc/predict"], "probes are not worth a trace"
    assert spans[0].trace_id.hex() == TRACE
