"""Runs over HTTP: accepted at once, followed by events, usable while they go on, called off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from htc.jobs import Worker
from htc.service import create_app
from htc.settings import Settings, get_settings
from htc.store import Database, save
from htc.store.jobs import Item, claim, finish, record

SCREEN = {"candidates": {"formulas": ["MgB2", "NbN"]}, "label": "first"}


@pytest.fixture(autouse=True)
def _no_laboratory_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing where there are no such data can only be seen without them."""
    monkeypatch.delenv("HTC_DATA", raising=False)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTC_TIER", "fast")
    get_settings.cache_clear()


@pytest.fixture
def work(database_in_settings: Database) -> Iterator[Callable[[], bool]]:
    worker = Worker(Settings(), database_in_settings)
    yield worker.work_once
    worker.close()


def asked(client: httpx.Client, path: str = "/api/htc/screen", **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body or SCREEN)
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/api/htc/results/{told['run_id']}"
    return told


def events(client: httpx.Client, run_id: str, last: int | None = None) -> list[tuple[str, int, Any]]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    found = []
    with client.stream("GET", f"/api/htc/runs/{run_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        block: dict[str, str] = {}
        for line in answer.iter_lines():
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                block[name] = value
            elif block:
                found.append((block["event"], int(block["id"]), json.loads(block["data"])))
                block = {}
    return found


def test_a_screening(client: httpx.Client, work: Callable[[], bool]) -> None:
    accepted = asked(client)
    assert (accepted["state"], accepted["total"], accepted["kind"]) == ("queued", 2, "screen")
    path = f"/api/htc/results/{accepted['run_id']}"
    waiting = client.get(path).json()
    assert (waiting["items"], waiting["next_cursor"], waiting["pareto"]["points"]) == ([], None, [])
    assert work()
    done = client.get(path, params={"n": 1}).json()
    assert done["run"]["state"] == "finished"
    assert done["run"]["request"]["candidates"]["formulas"] == ["MgB2", "NbN"]
    assert [item["label"] for item in done["items"]] == ["MgB2"]
    assert done["next_cursor"] == "0"
    rest = client.get(path, params={"after": 0, "pareto": False}).json()
    assert [item["label"] for item in rest["items"]] == ["NbN"]
    assert rest["pareto"] is None
    (item,) = rest["items"]
    prediction = client.get(f"/api/htc/predictions/{item['prediction_id']}").json()
    assert prediction["tc_predicted"] == item["prediction"]["tc_predicted"]
    assert prediction["experiment_id"] == accepted["run_id"]
    assert client.get(path, params={"state": "failed"}).json()["items"] == []
    assert client.get(f"/api/htc/runs/{accepted['run_id']}").json()["result"]["pareto"]["compared"] == 2
    (row,) = client.get("/api/htc/runs").json()["rows"]
    assert (row["run_id"], row["label"], row["done"]) == (accepted["run_id"], "first", 2)


def test_results_while_it_goes_on_and_events_after_a_break(
    client: httpx.Client, database: Database, make_prediction: Callable[..., Any]
) -> None:
    run_id = asked(client)["run_id"]
    lease = claim(database, "here")
    assert lease is not None
    saved = save(database, [make_prediction(1), make_prediction(2, tc_predicted=35.0)])
    record(database, lease, [Item(position=0, label="a", prediction_id=saved[0].id)], message="one of two")
    midway = client.get(f"/api/htc/results/{run_id}").json()
    assert (midway["run"]["state"], midway["run"]["done"]) == ("running", 1)
    assert midway["run"]["message"] == "one of two"
    assert [point["label"] for point in midway["pareto"]["points"]] == ["a"]
    record(database, lease, [Item(position=1, label="b", prediction_id=saved[1].id)])
    assert [p["label"] for p in client.get(f"/api/htc/results/{run_id}").json()["pareto"]["points"]] == ["b"]
    finish(database, lease)
    whole = events(client, run_id)
    assert [name for name, _, _ in whole] == ["items", "progress", "end"]
    assert [item["label"] for item in whole[0][2]["items"]] == ["a", "b"]
    assert {position for _, position, _ in whole} == {1}
    assert whole[-1][2]["state"] == "finished"
    again = events(client, run_id, last=0)
    assert [item["label"] for item in again[0][2]["items"]] == ["b"]
    assert [name for name, _, _ in events(client, run_id, last=1)] == ["progress", "end"]


def test_cancelling(client: httpx.Client, work: Callable[[], bool]) -> None:
    run_id = asked(client)["run_id"]
    assert client.post(f"/api/htc/runs/{run_id}/cancel").json()["state"] == "cancelled"
    assert client.post(f"/api/htc/runs/{run_id}/cancel").json()["state"] == "cancelled"
    assert not work()
    assert [name for name, _, _ in events(client, run_id)] == ["progress", "end"]


def test_the_same_click_twice_is_one_run(client: httpx.Client) -> None:
    first, again = (
        client.post("/api/htc/screen", json=SCREEN, headers={"Idempotency-Key": "click"}) for _ in range(2)
    )
    assert first.json()["run_id"] == again.json()["run_id"]
    assert again.headers["Location"] == first.headers["Location"]
    assert len(client.get("/api/htc/runs").json()["rows"]) == 1
    other = client.post("/api/htc/screen", json=SCREEN | {"label": "x"}, headers={"Idempotency-Key": "click"})
    assert other.status_code == 422


def test_a_batch_of_crystals(client: httpx.Client, work: Callable[[], bool]) -> None:
    text = "Nb\n1.0\n3.3 0 0\n0 3.3 0\n0 0 3.3\nNb\n2\ndirect\n0 0 0\n0.5 0.5 0.5\n"
    run_id = asked(client, "/api/bete/screen", structures=[{"text": text, "label": "mine"}, {"text": "x"}])[
        "run_id"
    ]
    assert work()
    found = client.get(f"/api/htc/results/{run_id}").json()
    assert [(i["label"], i["state"]) for i in found["items"]] == [("mine", "done"), ("structure 2", "failed")]
    assert found["items"][1]["error"]["code"] == "invalid-structure"
    assert found["run"]["failed"] == 1


def test_an_optimisation_compares_by_its_own_objectives(
    client: httpx.Client, work: Callable[[], bool]
) -> None:
    run_id = asked(
        client,
        "/api/htc/optimize",
        candidates={"formulas": ["MgB2", "NbN", "NbC", "Nb3Sn"]},
        objectives=[{"column": "lambda_ep"}, {"column": "omega_log"}],
        budget=3,
        batch_size=2,
    )["run_id"]
    assert work()
    found = client.get(f"/api/htc/results/{run_id}").json()
    assert [o["column"] for o in found["pareto"]["objectives"]] == ["lambda_ep", "omega_log"]
    assert found["run"]["done"] == found["run"]["total"] == 3
    assert [step["judged"] for step in found["run"]["result"]["history"]] == [2, 3]


def test_a_validation(client: httpx.Client, work: Callable[[], bool]) -> None:
    never = client.get("/api/htc/validations/formulas")
    assert never.status_code == 404
    assert "POST /api/htc/validate" in never.json()["hint"]
    asked(client, "/api/htc/validate", suite="formulas")
    assert work()
    told = client.get("/api/htc/validations/formulas").json()
    views = {view["name"]: view for view in told["views"]}
    assert set(views) == {"published", "eliashberg", "measured"}
    assert views["published"]["parts"]["all"]["within"] == 1.0
    assert all(point["doi"] for point in told["points"])
    assert told["comparison"] is None
    asked(client, "/api/htc/validate", suite="formulas")
    assert work()
    again = client.get("/api/htc/validations/formulas").json()["comparison"]
    assert (again["run_id"], again["changed"], again["regressions"]) == (told["run"]["run_id"], 0, [])
    suites = {one["suite"]: one for one in client.get("/api/htc/validations").json()["suites"]}
    assert suites["formulas"]["regressions"] == 0
    assert suites["reference"]["run"] is None
    assert not suites["fold3"]["available"]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/api/htc/screen", {"candidates": {}}, 422, "there are no candidates"),
        ("/api/htc/screen", {"candidates": {"formulas": ["MgB2"]}, "tier": "x"}, 422, ""),
        (
            "/api/htc/screen",
            {"candidates": {"substitutions": [{"prototype": "X", "replace": {"Nb": ["V"]}}]}},
            422,
            "no crystal of the library is called 'X'",
        ),
        (
            "/api/htc/screen",
            {"candidates": {"substitutions": [{"structure_id": "none", "replace": {"Nb": ["V"]}}]}},
            404,
            "nothing stored has the id",
        ),
        ("/api/htc/optimize", {"candidates": {"formulas": ["MgB2"]}, "budget": 0}, 422, ""),
        ("/api/htc/validate", {"suite": "x"}, 422, ""),
        ("/api/bete/screen", {"structures": []}, 422, ""),
    ],
)
def test_what_is_refused_at_once(
    client: httpx.Client, path: str, body: dict[str, Any], status: int, says: str
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == status
    assert says in answer.json()["detail"]
    assert client.get("/api/htc/runs").json()["rows"] == []


@pytest.mark.parametrize("path", ["runs/none", "results/none", "runs/none/events"])
def test_a_run_that_there_is_not(client: httpx.Client, path: str) -> None:
    assert client.get(f"/api/htc/{path}").status_code == 404
    assert client.post("/api/htc/runs/none/cancel").status_code == 404


def test_odd_questions(client: httpx.Client) -> None:
    run_id = asked(client)["run_id"]
    for path in (f"results/{run_id}?n=0", f"results/{run_id}?after=-2", "runs?after=x", "validations/x"):
        assert client.get(f"/api/htc/{path}").status_code == 422
    bad = client.get(f"/api/htc/runs/{run_id}/events", headers={"Last-Event-ID": "x"})
    assert bad.status_code == 422


def test_runs_outlive_the_service(
    serving: Callable[..., Any], database_in_settings: Database, work: Callable[[], bool]
) -> None:
    with serving(create_app(Settings())) as client:
        run_id = asked(client)["run_id"]
    assert work()
    with serving(create_app(Settings())) as client:
        assert client.get(f"/api/htc/results/{run_id}").json()["run"]["state"] == "finished"


def test_a_full_house(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from htc.service.runs import Streams

    monkeypatch.setattr(Streams, "most", 0)
    run_id = asked(client)["run_id"]
    full = client.get(f"/api/htc/runs/{run_id}/events")
    assert full.status_code == 503
    assert full.headers["Retry-After"]
