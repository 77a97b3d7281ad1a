"""``htc db stats``: tables people read, JSON programs read, and what deserves attention."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from htc.cli.exit_codes import ExitCode
from htc.store import Database, save
from htc.store.schema import downgrade
from htc.store.tables import metadata


def execute(database: Database, *statements: str) -> None:
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    database.engine.dispose()


def test_what_people_read(run: Any, database_in_settings: Database, make_prediction: Any) -> None:
    save(database_in_settings, [make_prediction(i) for i in range(3)], created_by="me")
    said = run("db", "stats")
    assert said.code == 0
    for name in (*metadata.tables, "top_superconductors"):
        assert name in said.out
    for words in (
        "connections",
        "transactions",
        "materialized view",
        "newer rows",
        "from cache",
        "last used",
    ):
        assert words in said.out
    assert "unused (--json lists them)" in said.out
    assert "nothing deserves attention" in said.out
    assert "shared_preload_libraries" in said.out
    assert "shared_preload_libraries" not in run("db", "stats", "--slow", 0).out


def test_what_programs_read(run: Any, database_in_settings: Database) -> None:
    said = run("db", "stats", "--json")
    assert said.code == 0
    told = json.loads(said.out)
    assert {t["name"] for t in told["tables"]} == {*metadata.tables, "alembic_version"}
    assert told["where"].startswith("postgresql")
    assert told["connections"]["by_state"]["active"] == 1
    assert told["attention"] == []


def test_what_deserves_attention(run: Any, database_in_settings: Database, make_prediction: Any) -> None:
    database = database_in_settings
    save(database, [make_prediction(0)], created_by="me")
    execute(
        database,
        "CREATE TABLE other (id int, word text) WITH (autovacuum_enabled = false)",
        "INSERT INTO other SELECT i, repeat('w', 500) || i FROM generate_series(1, 130000) i",
        "CREATE INDEX other_word ON other (word)",
        "DELETE FROM other WHERE id <= 60000",
        "UPDATE ranking_refreshes SET covers_until = covers_until - interval '1 day'",
        "UPDATE bete_runs SET created_at = created_at - interval '5 h'",
    )
    said = run("db", "stats")
    assert said.code == 0
    text = " ".join(said.out.split())
    assert "of the rows of other are dead" in text
    assert "VACUUM (ANALYZE) other" in text
    assert "other_word of other" in text
    assert "DROP INDEX CONCURRENTLY other_word" in text
    assert "top_superconductors does not show 1 rows, the oldest stored 5.0 h ago" in text
    kinds = {note["kind"] for note in json.loads(run("db", "stats", "--json").out)["attention"]}
    assert kinds == {"dead-rows", "unused-index", "stale-view"}


def test_an_earlier_revision_and_a_locked_table(run: Any, database_in_settings: Database) -> None:
    downgrade(database_in_settings, "003_htc_predictions")
    with database_in_settings.engine.connect() as holder:
        holder.execute(sa.text("LOCK TABLE htc_predictions IN ACCESS EXCLUSIVE MODE"))
        said = run("db", "stats")
    assert said.code == 0
    assert "003_htc_predictions" in said.out
    assert "locked" in said.out
    assert "never filled" not in said.out


def test_markup_in_names_is_only_text(run: Any, database_in_settings: Database) -> None:
    execute(database_in_settings, 'CREATE TABLE "[red]odd[/x]" (id int)')
    assert "[red]odd[/x]" in run("db", "stats").out


def test_no_database_yet(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTC_HOME", str(tmp_path / "nowhere"))
    said = run("db", "stats")
    assert said.code == ExitCode.DATABASE
    assert "there is no database yet" in said.err
    assert not (tmp_path / "nowhere").exists()


def test_watch_is_not_for_programs(run: Any, database_in_settings: Database) -> None:
    said = run("db", "stats", "--watch", 1, "--json")
    assert said.code == ExitCode.USAGE
    assert "do not go together" in said.err


def test_watching_ends_in_peace(home: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    process = start(home, "db", "stats", "--watch", "0.5")
    assert process.stdout is not None
    line = ""
    while "nothing deserves attention" not in line:
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in err
