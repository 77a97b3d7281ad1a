"""``htc db``: every command, on the embedded database and on one named by a URL."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from htc.cli.app import app
from htc.errors import SettingsError
from htc.settings import get_settings
from htc.store import Database
from htc.store.embedded import EmbeddedServer
from htc.store.schema import HEAD
from htc.store.tables import metadata

COMMANDS = ["start", "stop", "status", "upgrade", "psql"]


def htc(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["db", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An HTC_HOME that does not exist yet."""
    home = tmp_path / "home"
    monkeypatch.setenv("HTC_HOME", str(home))
    get_settings.cache_clear()
    yield home
    EmbeddedServer(home).stop(force=True)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(command: str) -> None:
    result = htc(command, "--help")
    assert result.exit_code == 0
    assert f"htc db {command}" in result.stdout


def test_the_life_of_an_embedded_database(home: Path) -> None:
    before = htc("status")
    assert "none yet" in before.stdout
    assert not home.exists()
    assert "it was not running" in htc("stop").stdout

    assert str(home / "postgres" / "data") in htc("start").stdout.replace("\n", "")
    status = json.loads(htc("status", "--json").stdout)
    assert status["where"] == str(home / "postgres" / "data")
    assert (status["server"]["state"], status["server"]["kept"]) == ("running", True)
    assert status["revision"] == status["program_revision"] == HEAD
    rows = {table["name"]: table["rows"] for table in status["tables"]}
    assert set(rows) == set(metadata.tables)
    # Each revision that makes the view fills it.
    assert {name: n for name, n in rows.items() if n} == {"ranking_refreshes": 2}
    assert status["freshness"]["newer_rows"] == 0
    assert "stays until `htc db stop`" in htc("status").stdout
    assert f"already at {HEAD}" in htc("upgrade").stdout

    assert htc("stop").stdout == "stopped\n"
    assert "started when needed" in htc("status").stdout
    assert EmbeddedServer(home).status().state == "stopped"


def test_psql_is_connected_to_the_right_database(database_in_settings: Database) -> None:
    def psql(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from htc.cli import main; main()", "db", "psql", "--", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = psql("-X", "-At", "-c", "SELECT current_database()")
    assert (done.returncode, done.stdout.strip()) == (0, database_in_settings.engine.url.database)
    assert psql("-X", "-c", "SELECT nonsense").returncode == 1


def test_upgrade_from_003_and_its_sql(database_in_settings: Database) -> None:
    from htc.store import schema

    schema.downgrade(database_in_settings, "003_htc_predictions")
    shown = htc("upgrade", "--sql").stdout
    assert "htc_predictions_v003" in shown
    assert "CREATE TABLE htc_predictions" not in shown
    status = htc("status").stdout
    assert "003_htc_predictions" in status
    assert HEAD in status
    assert f"003_htc_predictions -> {HEAD}" in htc("upgrade").stdout
    with database_in_settings.connect() as connection:
        stamp = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    assert stamp == HEAD


def test_a_server_of_the_users_is_not_started_or_stopped(database_in_settings: Database) -> None:
    for command in ("start", "stop"):
        with pytest.raises(SettingsError, match=r"not (started|stopped) by htc"):
            htc(command)
    assert "embedded server" not in htc("status").stdout


def test_an_error_is_three_short_lines_and_an_exit_code(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-c", "from htc.cli import main; main()", "db", "start"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={"HTC_HOME": str(tmp_path / "file"), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 4
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error ")
    assert "HTC_HOME" in done.stderr
