"""The recorder of one pytest run: listens, and after the last test hands over.

Whatever goes wrong in here costs a line in the terminal summary and never the run: its exit status stays
pytest's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from htc.telemetry.executions import Collector, Execution
from htc.telemetry.git import CodeState, code_state, last_changes

__all__ = ["Recorder"]

WAIT_S: Final = 10.0
"""How long the end of a run waits for the database; the delivery then goes on without it."""

# Measuring coverage of the delivery would leave files in the project.
_NOT_FOR_DELIVERY: Final = ("COV_CORE_", "COVERAGE_PROCESS_", "PYTEST_")

_DELIVER: Final = (
    "import sys; sys.path.append(sys.argv.pop()); from htc.telemetry.deliver import main; main()"
)


@dataclass(slots=True)
class _Result:
    recorded: int = 0
    earlier: int = 0
    kept: int = 0
    lost: int = 0
    dropped: int = 0
    reason: str | None = None
    is_kept: bool = False
    is_final: bool = False
    is_left_alone: bool = False


class Recorder:
    """Hooks of one run."""

    def __init__(self, config: pytest.Config) -> None:
        """Remember the environment as it is before any test changes it."""
        self._root = config.rootpath
        self._collector = Collector(root=str(config.rootpath), now=time.time)
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_DELIVERY)
        }
        self._state = CodeState(note="the run did not start")
        self._trouble: str | None = None
        self._line: str | None = None

    def pytest_sessionstart(self) -> None:
        """Note the state of the code now: people go on editing and committing while tests run."""
        try:
            self._state = code_state(self._root)
        except Exception as error:  # noqa: BLE001 - a recorder must not fail a run
            self._state = CodeState(note=_said(error))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a report; under pytest-xdist those of all workers come here."""
        try:
            self._collector.add(report)
        except Exception as error:  # noqa: BLE001 - as above
            self._trouble = _said(error)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Hand over."""
        try:
            self._line = self._finish()
        except KeyboardInterrupt:
            self._line = "interrupted before it was known whether this run is recorded"
        except Exception as error:  # noqa: BLE001 - as above
            self._line = f"this run is not recorded: {_said(error)}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say in one line what was recorded and what was not."""
        if self._line is not None:
            terminalreporter.write_line(f"htc telemetry: {self._line}")

    def _finish(self) -> str:
        executions = self._collector.finish()
        if not executions:
            return "no test was executed, nothing to record"
        result = self._hand_over(executions)
        return _in_words(result, len(executions), self._trouble or self._state.note)

    def _hand_over(self, executions: list[Execution]) -> _Result:
        from htc.telemetry.batch import batch_of

        process = self._start_delivery()
        # While it starts up:
        files = {e.test_file for e in executions} - self._state.uncommitted
        commit = self._state.commit_sha
        changes = last_changes(self._root, commit, files) if commit else {}
        batch = batch_of(executions, self._state, changes)
        document = batch.dumps()
        result = _Result()
        home = self._home()
        if process is not None:
            from htc.telemetry.deliver import unanswered

            _converse(process, document, 2.0 if unanswered(home) else WAIT_S, result)
        if not (result.is_kept or result.is_final):
            from htc.telemetry import spool
            from htc.telemetry.deliver import FOLDER

            result.reason = result.reason or "no process could be started to write to the database"
            try:
                spool.keep(home / FOLDER, batch.name, document)
                result.is_kept = True
            except OSError as error:
                result.reason += f"; {home / FOLDER} cannot be written: {error.strerror}"
        if not result.is_final:
            result.kept = len(executions) if result.is_kept else 0
            result.lost = len(executions) - result.kept
        return result

    def _start_delivery(self) -> subprocess.Popen[bytes] | None:
        import htc

        # -P, and the package's place last: nothing of the project can be mistaken for a library.
        place = str(Path(htc.__file__).parent.parent)
        try:
            return subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", "-c", _DELIVER, place],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                start_new_session=True,  # Ctrl-C at the end of a run is not meant for it
            )
        except (OSError, ValueError):
            return None

    def _home(self) -> Path:
        """HTC_HOME as far as the environment says; the delivery also knows the settings file."""
        given = self._environment.get("HTC_HOME")
        if given:
            return Path(given).expanduser()
        import platformdirs

        return Path(platformdirs.user_data_dir("htc", appauthor=False))


def _converse(process: subprocess.Popen[bytes], document: bytes, patience_s: float, result: _Result) -> None:
    try:
        said, _ = process.communicate(document, timeout=patience_s)
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as stopped:
        said = getattr(stopped, "stdout", None) or b""
        result.reason = (
            "interrupted" if isinstance(stopped, KeyboardInterrupt) else "the database takes its time"
        )
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        result.is_left_alone = True
        # It goes on by itself and ends by itself: nobody is to warn that it still runs.
        process.returncode = 0
    for line in said.decode("utf-8", "replace").splitlines():
        try:
            value: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        if "recorded" in value:
            for name in ("recorded", "earlier", "kept", "lost", "dropped", "reason"):
                setattr(result, name, value[name])
            result.is_final = True
        elif "kept" in value:
            result.is_kept = True
    if not result.is_final and result.reason is None:
        result.reason = "the process that writes to the database ended early"


def _in_words(result: _Result, total: int, note: str | None) -> str:
    parts = []
    if result.recorded == total:
        parts.append(f"{_tests(total)} recorded")
    elif result.recorded:
        parts.append(f"{result.recorded} of {_tests(total)} recorded")
    if result.earlier:
        parts.append(f"{result.earlier} of earlier runs too")
    if result.kept:
        until = "and still being recorded" if result.is_left_alone else "for the next run"
        parts.append(f"{_tests(result.kept)} kept {until}")
    if result.lost:
        parts.append(f"{_tests(result.lost)} not recorded")
    if result.dropped:
        parts.append(f"{result.dropped} old batches dropped, there was no room to keep them")
    text = ", ".join(parts)
    if result.reason:
        text += f": {result.reason}"
    return f"{text} ({note})" if note else text


def _tests(count: int) -> str:
    return f"{count} test" if count == 1 else f"{count} tests"


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
