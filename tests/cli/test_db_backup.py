"""``htc db backup|restore|upgrade-server`` as a person runs them."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from htc.settings import Settings
from htc.store import Database, save
from htc.store.embedded import EmbeddedServer

Run = Callable[..., Any]


@pytest.fixture
def filled(home: Path, make_prediction: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Path:
    """HTC_HOME with three predictions."""
    with Database.open(Settings(home=home)) as database:
        save(database, [make_prediction(i) for i in range(3)])
    monkeypatch.setenv("HTC_HOME", str(home))
    return home


def count(home: Path, name: str | None = None) -> int:
    with Database.open(Settings(home=home)) as database, database.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {name or 'htc_predictions'}")).scalar_one())


def test_there_and_back(
    filled: Path,
    tmp_path: Path,
    run: Run,
    make_prediction: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "a.dump"
    made = run("db", "backup", file)
    assert (made.code, made.err) == (0, "")
    assert str(file) in made.out
    assert "verified: restored on PostgreSQL 18." in made.out
    with Database.open(Settings(home=filled)) as database:
        save(database, [make_prediction(100)])

    refused = run("db", "restore", file)
    assert refused.code == 4
    assert "not empty" in refused.err
    assert "--replace" in refused.err
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    unasked = run("db", "restore", file, "--replace")
    assert (unasked.code, "--yes" in unasked.err, "Aborted" in unasked.err) == (2, True, False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert run("db", "restore", file, "--replace").code == 1
    assert count(filled) == 4

    restored = run("db", "restore", file, "--replace", "--yes")
    assert restored.code == 0
    assert "compared with its manifest" in restored.out
    assert count(filled) == 3
    (drop,) = (line.strip() for line in restored.out.splitlines() if "DROP DATABASE" in line)
    kept = drop.split('"')[1]
    assert f"kept as {kept}" in restored.out
    with Database.open(Settings(home=filled)) as database, database.connect() as connection:
        there = "SELECT count(*) FROM pg_database WHERE datname = :name"
        assert connection.execute(text(there), {"name": kept}).scalar_one() == 1


def test_json(filled: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    made = json.loads(run("db", "backup", "--json").out)
    assert Path(made["file"]).parent == filled / "backups"
    assert made["contents"]["tables"]["public.htc_predictions"]["rows"] == 3
    assert made["verified_on"] >= 180000
    unverified = run("db", "backup", tmp_path / "b.dump", "--no-verify")
    assert "not verified" in unverified.out
    monkeypatch.setenv("HTC_HOME", str(tmp_path / "other"))
    restored = json.loads(run("db", "restore", made["file"], "--json").out)
    assert restored["rows"]["public.htc_predictions"] == 3
    assert (restored["kept_as"], restored["compared"]) == (None, True)
    assert count(tmp_path / "other") == 3


def test_mistakes(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTC_HOME", str(tmp_path / "none"))
    nothing = run("db", "backup")
    assert (nothing.code, "no database yet" in nothing.err) == (6, True)
    missing = run("db", "restore", tmp_path / "a.dump")
    assert (missing.code, "no such file" in missing.err) == (2, True)
    (tmp_path / "a.csv").write_text("Tc\n39\n")
    wrong = run("db", "restore", tmp_path / "a.csv")
    assert (wrong.code, "not a backup" in wrong.err) == (2, True)
    assert run("db", "upgrade-server").code == 6
    assert not (tmp_path / "none").exists()


def test_the_version_of_the_server(filled: Path, run: Run, tmp_path: Path) -> None:
    assert "already" in run("db", "upgrade-server").out
    assert run("db", "upgrade-server", "--json").out == "null\n"
    (filled / "postgres/data/PG_VERSION").write_text("17\n")
    refused = run("top")
    assert (refused.code, "htc db upgrade-server" in refused.err) == (4, True)
    (tmp_path / "empty").mkdir()
    missing = run("db", "upgrade-server", "--old-programs", tmp_path / "empty")
    assert (missing.code, "no programs of PostgreSQL 17" in missing.err) == (4, True)


def test_a_server_of_a_url_is_upgraded_by_its_administrator(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTC_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    outcome = run("db", "upgrade-server")
    assert (outcome.code, "administrator" in outcome.err, "pg_upgrade" in outcome.err) == (2, True, True)
    assert "unset" not in outcome.err


def test_status_says_where_the_data_is_and_where_it_is_not(
    filled: Path, run: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("HTC_DATABASE_URL", url)
    named = json.loads(run("db", "status", "--json").out)
    assert named["where"] == url
    assert named["unused_data_dir"] == str(filled / "postgres/data")
    assert f"{filled}/postgres/data, since HTC_DATABASE_URL is set" in run("db", "status").out
    shutil.rmtree(filled / "postgres")
    assert json.loads(run("db", "status", "--json").out)["unused_data_dir"] is None
    assert not EmbeddedServer(filled).root.exists()
