"""``htc doctor`` and ``htc smoke``: what is wrong is found and named, with what to do."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from htc.service.doctor import machine
from htc.settings import Settings, get_settings
from htc.store import Database
from htc.store.clock import Clock
from htc.store.keys import create_key

Run = Callable[..., Any]


def examined(run: Run, *options: object) -> tuple[int, dict[str, dict[str, Any]]]:
    outcome = run("doctor", "--json", *options)
    told = json.loads(outcome.out)
    assert told["exit_code"] == outcome.code
    findings = [f for area in told["areas"].values() for f in area]
    for finding in findings:
        assert finding["result"]
        assert finding["hypothesis"]
        if finding["verdict"] in {"warning", "failure"}:
            assert finding["action"], finding
    return outcome.code, {f["check_id"]: f for f in findings}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_sound_installation(run: Run, database_in_settings: Database) -> None:
    code, found = examined(run, "--port", free_port())
    assert not [f for f in found.values() if f["verdict"] == "failure"]
    assert code in {0, 1}, "a machine may be short of memory"
    assert found["model.answers"]["verdict"] == "ok"
    assert "MgB2" in found["model.answers"]["result"]
    assert found["machine.clock"]["verdict"] == "ok"
    assert found["schema.stamp"]["verdict"] == "ok"
    assert found["jobs.queue"]["verdict"] == "ok"
    assert found["access.mode"]["details"]["mode"] == "open"
    assert found["service.port"]["verdict"] == "ok"
    people = run("doctor", "--port", free_port())
    assert "model" in people.out
    assert "36 tests" in people.out or "tests passed" in people.out


def test_no_secret_is_shown(
    run: Run, database_in_settings: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTC_API_KEY", "htc_ab12cd34_sesame")
    monkeypatch.setenv("HTC_MATERIALS_PROJECT_API_KEY", "sesame-too")
    outcome = run("doctor", "--json", "--all", "--port", free_port())
    assert "sesame" not in outcome.out + outcome.err
    assert "(set)" in outcome.out


def test_a_database_that_is_wanted_and_not_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HTC_EMBEDDED_DATABASE", "false")
    code, found = examined(run, "--port", free_port())
    assert code == 4
    failed = {name for name, f in found.items() if f["verdict"] == "failure"}
    assert any("database" in found[name]["result"].lower() for name in failed), failed
    assert found["jobs.queue"]["verdict"] == "skipped"
    assert found["machine.clock"]["verdict"] == "skipped"
    assert not (tmp_path / "home").exists(), "nothing is made"
    outcome = run("predict", "MgB2")
    assert outcome.code == 2
    assert "HTC_DATABASE_URL" in outcome.err
    assert "embedded database is not wanted" in outcome.err


def test_a_model_that_is_not_there(
    run: Run, database_in_settings: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTC_MODEL", str(tmp_path / "absent"))
    code, found = examined(run, "--port", free_port())
    assert code == 4
    assert found["model.answers"]["verdict"] == "failure"
    assert str(tmp_path / "absent") in found["model.answers"]["result"]


def test_a_port_that_another_program_has(run: Run, database_in_settings: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        _, found = examined(run, "--port", taken.getsockname()[1])
    assert found["service.port"]["verdict"] == "warning"
    assert "not HTC" in found["service.port"]["result"]


def test_a_public_address_without_a_key(
    run: Run, database_in_settings: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTC_HOST", "0.0.0.0")
    code, found = examined(run, "--port", free_port())
    assert code == 4
    assert "no access key" in found["access.mode"]["result"]
    create_key(database_in_settings, "soon over", ["read"], created_by="me", expires_at=soon())
    _, found = examined(run, "--port", free_port())
    assert found["access.mode"]["verdict"] == "ok"
    assert "soon over" in found["access.keys"]["result"]
    assert found["access.keys"]["verdict"] == "warning"


def soon() -> Any:
    from datetime import UTC, datetime, timedelta

    return datetime.now(UTC) + timedelta(days=3)


def test_jobs_that_nobody_does(run: Run, database_in_settings: Database) -> None:
    from htc.store.jobs import claim, enqueue

    enqueue(database_in_settings, "screen", {"formulas": ["Nb"]}, created_by="me")
    code, found = examined(run, "--port", free_port())
    assert code == 4
    assert "htc worker" in found["jobs.queue"]["action"]
    claim(database_in_settings, owner="gone:1")
    with database_in_settings.begin() as connection:
        connection.execute(
            sa.text("UPDATE jobs SET lease_until = now() - interval '1 min' WHERE state = 'running'")
        )
    _, found = examined(run, "--port", free_port())
    assert found["jobs.leases"]["verdict"] == "warning"


def test_secrets_in_a_file_that_others_can_read(
    run: Run, database_in_settings: Database, test_home: Path
) -> None:
    file = test_home / "config.toml"
    file.write_text("api_key = 'htc_ab12cd34_sesame'\n")
    file.chmod(0o644)
    try:
        get_settings.cache_clear()
        _, found = examined(run, "--port", free_port())
        assert found["settings.file"]["verdict"] == "warning"
        assert "chmod 600" in found["settings.file"]["action"]
    finally:
        file.unlink()


@pytest.mark.parametrize(
    ("skew_s", "verdict"),
    [(0.0, "ok"), (-1.0, "ok"), (5.0, "warning"), (-5.0, "warning"), (3600.0, "failure")],
)
def test_a_clock_that_is_wrong(
    database: Database, monkeypatch: pytest.MonkeyPatch, skew_s: float, verdict: str
) -> None:
    def other(_: Database) -> Clock:
        return Clock(2e9 + skew_s, 2e9 + 0.005, 2e9 + skew_s + 0.01)

    monkeypatch.setattr(machine, "clock_of", other)
    (found,) = machine.check_clock(database)
    assert found.verdict == verdict
    assert found.details["skew_s"] == pytest.approx(skew_s, abs=0.01)


@pytest.fixture
def served(database_in_settings: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import threading
    import time

    import uvicorn

    from htc.service import create_app

    # A state seen well a moment ago is told again: here what is asked next must be seen.
    monkeypatch.setattr("htc.service.health.FRESH_FOR_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(create_app(Settings()), log_level="critical", lifespan="on", ws="none")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while thread.is_alive() and not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def test_smoke_of_a_sound_service(run: Run, served: str, database: Database) -> None:
    outcome = run("smoke", served, "--json")
    assert outcome.code == 0
    told = json.loads(outcome.out)
    assert told["passed"] is True
    assert [check["name"] for check in told["checks"]] == [
        "live",
        "ready",
        "health",
        "predict",
        "stored",
        "ranked",
    ]
    assert run("smoke", served).code == 0
    with database.connect() as connection:
        rows = connection.execute(sa.text("SELECT count(*) FROM htc_predictions")).scalar_one()
    assert rows == 1, "asking twice stores once"


def test_smoke_finds_what_is_wrong(
    run: Run, served: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = run("smoke", served, "--expect-version", "9.9")
    assert outcome.code == 1
    assert "not 9.9" in outcome.out
    outcome = run("smoke", served, "--composition", "YBa2Cu3O7")
    assert outcome.code == 1
    assert "no Tc of YBa2Cu3O7" in outcome.out
    monkeypatch.setenv("HTC_API_KEY", "htc_ab12cd34_sesame")
    outcome = run("smoke", served)
    assert outcome.code == 1
    assert "sesame" not in outcome.out + outcome.err
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '003_htc_predictions'"))
    outcome = run("smoke", served, "--wait", 0)
    assert outcome.code == 1
    assert "/readyz answers 503" in outcome.out


def test_smoke_of_nothing(run: Run) -> None:
    outcome = run("smoke", f"http://127.0.0.1:{free_port()}", "--wait", 0)
    assert outcome.code == 1
    assert "live" in outcome.out
