"""What leaves the service names things well: no folder of anybody's machine, one word for one thing."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from htc.prediction import Prediction
from htc.service import create_app
from htc.settings import Settings
from htc.store import Database, save, start_run

FOLDER = "/data/somebody/unpublished"


def test_no_answer_tells_the_folders_of_an_input(
    client: httpx.Client, database: Database, make_prediction: Callable[..., Prediction]
) -> None:
    run = start_run(database, "batch", created_by="somebody-else")
    (kept,) = save(
        database,
        [
            make_prediction(
                1,
                source=f"{FOLDER}/MgB2.cif",
                provenance={"spectrum": {"source": f"{FOLDER}/a2f.dat"}, "read": [f"{FOLDER}/x"]},
            )
        ],
        run=run,
        created_by="somebody-else",
    )
    answers = {
        path: client.get(path)
        for path in (
            "/",
            "/rankings.csv",
            "/materials/MgB2",
            f"/report/{kept.id}",
            f"/runs/{run}",
            "/api/htc/rankings",
            "/api/htc/materials/MgB2",
            f"/api/htc/predictions/{kept.id}",
            f"/api/htc/results/{run}",
            "/optimade/v1/structures?response_fields=_htc_tc_kelvin",
        )
    }
    for path, answer in answers.items():
        assert answer.status_code == 200, path
        assert "unpublished" not in answer.text, path
    assert answers[f"/api/htc/predictions/{kept.id}"].json()["source"] == "MgB2.cif"
    assert answers["/api/htc/rankings"].json()["rows"][0]["source"] == "MgB2.cif"
    assert answers[f"/api/htc/results/{run}"].json()["items"][0]["label"] == "MgB2.cif"


@pytest.mark.parametrize(
    "gone",
    ["hull_distance_ev", "tc_measured_k", "next_after", "next_before", "max_hull_distance_ev", "spacegroup"],
)
def test_one_word_for_one_thing(gone: str) -> None:
    # docs/reference/names.md says which.
    assert f'"{gone}"' not in json.dumps(create_app(Settings()).openapi())
