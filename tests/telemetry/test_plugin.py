"""Real runs of pytest with ``-p htc.telemetry`` in projects that know nothing of HTC."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from htc.settings import Settings
from htc.store import Database, schema

Rows = Callable[[], list[Any]]

OUTCOMES = """
import time
import pytest

def test_passes(): time.sleep(0.02)
def test_fails(): assert 1 + 1 == 3
@pytest.fixture
def broken(): raise ValueError("no\\nfixture")
def test_errors_in_setup(broken): pass
@pytest.fixture
def leaves_a_mess():
    time.sleep(0.02)
    yield
    time.sleep(0.02)
    raise OSError("mess")
def test_errors_in_teardown(leaves_a_mess): pass
def test_without_its_fixture(nowhere): pass
def test_skips(): pytest.skip("not here")
@pytest.mark.skip
def test_is_skipped(): pass
@pytest.mark.xfail
def test_fails_as_expected(): assert 0
@pytest.mark.xfail
def test_passes_unexpectedly(): pass
@pytest.mark.xfail(strict=True)
def test_passes_strictly_unexpectedly(): pass
@pytest.mark.xfail(run=False)
def test_does_not_run(): assert 0
@pytest.mark.parametrize("value", ["é b", "\\0"])
def test_with(value): pass
"""

PASSING = "def test_a(): pass\ndef test_b(): pass\n"


def by_name(rows: list[Any]) -> dict[str, Any]:
    assert len({row.test_name for row in rows}) == len(rows)
    return {row.test_name.partition("::")[2]: row for row in rows}


def test_every_executed_test_becomes_a_row(project: Any, recorded: Rows) -> None:
    project.write(tests__test_all=OUTCOMES)
    commit = project.commit()
    run = project.pytest()
    assert run.code == 1
    assert run.said == "10 tests recorded"
    rows = by_name(recorded())
    assert {name: row.passed for name, row in rows.items()} == {
        "test_passes": True,
        "test_fails": False,
        "test_errors_in_setup": False,
        "test_errors_in_teardown": False,
        "test_without_its_fixture": False,
        "test_fails_as_expected": True,
        "test_passes_unexpectedly": True,
        "test_passes_strictly_unexpectedly": False,
        "test_with[\\xe9 b]": True,
        "test_with[\\x00]": True,
    }
    errors = {name: row.error_message for name, row in rows.items() if not row.passed}
    assert errors == {
        "test_fails": "tests/test_all.py:6: assert (1 + 1) == 3",
        "test_errors_in_setup": "tests/test_all.py:8: ValueError: no",
        "test_errors_in_teardown": "tests/test_all.py:15: OSError: mess",
        "test_without_its_fixture": "fixture 'nowhere' not found",
        "test_passes_strictly_unexpectedly": "[XPASS(strict)]",
    }
    assert rows["test_errors_in_teardown"].duration_ms > 40.0  # setup and teardown
    for row in rows.values():
        assert re.fullmatch(r"[0-9a-f]{16}", row.id)
        assert (row.test_file, row.commit_sha, row.branch) == ("tests/test_all.py", commit, "main")
        assert row.changed_files == [".gitignore", "tests/test_all.py"]
        assert (row.lines_added, row.lines_deleted, row.files_changed) == (OUTCOMES.count("\n") + 1, 0, 2)
        assert row.complexity_delta == OUTCOMES.count("def ")
        assert (row.recent_failure_rate, row.avg_duration) == (None, None)
        assert 0.0 <= row.days_since_last_change < 1.0
        assert row.error_message is None or not row.passed


def test_later_runs_know_the_history(project: Any, recorded: Rows) -> None:
    project.write(test_a="import os\ndef test_a(): assert os.environ['N'] != '0'\n")
    project.commit()
    for number in range(3):
        project.pytest(N=str(number))
    first, second, third = recorded()
    assert (first.recent_failure_rate, second.recent_failure_rate, third.recent_failure_rate) == (
        None,
        1,
        0.5,
    )
    assert second.avg_duration == first.duration_ms
    assert third.avg_duration == pytest.approx((first.duration_ms + second.duration_ms) / 2)


def test_workers_of_xdist_are_counted_once(project: Any, recorded: Rows) -> None:
    project.write(
        test_many="import pytest\n@pytest.mark.parametrize('n', range(40))\ndef test(n): assert n\n"
    )
    project.commit()
    run = project.pytest("-n", "2")
    assert run.code == 1
    assert run.said == "40 tests recorded"
    assert sorted(row.test_name for row in recorded()) == sorted(
        f"test_many.py::test[{n}]" for n in range(40)
    )
    assert [row.test_name for row in recorded() if not row.passed] == ["test_many.py::test[0]"]


def test_a_test_that_takes_its_worker_along_has_failed(project: Any, recorded: Rows) -> None:
    project.write(test_x="import os\ndef test_a(): pass\ndef test_dies(): os._exit(3)\n")
    project.commit()
    project.pytest("-n", "1", "--max-worker-restart", "0")
    rows = by_name(recorded())
    assert rows["test_a"].passed
    assert not rows["test_dies"].passed
    assert "crashed" in rows["test_dies"].error_message


def test_a_failed_subtest_fails_its_test(project: Any, recorded: Rows) -> None:
    project.write(
        test_x="import unittest\nclass T(unittest.TestCase):\n def test(self):\n  for i in range(3):\n"
        "   with self.subTest(i=i): self.assertNotEqual(i, 1)\n"
    )
    project.pytest()
    (row,) = recorded()
    assert not row.passed
    assert "AssertionError: 1 == 1" in row.error_message


def test_names_longer_than_the_column_stay_apart(project: Any, recorded: Rows) -> None:
    project.write(
        test_x="import pytest\n@pytest.mark.parametrize('n', [1, 2], ids=['y' * 600, 'y' * 601])\n"
        "def test(n): pass\n"
    )
    assert project.pytest().said == "2 tests recorded"
    names = {row.test_name for row in recorded()}
    assert {len(name) for name in names} == {500}
    assert len(names) == 2


def test_the_project_under_test_notices_nothing(project: Any, recorded: Rows) -> None:
    project.write(
        # Modules of the project that are named like a library of ours.
        sqlalchemy="raise RuntimeError('not this one')\n",
        settings="raise RuntimeError('nor this one')\n",
        test_x="import os, subprocess, sys, warnings\n"
        "def test_modules():\n"
        "    heavy = {'sqlalchemy', 'pydantic', 'psycopg', 'numpy', 'typer', 'htc.settings'}\n"
        "    assert not heavy & set(sys.modules)\n"
        "def test_environment():\n"
        "    assert os.environ['HTC_HOME'].endswith('htc-home')\n"
        "    os.environ['HTC_HOME'] = '/nowhere'; os.environ['HTC_DATABASE_URL'] = 'spoilt'\n"
        "    os.chdir('/')\n",
    )
    project.commit()
    run = project.pytest("-W", "error", python=("-W", "error"))
    assert run.code == 0, run.out
    assert "warning" not in run.out.lower()
    assert run.said == "2 tests recorded"
    assert len(recorded()) == 2


def test_without_a_database_the_rows_wait_for_the_next_run(project: Any, recorded: Rows) -> None:
    project.write(test_x=PASSING + "def test_c(): assert 0\n")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql://nobody@127.0.0.1:{closed.getsockname()[1]}/nothing"
        run = project.pytest(HTC_DATABASE_URL=url)
        assert run.code == 1
        assert run.said is not None
        assert run.said.startswith("3 tests kept for the next run: ")
        assert "nothing listens at the database's host and port" in run.said
        assert project.pytest("-k", "test_a", HTC_DATABASE_URL=url).code == 0
    assert len(project.spool) == 2
    assert [path.stat().st_mode & 0o777 for path in project.spool] == [0o600, 0o600]
    run = project.pytest("-k", "test_b")
    assert run.said == "1 test recorded, 4 of earlier runs too"
    assert project.spool == []
    rows = recorded()
    assert [row.test_name[-1] for row in rows] == ["a", "b", "c", "a", "b"]
    # What came in late is the history of what came after it.
    assert [row.recent_failure_rate for row in rows] == [None, None, None, 0.0, 0.0]


def test_a_schema_that_is_behind_is_not_touched(project: Any, database: Database) -> None:
    schema.downgrade(database, "003_htc_predictions")
    project.write(test_x=PASSING)
    run = project.pytest()
    assert run.code == 0
    assert run.said is not None
    assert run.said.startswith("2 tests kept for the next run: ")
    assert "stands at revision 003_htc_predictions" in run.said
    assert len(project.spool) == 1


def test_a_server_that_never_answers_is_not_waited_for_again(project: Any) -> None:
    project.write(test_x=PASSING)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing?connect_timeout=4"
        run = project.pytest(HTC_DATABASE_URL=url)
        assert run.code == 0
        assert "2 tests kept for the next run: " in (run.said or "")
        assert "does not answer in time" in (run.said or "")
        run = project.pytest(HTC_DATABASE_URL=url)
        assert run.said == "2 tests kept and still being recorded: the database takes its time"
        deadline = time.monotonic() + 30.0
        while len(project.spool) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert len(project.spool) == 2
    assert project.pytest().said == "2 tests recorded, 4 of earlier runs too"


def test_a_setting_that_cannot_be_used_costs_a_line(project: Any, recorded: Rows) -> None:
    project.write(test_x=PASSING)
    run = project.pytest(HTC_DATABASE_ULR="postgresql://nobody@nowhere/nothing")
    assert run.code == 0
    assert run.said is not None
    assert "2 tests kept for the next run: HTC_DATABASE_ULR: no setting has this name" in run.said
    assert project.pytest().said == "2 tests recorded, 2 of earlier runs too"
    assert len(recorded()) == 4


def test_a_home_that_cannot_be_written_matters_only_without_a_database(project: Any, recorded: Rows) -> None:
    project.home.write_text("a file, where the folder should be")
    project.write(test_x=PASSING)
    assert project.pytest().said == "2 tests recorded"
    assert len(recorded()) == 2
    run = project.pytest(HTC_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert run.code == 0
    assert run.said is not None
    assert run.said.startswith("2 tests not recorded: ")
    assert "cannot be written" in run.said


def test_without_git_everything_else_is_recorded(project: Any, recorded: Rows, tmp_path: Path) -> None:
    project.write(test_x=PASSING)
    project.commit()
    (tmp_path / "empty").mkdir()
    run = project.pytest(PATH=str(tmp_path / "empty"))
    assert run.said == "2 tests recorded (there is no git)"
    for row in recorded():
        assert (row.commit_sha, row.branch, row.changed_files, row.lines_added) == (None, None, None, None)
        assert (row.files_changed, row.complexity_delta, row.days_since_last_change) == (None, None, None)
        assert row.passed


def test_a_folder_that_is_no_repository_is_said(
    make_project: Any, database: Database, recorded: Rows
) -> None:
    project = make_project("plain", database)
    project.write(test_x=PASSING)
    run = project.pytest()
    assert run.code == 0
    assert re.fullmatch(r"2 tests recorded \(fatal: not a git repository .*\)", run.said or "")
    assert {row.commit_sha for row in recorded()} == {None}


def test_ctrl_c_leaves_what_was_done(project: Any, recorded: Rows) -> None:
    project.write(
        test_x="import time\ndef test_a(): pass\n"
        "def test_b():\n    print('ready', flush=True)\n    time.sleep(60)\n"
    )
    command = project.command("-s")
    process = subprocess.Popen(
        ["env", "--default-signal=SIGINT", *command],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "ready" in line:
            break
    process.send_signal(signal.SIGINT)
    said = process.communicate()[0]
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "htc telemetry: 1 test recorded" in said
    assert [row.test_name for row in recorded()] == ["test_x.py::test_a"]


def test_nothing_executed_is_said_and_is_no_success(project: Any) -> None:
    project.write(test_x=PASSING)
    run = project.pytest("-k", "nothing")
    assert run.code == pytest.ExitCode.NO_TESTS_COLLECTED
    assert run.said == "no test was executed, nothing to record"
    assert project.pytest("--collect-only").said is None


def test_runs_at_the_same_time_are_all_kept(project: Any, recorded: Rows) -> None:
    project.write(test_x="import pytest\n@pytest.mark.parametrize('n', range(50))\ndef test(n): pass\n")
    project.commit()
    started = [
        subprocess.Popen(
            project.command(), cwd=project.folder, env=project.environment, stdout=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    assert [process.wait() for process in started] == [0, 0, 0]
    rows = recorded()
    assert len(rows) == len({row.id for row in rows}) == 150


@pytest.mark.skipif(os.name != "posix", reason="the embedded server")
def test_without_any_setting_the_embedded_database_is_used(home: Path, make_project: Any) -> None:
    project = make_project()
    project.write(test_x=PASSING)
    run = project.pytest(HTC_HOME=str(home))
    assert (run.said or "").startswith("2 tests recorded (")
    with Database.open(Settings(home=home)) as database:
        assert database.embedded is not None
        with database.connect() as connection:
            found = connection.exec_driver_sql("SELECT count(*) FROM test_telemetry").scalar_one()
    assert found == 2
