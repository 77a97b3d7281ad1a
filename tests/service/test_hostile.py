"""Requests that mean harm, or cannot mean anything: each gets a clear answer, and none a 5xx."""

from __future__ import annotations

import json
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from htc.service import create_app
from htc.settings import Settings
from htc.store import Database
from htc.store.keys import create_key

Serving = Callable[[FastAPI], AbstractContextManager[httpx.Client]]

PREDICT = "/api/htc/predict"
NB = """data_Nb
_cell_length_a 3.3
_cell_length_b 3.3
_cell_length_c 3.3
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
"""
SITES = "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"


@pytest.fixture(scope="module")
def endpoint(
    embedded_server: Any, serving: Serving, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """One service for all tests of this file that need no settings of their own."""
    with embedded_server.migrated() as database:
        url = database.engine.url.render_as_string(hide_password=False)
        settings = Settings(database_url=url, home=tmp_path_factory.mktemp("hostile"))
        with serving(create_app(settings)) as client:
            yield client


def problem(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    assert answer.status_code == status, (answer.status_code, answer.text[:500])
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert code is None or body["code"] == code, body
    assert "Traceback" not in answer.text
    assert len(answer.content) < 10_000
    return body


class Raw:
    """A connection on which anything may be sent."""

    def __init__(self, client: httpx.Client) -> None:
        address = (client.base_url.host, client.base_url.port or 80)
        self.socket = socket.create_connection(address, timeout=30)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> bytes:
        """Everything the server sends before it ends the connection."""
        received = bytearray()
        try:
            while part := self.socket.recv(65536):
                received += part
        except ConnectionResetError:
            pass
        return bytes(received)

    def close(self) -> None:
        self.socket.close()


def raw(client: httpx.Client, data: bytes) -> bytes:
    with closing(Raw(client)) as connection:
        connection.send(data)
        return connection.answer()


def head(answer: bytes) -> str:
    return answer.split(b"\r\n", 1)[0].decode()


def post(body: bytes, *headers: str, path: str = PREDICT) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


# -- bytes that are no request, or two at once -------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400),
        (b"HELLO\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /api/htc/health HTTP/1.1\r\n\r\n", 400),
        (b"GET /api/htc/health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET /api/htc/health HTTP/1.1\r\nHost: localhost\r\nX-A: a\x00b\r\n\r\n", 400),
        (b"GET /api/htc/health HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
        (b"GET /api/\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400),
        (post(b"0\r\n\r\n", "Content-Length: 5", "Content-Length: 6"), 400),
        (post(b"0\r\n\r\n", "Content-Length: 5", "Transfer-Encoding: chunked"), 400),
        (post(b"0\r\n\r\n", "Transfer-Encoding: chunked", "Transfer-Encoding: identity"), 400),
        (post(b"0\r\n\r\n", "Transfer-Encoding: xchunked"), 400),
        (post(b"", "Content-Length: -1"), 400),
        (post(b"", "Content-Length: 1e3"), 400),
        (post(b"", "Content-Length: 99999999999999999999"), 400),
        (post(b"zz\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked"), 400),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 200_000, 431),
        (post(b"0\r\n" + b"X-T: b\r\n" * 500 + b"\r\n", "Transfer-Encoding: chunked"), 431),
    ],
)
def test_what_is_no_request_is_answered_with_a_problem(
    endpoint: httpx.Client, data: bytes, status: int
) -> None:
    answer = raw(endpoint, data)
    assert head(answer).startswith(f"HTTP/1.1 {status} "), answer[:300]
    assert answer.count(b"HTTP/1.1 ") == 1, "one answer, and nothing smuggled behind it"
    top, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in top
    assert b"connection: close" in top.lower()
    assert json.loads(body)["status"] == status


def test_a_second_request_in_a_body_is_body(endpoint: httpx.Client) -> None:
    inner = b"GET /api/htc/access HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = raw(endpoint, post(inner, f"Content-Length: {len(inner)}", "Connection: close"))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert head(answer).startswith("HTTP/1.1 400 ")


# -- slow clients ------------------------------------------------------------------------------------------


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clocks of the protocol, fast."""
    for name in ("HEAD_WITHIN_S", "BODY_STEP_S", "READ_WITHIN_S"):
        monkeypatch.setattr(f"htc.service.protocol.{name}", 0.5)


@pytest.mark.usefixtures("hurried")
def test_headers_that_trickle(endpoint: httpx.Client) -> None:
    with closing(Raw(endpoint)) as connection:
        connection.send(b"GET /api/htc/health HTTP/1.1\r\nHost: localhost\r\n")
        began = time.monotonic()
        try:
            for number in range(100):
                connection.send(b"X-%d: a\r\n" % number)
                time.sleep(0.1)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert time.monotonic() - began < 9
        assert connection.answer()[:13] in {b"HTTP/1.1 408 ", b""}


@pytest.mark.usefixtures("hurried")
def test_a_body_that_trickles(endpoint: httpx.Client) -> None:
    with closing(Raw(endpoint)) as connection:
        connection.send(post(b'{"composition": "', "Content-Length: 100000"))
        assert head(connection.answer()).startswith("HTTP/1.1 408 ")


@pytest.mark.usefixtures("hurried")
def test_a_connection_on_which_nothing_comes_is_ended(endpoint: httpx.Client) -> None:
    with closing(Raw(endpoint)) as connection:
        assert connection.answer() == b""


@pytest.mark.usefixtures("hurried")
def test_line_ends_alone_keep_no_connection(endpoint: httpx.Client) -> None:
    with closing(Raw(endpoint)) as connection:
        deadline = time.monotonic() + 20
        with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012  # until it happens
            while time.monotonic() < deadline:
                connection.send(b"\r\n")
                time.sleep(0.05)


@pytest.mark.usefixtures("hurried")
def test_an_answer_that_nobody_reads(endpoint: httpx.Client) -> None:
    with closing(Raw(endpoint)) as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012  # until it happens
            for _ in range(2000):
                connection.send(request)
                time.sleep(0.005)
    assert endpoint.get("/api/htc/health").status_code == 200


# -- bodies ------------------------------------------------------------------------------------------------


def test_bodies_are_refused_before_they_are_read(endpoint: httpx.Client) -> None:
    with closing(Raw(endpoint)) as connection:
        connection.send(post(b"", "Content-Length: 100000000000"))
        answer = connection.answer()
    assert head(answer).startswith("HTTP/1.1 413 ")
    with closing(Raw(endpoint)) as connection:
        connection.send(post(b"", "Content-Length: 100000000000", "Expect: 100-continue"))
        assert head(connection.answer()).startswith("HTTP/1.1 413 ")


def test_chunked_bodies_are_counted_as_they_come(endpoint: httpx.Client) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(2000):
            sent += 100_000
            yield b" " * 100_000

    headers = {"Content-Type": "application/json"}
    answer = endpoint.post(PREDICT, content=endless(), headers=headers)
    problem(answer, 413, "body-too-large")
    assert sent < 60_000_000
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 500_000, 400),
        (b'{"composition":' * 100_000, 400),
        (b'{"composition": "MgB2", "pressure_gpa": ' + b"9" * 10_000 + b"}", 400),
        (b'{"composition": "MgB2", "pressure_gpa": 1e999}', 422),
        (b'{"composition": "MgB2", "pressure_gpa": NaN}', 422),
        (b'{"composition": "MgB2", "pressure_gpa": -Infinity}', 422),
        (b"\xff\xfe{}", 400),
        (b'{"composition": "\xff"}', 400),
        (b'{"composition": "Mg\\u0000B2"}', 422),
        (b'{"composition": "Mg\\ud800B2"}', 422),
        (b'{"composition": "MgB2", "\\ud800": 1}', 422),
        (b'{"composition": "MgB2", "\\u0000": 1}', 422),
        (b'{"composition": {"$ne": null}}', 422),
        (b'{"composition": ["MgB2"]}', 422),
        (b'{"composition": "MgB2", "__proto__": {"a": 1}}', 422),
        (b'"MgB2"', 422),
        (b"null", 422),
        (b"", 422),
        (b"MgB2", 400),
    ],
)
def test_json_that_is_none_or_means_nothing(endpoint: httpx.Client, body: bytes, status: int) -> None:
    answer = endpoint.post(PREDICT, content=body, headers={"Content-Type": "application/json"})
    problem(answer, status)


def test_surrogate_pairs_are_text(endpoint: httpx.Client) -> None:
    body = b'{"composition": "\\ud83d\\ude00"}'
    answer = endpoint.post(PREDICT, content=body, headers={"Content-Type": "application/json"})
    assert "\U0001f600" in problem(answer, 422, "invalid-formula")["detail"]


def test_packed_bodies_are_not_unpacked(endpoint: httpx.Client) -> None:
    import gzip

    bomb = gzip.compress(bytes(50_000_000))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    problem(endpoint.post(PREDICT, content=bomb, headers=headers), 415, "packed-body")


def zip_bomb() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.cif", bytes(50_000_000))
    return file.getvalue()


HOSTILE_STRUCTURES = {
    "a zip bomb": zip_bomb().decode("latin-1"),
    "a million sites": NB + SITES + "Nb 0 0 0\n" * 1_000_000,
    "sixty sites times 192": NB.replace("3.3", "50")
    + "_space_group_name_H-M_alt 'Fm-3m'\n"
    + SITES
    + "".join(f"Nb 0.{n}1 0.{n}3 0.{n}7\n" for n in range(10, 70)),
    "an operation without end": NB
    + "loop_\n_space_group_symop_operation_xyz\n'x+"
    + "1" * 3000
    + ",y,z'\n"
    + SITES
    + "Nb 0 0 0\n",
    "nested json": "[" * 900_000,
    "a path": "/etc/passwd",
    "a climbing path": "../../../../etc/passwd",
    "a url": "file:///etc/passwd",
    "a script": "<script>alert(1)</script>",
    "control characters": "data_\x1b[2J\x07\n_x \x08\n",
    "right to left": "\u202edata_x\n_a 1",
    "blanks": " " * 100_000,
    "a pickle": "\x80\x04\x95cposix\nsystem\n",
    "json of another class": '{"@module": "os", "@class": "system", "command": "true"}',
    "json with a callable": '{"@module": "subprocess", "@class": "Popen", "args": ["true"], "sites": []}',
}


@pytest.mark.parametrize("name", HOSTILE_STRUCTURES)
def test_hostile_structures(endpoint: httpx.Client, name: str) -> None:
    answer = endpoint.post("/api/bete/predict", json={"structure": HOSTILE_STRUCTURES[name]})
    assert answer.status_code in {413, 422}, answer.text[:300]
    body = problem(answer, answer.status_code)
    assert "root:" not in answer.text
    assert all(c.isprintable() for c in body["detail"]), body["detail"]


@pytest.mark.parametrize(
    "text",
    [
        zip_bomb().decode("latin-1"), "/etc/passwd", "<script>alert(1)</script>", "nan nan\n" * 1000,
        "1e308 1e308\n2e308 1\n" * 10, "# alpha2F\n" + "1 " * 1_000_000, "\x1b[2J\n1 2\n", "0 0\n" * 100_000,
        "1 1\n" * 10, "{}" * 1000,
    ],
)  # fmt: skip
def test_hostile_spectra(endpoint: httpx.Client, text: str) -> None:
    answer = endpoint.post("/api/htc/spectrum", json={"text": text, "unit": "meV"})
    assert answer.status_code in {413, 422}, answer.text[:300]
    problem(answer, answer.status_code)
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "name", ["../../etc/cron.d/x", "a\x00b", "a" * 3000, "<img src=x onerror=alert(1)>", "\u202e"]
)
def test_names_are_names_and_no_paths(endpoint: httpx.Client, name: str) -> None:
    al = (Path(__file__).parents[2] / "src/htc/examples/spectra/al_qe/alpha2F.dat").read_text()
    answer = endpoint.post("/api/htc/spectrum", json={"text": al, "file_name": name})
    assert answer.status_code in {200, 422}, answer.text[:300]
    assert answer.headers["content-type"].split(";")[0] in {"application/json", "application/problem+json"}
    assert answer.headers["x-content-type-options"] == "nosniff"


# -- paths and queries -------------------------------------------------------------------------------------


INJECTIONS = [
    "' OR '1'='1", "'; DROP TABLE htc_predictions; --", "1) UNION SELECT 1,2 --", "%27%22%3B", "\\",
    "{{7*7}}", "${jndi:ldap://evil}", "../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%00", "a%00b",
    "<script>alert(1)</script>", "%ff%fe", "%u0000", "\u202e", "😀", "A" * 3000, "-1", "1e999", "NaN", "null",
    "[]", "{}", "%", "_",
]  # fmt: skip


@pytest.mark.parametrize("text", INJECTIONS)
def test_injected_paths(endpoint: httpx.Client, text: str) -> None:
    for path in (
        "/api/htc/predictions/", "/api/htc/materials/", "/api/htc/models/", "/api/htc/structures/",
        "/api/htc/results/", "/api/htc/examples/", "/api/bete/runs/", "/api/bete/report/", "/materials/",
        "/runs/", "/report/", "/static/", "/static/vendor/", "/optimade/v1/structures/", "/",
    ):  # fmt: skip
        answer = endpoint.get(path + (text if "%" in text else httpx.URL("/" + text).raw_path.decode()[1:]))
        assert answer.status_code < 500, (path, answer.status_code, answer.text[:300])
        assert "root:" not in answer.text
        if not answer.headers["content-type"].startswith(("text/html", "text/markdown")):
            continue
        assert "<script>alert(1)" not in answer.text, path


@pytest.mark.parametrize("text", INJECTIONS)
def test_injected_queries(endpoint: httpx.Client, text: str) -> None:
    names = (
        "elements", "without", "only", "min_tc_predicted", "after", "model_id", "experiment_id", "formula",
        "confidence_level",
    )  # fmt: skip
    for name in names:
        answer = endpoint.get("/api/htc/rankings", params={name: text})
        assert answer.status_code < 500, (name, answer.status_code, answer.text[:300])
    for query in (f'chemical_formula_reduced="{text}"', text, f"nelements={text}", f'{text} HAS ANY "Al"'):
        answer = endpoint.get("/optimade/v1/structures", params={"filter": query})
        assert answer.status_code < 500, (query, answer.status_code, answer.text[:300])
    assert endpoint.get("/api/htc/rankings").status_code == 200


@pytest.mark.parametrize("value", ["a" * 5000, "\x01", "é", "a b", "<script>", "' OR 1=1 --"])
def test_odd_headers(endpoint: httpx.Client, value: str) -> None:
    for name in (
        "X-Request-ID",
        "Idempotency-Key",
        "If-None-Match",
        "Accept",
        "Last-Event-ID",
        "Content-Type",
    ):
        headers = {name: value.encode("utf-8")}
        answer = endpoint.get("/api/htc/rankings", headers=headers)
        assert answer.status_code < 500, (name, answer.text[:300])
        answer = endpoint.post(PREDICT, json={"composition": "Xx"}, headers=headers)
        assert 400 <= answer.status_code < 500, (name, answer.text[:300])
        assert "script" not in answer.headers.get("x-request-id", "")


# -- names and pages of others -----------------------------------------------------------------------------


def test_a_foreign_name_is_not_answered_to(endpoint: httpx.Client) -> None:
    foreign = (
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:80",
        "[",
        "a@b",
    )
    for host in foreign:
        answer = endpoint.get("/api/htc/rankings", headers={"Host": host})
        problem(answer, 421, "unknown-host")
    for host in ("localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "localhost."):
        assert endpoint.get("/api/htc/rankings", headers={"Host": host}).status_code == 200, host


def test_pages_of_other_sites_change_nothing(endpoint: httpx.Client) -> None:
    body = {"composition": "MgB2"}
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        # What is refused before its body is read may end the connection: each has one of its own.
        alone = headers | {"Connection": "close"}
        problem(endpoint.post(PREDICT, json=body, headers=alone), 403, "forbidden")
        form = endpoint.post(PREDICT, data={"a": "b"}, headers=alone)
        problem(form, 403, "forbidden")
    own = {"Origin": str(endpoint.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert endpoint.post(PREDICT, json=body, headers=own).status_code == 200
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = endpoint.options(PREDICT, headers=preflight)
    assert not any(name.startswith("access-control-") for name in answer.headers)


def test_origins_that_are_allowed(database_in_settings: Database, serving: Serving) -> None:
    lab = "https://lab.example.org"
    with serving(create_app(Settings(allowed_origins=(lab,)))) as client:
        answer = client.post(PREDICT, json={"composition": "MgB2"}, headers={"Origin": lab})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == lab
        assert "access-control-allow-credentials" not in answer.headers
        problem(client.post(PREDICT, json={}, headers={"Origin": "https://other.example"}), 403)


def test_what_proxies_say_is_believed_of_trusted_ones_only(
    database_in_settings: Database, serving: Serving
) -> None:
    made = create_key(database_in_settings, "reader", ["admin"], created_by="tests")
    said = {"X-API-Key": made.text, "X-Forwarded-For": "6.6.6.6, 198.51.100.7", "X-Forwarded-Proto": "https"}
    body = {"name": "x"}
    with serving(create_app(Settings(access="keys"))) as client:
        answer = client.post("/api/htc/keys", json=body, headers=said)
        assert "strict-transport-security" not in answer.headers
        entries = client.get("/api/htc/audit", headers=said).json()["rows"]
        assert entries[0]["client"] == "127.0.0.1"
    proxied = Settings(access="keys", trusted_proxies=("127.0.0.0/8",))
    with serving(create_app(proxied)) as client:
        answer = client.post("/api/htc/keys", json=body, headers=said)
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        entries = client.get("/api/htc/audit", headers=said).json()["rows"]
        # What the client wrote itself (6.6.6.6) stands before what the proxy added.
        assert entries[0]["client"] == "198.51.100.7"


def test_headers_that_browsers_heed(endpoint: httpx.Client) -> None:
    for path in ("/", "/api/htc/health", "/api/htc/rankings", "/api/htc/nowhere", "/openapi.json"):
        headers = endpoint.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'unsafe" not in policy
        assert "unsafe-eval" not in policy
        assert "server" not in headers


def test_an_answer_that_takes_too_long(database_in_settings: Database, serving: Serving) -> None:
    with serving(create_app(Settings(request_timeout_s=0.001))) as client:
        answer = client.post(PREDICT, json={"composition": "MgB2"})
        assert problem(answer, 503, "took-too-long")["hint"]
        assert answer.headers["retry-after"]
