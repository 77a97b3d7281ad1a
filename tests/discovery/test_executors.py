"""Executors: the same bits from every one of them, and nothing lost with a process that dies."""

from __future__ import annotations

import importlib.util
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from htc.discovery.campaign import parse_campaign
from htc.discovery.executors import (
    DaskExecutor,
    Executor,
    LocalExecutor,
    check_scheduler,
    job_script,
    parse_profile,
)
from htc.discovery.executors.program import differences, this_program
from htc.discovery.funnel.tasks import ChunkFailure, ChunkResult, ChunkTask
from htc.discovery.space import open_space
from htc.errors import ConflictError, HTCError, InputError

needs_dask = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("distributed", "dask_jobqueue")),
    reason="the extra [dask] is not installed",
)

CAMPAIGN = """
name = "executors"
[[candidates]]
kind = "substitution"
prototypes = ["NbN"]
slots = { Nb = "Ti V Zr Nb Mo Hf Ta W", N = "C N" }
[[candidates]]
kind = "substitution"
prototypes = ["Nb3Sn"]
slots = { Nb = "V Nb", Sn = "Al Ge Sn" }
[[candidates]]
kind = "formulas"
formulas = ["MgB2", "YBa2Cu3O7"]
"""

PROFILE = """
queue = "batch"
account = "materials"
processes = 16
memory = "64GB"
walltime = "1-02:00:00"
max_jobs = 10
directives = ["--constraint=zen4"]
prologue = ["module load python/3.12"]
python = "/opt/htc/bin/python"
interface = "ib0"
"""


def tasks(size: int, tier: str = "default", *, spec: dict[str, Any] | None = None) -> list[ChunkTask]:
    space = open_space(parse_campaign(CAMPAIGN))
    return [
        ChunkTask(
            run_id="r",
            stage=0,
            chunk=i,
            kind="predict",
            spec=spec or {"kind": "predict", "tier": tier},
            candidates=space.slice(range(start, min(start + size, len(space)))),
        )
        for i, start in enumerate(range(0, len(space), size))
    ]


def carry_out(
    executor: Executor,
    given: Sequence[ChunkTask],
    meanwhile: Callable[[ChunkResult], None] = lambda _: None,
    limit_s: float = 180.0,
) -> tuple[dict[int, bytes], list[tuple[ChunkTask, ChunkFailure]]]:
    """Rows to the last bit by candidate, and what failed; ``meanwhile`` is called after the first result."""
    rows: dict[int, bytes] = {}
    failures: list[tuple[ChunkTask, ChunkFailure]] = []
    left = {task.chunk for task in given}
    for task in given:
        executor.submit(task)
    until = time.monotonic() + limit_s
    while left:
        assert time.monotonic() < until, f"{len(left)} chunks did not come back"
        for task, outcome in executor.finished(0.5):
            left.remove(task.chunk)
            if isinstance(outcome, ChunkFailure):
                failures.append((task, outcome))
                continue
            rows |= {row.number: pickle.dumps(repr(row)) for row in outcome.rows}
            meanwhile(outcome)
            meanwhile = lambda _: None  # noqa: E731  # once
    return rows, failures


def kill(result: ChunkResult) -> None:
    os.kill(int(result.worker.rsplit(":", 1)[1]), signal.SIGKILL)


@pytest.fixture(scope="module")
def reference() -> dict[int, bytes]:
    """What one local process says."""
    executor = LocalExecutor(1)
    try:
        rows, failures = carry_out(executor, tasks(64))
    finally:
        executor.close()
    assert not failures
    assert len(rows) > 15
    return rows


def test_a_local_process_that_is_killed_is_reported_with_its_task_and_replaced(
    reference: dict[int, bytes],
) -> None:
    executor = LocalExecutor(2)
    try:
        rows, failures = carry_out(executor, tasks(5), kill)
        ((task, failure),) = failures
        assert failure.worker_died
        assert "SIGKILL" in failure.error.what
        more, failures = carry_out(executor, [task])
    finally:
        executor.close()
    assert not failures
    assert rows | more == reference


def test_what_no_process_can_do_is_not_blamed_on_its_death() -> None:
    executor = LocalExecutor(1)
    try:
        _, ((_, failure),) = carry_out(executor, [broken()])
    finally:
        executor.close()
    assert not failure.worker_died
    assert failure.error.code == "model-unusable"
    with pytest.raises(InputError):
        LocalExecutor(0)
    with pytest.raises(HTCError):
        executor.submit(broken())


def broken() -> ChunkTask:
    """A task whose model is nowhere."""
    from dataclasses import replace

    return replace(tasks(64)[0], model="/nowhere/at/all")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_processes_die_with_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from test_executors import tasks\n"
        "from htc.discovery.executors import LocalExecutor\n"
        "executor = LocalExecutor(1)\n"
        "for task in tasks(2): executor.submit(task)\n"
        "while not (done := executor.finished(1.0)): pass\n"
        "print(done[0][1].worker, flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, str(script), str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline().rsplit(":", 1)[1])
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
    until = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_another_program_is_told_by_what_differs() -> None:
    here = dict(this_program()) | {"threads": "1"}
    assert differences(here, this_program()) == []
    assert "numpy is 1.0 there" in differences(here | {"numpy": "1.0"}, this_program())[0]
    # A potential that is not there matters to stages that ask one.
    without = here | {"torch": "0.1"}
    assert differences(without, this_program()) == []
    assert differences(without, this_program(), "relax")
    assert "threads" in differences(here | {"threads": "all"}, this_program())[0]
    assert "rounds" in differences(here, this_program(), arithmetic="other")[0]


