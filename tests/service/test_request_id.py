"""Every request has an id: in the answer, in its problem, in the log."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import Client
from pydantic import SecretStr

from htc.service import create_app, logs
from htc.service.logs import JsonFormatter, Redactor, TextFormatter
from htc.service.request_id import current_request_id
from htc.settings import Settings
from htc.store import Database

Serving = Callable[[FastAPI], AbstractContextManager[Client]]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Lines(logging.Handler):
    """What was logged, as a formatter writes it."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def requests(self, count: int) -> list[dict[str, Any]]:
        """The lines of so many requests; each is written when its answer has left already."""
        for _ in range(1000):
            if len(found := [line for line in self.json() if "httpRequest" in line]) >= count:
                return found
            time.sleep(0.01)
        raise AssertionError(self.lines)


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines(JsonFormatter(Redactor(Settings()), trace_project="a-project"))
    logger = logging.getLogger("htc")
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.setLevel(before)
    logger.removeHandler(handler)


def test_an_id_is_drawn_for_every_request(client: Client) -> None:
    ids = {client.get("/api/htc/health").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", each) for each in ids)


@pytest.mark.parametrize("given", ["a", "run-7/step.3:b+c=d", "x" * 128])
def test_a_usable_id_of_the_caller_is_kept(client: Client, given: str) -> None:
    assert client.get("/api/htc/health", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, 'a"b', "a b", "<script>", "a\tb", "\u00e9"])
def test_an_unusable_one_is_not(client: Client, given: str) -> None:
    answer = client.get("/api/htc/health", headers={"X-Request-ID": given.encode("latin-1")})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


@pytest.mark.parametrize(
    ("method", "path", "status", "headers"),
    [
        ("POST", "/api/htc/predict", 422, {}),
        ("GET", "/nowhere", 404, {}),
        ("GET", "/api/htc/predict", 405, {}),
    ],
)
def test_problems_say_it(
    client: Client, method: str, path: str, status: int, headers: dict[str, str]
) -> None:
    answer = client.request(method, path, headers={"X-Request-ID": "asked-1"} | headers)
    assert answer.status_code == status
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "asked-1"


def faulty(settings: Settings) -> FastAPI:
    app = create_app(settings)

    @app.get("/fault")
    def fault(password: str = "") -> None:
        raise ZeroDivisionError(f"password={password}")

    @app.get("/fault/later")
    async def later() -> Any:
        from fastapi.responses import StreamingResponse

        async def parts() -> Any:
            yield b"a beginning"
            raise ZeroDivisionError

        return StreamingResponse(parts())

    return app


