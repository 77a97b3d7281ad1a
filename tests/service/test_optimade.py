"""OPTIMADE as a part of the service: behind its keys, in its metrics, in its errors."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
from fastapi import FastAPI

from htc.prediction.record import Prediction
from htc.service import create_app
from htc.settings import Settings
from htc.store import Database, save
from htc.store.keys import create_key

Serving = Callable[[FastAPI], AbstractContextManager[httpx.Client]]


def test_the_service_answers_by_optimade(
    client: httpx.Client, database: Database, make_prediction: Callable[..., Prediction]
) -> None:
    save(database, [make_prediction(1, tc_predicted=38.0)])
    answer = client.get("/optimade/v1/structures", params={"filter": 'elements HAS ALL "Mg","B"'})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.api+json"
    assert answer.headers["x-request-id"]
    (entry,) = answer.json()["data"]
    assert entry["attributes"]["_htc_tc_kelvin"] == 38.0
    assert client.get(f"/optimade/structures/{entry['id']}").status_code == 200
    wrong = client.get("/optimade/v1/structures", params={"filter": "elements HAS"})
    assert (wrong.status_code, wrong.json()["errors"][0]["source"]) == (400, {"parameter": "filter"})
    assert client.get("/optimade/v7/info").status_code == 553
    assert client.post("/optimade/v1/structures").json()["errors"][0]["status"] == "405"
    told = client.get("/metrics").text
    assert 'route="/optimade/v1/structures"' in told


def test_where_keys_are_needed_they_are_needed_here(database_in_settings: Database, serving: Serving) -> None:
    made = create_key(database_in_settings, "reader", ["read"], created_by="tests")
    with serving(create_app(Settings(access="keys"))) as client:
        for path in ("/optimade/v1/structures", "/optimade/v1/info", "/optimade/versions", "/optimade/x"):
            assert client.get(path).status_code == 401
        answer = client.get("/optimade/v1/structures", headers={"Authorization": f"Bearer {made.text}"})
        assert answer.json()["data"] == []
