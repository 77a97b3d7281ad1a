"""``htc db doctor`` and ``htc db findings`` as a person runs them."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from htc.settings import get_settings
from htc.store import Database
from htc.store.doctor.check import Check
from htc.store.doctor.finding import Finding, Fix
from htc.store.embedded import EmbeddedServer

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An HTC_HOME of the test's own, and nobody's Google credentials."""
    monkeypatch.setenv("HTC_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    get_settings.cache_clear()


@pytest.fixture
def closed_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """The settings name a port at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    monkeypatch.setenv("HTC_DATABASE_URL", f"postgresql://me:secret@127.0.0.1:{port}/x")
    return port


def by_check(answer: str) -> dict[str, dict[str, Any]]:
    return {f["check_id"]: f for f in json.loads(answer)["findings"]}


def test_a_url_that_is_set_but_empty(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HTC_DATABASE_URL", "")
    done = run("db", "doctor", "--json", "--no-log")
    found = by_check(done.out)["settings.url"]
    assert (done.code, found["verdict"]) == (4, "failure")
    assert found["result"] == "set but empty"
    assert "unset it" in found["action"]
    for command in (("db", "status"), ("top",)):
        refused = run(*command)
        assert refused.code != 0
        assert "set but empty" in refused.err
    assert not (tmp_path / "own" / "postgres").exists()


def test_a_healthy_database_and_its_log(run: Run, database_in_settings: Database) -> None:
    done = run("db", "doctor", "--json")
    answer = json.loads(done.out)
    bad = [f for f in answer["findings"] if f["verdict"] in {"failure", "warning"}]
    assert bad == []
    assert (done.code, answer["exit_code"]) == (0, 0)
    assert answer["findings"][0]["number"] == "F-1"
    shown = run("db", "doctor")
    assert shown.code == 0
    assert f"F-{len(answer['findings']) + 1} " in shown.out
    everything = json.loads(run("db", "findings", "--verdict", "ok", "-n", "1000", "--json").out)
    assert len(everything) == 2 * len(answer["findings"])
    report = run("db", "findings", "--report", answer["report_id"][:8], "--json")
    assert len(json.loads(report.out)) == len(answer["findings"])


def test_trouble_is_told_once_with_what_to_do(run: Run, closed_port: int) -> None:
    done = run("db", "doctor")
    assert done.code == 4
    assert f"nothing listens at 127.0.0.1:{closed_port}" in done.out
    assert "do: start the server" in done.out
    assert "1 failure" in done.out
    assert "secret" not in done.out + done.err
    log = run("db", "findings")
    assert log.code == 0
    assert f"nothing listens at 127.0.0.1:{closed_port}" in log.out
    assert "journal alone" in log.err
    page = run("db", "findings", "--markdown").out
    assert "| failure | nothing listens at the database's address |" in page
    assert "secret" not in log.out + page


def test_nothing_is_made_where_there_is_no_database(run: Run, tmp_path: Path) -> None:
    done = run("db", "doctor", "--no-log")
    assert done.code == 0
    assert "there is no database yet" in done.out
    assert not (tmp_path / "own").exists()
    assert run("db", "findings").code == 0
    assert not (tmp_path / "own").exists()


def test_an_embedded_database_is_started_for_the_moment(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTC_HOME", str(home))
    found = by_check(run("db", "doctor", "--json").out)
    assert found["embedded.start"]["verdict"] == "ok"
    assert found["server.answer"]["verdict"] == "ok"
    assert EmbeddedServer(home).status().state == "stopped"


def test_a_data_folder_open_to_others_is_closed_with_fix(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTC_HOME", str(home))
    data = home / "postgres" / "data"
    data.chmod(0o755)
    looked = run("db", "doctor", "--json")
    assert looked.code == 4
    assert by_check(looked.out)["embedded.data"]["fix"].startswith("close")
    assert data.stat().st_mode & 0o777 == 0o755
    refused = run("db", "doctor", "--fix")
    assert refused.code == 2
    assert "--yes" in refused.err
    idle = run("db", "doctor", "--yes")
    assert (idle.code, idle.out, "--fix" in idle.err) == (2, "", True)
    assert data.stat().st_mode & 0o777 == 0o755
    mended = run("db", "doctor", "--fix", "--yes")
    assert mended.code == 0, mended.out
    assert "has mode 0700" in mended.out
    assert data.stat().st_mode & 0o777 == 0o700
    kept = json.loads(run("db", "findings", "--json").out)
    assert "fix.embedded.data" in {entry["check_id"] for entry in kept}


def test_a_data_folder_that_is_not_whole(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTC_HOME", str(home))
    version = home / "postgres" / "data" / "PG_VERSION"
    said = version.read_text()
    version.write_text("14\n")
    other = run("db", "doctor", "--json")
    assert "belongs to PostgreSQL 14" in by_check(other.out)["embedded.data"]["result"]
    version.unlink()
    broken = run("db", "doctor", "--json")
    assert broken.code == 4
    found = by_check(broken.out)
    assert "PG_VERSION is missing" in found["embedded.data"]["result"]
    assert found["embedded.start"]["verdict"] == "skipped"
    version.write_text(said)


def test_damage_is_reported_with_the_servers_own_words(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTC_HOME", str(home))
    control = home / "postgres" / "data" / "global" / "pg_control"
    whole = control.read_bytes()
    control.write_bytes(b"\0" * len(whole))
    found = by_check(run("db", "doctor", "--json").out)
    assert found["embedded.start"]["verdict"] == "failure"
    assert found["login.authentication"]["verdict"] == "skipped"
    again = by_check(run("db", "doctor", "--json").out)
    assert again["embedded.log"]["verdict"] == "warning"
    control.write_bytes(whole)


def test_a_home_that_cannot_be_written(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HTC_HOME", str(tmp_path / "file"))
    done = run("db", "doctor")
    assert done.code == 4
    assert "is not a folder" in done.out
    assert "not kept" in done.err


def test_a_read_only_home(run: Run, tmpfs: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTC_HOME", str(tmpfs("ro,size=1m")))
    done = run("db", "doctor")
    assert done.code == 4
    assert "cannot be written by you" in done.out
    assert "not kept" in done.err


def test_a_disk_with_no_room(run: Run, tmpfs: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    small = tmpfs("size=1m")
    (small / "filler").write_bytes(b"x" * 1_000_000)
    monkeypatch.setenv("HTC_HOME", str(small))
    done = run("db", "doctor", "--json")
    assert done.code == 4
    assert by_check(done.out)["home.disk"]["verdict"] == "failure"


def test_a_test_that_breaks_hides_nothing(
    run: Run, database_in_settings: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(connection: object, database: object) -> list[Finding]:
        raise KeyError("column")

    def refused(connection: Any, database: object) -> list[Finding]:
        connection.exec_driver_sql("SELECT nonsense")
        return []

    def fine(connection: Any, database: object) -> list[Finding]:
        connection.exec_driver_sql("SELECT 1")
        return [Check("last.test", "x", "y").ok("reached")]

    monkeypatch.setattr("htc.store.doctor.sequence.SCHEMA_CHECKS", (broken, refused, fine))
    done = run("db", "doctor", "--json")
    found = by_check(done.out)
    assert done.code == 1
    assert "fault of htc" in found["doctor.broken"]["action"]
    assert "column is missing" in found["doctor.refused"]["result"]
    assert found["last.test"]["result"] == "reached"


def test_repairs_that_fail_are_findings(
    run: Run, database_in_settings: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> str:
        raise PermissionError(1, "Operation not permitted")

    def sick(connection: object, database: object) -> list[Finding]:
        return [Check("sick", "x", "y").warning("ill", "cure it", fix=Fix("cure it", fail))]

    monkeypatch.setattr("htc.store.doctor.sequence.SCHEMA_CHECKS", (sick,))
    done = run("db", "doctor", "--fix", "--yes")
    assert done.code == 1
    assert "Operation not permitted" in done.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--since", "yesterday"], "no point in time"),
        (["--since", "99999999d"], "no point in time"),
        (["--json", "--markdown"], "exclude each other"),
        (["--verdict", "bad"], "verdict"),
    ],
)
def test_wrong_options(run: Run, arguments: list[str], says: str) -> None:
    done = run("db", "findings", *arguments)
    assert done.code == 2
    assert says in done.err


@pytest.mark.parametrize("since", ["2020-01-01", "2020-01-01T09:00", "90min", "12h", "7d"])
def test_points_in_time(run: Run, closed_port: int, since: str) -> None:
    run("db", "doctor")
    assert len(json.loads(run("db", "findings", "--since", since, "--json").out)) == 1


def test_ctrl_c_leaves_nothing_that_the_next_command_does_not_tidy(
    run: Run, start: Callable[..., subprocess.Popen[str]], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = start(home, "db", "doctor")
    deadline = time.monotonic() + 60
    while EmbeddedServer(home).status().state == "stopped" and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in out + err
    assert process.returncode in {0, 1, 130}
    monkeypatch.setenv("HTC_HOME", str(home))
    assert run("db", "doctor").code in {0, 1}
    assert EmbeddedServer(home).status().state == "stopped"
