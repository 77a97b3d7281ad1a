"""``/api/htc``: health, predictions, and problems that say what is wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from httpx import Client

from htc.errors import ModelError
from htc.service import create_app
from htc.settings import Settings
from htc.store import Database
from htc.store.database import embedded_url
from htc.store.embedded import EmbeddedServer

COLUMNS = {
    "id", "composition", "reduced_formula", "structure_info", "tc_predicted", "tc_lower_95ci",
    "tc_upper_95ci", "tc_uncertainty", "pressure_required_gpa", "pressure_uncertainty_gpa", "lambda_ep",
    "omega_log", "mu_star", "xi_parameter", "phonon_stable", "thermo_stable", "extrapolation_warning",
    "hull_distance_eV", "imaginary_modes_count", "prediction_method", "confidence_level", "experiment_id",
    "created_by", "created_at",
}  # fmt: skip
"""The 24 columns of htc_predictions at 003."""


def stored(database: Database) -> int:
    with database.connect() as connection:
        return int(connection.execute(sa.text("SELECT count(*) FROM htc_predictions")).scalar_one())


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["code"]
    assert body["detail"]
    assert "Traceback" not in answer.text
    return body


def test_health(client: Client) -> None:
    answer = client.get("/api/htc/health")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["database"], body["dependencies"]) == ("ok", "connected", True)
    assert body["features"] == {"predict": True}
    assert body["problems"] == []
    assert body["model_id"].startswith("ambient-networks-")
    assert body["database_revision"].startswith("00")


def test_a_prediction_has_every_column_and_is_stored(client: Client, database: Database) -> None:
    answer = client.post("/api/htc/predict", json={"composition": "MgB2", "pressure_gpa": 0.0})
    assert answer.status_code == 200
    body = answer.json()
    assert len(COLUMNS) == 24
    assert set(body) >= COLUMNS
    assert body["tc_lower_95ci"] <= body["tc_predicted"] <= body["tc_upper_95ci"]
    assert body["xi_parameter"] == pytest.approx(body["lambda_ep"] / (1 + body["lambda_ep"]))
    assert (body["mu_star"], body["pressure_required_gpa"]) == (0.13, 0.0)
    assert body["structure_origin"] == "library: MgB2"
    assert body["applicable"] is True
    with database.connect() as connection:
        (row,) = connection.execute(sa.text("SELECT * FROM htc_predictions")).mappings()
        runs = connection.execute(sa.text("SELECT run_type, tc_kelvin FROM bete_runs")).all()
    assert set(row) >= COLUMNS
    beside = {name for name in row if name in body and name not in COLUMNS}
    assert beside >= {"omega_2", "omega_2_uncertainty", "tc_experiment", "tc_experiment_upper_95ci"}
    assert beside >= {"model_tier", "phonon_verdict", "lowest_frequency_thz", "hull_competitors"}
    assert {name: body[name] for name in ("model_tier", "tc_experiment", "omega_2")} == {
        name: row[name] for name in ("model_tier", "tc_experiment", "omega_2")
    }
    assert row["id"] == body["id"]
    for name in ("tc_predicted", "lambda_ep", "omega_log", "mu_star", "reduced_formula", "confidence_level"):
        assert row[name] == body[name], name
    assert runs == [("single", row["tc_predicted"])]


def test_the_same_question_is_answered_from_the_store(client: Client, database: Database) -> None:
    first, again, same = (
        client.post("/api/htc/predict", json={"composition": c}).json() for c in ("MgB2", "MgB2", "B4Mg2")
    )
    assert first["id"] == again["id"] == same["id"]
    assert first == again
    assert stored(database) == 1
    other = client.post("/api/htc/predict", json={"composition": "MgB2", "mu_star": 0.1}).json()
    assert other["id"] != first["id"]
    assert other["tc_predicted"] > first["tc_predicted"]
    assert stored(database) == 2


def test_the_same_question_at_the_same_time_is_stored_once(client: Client, database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(client.post, "/api/htc/predict", json={"composition": "NbC"}) for _ in range(16)]
        answers = [a.result() for a in asked]
    assert {a.status_code for a in answers} == {200}
    assert len({a.json()["id"] for a in answers}) == 1
    assert stored(database) == 1


def test_a_cuprate_gets_a_reason_and_no_number(client: Client, database: Database) -> None:
    answer = client.post("/api/htc/predict", json={"composition": "YBa2Cu3O7"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["applicable"] is False
    assert body["family"] == "cuprate"
    assert "electron-phonon" in body["reason"]
    for name in (
        "tc_predicted",
        "tc_lower_95ci",
        "tc_upper_95ci",
        "tc_uncertainty",
        "lambda_ep",
        "omega_log",
    ):
        assert body[name] is None
    assert stored(database) == 1


def test_pressure_is_answered_with_a_warning(client: Client) -> None:
    body = client.post("/api/htc/predict", json={"composition": "H3S", "pressure_gpa": 155}).json()
    assert body["extrapolation_warning"] is True
    assert body["confidence_level"] == "low"
    assert body["pressure_required_gpa"] == 155.0
    assert "155 GPa" in body["extrapolation_reasons"][0]


BAD: dict[str, tuple[int, bytes, str, str]] = {
    "not JSON": (400, b"{composition: MgB2}", "body", "not JSON"),
    "cut off": (400, b'{"composition": "MgB2"', "body", "not JSON"),
    "no body": (422, b"", "body", "required"),
    "a list": (422, b'["MgB2"]', "body", "dictionary or object"),
    "null": (422, b"null", "body", ""),
    "missing composition": (422, b"{}", "composition", "required"),
    "unknown field": (422, b'{"composition": "MgB2", "presure_gpa": 5}', "presure_gpa", "there is no field"),
    "not an element": (422, b'{"composition": "Mg2B?"}', "Mg2B?", "'?' is not an element"),
    "empty": (422, b'{"composition": ""}', "composition", "at least 1"),
    "blank": (422, b'{"composition": "  "}', "", "empty"),
    "null composition": (422, b'{"composition": null}', "composition", "required"),
    "number": (422, b'{"composition": 7}', "composition", "string"),
    "300 characters": (
        422,
        json.dumps({"composition": "MgB2" * 75}).encode(),
        "composition",
        "at most 200",
    ),
    "5 MB": (422, json.dumps({"composition": "B" * 5_000_000}).encode(), "composition", "at most 200"),
    "negative pressure": (
        422,
        b'{"composition": "Nb", "pressure_gpa": -1}',
        "pressure_gpa",
        "greater than or equal to 0",
    ),
    "pressure of a star": (
        422,
        b'{"composition": "Nb", "pressure_gpa": 1e9}',
        "pressure_gpa",
        "less than or equal to 1000",
    ),
    "NaN": (422, b'{"composition": "Nb", "pressure_gpa": NaN}', "pressure_gpa", "finite"),
    "infinite": (422, b'{"composition": "Nb", "pressure_gpa": 1e999}', "pressure_gpa", "finite"),
    "words for a number": (422, b'{"composition": "Nb", "mu_star": "strong"}', "mu_star", "number"),
    "mu* beyond reason": (422, b'{"composition": "Nb", "mu_star": 0.9}', "mu_star", "0.5"),
    "a path": (422, b'{"composition": "../../etc/passwd"}', "", "element"),
    "a null character": (422, b'{"composition": "Nb\\u0000"}', "", ""),
    "half a character": (422, b'{"composition": "Nb\\ud800"}', "", ""),
    "not UTF-8": (400, b'{"composition": "\xff\xfe"}', "", ""),
    "nested without end": (400, b'{"composition":' + b"[" * 100_000, "", ""),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_bodies_get_a_problem_that_says_what_is_wrong(
    client: Client, database: Database, kind: str
) -> None:
    status, body, where, said = BAD[kind]
    answer = client.post("/api/htc/predict", content=body, headers={"content-type": "application/json"})
    told = problem(answer, status)
    assert where in (told["where"] or "")
    assert said in told["detail"]
    assert len(answer.content) < 2000
    assert stored(database) == 0


def test_another_content_type_is_refused(client: Client) -> None:
    answer = client.post(
        "/api/htc/predict", content=b'{"composition": "Nb"}', headers={"content-type": "text/plain"}
    )
    problem(answer, 422)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/htc/predict", 405), ("POST", "/api/htc/health", 405), ("GET", "/api/htc/absent", 404)],
)
def test_wrong_doors_are_problems_too(client: Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    problem(answer, status)
    if status == 405:
        assert answer.headers["allow"]


def test_the_database_goes_and_comes_back(
    serving: Callable[..., AbstractContextManager[Client]], tmp_path: Path
) -> None:
    # By its URL: a server of the user's, which the service cannot start again by itself.
    server = EmbeddedServer(tmp_path)
    lease = server.acquire()
    url = embedded_url(lease).render_as_string(hide_password=False)
    with serving(create_app(Settings(database_url=url))) as client:
        assert client.get("/api/htc/health").status_code == 200
        lease.close()
        server.stop(force=True)

        answer = client.get("/api/htc/health")
        assert answer.status_code == 503
        body = answer.json()
        assert (body["status"], body["database"], body["dependencies"]) == (
            "unavailable",
            "disconnected",
            False,
        )
        assert body["features"] == {"predict": False}
        assert body["problems"]
        assert body["model_id"]
        assert answer.headers["retry-after"].isdigit()

        asked = client.post("/api/htc/predict", json={"composition": "Nb"})
        told = problem(asked, 503)
        assert told["code"] == "database-unavailable"
        assert asked.headers["retry-after"].isdigit()

        again = server.acquire()
        try:
            assert client.get("/api/htc/health").json()["status"] == "ok"
            assert client.post("/api/htc/predict", json={"composition": "Nb"}).status_code == 200
        finally:
            again.close()


def test_a_database_of_another_revision_is_not_healthy(client: Client, database: Database) -> None:
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '003_htc_predictions'"))
    answer = client.get("/api/htc/health")
    assert answer.status_code == 503
    body = answer.json()
    assert (body["database"], body["dependencies"]) == ("connected", False)
    assert "003_htc_predictions" in body["problems"][0]


def test_an_application_without_its_model_does_not_start(
    database_in_settings: Database, tmp_path: Path
) -> None:
    app = create_app(Settings(model=tmp_path / "absent"))

    async def start() -> None:
        async with app.router.lifespan_context(app):
            pytest.fail("it started")

    # In a thread: playwright keeps a loop running in that of the tests.
    with ThreadPoolExecutor(1) as pool, pytest.raises(ModelError, match="no model here"):
        pool.submit(lambda: asyncio.run(start())).result()


def test_the_description_names_every_answer(client: Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) >= {"/api/htc/health", "/api/htc/predict", "/api/bete/predict", "/api/htc/rankings"}
    assert set(paths["/api/htc/predict"]["post"]["responses"]) >= {"200", "400", "404", "422", "503"}
    assert set(paths["/api/htc/health"]["get"]["responses"]) >= {"200", "503"}


def test_an_unforeseen_fault_is_a_problem_without_its_innards(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret innards")

    monkeypatch.setattr("htc.service.predictions.save", broken)
    answer = client.post("/api/htc/predict", json={"composition": "Nb"})
    told = problem(answer, 500)
    assert "secret" not in answer.text
    assert told["code"] == "internal"
