"""Campaigns over HTTP: accepted, done by a worker, told of stage by stage."""

from __future__ import annotations

import httpx

from htc.jobs import Worker
from htc.jobs.campaign.pruning import prune_run
from htc.settings import Settings
from htc.store import Database

CAMPAIGN = {
    "name": "niobium",
    "candidates": [
        {
            "kind": "substitution",
            "prototypes": ["A15"],
            "slots": {"Cr": ["Nb"], "Si": ["Sn", "Ge", "Al", "Pt"]},
        }
    ],
    "stages": [{"kind": "predict", "tier": "fast", "keep": {"best": 2}}],
}


def test_a_campaign(client: httpx.Client, database_in_settings: Database) -> None:
    answer = client.post("/api/htc/campaigns", json={"campaign": CAMPAIGN})
    assert answer.status_code == 202, answer.text
    run_id = answer.json()["run_id"]
    assert client.get(f"/api/htc/runs/{run_id}/funnel").json() == {
        "run_id": run_id,
        "planned": 1,
        "stages": [],
        "pruned": None,
    }
    worker = Worker(Settings(), database_in_settings)
    assert worker.work_once(run_id)
    worker.close()
    told = client.get(answer.headers["Location"]).json()
    assert (told["run"]["kind"], told["run"]["state"], told["run"]["label"]) == (
        "campaign",
        "finished",
        "niobium",
    )
    assert [item["position"] for item in told["items"]] == [0, 1]
    first, second = (item["prediction"]["tc_predicted"] for item in told["items"])
    assert first >= second > 0.0
    (stage,) = client.get(f"/api/htc/runs/{run_id}/funnel").json()["stages"]
    assert (stage["entries"], stage["done"], stage["passed"], stage["state"]) == (4, 4, 2, "finished")
    assert told["run"]["result"]["stages"][0]["passed"] == 2
    prune_run(database_in_settings, run_id, by="me")
    after = client.get(f"/api/htc/runs/{run_id}/funnel").json()
    assert after["stages"] == [stage]
    assert (after["pruned"]["rows"], after["pruned"]["by"]) == (2, "me")
    page = client.get(f"/runs/{run_id}")
    assert "The funnel" in page.text


def test_what_is_wrong_with_a_campaign_is_said(client: httpx.Client) -> None:
    for change, reason in (
        ({"candidates": [{"kind": "files", "paths": ["/etc/passwd"]}]}, "files are read by"),
        ({"stages": [{"kind": "predict", "tear": "fast"}]}, "tear"),
        ({"candidates": [{"kind": "substitution", "prototypes": ["A16x"], "slots": {"Cr": ["Nb"]}}]}, "A16x"),
    ):
        answer = client.post("/api/htc/campaigns", json={"campaign": CAMPAIGN | change})
        assert answer.status_code == 422, answer.text
        assert reason in answer.text
