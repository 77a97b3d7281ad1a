"""Workers over a real database: in this process, and in processes of their own that can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from htc.discovery import OptimizeRequest, ScreenRequest
from htc.jobs import Worker, submit
from htc.jobs.requests import ValidateRequest
from htc.settings import Settings, get_settings
from htc.store import Database
from htc.store.jobs import RunSummary, run_summary

REQUESTS: dict[str, Any] = {"screen": ScreenRequest, "optimize": OptimizeRequest, "validate": ValidateRequest}


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tier that is quickest to load and to ask; these tests are about who asks it."""
    monkeypatch.setenv("HTC_TIER", "fast")
    get_settings.cache_clear()


@pytest.fixture
def ask(database_in_settings: Database) -> Callable[..., str]:
    """``ask("screen", candidates={...})`` -> the run's id."""

    def enqueue(kind: str, *, key: str | None = None, **request: Any) -> str:
        job, _ = submit(
            database_in_settings, REQUESTS[kind].model_validate(request), created_by="me", key=key
        )
        return job.run_id

    return enqueue


@pytest.fixture
def worker(database_in_settings: Database) -> Iterator[Worker]:
    """A worker in this process, to be asked for one piece of work after the other."""
    one = Worker(Settings(), database_in_settings)
    yield one
    one.close()


@pytest.fixture
def start_worker() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """``start_worker()`` -> `htc worker` in a process of its own, ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "htc", "worker", *options],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def wait_for(database: Database, run_id: str, is_so: Callable[[RunSummary], bool]) -> RunSummary:
    """The run once something holds of it."""
    deadline = time.monotonic() + 180.0
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):
            summary = run_summary(database, run_id)
            if is_so(summary):
                return summary
        time.sleep(0.05)
    raise AssertionError(f"it never came to that: {run_summary(database, run_id)}")


def lapse(database: Database, run_id: str) -> None:
    """As if half a minute had passed since the holder died."""
    with database.begin() as connection:
        connection.execute(
            text("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE run_id = :r"), {"r": run_id}
        )
