"""What the client does when the service, or the way to it, is not at its best."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from htc.client import Client, transport
from htc.client.streams import Event, events_of
from htc.errors import (
    BusyError,
    DatabaseUnavailableError,
    ForbiddenError,
    HTCError,
    InputError,
    NotFoundError,
    SourceUnavailableError,
    TooManyRequestsError,
    UnauthenticatedError,
)

HEALTH = {
    "status": "ok", "database": "connected", "dependencies": True, "version": "0", "model_id": "m",
    "database_revision": "r", "features": {}, "problems": [],
}  # fmt: skip


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(transport.time, "sleep", waited.append)
    return waited


def client(answer: Callable[[httpx.Request], httpx.Response], retries: int = 3) -> Client:
    """A client whose network is a function."""
    return Client("http://htc.test", key="htc_p_s", retries=retries, transport=httpx.MockTransport(answer))


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"type": "about:blank", "title": "", "status": status, "code": code, "detail": "why", "hint": "do"}
    return httpx.Response(status, json=body, headers=headers)


def test_it_waits_as_long_as_the_service_says(pauses: list[float]) -> None:
    answers = [
        problem(503, "database-unavailable", **{"Retry-After": "5"}),
        problem(429, "too-many-requests", **{"Retry-After": "7"}),
        problem(503, "busy"),
        httpx.Response(200, json=HEALTH),
    ]
    with client(lambda _: answers.pop(0)) as htc:
        assert htc.health().status == "ok"
    assert pauses == [5.0, 7.0, 1.0]


def test_it_gives_up_with_the_reason() -> None:
    asked = []

    def away(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return problem(503, "database-unavailable")

    with client(away, retries=2) as htc, pytest.raises(DatabaseUnavailableError, match="why"):
        htc.predict("Nb")
    assert len(asked) == 3
    assert {r.headers["authorization"] for r in asked} == {"Bearer htc_p_s"}


def test_a_run_started_again_carries_the_same_key() -> None:
    keys = []

    def flaky(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) < 3:
            raise httpx.ReadError("lost")
        return problem(422, "invalid-input")

    with client(flaky) as htc, pytest.raises(InputError):
        htc.screen({"formulas": ["Nb"]})
    assert len(keys) == 3
    assert len(set(keys)) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(401, "unauthenticated"), UnauthenticatedError),
        (problem(403, "forbidden"), ForbiddenError),
        (problem(404, "not-found"), NotFoundError),
        (problem(422, "a-code-of-tomorrow"), InputError),
        (problem(429, "too-many-requests"), TooManyRequestsError),
        (problem(503, "busy"), BusyError),
        (problem(500, "internal"), HTCError),
        (httpx.Response(502, text="<html>Bad Gateway</html>"), HTCError),
        (httpx.Response(404, text="nginx"), NotFoundError),
        (httpx.Response(400, json=["no problem"]), InputError),
    ],
)
def test_problems_become_errors(answer: httpx.Response, kind: type[HTCError]) -> None:
    with client(lambda _: answer, retries=0) as htc, pytest.raises(kind) as caught:
        htc.health()
    assert type(caught.value) is kind
    assert caught.value.hint


def test_a_connection_lost_in_an_answer_is_said_to_be() -> None:
    class Cut(httpx.SyncByteStream):
        def __iter__(self):  # type: ignore[no-untyped-def]  # a test's stream
            yield b'{"index": 0, "label": null, "prediction": null, "problem": null}\n{"ind'
            raise httpx.RemoteProtocolError("cut")

    with client(lambda _: httpx.Response(200, stream=Cut())) as htc:
        lines = htc.predict_batch(["Nb", "V"])
        assert next(lines).index == 0
        with pytest.raises(SourceUnavailableError, match="in the middle"):
            next(lines)


def test_texts_stay_parts_of_a_path() -> None:
    paths = []

    def note(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return problem(404, "not-found")

    with client(note) as htc:
        for text in ("a/b", "..", "x?y=1#z", "Mg B2"):
            with pytest.raises(NotFoundError):
                htc.material(text)
    assert paths[0] == b"/api/htc/materials/a%2Fb"
    assert paths[2] == b"/api/htc/materials/x%3Fy%3D1%23z"


def test_events_are_read_as_they_are_written() -> None:
    lines = [
        ": a comment", "", "event: progress", "id: 4", 'data: {"done": 1,', 'data: "total": 2}', "",
        "data: plain", "", "event: end", "data: 1",
    ]  # fmt: skip
    assert list(events_of(lines)) == [
        Event("progress", {"done": 1, "total": 2}, "4"),
        Event("message", "plain", "4"),
    ]
