"""HEAD: what a link checker, a cache and a load balancer ask before they ask for more."""

from __future__ import annotations

import httpx
import pytest

from htc.jobs import submit
from htc.jobs.requests import ValidateRequest
from htc.store import Database

PAGES = ("/", "/spectrum", "/compare", "/runs", "/validate", "/docs", "/help", "/materials/Nb")
FILES = ("/static/css/base.css", "/rankings.csv", "/openapi.json", "/metrics", "/livez")
API = ("/api/htc/health", "/api/htc/rankings", "/api/htc/runs", "/api/htc/models", "/optimade/v1/structures")
MISSING = ("/api/htc/predictions/none-such", "/nowhere", "/api/htc/predict")
_OWN = {"date", "x-request-id", "content-length"}
"""Headers that differ between two answers to the same; the length is compared where nothing is counted."""


def test_head_answers_as_get_does_without_a_body(client: httpx.Client) -> None:
    wrong = {"X-API-Key": "htc_none_such"}
    assert client.head("/", headers=wrong).status_code == client.get("/", headers=wrong).status_code != 200
    assert client.put("/api/htc/health").headers["allow"] == "GET, HEAD"
    for path in (*PAGES, *FILES, *API, *MISSING):
        full, head = client.get(path), client.head(path)
        assert head.status_code == full.status_code, path
        assert head.content == b""
        assert {k: v for k, v in head.headers.items() if k not in _OWN | {"transfer-encoding"}} == {
            k: v for k, v in full.headers.items() if k not in _OWN | {"transfer-encoding"}
        }, path
        if "content-length" in full.headers and path not in {"/metrics", "/api/htc/health"}:
            assert abs(int(head.headers["content-length"]) - int(full.headers["content-length"])) < 8, path


def test_head_of_an_endless_stream_ends(
    client: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("htc.service.runs.Streams.most", 1)
    job, _ = submit(database, ValidateRequest(), created_by="me", key=None)
    # One at a time is let in: those before were given up, and are no longer counted.
    for _ in range(3):
        answer = client.head(f"/api/htc/runs/{job.run_id}/events", timeout=10)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.content == b""
