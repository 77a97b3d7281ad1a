"""``htc telemetry``: tables for people, JSON for programs, node ids for pytest."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from htc.store import Database
from htc.telemetry.batch import Batch, Row
from htc.telemetry.writer import write

Run = Callable[..., Any]


def record(database: Database, **outcomes: str) -> None:
    """``record(database, test_a="pf")``: a test of test_x.py that passed, then failed."""
    start = time.time() - 3600.0
    rows = [
        Row(
            id=uuid.uuid4().hex[16:],
            test_name=f"test_x.py::{name}",
            test_file="test_x.py",
            duration_ms=1000.0 * len(name),
            passed=outcome == "p",
            error_message=None if outcome == "p" else "test_x.py:3: assert [red] == 1",
            days_since_last_change=0.0,
            created_at=start + i,
        )
        for name, results in outcomes.items()
        for i, outcome in enumerate(results)
    ]
    unknown = {"lines_added": 1, "lines_deleted": 0, "files_changed": 1, "complexity_delta": 0.0}
    write(
        database,
        Batch(rows=tuple(rows), commit_sha="a" * 40, branch="main", changed_files=("lib.py",), **unknown),
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: no repository."""
    (tmp_path / "test_x.py").write_text("def test_a(): pass\ndef test_bbb(): pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


def test_nothing_recorded_says_how_to_record(database_in_settings: Database, project: Path, run: Run) -> None:
    outcome = run("telemetry", "slowest")
    assert (outcome.code, outcome.out) == (0, "")
    assert "pytest -p htc.telemetry" in outcome.err
    assert "no test is known" in run("telemetry", "flaky").err
    outcome = run("telemetry", "select", "--changed", "lib.py")
    assert (outcome.code, outcome.out) == (0, "")
    assert "run them all" in outcome.err
    for command in (("slowest",), ("flaky",), ("select", "--changed", "lib.py")):
        assert json.loads(run("telemetry", *command, "--json").out) == []


def test_executions_without_a_duration_are_not_nothing(database_in_settings: Database, run: Run) -> None:
    record(database_in_settings, test_a="pp")
    with database_in_settings.begin() as connection:
        connection.execute(sa.text("UPDATE test_telemetry SET duration_ms = NULL"))
    outcome = run("telemetry", "slowest")
    assert (outcome.code, outcome.out) == (0, "")
    assert "none with outcome and duration" in outcome.err
    assert "no test runs" not in outcome.err
    assert json.loads(run("telemetry", "slowest", "--json").out) == []


def test_slowest(database_in_settings: Database, run: Run) -> None:
    record(database_in_settings, test_a="pp", test_bbb="pf")
    lines = run("telemetry", "slowest").out.splitlines()
    assert lines[1].split() == ["test_x.py::test_bbb", "8.000", "8.000", "8.000", "2", "57.1%"]
    assert lines[2].split()[0] == "test_x.py::test_a"
    (first,) = json.loads(run("telemetry", "slowest", "-n", "1", "--json").out)
    assert first["last_run"].startswith("20")
    assert {k: first[k] for k in ("test_name", "runs", "median_ms")} == {
        "test_name": "test_x.py::test_bbb",
        "runs": 2,
        "median_ms": 8000.0,
    }


def test_flaky(database_in_settings: Database, run: Run) -> None:
    record(database_in_settings, test_a="pfp", test_bbb="fff")
    table = run("telemetry", "flaky").out
    assert "test_x.py::test_a" in table
    assert "1 of 3" in table
    assert "0.33" in table
    assert "0.06 – 0.79" in table
    assert "assert [red] == 1" in table
    assert "test_bbb" not in table
    (found,) = json.loads(run("telemetry", "flaky", "--json").out)
    assert (found["failures"], found["runs"], found["flips"], found["commits"]) == (1, 3, 2, ["a" * 40])


def test_select_says_why(database_in_settings: Database, project: Path, run: Run) -> None:
    record(database_in_settings, test_a="f", test_bbb="p")
    outcome = run("telemetry", "select", "--changed", str(project / "lib.py"))
    assert "test_x.py::test_a" in outcome.out
    assert "failed in 1 of 1 changes with lib.py" in outcome.out
    assert "test_bbb" not in outcome.out
    assert "1 test, 6.0 s by the recorded durations" in outcome.err
    assert run("telemetry", "select", "--changed", "lib.py", "--plain").out == "test_x.py::test_a\n"
    (found,) = json.loads(run("telemetry", "select", "--changed", "lib.py", "--json").out)
    assert found["node_id"] == "test_x.py::test_a"
    assert found["why"] == ["its only run failed", "failed in 1 of 1 changes with lib.py"]
    assert run("telemetry", "select", "--changed", "test_x.py", "--plain", "--budget", "7").out.split() == [
        "test_x.py::test_a"
    ]


def test_select_without_knowing_what_changed(database_in_settings: Database, project: Path, run: Run) -> None:
    outcome = run("telemetry", "select")
    assert outcome.code == 2
    assert "what is changed is not known" in outcome.err
    assert "--changed" in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("select", "--changed", "a", "--base", "main"),
        ("select", "--plain", "--json"),
        ("select", "--changed", "a", "--budget", "0"),
        ("slowest", "--since", "0"),
        ("flaky", "-n", "0"),
    ],
)
def test_arguments_that_make_no_sense(
    database_in_settings: Database, project: Path, run: Run, arguments: tuple[str, ...]
) -> None:
    assert run("telemetry", *arguments).code == 2


def test_a_database_that_is_not_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTC_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    outcome = run("telemetry", "slowest")
    assert outcome.code == 4
    assert "nothing listens" in outcome.err