@needs_dask
def test_the_script_of_a_job_is_one(tmp_path: Path) -> None:
    script = job_script(parse_profile(PROFILE), "tcp://head:8786")
    file = tmp_path / "job.sh"
    file.write_text(script)
    subprocess.run(["bash", "-n", str(file)], check=True)
    given = dict(re.findall(r"^#SBATCH (-\w|--[\w-]+)[ =](.+)$", script, re.MULTILINE))
    assert given["-p"] == "batch"
    assert given["-A"] == "materials"
    assert given["-t"] == "1-02:00:00"
    assert given["--cpus-per-task"] == "16"
    assert given["--constraint"] == "zen4"
    lines = script.splitlines()
    (command,) = (line for line in lines if "dask_worker" in line)
    assert command.startswith("/opt/htc/bin/python -m distributed.cli.dask_worker tcp://head:8786")
    assert "--nthreads 1" in command
    assert "--nworkers 16" in command
    # Submitted twice, it brings workers of other names: a scheduler refuses those that it has.
    assert '--name "htc-$SLURM_JOB_ID"' in command
    # They leave before the batch system ends the job.
    lifetime = re.search(r"--lifetime (\d+)s", command)
    assert lifetime is not None
    assert int(lifetime[1]) < 26 * 3600
    assert lines.index("export OMP_NUM_THREADS=1") < lines.index("module load python/3.12")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('processes = 4\nmemory = "8GB"\nwaltime = "01:00:00"', "did you mean walltime"),
        ('memory = "8GB"', "'processes' is missing"),
        ('processes = 4\nmemory = "much"', "memory"),
        ('processes = 4\nmemory = "8GB"\nwalltime = "00:05:00"', "ten minutes"),
        ('processes = 4\nmemory = "8GB"\npython = "/my env/python"', "blanks"),
        ("processes =", "not valid TOML"),
    ],
)
def test_a_profile_that_is_none_says_where(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_profile(text, source="slurm.toml")
    assert says in str(caught.value)
    assert "slurm.toml" in str(caught.value)


# -- a real cluster on the loopback device ---------------------------------------------------------------


class DaskCluster:
    """A scheduler and workers, each a process that was started by its command."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self._folder = folder
        self._all: list[subprocess.Popen[bytes]] = []
        self._start("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-show")

    def worker(self, **environment: str) -> subprocess.Popen[bytes]:
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(self._folder / "scratch"))
        return self._start("dask_worker", self.address, *options, **environment)

    def _start(self, name: str, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        own = {k: v for k, v in os.environ.items() if not k.startswith("HTC_")}
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{name}", "--no-dashboard", *options],
                env=own | {"OMP_NUM_THREADS": "1"} | environment,
                stdout=log,
                stderr=log,
            )
        self._all.append(process)
        return process

    def connect(self, workers: int) -> DaskExecutor:
        """Once so many workers are there."""
        until = time.monotonic() + 120
        while True:
            try:
                executor = DaskExecutor(self.address)
                break
            except ConflictError:
                raise
            except HTCError:
                assert time.monotonic() < until, (self._folder / "log").read_text()[-2000:]
        while executor.workers < workers:
            assert time.monotonic() < until, (self._folder / "log").read_text()[-2000:]
            time.sleep(0.2)
        return executor

    def close(self) -> None:
        for process in reversed(self._all):
            process.kill()
            process.wait()


@pytest.fixture
def dask_cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    cluster = DaskCluster(tmp_path)
    yield cluster
    cluster.close()


@needs_dask
def test_a_dask_cluster_says_the_same_though_a_worker_is_killed_and_another_joins(
    dask_cluster: DaskCluster, reference: dict[int, bytes]
) -> None:
    for _ in range(2):
        dask_cluster.worker()
    executor = dask_cluster.connect(2)

    def worse(result: ChunkResult) -> None:
        kill(result)
        dask_cluster.worker()
        # One whose results would not be the same to the last bit gets no work.
        dask_cluster.worker(OMP_NUM_THREADS="2")

    try:
        rows, failures = carry_out(executor, tasks(3), worse)
    finally:
        executor.close()
    assert not failures
    assert rows == reference


@needs_dask
def test_a_cluster_of_another_program_is_refused(dask_cluster: DaskCluster) -> None:
    dask_cluster.worker(OMP_NUM_THREADS="4")
    found: ConflictError | None = None
    until = time.monotonic() + 120
    while found is None and time.monotonic() < until:
        try:
            # Before the worker is there nobody can be refused: that is no fault.
            dask_cluster.connect(1).close()
        except ConflictError as error:
            found = error
    assert found is not None
    assert "no worker runs the program that runs here" in found.what
    assert "several threads" in found.what
    with pytest.raises(InputError):
        DaskExecutor()


@needs_dask
def test_nobody_at_the_address_is_said_so() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(HTCError, match="no Dask scheduler answers"):
        DaskExecutor(f"tcp://127.0.0.1:{port}", connect_s=1.0)
    with pytest.raises(HTCError, match="no Dask scheduler answers"):
        check_scheduler(f"tcp://127.0.0.1:{port}", connect_s=1.0)
