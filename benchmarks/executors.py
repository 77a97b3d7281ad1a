"""What a campaign's executors do in a second: Dask's two workers against the local pool's two.

    python -m benchmarks.executors [CANDIDATES] [--tier TIER] [--chunk N] [--rounds N] [--json]

A scheduler and two workers are started by their commands, on the loopback device. Both executors do the same
candidates, warm, in rounds: first the one, then the other, and the other way round in the next round. A
round gives one ratio, of two times that lie next to each other; what else the machine does in the meantime
changes the rates more than the ratios. Printed are the median and the range over the rounds. Waiting workers
of the one executor take no processor while the other one works.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from htc.discovery.campaign import parse_campaign
from htc.discovery.executors import DaskExecutor, Executor, LocalExecutor
from htc.discovery.funnel.tasks import ChunkResult, ChunkTask
from htc.discovery.space import open_space
from htc.errors import HTCError

WORKERS = 2
CAMPAIGN = """
name = "executors"
[[candidates]]
kind = "substitution"
prototypes = ["Nb3Sn"]
slots = { Nb = "transition_metals", Sn = "Al Si Ga Ge As In Sn Sb Pb Bi" }
[[candidates]]
kind = "substitution"
prototypes = ["NbN"]
slots = { Nb = "metals", N = "B C N" }
"""


def chunks(most: int, size: int, tier: str) -> list[ChunkTask]:
    """Plausible and implausible candidates, as they come."""
    space = open_space(parse_campaign(CAMPAIGN))
    n = min(most, len(space))
    return [
        ChunkTask(
            run_id="benchmark",
            stage=0,
            chunk=i,
            kind="predict",
            spec={"kind": "predict", "tier": tier},
            candidates=space.slice(range(start, min(start + size, n))),
            full=False,
        )
        for i, start in enumerate(range(0, n, size))
    ]


def carry_out(executor: Executor, tasks: list[ChunkTask]) -> tuple[float, dict[int, bytes]]:
    """Seconds, and the rows to the last bit."""
    rows: dict[int, bytes] = {}
    began = time.perf_counter()
    for task in tasks:
        executor.submit(task)
    left = len(tasks)
    while left:
        for _, outcome in executor.finished(1.0):
            if not isinstance(outcome, ChunkResult):
                raise outcome.error
            rows |= {row.number: pickle.dumps(repr(row)) for row in outcome.rows}
            left -= 1
    return time.perf_counter() - began, rows


@contextmanager
def dask_executor() -> Iterator[DaskExecutor]:
    """Connected to a scheduler and workers of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HTC_")} | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:

        def start(name: str, *options: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{name}", "--no-dashboard", *options],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
            )

        processes = [start("dask_scheduler", "--host", "127.0.0.1", "--port", str(port))]
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", folder)
        processes += [start("dask_worker", address, *options) for _ in range(WORKERS)]
        executor: DaskExecutor | None = None
        try:
            while executor is None:
                try:
                    executor = DaskExecutor(address)
                except HTCError:
                    if any(process.poll() is not None for process in processes):
                        raise
            while executor.workers < WORKERS:
                time.sleep(0.5)
            yield executor
        finally:
            if executor is not None:
                executor.close()
            for process in processes:
                process.kill()
            for process in processes:
                process.wait()


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("candidates", nargs="?", type=int, default=1500)
    parser.add_argument("--tier", default="fast")
    parser.add_argument("--chunk", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    tasks = chunks(given.candidates, given.chunk, given.tier)
    local = LocalExecutor(WORKERS)
    try:
        with dask_executor() as dask:
            both: dict[str, Any] = {"local": local, "dask": dask}
            # The first work loads the model.
            for executor in both.values():
                carry_out(executor, tasks[: 2 * WORKERS])
            seconds: dict[str, list[float]] = {name: [] for name in both}
            rows: dict[str, dict[int, bytes]] = {}
            for turn in range(given.rounds):
                for name in both if turn % 2 == 0 else reversed(both):
                    spent, rows[name] = carry_out(both[name], tasks)
                    seconds[name].append(spent)
    finally:
        local.close()
    n = sum(len(task.candidates) for task in tasks)
    rates = {name: [n / spent for spent in times] for name, times in seconds.items()}
    ratios = [b / a for a, b in zip(rates["local"], rates["dask"], strict=True)]
    same = rows["local"] == rows["dask"]
    if given.json:
        print(json.dumps({"candidates": n, "rates": rates, "ratios": ratios, "same_rows": same}, indent=2))
        return
    print(f"{n} candidates in chunks of {given.chunk}, {WORKERS} workers, {given.rounds} rounds in turns")
    for name, some in rates.items():
        print(f"{name:<6} {_spread(some, '.0f')} candidates/s")
    print(f"ratio  {_spread(ratios, '.2f')} (Dask's rate over the local pool's, of each round)")
    print("       " + ", ".join(f"{r:.2f}" for r in ratios))
    print(f"rows   {len(rows['local'])}, {'the same, bit for bit' if same else 'DIFFERENT'}")


def _spread(values: list[float], form: str) -> str:
    middle, low, high = (format(v, form) for v in (statistics.median(values), min(values), max(values)))
    return f"median {middle}, from {low} to {high}"


if __name__ == "__main__":
    main()
