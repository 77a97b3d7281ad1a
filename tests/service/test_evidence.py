"""Evidence packs over HTTP: made by the API, verified by the command line."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from htc.cli import app
from htc.cli.exit_codes import ExitCode
from htc.errors import HTCError
from htc.prediction import Prediction
from htc.settings import get_settings
from htc.store import Database, save, set_aside
from htc.store.tables import bete_runs

ZIP = "application/zip"


def predicted(client: httpx.Client, route: str = "/api/htc/predict", **wish: object) -> dict[str, object]:
    answer = client.post(route, json=wish)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def files_in(answer: httpx.Response) -> dict[str, bytes]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == ZIP
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_pack_of_the_api_is_verified_by_the_command_without_a_database(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = predicted(client, composition="Nb3Sn")
    answer = client.get(f"/api/htc/predictions/{stored['id']}/evidence")
    record = json.loads(files_in(answer)["prediction.json"])
    assert {name: record[name] for name in ("id", "tc_predicted", "lambda_ep", "created_by")} == {
        name: stored[name] for name in ("id", "tc_predicted", "lambda_ep", "created_by")
    }
    assert f'filename="evidence-Nb3Sn-{str(stored["id"])[:8]}.zip"' in answer.headers["content-disposition"]
    file = tmp_path / "pack.zip"
    file.write_bytes(answer.content)
    monkeypatch.setenv("HTC_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    get_settings.cache_clear()
    ran = CliRunner().invoke(app, ["evidence", "verify", str(file)])
    assert ran.exit_code == ExitCode.OK, ran.stdout
    assert "everything comes out" in ran.stdout


def test_the_command_writes_the_same_bytes(client: httpx.Client, tmp_path: Path) -> None:
    stored = predicted(client, composition="NbN")
    answer = client.get(f"/api/htc/predictions/{stored['id']}/evidence")
    file = tmp_path / "nbn.zip"
    ran = CliRunner().invoke(app, ["evidence", str(stored["id"]), "--out", str(file)])
    assert ran.exit_code == ExitCode.OK, ran.stderr
    assert file.read_bytes() == answer.content


def test_an_electron_phonon_run_has_the_pack_of_its_prediction(client: httpx.Client) -> None:
    crystal = predicted(client, composition="NbC")
    run_id = client.get(f"/api/htc/predictions/{crystal['id']}").json()["bete_run_id"]
    by_run, by_id = (
        client.get(f"/api/bete/report/{run_id}"),
        client.get(f"/api/htc/predictions/{crystal['id']}/evidence"),
    )
    assert by_run.content == by_id.content
    assert by_run.headers["etag"] == by_id.headers["etag"]
    assert client.get(f"/api/bete/report/{crystal['id']}").content == by_id.content


def test_who_has_the_pack_is_told_so(client: httpx.Client) -> None:
    stored = predicted(client, composition="YBa2Cu3O7")
    for route in (f"/api/htc/predictions/{stored['id']}/evidence", f"/api/bete/report/{stored['id']}"):
        whole = client.get(route)
        etag = whole.headers["etag"]
        for known in (etag, f'"other", W/{etag}', "*"):
            answer = client.get(route, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == etag
        assert client.get(route, headers={"If-None-Match": '"other"'}).status_code == 200
        head = client.head(route)
        assert (head.status_code, head.content) == (200, b"")
        same = ("etag", "content-length", "content-type", "content-disposition")
        assert {name: head.headers[name] for name in same} == {name: whole.headers[name] for name in same}


NOT_THERE = [
    ("00000000-0000-4000-8000-000000000000", 404),
    ("nothing-of-this-name", 404),
    ("ab", 422),
    ("..%2F..%2Fetc", 404),
    ("%00%00%00%00", 422),
    ("x" * 101, 422),
    ("' OR 1=1 --", 404),
    ("%25%25%25%25", 404),
]


def test_what_is_not_there_is_a_clear_problem(client: httpx.Client) -> None:
    for route in ("/api/htc/predictions/{}/evidence", "/api/bete/report/{}", "/report/{}"):
        kind = "text/html" if route.startswith("/report") else "application/problem+json"
        for wanted, status in NOT_THERE:
            answer = client.get(route.format(wanted))
            assert answer.status_code == status, (route, wanted)
            if "%2F" not in wanted and "%00" not in wanted:
                assert answer.headers["content-type"].startswith(kind), (route, wanted)


def test_a_run_of_an_earlier_version_has_a_pack_too(
    client: httpx.Client, database: Database, tmp_path: Path
) -> None:
    run_id = "11111111-2222-4333-8444-555555555555"
    with database.begin() as connection:
        connection.execute(
            sa.insert(bete_runs).values(
                id=run_id,
                tc_kelvin=19.9,
                structure_formula="MgB2",
                alpha2f_omega=[10.0, 20.0, 30.0],
                alpha2f_alpha2f=[0.1, 0.5, 0.1],
                lambda_ep=0.7,
                omega_log=600.0,
                mu_star=0.1,
                run_type="single",
                legacy_defects=["hash_given"],
                created_by="ada",
            )
        )
    answer = client.get(f"/api/bete/report/{run_id}")
    files = files_in(answer)
    assert json.loads(files["prediction.json"])["tc_predicted"] == 19.9
    assert "spectrum/alpha2f.csv" in files
    file = tmp_path / "old.zip"
    file.write_bytes(answer.content)
    told = json.loads(CliRunner().invoke(app, ["evidence", "verify", str(file), "--json"]).stdout)
    assert told["wrong_files"] in ([], ["prediction.json"])
    assert any(c["status"] == "unchecked" and c["group"] in {"theory", "model"} for c in told["checks"])


def test_the_best_of_a_formula_and_all_of_a_run(client: httpx.Client, tmp_path: Path) -> None:
    answer = client.post(
        "/api/htc/predict/batch", json={"items": [{"composition": name} for name in ("Nb", "V", "Ta")]}
    )
    run_id = answer.headers["x-run-id"]
    ran = CliRunner().invoke(app, ["evidence", "--run", run_id, "--out", str(tmp_path), "--json"])
    assert ran.exit_code == ExitCode.OK, ran.stderr
    written = json.loads(ran.stdout)
    assert len(written) == 3
    for entry in written:
        again = CliRunner().invoke(app, ["evidence", "verify", entry["path"], "--no-model"])
        assert again.exit_code == ExitCode.OK, again.stdout
    best = CliRunner().invoke(app, ["evidence", "--formula", "Nb", "--out", str(tmp_path / "nb.zip")])
    assert best.exit_code == ExitCode.OK
    assert (tmp_path / "nb.zip").read_bytes() in [Path(e["path"]).read_bytes() for e in written]


@pytest.mark.usefixtures("database_in_settings")
def test_what_cannot_be_packed_is_said() -> None:
    for arguments in (
        ["pack"],
        ["abcd1234", "--formula", "Nb"],
        ["--formula", "Nb?"],
        ["--formula", "Xe"],
        ["--run", "no-run"],
    ):
        ran = CliRunner().invoke(app, ["evidence", *arguments])
        assert isinstance(ran.exception, HTCError), arguments


def test_a_prediction_that_was_set_aside_says_so(client: httpx.Client, database: Database) -> None:
    stored = predicted(client, composition="TaC")
    set_aside(database, [str(stored["id"])])
    files = files_in(client.get(f"/api/htc/predictions/{stored['id']}/evidence"))
    assert json.loads(files["prediction.json"])["deleted_at"] is not None


def test_the_page_shows_the_steps_and_leads_to_the_pack(
    client: httpx.Client, database: Database, make_prediction: Callable[..., Prediction]
) -> None:
    bad = '"><script>alert(1)</script>'
    odd = replace(make_prediction(1), prediction_method=bad, provenance={"notes": [bad], "cautions": [bad]})
    (saved,) = save(database, [odd], created_by=bad)
    page = client.get(f"/report/{saved.id}")
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert f"/api/htc/predictions/{saved.id}/evidence" in page.text
    assert "<math" in page.text
