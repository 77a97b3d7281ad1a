"""``htc db upgrade|downgrade|adopt`` as a person runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import text

from htc.settings import Settings, get_settings
from htc.store import Database, findings, migrating
from htc.store.schema import HEAD, REVISIONS, standing

OLD = "003_htc_predictions"


@pytest.fixture
def old(embedded_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Database]:
    """A database at 003 with a row, which the settings name; the findings log is this test's own."""
    with embedded_server.empty() as database:
        migrating.upgrade(database, target=OLD)
        with database.begin() as connection:
            connection.execute(text("INSERT INTO htc_predictions (id, phonon_stable) VALUES ('a', 'true')"))
        monkeypatch.setenv("HTC_DATABASE_URL", database.engine.url.render_as_string(hide_password=False))
        monkeypatch.setenv("HTC_HOME", str(tmp_path))
        get_settings.cache_clear()
        yield database


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """``terminal(answer)``: a person at a terminal, who answers."""

    def sit_down(answer: bool) -> None:
        def confirm(question: str, *, abort: bool, err: bool) -> None:
            assert question.endswith("?")
            if not answer:
                raise typer.Abort

        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        monkeypatch.setattr("typer.confirm", confirm)

    return sit_down


def revision(database: Database) -> str | None:
    with database.connect() as connection:
        return standing(connection).revision


def log(tmp_path: Path) -> list[tuple[str, str]]:
    return [(e.check_id, e.verdict) for e in findings.read(Settings(home=tmp_path)).entries]


def test_upgrade_tells_its_steps_and_keeps_a_finding(
    old: Database, run: Callable[..., Any], tmp_path: Path
) -> None:
    tried = run("db", "upgrade", "--dry-run")
    assert (tried.code, tried.out) == (0, f"{OLD} -> {HEAD} would work; nothing was changed\n")
    assert revision(old) == OLD
    assert log(tmp_path) == []

    done = run("db", "upgrade")
    assert (done.code, done.out) == (0, f"{OLD} -> {HEAD}\n")
    for word in ("SELECT 1 was answered", "locked", *REVISIONS[3:], "verified", "all 1 rows", "committed"):
        assert word in done.err
    assert log(tmp_path) == [("migrate.upgrade", "ok")]
    assert run("db", "upgrade").out == f"already at {HEAD}\n"


def test_upgrade_as_json(old: Database, run: Callable[..., Any]) -> None:
    answer = json.loads(run("db", "upgrade", "--json").out)
    assert (answer["before"], answer["after"], answer["dry_run"]) == (OLD, HEAD, False)
    assert [one["revision"] for one in answer["applied"]] == list(REVISIONS[3:])
    assert answer["rows"]["htc_predictions"] == 1
    assert answer["steps"][-1]["kind"] == "committed"


@pytest.mark.parametrize("command", ["upgrade", "adopt --yes"])
def test_a_failure_as_json(old: Database, run: Callable[..., Any], command: str) -> None:
    with old.begin() as connection:
        connection.execute(text("CREATE VIEW mine AS SELECT created_at FROM htc_predictions"))
    result = run("db", *command.split(), "--json")
    assert result.code == 4
    told = json.loads(result.out)
    assert "mine on htc_predictions" in told["error"]["what"]
    assert "DROP VIEW mine" in told["error"]["hint"]
    assert "checked" in {step["kind"] for step in told["steps"]}