def test_a_fault_is_a_problem_with_its_id_and_a_log_line_with_the_trace(
    database_in_settings: Database, serving: Serving, lines: Lines
) -> None:
    with serving(faulty(Settings())) as client:
        answer = client.get(
            "/fault",
            params={"password": "sesame-open"},
            headers={"X-Request-ID": "asked-2", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"},
        )
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "asked-2"
    assert "Zero" not in answer.text
    lines.requests(1)
    said = [line for line in lines.json() if line.get("request_id") == "asked-2"]
    error, access = (
        next(line for line in said if line["severity"] == level) for level in ("ERROR", "WARNING")
    )
    assert "ZeroDivisionError" in error["stack_trace"]
    assert "/fault" in error["message"]
    assert access["httpRequest"]["status"] == 500
    assert access["httpRequest"]["requestUrl"] == "/fault"
    assert access["logging.googleapis.com/trace"] == f"projects/a-project/traces/{TRACE}"
    assert access["logging.googleapis.com/spanId"] == "00f067aa0ba902b7"
    assert access["logging.googleapis.com/trace_sampled"] is True
    assert not any("sesame" in line for line in lines.lines), "neither the query nor the exception's words"


def test_a_fault_in_the_middle_of_an_answer_cuts_it(
    database_in_settings: Database, serving: Serving, lines: Lines
) -> None:
    import httpx

    with serving(faulty(Settings())) as client, pytest.raises(httpx.RemoteProtocolError):
        client.get("/fault/later")
    assert any("stack_trace" in line for line in lines.json())


def test_the_access_log_names_routes_and_no_values(client: Client, lines: Lines) -> None:
    client.post("/api/htc/predict?token=sesame", json={"composition": "MgB2"}, headers={"X-Request-ID": "r"})
    client.get("/nowhere/sesame")
    client.get("/api/htc/health")
    said = {line["httpRequest"]["requestUrl"]: line for line in lines.requests(3)}
    asked = said["/api/htc/predict"]
    assert (asked["severity"], asked["request_id"]) == ("INFO", "r")
    assert asked["httpRequest"]["requestMethod"] == "POST"
    assert asked["httpRequest"]["status"] == 200
    assert re.fullmatch(r"\d+\.\d{6}s", asked["httpRequest"]["latency"])
    assert said["none"]["httpRequest"]["status"] == 404
    assert said["/api/htc/health"]["severity"] == "DEBUG", "machines ask for it all day"
    assert not any("sesame" in line for line in lines.lines)


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-00", (TRACE, "00f067aa0ba902b7", False)),
        ("traceparent", f"00-{'0' * 32}-00f067aa0ba902b7-00", None),
        ("traceparent", "nonsense", None),
        ("x-cloud-trace-context", f"{TRACE}/255;o=1", (TRACE, "00000000000000ff", True)),
        ("x-cloud-trace-context", f"{TRACE}/99999999999999999999", (TRACE, None, False)),
        ("x-cloud-trace-context", TRACE, (TRACE, None, False)),
        ("x-cloud-trace-context", f'{TRACE}/1;o=1"}}', None),
    ],
)
def test_traces_are_read_from_either_header(
    client: Client, lines: Lines, header: str, value: str, expected: tuple[str, str | None, bool] | None
) -> None:
    client.get("/nowhere", headers={header: value})
    (line,) = lines.requests(1)
    found = line.get("logging.googleapis.com/trace")
    if expected is None:
        assert found is None
        return
    assert found == f"projects/a-project/traces/{expected[0]}"
    assert line.get("logging.googleapis.com/spanId") == expected[1]
    assert line["logging.googleapis.com/trace_sampled"] is expected[2]


def test_outside_of_a_request_there_is_none() -> None:
    assert current_request_id() is None


SECRETS = [
    "postgresql+psycopg://htc:correct%20horse@db/htc",
    "Authorization: Bearer htc_ab12cd34_" + "Zz9_" * 10,
    "htc_ab12cd34_" + "q" * 43 + " was refused",
    "connection failed: password=correct-horse host=db",
    '{"api_key": "abcdef123456"}'.replace('"', ""),
]


@pytest.mark.parametrize("text", SECRETS)
@pytest.mark.parametrize("kind", ["json", "text"])
def test_secrets_are_taken_out(text: str, kind: str) -> None:
    settings = Settings(
        database_url=SecretStr("postgresql://htc:correct%20horse@db/htc"),
        materials_project_api_key=SecretStr('an"odd\\key'),
    )
    redact = Redactor(settings)
    formatter = JsonFormatter(redact) if kind == "json" else TextFormatter(redact)
    record = logging.LogRecord("htc", logging.INFO, "", 0, "%s and %s", (text, 'an"odd\\key'), None)
    line = formatter.format(record)
    for secret in ("horse", "Zz9", "qqqq", "abcdef123456", "odd"):
        assert secret not in line
    if kind == "json":
        json.loads(line)


def test_a_process_logs_as_its_settings_say(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        logs.configure(Settings(log_format="json", log_level="warning"))
        logging.getLogger("htc.jobs").info("not this")
        logging.getLogger("htc.jobs").warning("this")
        logging.getLogger("uvicorn.error").error("and that")
        logs.configure(Settings())
        logging.getLogger("htc.jobs").info("in words")
    finally:
        root.handlers[:], root.level = before[0], before[1]
        logging.captureWarnings(False)
    out, err = capsys.readouterr()
    assert out == ""
    first, second, third = err.splitlines()
    assert {k: json.loads(first)[k] for k in ("severity", "message", "logger")} == {
        "severity": "WARNING",
        "message": "this",
        "logger": "htc.jobs",
    }
    assert json.loads(second)["message"] == "and that"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:,]+ INFO +in words", third)
