"""Access keys over HTTP: who may do what, in which mode, how often, and what is noted of it."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from htc.errors import SettingsError
from htc.service import create_app
from htc.service.access import check_listening
from htc.settings import Settings
from htc.store import Database
from htc.store.audit import read_audit
from htc.store.keys import create_key, list_keys, revoke_key

Serving = Callable[[FastAPI], AbstractContextManager[httpx.Client]]

PREDICT = "/api/htc/predict"
MGB2 = {"composition": "MgB2"}


def key(database: Database, *scopes: str, **named: object) -> dict[str, str]:
    """The header of a new key."""
    made = create_key(database, "test", scopes, created_by="tests", **named)  # type: ignore[arg-type]  # as given
    return {"Authorization": f"Bearer {made.text}"}


@pytest.fixture
def guarded(database_in_settings: Database, serving: Serving) -> Iterator[httpx.Client]:
    """A client of a service that asks for keys."""
    with serving(create_app(Settings(access="keys"))) as client:
        yield client


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    assert body["code"] == code
    return body


def test_without_a_key_nothing_but_health_and_oneself_is_told(guarded: httpx.Client) -> None:
    assert guarded.get("/api/htc/health").status_code == 200
    who = guarded.get("/api/htc/access").json()
    assert (who["mode"], who["scopes"], who["key"], who["refused"]) == ("keys", [], None, None)
    for answer in (
        guarded.get("/api/htc/rankings"),
        guarded.get("/api/htc/keys"),
        guarded.get("/metrics"),
        guarded.get("/optimade/v1/structures"),
        guarded.post(PREDICT, json=MGB2),
        guarded.post("/api/htc/no-such-route", json={}),
    ):
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_every_route_of_the_api_says_what_it_requires() -> None:
    public = {"/api/htc/health", "/api/htc/access"}
    paths = create_app(Settings()).openapi()["paths"]
    assert len(paths) > 20
    for path, operations in paths.items():
        for method, operation in operations.items():
            needed = {scope for need in operation.get("security", ()) for scope in need["access key"]}
            if path in public:
                assert not needed, path
            else:
                assert needed & ({"read"} if method == "get" else {"predict", "run"}) or "admin" in needed, (
                    method, path, needed
                )  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/materials/MgB2", "/compare", "/runs", "/spectrum", "/validate"])
def test_pages_without_a_key_show_nothing_but_where_to_put_one(guarded: httpx.Client, path: str) -> None:
    answer = guarded.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "access key" in answer.text
    assert "MgB2" not in answer.text


def test_scopes_include_those_before(guarded: httpx.Client, database: Database) -> None:
    reader, predictor, admin = (key(database, scope) for scope in ("read", "predict", "admin"))
    assert guarded.get("/api/htc/rankings", headers=reader).status_code == 200
    refused = problem(guarded.post(PREDICT, json=MGB2, headers=reader), 403, "forbidden")
    assert "has the scope read, this needs predict" in str(refused["detail"])
    refused = problem(guarded.post("/api/htc/screen", json={}, headers=reader), 403, "forbidden")
    assert "this needs run" in str(refused["detail"])
    refused = problem(guarded.post("/api/htc/screen", json={}), 401, "unauthenticated")
    assert "the scope run" in str(refused["hint"])
    assert guarded.post(PREDICT, json=MGB2, headers=predictor).status_code == 200
    problem(guarded.get("/api/htc/keys", headers=predictor), 403, "forbidden")
    assert guarded.get("/api/htc/keys", headers=admin).status_code == 200
    assert guarded.get("/api/htc/rankings", headers=admin).status_code == 200


def test_a_key_may_come_in_either_header(guarded: httpx.Client, database: Database) -> None:
    text = key(database, "read")["Authorization"].removeprefix("Bearer ")
    platform = {"Authorization": "Bearer token-of-the-platform"}
    for headers in ({"X-API-Key": text}, {"Authorization": f"bearer {text}"}, {"X-API-Key": text} | platform):
        assert guarded.get("/api/htc/rankings", headers=headers).status_code == 200
    problem(guarded.get("/api/htc/rankings", headers=platform), 401, "unauthenticated")


def test_wrong_expired_and_revoked_keys(guarded: httpx.Client, database: Database) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    made = create_key(database, "short", ["admin"], created_by="tests", expires_at=soon)
    other = create_key(database, "other", ["admin"], created_by="tests")
    revoke_key(database, other.key.prefix)
    near_miss = made.text[:-1] + ("0" if made.text[-1] != "0" else "1")
    time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()) + 0.05)
    for text, why in (
        (near_miss, "not known"),
        ("htc_00000000_" + "0" * 64, "not known"),
        ("", "not known"),
        ("Ω" * 10, "not known"),
        ("x" * 5000, "not known"),
        ("' OR 1=1 --", "not known"),
        (made.text, "expired"),
        (other.text, "revoked"),
    ):
        answer = guarded.get("/api/htc/rankings", headers={"X-API-Key": text.encode()})
        assert why in str(problem(answer, 401, "unauthenticated")["detail"]), text
        assert text not in answer.text or not text
    # A bad key is no worse than none where none is needed.
    assert guarded.get("/api/htc/health", headers={"X-API-Key": made.text}).status_code == 200


def test_a_revoked_key_stops_within_seconds(
    guarded: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htc.service.access.keyring.REVOKED_WITHIN_S", 0.2)
    made = create_key(database, "leaked", ["read"], created_by="tests")
    headers = {"X-API-Key": made.text}
    assert guarded.get("/api/htc/rankings", headers=headers).status_code == 200
    revoke_key(database, "leaked")
    deadline = time.monotonic() + 10
    while guarded.get("/api/htc/rankings", headers=headers).status_code == 200:
        assert time.monotonic() < deadline
    problem(guarded.get("/api/htc/rankings", headers=headers), 401, "unauthenticated")


def test_without_its_database_nobody_is_let_in_and_nobody_is_called_wrong(
    serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htc.service.access.keyring.REVOKED_WITHIN_S", 0.0)
    with serving(create_app(Settings(access="keys", home=tmp_path))) as client:
        with Database.open(Settings(home=tmp_path)) as database:
            headers = key(database, "read")
        assert client.get("/api/htc/rankings", headers=headers).status_code == 200
        pid = int(next((tmp_path / "postgres").rglob("postmaster.pid")).read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        # The server processes of open connections notice a little later that their parent is gone.
        deadline = time.monotonic() + 30
        while (answer := client.get("/api/htc/rankings", headers=headers)).status_code == 200:
            assert time.monotonic() < deadline
        problem(answer, 503, "database-unavailable")
        assert answer.headers["retry-after"].isdigit()
        # The embedded server is started again by what was refused.
        deadline = time.monotonic() + 60
        while client.get("/api/htc/rankings", headers=headers).status_code == 503:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert client.get("/api/htc/rankings", headers=headers).status_code == 200


def test_the_use_of_a_key_is_noted_once_a_minute(guarded: httpx.Client, database: Database) -> None:
    headers = key(database, "read")
    assert list_keys(database)[0].last_used_at is None
    assert guarded.get("/api/htc/rankings", headers=headers).status_code == 200
    first = list_keys(database)[0].last_used_at
    assert first is not None
    assert guarded.get("/api/htc/rankings", headers=headers).status_code == 200
    assert list_keys(database)[0].last_used_at == first


def test_keys_are_kept_as_hashes(database: Database) -> None:
    made = create_key(database, "secret", ["read"], created_by="tests")
    assert made.text not in repr(made)
    with database.connect() as connection:
        row = str(connection.execute(sa.text("SELECT api_keys::text FROM api_keys")).scalar_one())
    assert made.text.split("_")[2] not in row
    assert made.key.prefix in row


def test_no_key_is_ever_logged(
    guarded: httpx.Client, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    admin = key(database, "admin")
    made = guarded.post("/api/htc/keys", json={"name": "x"}, headers=admin).json()["key"]
    wrong = "htc_00000000_" + "f" * 64
    for sent in (made, wrong):
        guarded.get("/api/htc/rankings", headers={"X-API-Key": sent}, params={"model": sent})
        guarded.post(PREDICT, json=MGB2, headers={"Authorization": f"Bearer {sent}"})
        guarded.get(f"/no-route/{sent}")
    logged = "\n".join(
        f"{r.getMessage()} {r.__dict__}" for r in caplog.records if not r.name.startswith("http")
    )
    assert "/api/htc/keys" in logged
    for text in (admin["Authorization"].removeprefix("Bearer "), made, wrong):
        assert text.split("_")[2] not in logged


def test_keys_over_http(guarded: httpx.Client, database: Database) -> None:
    admin = key(database, "admin")
    wanted = {"name": "notebook", "scopes": ["predict"], "requests_per_minute": 50}
    made = guarded.post("/api/htc/keys", json=wanted, headers=admin)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    body = made.json()
    mine = {"X-API-Key": body["key"]}
    who = guarded.get("/api/htc/access", headers=mine).json()
    assert (who["scopes"], who["requests_per_minute"]) == (["read", "predict"], 50)
    assert who["key"]["name"] == "notebook"
    assert body["key"] not in guarded.get("/api/htc/keys", headers=admin).text
    revoked = guarded.post(f"/api/htc/keys/{body['prefix']}/revoke", headers=admin)
    assert revoked.json()["revoked_at"] is not None
    problem(guarded.post("/api/htc/keys/nobody/revoke", headers=admin), 404, "not-found")
    past = wanted | {"expires_at": "2001-01-01T00:00:00Z"}
    problem(guarded.post("/api/htc/keys", json=past, headers=admin), 422, "invalid-input")
    problem(
        guarded.post("/api/htc/keys", json=wanted | {"scopes": ["god"]}, headers=admin),
        422,
        "invalid-request",
    )


def test_read_only_is_open_for_reading_alone(database_in_settings: Database, serving: Serving) -> None:
    with serving(create_app(Settings(access="read-only"))) as client:
        assert client.get("/api/htc/rankings").status_code == 200
        assert client.get("/api/htc/access").json()["scopes"] == ["read"]
        problem(client.post(PREDICT, json=MGB2), 401, "unauthenticated")
        problem(client.get("/api/htc/keys"), 401, "unauthenticated")
        headers = key(database_in_settings, "predict")
        assert client.post(PREDICT, json=MGB2, headers=headers).status_code == 200


def test_rate_limits_by_key_and_address(database_in_settings: Database, serving: Serving) -> None:
    settings = Settings(access="keys", address_requests_per_minute=3, key_requests_per_minute=1000)
    slow = key(database_in_settings, "read", requests_per_minute=5)
    fast = key(database_in_settings, "read")
    # Two processes, as it were: they count together.
    with serving(create_app(settings)) as one, serving(create_app(settings)) as two:
        answers = [client.get("/api/htc/rankings", headers=slow) for client in (one, two) * 4]
        assert [a.status_code for a in answers].count(200) == 5
        assert answers[0].headers["ratelimit-limit"] == "5"
        assert answers[0].headers["ratelimit-remaining"] == "4"
        last = answers[-1]
        problem(last, 429, "too-many-requests")
        assert 1 <= int(last.headers["retry-after"]) <= 60
        assert last.headers["ratelimit-remaining"] == "0"
        assert one.get("/api/htc/rankings", headers=fast).headers["ratelimit-limit"] == "1000"
        without = [client.get("/api/htc/access") for client in (one, two) * 3]
        assert [a.status_code for a in without].count(200) == 3
        # Wrong keys count for the address, and health for nobody.
        wrong = {"X-API-Key": "htc_00000000_" + "0" * 64}
        problem(one.get("/api/htc/rankings", headers=wrong), 429, "too-many-requests")
        assert one.get("/api/htc/health").status_code == 200


def test_counts_that_cannot_be_shared_are_kept_apart(
    database_in_settings: Database, serving: Serving, tmp_path: Path
) -> None:
    (tmp_path / "service").write_text("in the way")
    settings = Settings(access="keys", address_requests_per_minute=2, home=tmp_path)
    with serving(create_app(settings)) as client:
        assert [client.get("/api/htc/access").status_code for _ in range(4)] == [200, 200, 429, 429]


def test_writes_are_noted(guarded: httpx.Client, database: Database) -> None:
    admin, reader = key(database, "admin"), key(database, "read")
    made = guarded.post("/api/htc/keys", json={"name": "new"}, headers=admin | {"X-Request-ID": "note-me"})
    # What makes keys is noted before it is answered.
    (entry,) = read_audit(database).rows
    assert (entry.method, entry.route, entry.status) == ("POST", "/api/htc/keys", 201)
    assert (entry.request_id, entry.client) == ("note-me", "127.0.0.1")
    assert entry.details == {"key": made.json()["prefix"], "scopes": ["read"]}
    assert entry.key_prefix == admin["Authorization"].split("_")[1]
    assert made.json()["key"] not in str(entry)
    # What a known key was refused is noted; a question, and what nobody in particular was refused, is not.
    guarded.post(PREDICT, json=MGB2, headers=reader)
    guarded.post(PREDICT, json=MGB2)
    guarded.get("/api/htc/rankings", headers=reader)
    assert guarded.post(PREDICT, json=MGB2, headers=admin).status_code == 200
    deadline = time.monotonic() + 10
    while len(entries := read_audit(database).rows) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert {(e.status, e.actor.split(":")[0]) for e in entries} == {(201, "key"), (200, "key")}
    page = guarded.get("/api/htc/audit", params={"n": 1}, headers=admin).json()
    assert len(page["rows"]) == 1
    rest = guarded.get("/api/htc/audit", params={"after": page["next_cursor"]}, headers=admin).json()
    assert len(rest["rows"]) == len(entries) - 1


def test_the_mode_follows_from_who_can_reach_the_service(
    database_in_settings: Database, serving: Serving
) -> None:
    with serving(create_app(Settings())) as client:
        assert client.get("/api/htc/access").json()["mode"] == "open"
        assert "ratelimit-limit" not in client.get("/api/htc/rankings").headers
    for settings in (
        Settings(host="0.0.0.0"),  # that is the question
        Settings(trusted_proxies="10.0.0.0/8"),  # type: ignore[arg-type]  # as the environment gives it
        Settings(allowed_hosts="htc.example.org"),  # type: ignore[arg-type]  # likewise
    ):
        with pytest.raises(SettingsError, match="no access key"):
            check_listening(settings, database_in_settings)
    with pytest.raises(SettingsError, match="this machine only"):
        check_listening(Settings(host="0.0.0.0", access="open"), database_in_settings)
    create_key(database_in_settings, "first", ["admin"], created_by="tests")
    check_listening(Settings(host="0.0.0.0"), database_in_settings)
    check_listening(Settings(), database_in_settings)
