"""Processes that are kept alive, and that end with who keeps them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from htc.jobs import Supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)",
]


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60.0
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_what_dies_is_started_anew() -> None:
    supervisor = Supervisor([("one", SLEEP), ("two", SLEEP)])
    supervisor.start()
    try:
        first, second = supervisor.pids
        os.kill(first, signal.SIGKILL)
        until(lambda: len(supervisor.pids) == 2 and first not in supervisor.pids)
        assert second in supervisor.pids
        last = supervisor.pids
    finally:
        supervisor.stop()
    assert supervisor.pids == []
    assert all(gone(pid) for pid in last)


def test_what_does_not_stop_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htc.jobs.supervisor.GRACE_S", 0.3)
    supervisor = Supervisor([("stubborn", STUBBORN)])
    supervisor.start()
    (pid,) = supervisor.pids
    time.sleep(0.3)
    supervisor.stop()
    assert gone(pid)


_PIPED = """
import sys, time
from htc.jobs import Supervisor
CHILD = "from htc.jobs.supervisor import exit_with_parent; exit_with_parent(); import time; time.sleep(600)"
if __name__ == "__main__":
    one = Supervisor([("one", [sys.executable, "-c", CHILD])])
    one.start()
    print(*one.pids, flush=True)
    time.sleep(600)
"""
_SPAWNED = """
import multiprocessing, time
from htc.jobs.supervisor import exit_with_spawner
def work():
    exit_with_spawner()
    time.sleep(600)
if __name__ == "__main__":
    one = multiprocessing.get_context("spawn").Process(target=work)
    one.start()
    print(one.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("program", [_PIPED, _SPAWNED], ids=["supervised", "spawned"])
def test_they_end_with_a_parent_that_is_killed(program: str, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(program)
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    time.sleep(0.5)
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: gone(pid) or _is_zombie(pid))


def _is_zombie(pid: int) -> bool:
    # Where nobody adopts orphans, what has ended stays listed.
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123  # a path that may vanish meanwhile
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
