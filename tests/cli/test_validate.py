"""``htc validate``: stored runs, what changed between them, reports, and mistakes in the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from htc.cli.app import app
from htc.errors import InputError
from htc.store import Database
from htc.store.jobs import list_progress

run = CliRunner().invoke


def test_two_runs_and_their_comparison(database_in_settings: Database, tmp_path: Path) -> None:
    first = run(app, ["validate", "eliashberg", "--json", "--label", "first"], catch_exceptions=False)
    assert first.exit_code == 0
    said = json.loads(first.stdout)["suites"][0]
    assert said["comparison"] is None
    assert all(view["parts"]["all"]["within"] in (None, 1.0) for view in said["views"])
    again = run(
        app,
        ["validate", "eliashberg", "--report", str(tmp_path / "report"), "--fail-on-regression"],
        catch_exceptions=False,
    )
    assert again.exit_code == 0
    assert f"compared with run {said['run_id'][:8]}: 0 values changed, 0 worse" in again.stdout
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "report.html",
        "report.json",
        "report.md",
    }
    runs = list_progress(database_in_settings, kind="validate").rows
    assert [row.state for row in runs] == ["finished", "finished"]
    assert {row.label for row in runs} == {"first", None}


def test_a_case_that_got_worse_fails_where_that_is_asked_for(
    database_in_settings: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    import htc.validation.suites.formulas as suite_module
    from htc.theory.empirical import allen_dynes_f1

    good = run(app, ["validate", "formulas", "--json"], catch_exceptions=False)
    assert good.exit_code == 0
    true = suite_module._tc
    # As if a change of the program had moved the formulas by 3 %.
    monkeypatch.setattr(suite_module, "_tc", lambda *given: 1.03 * true(*given))
    bad = run(app, ["validate", "formulas", "--fail-on-regression"], catch_exceptions=False)
    assert bad.exit_code == 1
    assert "worse: Tc by the paper's own formula" in bad.stdout
    assert allen_dynes_f1(1.0, 100.0, 0.1) > 0.0


def test_without_storing_no_database_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTC_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    from htc.settings import get_settings

    get_settings.cache_clear()
    result = run(app, ["validate", "eliashberg", "--no-store"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "not stored" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "no suite is called 'nothing'"),
        (["fold3"], "needs the laboratory's data"),
        (["--data", "/nowhere/at/all"], "no such file or folder"),
        (["--tier", "huge"], "no tier is called"),
        (["--mu-star", "7"], "less than or equal to"),
        (["--no-store", "--fail-on-regression"], "nothing to compare"),
    ],
)
def test_mistakes(arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HTC_DATA", raising=False)
    from htc.settings import get_settings

    get_settings.cache_clear()
    result = run(app, ["validate", *arguments])
    assert isinstance(result.exception, InputError)
    assert said in str(result.exception)
