"""``htc screen`` on clusters of real processes: the rows of a local run, whoever dies, joins or goes away."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from htc.store import Database
from htc.store.campaigns import stages_of
from htc.store.jobs import run_summary

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("distributed", "dask_jobqueue")),
        reason="the extra [dask] is not installed",
    ),
]

CAMPAIGN = """
name = "on a cluster"
seed = 3
[[candidates]]
kind = "substitution"
prototypes = ["library:NbN"]
slots = { Nb = "transition_metals", N = "B C N O Si P S" }
[[candidates]]
kind = "formulas"
formulas = ["MgB2", "YBa2Cu3O7"]
[[stages]]
kind = "predict"
tier = "fast"
keep = { best = 30 }
[[stages]]
kind = "predict"
tier = "default"
keep = { best = 12 }
[[stages]]
kind = "eliashberg"
"""

WITH_POTENTIAL = """
[[stages]]
kind = "relax"
budget = 3
[[stages]]
kind = "predict"
tier = "best"
[[stages]]
kind = "phonons"
budget = 2
[[stages]]
kind = "hull"
made_up = false
"""


@pytest.fixture(autouse=True)
def _only_when_asked_for(request: pytest.FixtureRequest) -> None:
    if "slow" not in request.config.option.markexpr:
        pytest.skip("takes minutes; asked for with -m slow")


@pytest.fixture
def start(tmp_path: Path, database_in_settings: Database) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``start("htc", "screen", FILE)`` -> that module in a process of its own, ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def run(module: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
            stdout=subprocess.PIPE if module == "htc" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if module == "htc" else subprocess.DEVNULL,
            cwd=tmp_path,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in reversed(started):
        process.kill()
        process.communicate()


@pytest.fixture
def address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def scheduler(start: Callable[..., Any], address: str) -> subprocess.Popen[str]:
    port = address.rsplit(":", 1)[1]
    process = start("distributed.cli.dask_scheduler", "--no-dashboard", "--host", "127.0.0.1", "--port", port)
    until = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                return process
        assert time.monotonic() < until
        time.sleep(0.2)


def worker(start: Callable[..., Any], address: str, **environment: str) -> subprocess.Popen[str]:
    options = ("--no-dashboard", "--nthreads", "1", "--no-nanny")
    return start("distributed.cli.dask_worker", address, *options, **environment)


def until_said(process: subprocess.Popen[str], what: str) -> list[str]:
    """Lines of stderr up to one with these words."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if what in line:
            return said
    raise AssertionError(f"it never said {what!r}: {said}")


def run_of(said: list[str]) -> str:
    return next(line for line in said if line.startswith("run ")).split()[1]


def rows_of(database: Database, run_id: str) -> list[tuple[Any, ...]]:
    """All that is kept of all candidates, but for ids and times."""
    query = """
        SELECT s.stage, s.passed, s.duplicates, c.*, p.input_hash, p.tc_predicted, p.lambda_ep, i.position
        FROM campaign_stages s JOIN campaign_candidates c ON c.stage_id = s.id
            LEFT JOIN htc_predictions p ON p.id = c.prediction_id
            LEFT JOIN run_items i ON i.run_id = s.run_id AND i.prediction_id = c.prediction_id
        WHERE s.run_id = :r ORDER BY s.stage, c.position
    """
    with database.connect() as connection:
        found = connection.execute(text(query), {"r": run_id}).mappings()
        return [
            tuple(repr(v) for k, v in row.items() if k not in {"stage_id", "prediction_id"}) for row in found
        ]


def local_rows(start: Callable[..., Any], database: Database, file: Path) -> list[tuple[Any, ...]]:
    process = start("htc", "screen", str(file), "--workers", "1", "-n", "0")
    run_id = run_of(until_said(process, "stage 1 of"))
    process.communicate()
    assert process.returncode == 0
    return rows_of(database, run_id)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "campaign.toml"
    path.write_text(CAMPAIGN)
    return path


@pytest.mark.parametrize("stages", ["predicting", "all"])
def test_a_cluster_whose_workers_die_join_and_do_not_fit(
    stages: str, start: Callable[..., Any], address: str, file: Path, database_in_settings: Database
) -> None:
    if stages == "all":
        pytest.importorskip("sevenn", reason="the extra [mlip] is not installed")
        file.write_text(CAMPAIGN + WITH_POTENTIAL)
    scheduler(start, address)
    first, _ = worker(start, address), worker(start, address)
    process = start("htc", "screen", str(file), "--scheduler", address, "-n", "0")
    run_id = run_of(until_said(process, "stage 2 of"))
    first.kill()
    worker(start, address)
    worker(start, address, OMP_NUM_THREADS="2")
    _, said = process.communicate(timeout=1200)
    assert process.returncode == 0, said
    assert rows_of(database_in_settings, run_id) == local_rows(start, database_in_settings, file)


def test_a_scheduler_that_goes_away_ends_the_run_and_any_workers_go_on_with_it(
    start: Callable[..., Any], address: str, file: Path, database_in_settings: Database
) -> None:
    head = scheduler(start, address)
    worker(start, address)
    process = start("htc", "screen", str(file), "--scheduler", address, "-n", "0")
    run_id = run_of(until_said(process, "stage 2 of"))
    head.kill()
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "the scheduler is gone" in said
    assert f"htc screen --resume {run_id}" in said
    assert "Traceback" not in said
    summary = run_summary(database_in_settings, run_id)
    assert (summary.state, (summary.error or {}).get("what")) == ("failed", "the scheduler is gone")
    assert stages_of(database_in_settings, run_id)[0].state == "finished"
    process = start("htc", "screen", "--resume", run_id, "--workers", "1", "-n", "0")
    process.communicate(timeout=600)
    assert process.returncode == 0
    assert rows_of(database_in_settings, run_id) == local_rows(start, database_in_settings, file)


def test_a_cluster_from_a_profile(
    start: Callable[..., Any], tmp_path: Path, file: Path, database_in_settings: Database
) -> None:
    profile = tmp_path / "here.toml"
    profile.write_text('system = "local"\nprocesses = 1\nmemory = "3GB"\nmin_jobs = 1\nmax_jobs = 2\n')
    process = start("htc", "screen", str(file), "--cluster", str(profile), "-n", "0")
    run_id = run_of(until_said(process, "stage 1 of"))
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert rows_of(database_in_settings, run_id) == local_rows(start, database_in_settings, file)


def test_jobs_that_cannot_be_submitted_end_the_wait_for_them(
    start: Callable[..., Any], tmp_path: Path, file: Path
) -> None:
    profile = tmp_path / "slurm.toml"
    profile.write_text('processes = 1\nmemory = "1GB"\n')
    process = start("htc", "screen", str(file), "--cluster", str(profile), "-n", "0", PATH=str(tmp_path))
    _, said = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "no job can be submitted: sbatch is not a command here" in said
    assert "htc screen --resume" in said