def test_the_script_of_the_databases_own_revision_and_of_another(
    old: Database, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = run("db", "upgrade", "--sql").out
    assert own.startswith("BEGIN;")
    assert "CREATE TABLE htc_predictions" not in own
    assert revision(old) == OLD
    monkeypatch.setenv("HTC_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert run("db", "upgrade", "--sql", "--from", OLD).out == own
    assert "CREATE TABLE htc_predictions" in run("db", "upgrade", "--sql", "--from", "empty").out
    wrong = run("db", "upgrade", "--sql", "--from", "003")
    assert wrong.code == 4
    assert OLD in wrong.err
    assert run("db", "upgrade", "--from", OLD).code == 2


def test_who_is_in_the_way_is_said_and_kept(old: Database, run: Callable[..., Any], tmp_path: Path) -> None:
    with old.engine.connect() as other:
        other.execute(text("SELECT count(*) FROM htc_predictions"))
        done = run("db", "upgrade", "--wait", "0")
        other.rollback()
    assert done.code == 4
    assert "SELECT count(*) FROM htc_predictions" in done.err
    assert "pg_terminate_backend" in done.err
    assert log(tmp_path) == [("migrate.upgrade", "failure")]


def test_downgrade_says_what_is_lost_and_asks(
    old: Database, run: Callable[..., Any], terminal: Callable[[bool], None], tmp_path: Path
) -> None:
    run("db", "upgrade")
    with old.begin() as connection:
        connection.execute(text("INSERT INTO runs (id, kind, created_by) VALUES ('r', 'batch', 'me')"))
    without = run("db", "downgrade", OLD)
    assert without.code == 2
    assert "--yes" in without.err
    terminal(False)
    refused = run("db", "downgrade", OLD)
    assert refused.code == 1
    assert "table runs: 1 rows" in refused.err
    assert revision(old) == HEAD
    terminal(True)
    done = run("db", "downgrade", OLD)
    assert (done.code, done.out) == (0, f"{HEAD} -> {OLD}\n")
    assert revision(old) == OLD
    assert log(tmp_path)[-1] == ("migrate.downgrade", "ok")
    assert run("db", "downgrade", HEAD).code == 4
    assert run("db", "downgrade", "004").code == 4


def test_adopt_shows_its_plan_asks_and_does_it(
    old: Database, run: Callable[..., Any], terminal: Callable[[bool], None], tmp_path: Path
) -> None:
    with old.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE alembic_version SET version_num = '001_add_test_telemetry';"
            "DROP MATERIALIZED VIEW top_superconductors; DROP TABLE bete_runs"
        )
    for command in (("db", "upgrade"), ("top",)):
        said = run(*command)
        assert said.code == 4
        assert "htc db adopt" in said.err
    without = run("db", "adopt")
    assert without.code == 2
    assert "--yes" in without.err
    terminal(False)
    shown = run("db", "adopt")
    assert shown.code == 1
    for word in (
        "001_add_test_telemetry is an earlier name of 001_test_telemetry",
        "htc_predictions: as at 003_htc_predictions, 1 rows",
        "bete_runs: missing",
        "step 1 create bete_runs",
        f"stamp {OLD} instead of 001_add_test_telemetry",
        f"run {HEAD}",
    ):
        assert word in shown.err
    assert revision(old) == "001_add_test_telemetry"
    assert "nothing was changed" in run("db", "adopt", "--dry-run").out
    assert revision(old) == "001_add_test_telemetry"
    terminal(True)
    done = run("db", "adopt")
    assert (done.code, done.out) == (0, f"adopted: now at {HEAD}\n")
    assert "checksums: 1 rows" in done.err
    assert revision(old) == HEAD
    assert log(tmp_path)[-1] == ("migrate.adopt", "ok")
    again = run("db", "adopt", "--json")
    assert json.loads(again.out)["applied"] == []


def test_adopt_sets_aside_only_what_it_is_told_to(old: Database, run: Callable[..., Any]) -> None:
    with old.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE runs (id SERIAL PRIMARY KEY, lap INTERVAL)")
    refused = run("db", "adopt", "--yes")
    assert refused.code == 4
    assert "--set-aside runs" in refused.err
    answer = json.loads(run("db", "adopt", "--yes", "--set-aside", "runs", "--json").out)
    assert answer["plan"]["steps"][0] == "rename runs to runs_before_htc, with its indexes"
    with old.connect() as connection:
        assert connection.execute(text("SELECT to_regclass('runs_before_htc_pkey')")).scalar_one() is None
        assert connection.execute(text("SELECT to_regclass('runs_pkey_before_htc')")).scalar_one()


def test_ctrl_c_before_the_commit_leaves_the_old_state(old: Database) -> None:
    code = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from sqlalchemy import event
from sqlalchemy.engine import Engine
def interrupt(connection, cursor, statement, *_):
    if "CREATE INDEX" in statement:
        os.kill(os.getpid(), signal.SIGINT)
event.listen(Engine, "before_cursor_execute", interrupt)
from htc.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "db", "upgrade"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert revision(old) == OLD
