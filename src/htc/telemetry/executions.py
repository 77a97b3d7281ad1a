"""From pytest's reports, three a test, to one record an execution."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from htc.telemetry.text import fitted_name, storable

__all__ = ["Collector", "Execution", "Report"]

ERROR_LIMIT: Final = 1000
"""Characters of error_message that are kept."""


class Report(Protocol):
    """What is read of a ``pytest.TestReport``."""

    nodeid: str
    when: Any
    outcome: Any
    duration: float
    longrepr: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution of one test, with every text as the table can hold it."""

    test_name: str
    """pytest's node id, at most 500 characters, see :func:`htc.telemetry.text.fitted_name`."""
    test_file: str
    duration_ms: float
    """Setup, call and teardown together."""
    passed: bool
    error_message: str | None
    """Where it failed and the first line of why."""
    ended_at: float
    """Seconds since the epoch."""


@dataclass(slots=True)
class _Running:
    duration_s: float = 0.0
    error: str | None = None
    failed: bool = False
    skipped: bool = False
    ended_at: float = 0.0


@dataclass(slots=True)
class Collector:
    """Takes reports in the order they come, of any number of workers, and gives executions.

    - A test is executed when pytest ran it and did not skip it. A skipped test is not, nor is one marked
      ``xfail(run=False)``.
    - It passed when nothing of it failed: setup, call, teardown, subtests. A test that fails as its ``xfail``
      mark says has passed, and so has one that passes in spite of a mark that is not strict: ``passed``
      says whether pytest counts it against the run.
    - One repeated within a run (pytest-rerunfailures, ``--dist each``) is executed several times.
    - One interrupted before its teardown counts only if it had failed by then; else its outcome is unknown.
    """

    root: str
    """pytest's rootdir; paths of error messages are shown relative to it."""
    now: Any
    """The clock, seconds since the epoch."""
    done: list[Execution] = field(default_factory=list)
    _running: dict[tuple[str, str], _Running] = field(default_factory=dict)

    def add(self, report: Report) -> None:
        """Take one report."""
        key = (str(getattr(report, "worker_id", "")), report.nodeid)
        is_subtest = type(report).__name__.lower() == "subtestreport"
        if report.when == "setup" and key in self._running:
            # A run again whose teardown never came.
            self._finish(key, complete=False)
        running = self._running.setdefault(key, _Running())
        if not is_subtest:  # its time is in that of the test's call
            running.duration_s += max(0.0, float(report.duration or 0.0))
        running.ended_at = float(getattr(report, "stop", 0.0) or 0.0) or self.now()
        expected = getattr(report, "wasxfail", None)
        if report.outcome in {"failed", "rerun"}:
            running.failed = True
            running.error = running.error or self._crash_line(report.longrepr)
        elif report.outcome == "skipped" and not is_subtest:
            running.skipped |= expected is None or str(expected).startswith("[NOTRUN]")
        if report.when not in {"setup", "call"}:
            # "teardown", or what pytest-xdist reports for a test that took its worker along
            self._finish(key, complete=True)

    def finish(self) -> list[Execution]:
        """All executions, once the last report has come."""
        for key in list(self._running):
            self._finish(key, complete=False)
        return self.done

    def _finish(self, key: tuple[str, str], *, complete: bool) -> None:
        running = self._running.pop(key)
        if not running.failed and (running.skipped or not complete):
            return
        name = storable(key[1])
        self.done.append(
            Execution(
                test_name=fitted_name(name),
                test_file=fitted_name(name.split("::", 1)[0]),
                duration_ms=running.duration_s * 1e3,
                passed=not running.failed,
                error_message=running.error,
                ended_at=running.ended_at,
            )
        )

    def _crash_line(self, longrepr: Any) -> str:
        crash = getattr(longrepr, "reprcrash", None)
        if crash is not None:
            path = str(crash.path).replace("\\", "/")
            path = path.removeprefix(self.root.rstrip("/") + "/")
            text = f"{path}:{crash.lineno}: {_first_line(str(crash.message))}"
        else:
            lines = [line.strip() for line in str(longrepr or "").splitlines() if line.strip()]
            # A fixture that is not found and the like: pytest marks the line that matters with E.
            marked = [line for line in lines if line.startswith("E  ")]
            text = (marked or lines[-1:] or ["no message"])[0].removeprefix("E").strip()
        return storable(text)[:ERROR_LIMIT]


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")
