"""``Idempotency-Key``: sent again is answered again, and carried out once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi import APIRouter

from htc.service.idempotency import HEADER, REPLAYED, IdempotentRoute
from htc.store import Database
from htc.store.idempotency import claim, forget_expired, keep, release

BATCH = "/api/htc/predict/batch"
BODY: dict[str, Any] = {"items": [{"composition": "YBa2Cu3O7"}, {"composition": "nonsense"}]}


def post(client: httpx.Client, key: str, body: Any = None, path: str = BATCH) -> httpx.Response:
    return client.post(path, json=BODY if body is None else body, headers={HEADER: key})


def runs(database: Database) -> int:
    with database.connect() as connection:
        return int(connection.execute(sa.text("SELECT count(*) FROM runs")).scalar_one())


def test_the_same_request_is_carried_out_once(client: httpx.Client, database: Database) -> None:
    first, again = post(client, "a-key"), post(client, "a-key")
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert first.headers["x-run-id"] == again.headers["x-run-id"]
    assert first.headers["content-type"] == again.headers["content-type"] == "application/x-ndjson"
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert runs(database) == 1
    # The order of the fields is no difference.
    assert REPLAYED in post(client, "a-key", dict(reversed(list(BODY.items())))).headers
    assert post(client, "another-key").headers["x-run-id"] != first.headers["x-run-id"]
    assert runs(database) == 2


def test_another_request_under_the_same_key_is_refused(client: httpx.Client) -> None:
    post(client, "key")
    for path, body in (
        (BATCH, {"items": [{"composition": "Nb"}]}),
        ("/api/htc/predict", {"composition": "Nb"}),
    ):
        answer = post(client, "key", body, path)
        assert answer.status_code == 422
        assert answer.json()["where"] == HEADER
        assert "another request" in answer.json()["detail"]


def test_the_same_request_at_the_same_time_waits(client: httpx.Client, database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(client, "at-once"), range(8)))
    assert {a.status_code for a in answers} <= {200, 409}
    done = [a for a in answers if a.status_code == 200]
    assert len({a.content for a in done}) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.headers["retry-after"].isdigit()
            assert answer.json()["code"] == "conflict"
    assert runs(database) == 1


def test_a_request_that_was_refused_may_be_mended(client: httpx.Client) -> None:
    assert post(client, "typo", {"composition": "Mg2B?"}, "/api/htc/predict").status_code == 422
    mended = post(client, "typo", {"composition": "YBa2Cu3O7"}, "/api/htc/predict")
    assert mended.status_code == 200
    assert REPLAYED not in mended.headers


@pytest.mark.parametrize("key", ["", "k" * 201, "two words", "naïve"])
def test_a_key_is_visible_ascii(client: httpx.Client, key: str) -> None:
    answer = client.post(
        "/api/htc/predict", json={"composition": "Nb"}, headers={HEADER: key.encode("latin-1")}
    )
    assert answer.status_code == 422
    assert answer.json()["where"] == HEADER


def test_a_key_belongs_to_one_owner_and_ends(database: Database) -> None:
    ask: dict[str, str] = {"route": "POST /x", "request_hash": "h"}
    assert claim(database, "one", "k", **ask) is None
    assert claim(database, "two", "k", **ask) is None
    waiting = claim(database, "one", "k", **ask)
    assert waiting is not None
    assert (waiting.same_request, waiting.done) == (True, False)
    keep(database, "one", "k", status=201, headers={"location": "/y"}, body=b"\x00body")
    release(database, "one", "k")  # an answer that is kept is not given back
    known = claim(database, "one", "k", **ask)
    assert known is not None
    assert (known.done, known.status, known.body, known.headers) == (
        True,
        201,
        b"\x00body",
        {"location": "/y"},
    )
    release(database, "two", "k")
    assert claim(database, "two", "k", **ask) is None
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE idempotency_keys SET expires_at = now() - interval '1 second'"))
    # A process died: its key is free again; so is one whose answer is too old.
    assert claim(database, "two", "k", **ask) is None
    assert forget_expired(database) == 1
    assert claim(database, "one", "k", **ask) is None


def test_a_route_without_a_scope_of_its_own_cannot_replay() -> None:
    router = APIRouter(route_class=IdempotentRoute)
    with pytest.raises(TypeError, match="Requires"):
        router.add_api_route("/x", lambda: None, methods=["POST"])
