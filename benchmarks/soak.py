"""A mixed load on a service, the database killed in the middle: what fails, what leaks, what is lost.

    python -m benchmarks.soak [--minutes 30] [--rate 40] [--home FOLDER] [--log FILE]

Every request is counted by its kind and status, those in the outage apart. At the end every job that was
accepted must have finished, and memory must not have grown since the first tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from benchmarks.service import structures
from benchmarks.serving import Serving, serving

ELEMENTS = ("Nb", "V", "Ti", "Zr", "Mo", "Ta", "Al", "Ga", "Sn", "B", "C", "N", "Mg", "Si", "Ge")
_JSON = {"Content-Type": "application/json"}
MALFORMED: tuple[dict[str, Any], ...] = (
    {"method": "POST", "url": "/api/htc/predict", "content": b"{", "headers": _JSON},
    {"method": "POST", "url": "/api/htc/predict", "json": {"composition": "Xx9"}},
    {"method": "POST", "url": "/api/htc/predict", "json": {"structure": "data_\n_cell_length_a ?"}},
    {"method": "GET", "url": "/api/htc/rankings?n=-1"},
    {"method": "GET", "url": "/api/htc/results/no-such-run"},
    {"method": "GET", "url": "/%00/../etc"},
    {"method": "POST", "url": "/api/htc/screen", "json": {"candidates": 7}},
)  # fmt: skip


def postmaster(home: Path) -> int:
    """Process id of the embedded server."""
    (found,) = home.glob("**/postmaster.pid")
    return int(found.read_text().split()[0])


class Soak:
    """Counts of one soak."""

    def __init__(self, served: Serving, home: Path, seed: int) -> None:
        """Nothing was asked yet."""
        self.served, self.home = served, home
        self.random = random.Random(seed)
        self.counts: Counter[tuple[str, str, int | str]] = Counter()
        self.jobs: list[str] = []
        self.outage: tuple[float, float] | None = None
        self.bad: list[str] = []
        self.cifs = structures(4000)

    def question(self) -> tuple[str, dict[str, Any]]:
        """The next request, one in a hundred malformed."""
        dice = self.random.random()
        if dice < 0.01:
            return "malformed", dict(self.random.choice(MALFORMED))
        if dice < 0.25:
            a, b = self.random.sample(ELEMENTS, 2)
            formula = f"{a}{self.random.randint(1, 3)}{b}"
            return "predict", {"method": "POST", "url": "/api/htc/predict", "json": {"composition": formula}}
        if dice < 0.35 and self.cifs:
            body = {"structure": self.cifs.pop()}
            return "structure", {"method": "POST", "url": "/api/htc/predict", "json": body}
        if dice < 0.37:
            formulas = [f"{a}3{b}" for a, b in (self.random.sample(ELEMENTS, 2) for _ in range(8))]
            return "screen", {
                "method": "POST",
                "url": "/api/htc/screen",
                "json": {"candidates": {"formulas": formulas}},
            }
        if dice < 0.45 and self.jobs:
            return "results", {"method": "GET", "url": f"/api/htc/results/{self.random.choice(self.jobs)}"}
        pages = ("/", "/api/htc/rankings?n=50", "/api/htc/health", "/metrics", "/materials/MgB2",
                 "/api/htc/materials/MgB2", "/optimade/v1/structures?page_limit=5")  # fmt: skip
        page = self.random.choice(pages)
        return page, {"method": "GET", "url": page}

    async def ask(self, client: httpx.AsyncClient) -> None:
        """Send one request and count its answer."""
        kind, request = self.question()
        start = time.time()
        try:
            answer = await client.request(**request)
            status: int | str = answer.status_code
        except httpx.HTTPError as error:
            status, answer = type(error).__name__, None
        out = self.in_outage(start) or self.in_outage(time.time())
        self.counts["outage" if out else "calm", kind, status] += 1
        if answer is not None and answer.status_code == 503 and "retry-after" not in answer.headers:
            self.bad.append(f"503 without Retry-After: {kind}")
        if not out and (isinstance(status, str) or status >= 500):
            self.bad.append(
                f"{time.strftime('%H:%M:%S')} {kind} {status} {answer.text[:300] if answer else ''}"
            )
        if kind == "screen" and answer is not None and answer.status_code == 202:
            self.jobs.append(answer.json()["run_id"])

    def in_outage(self, when: float) -> bool:
        """Whether the database was down, or had come back less than ten seconds ago."""
        return self.outage is not None and self.outage[0] <= when <= self.outage[1]

    async def run(self, minutes: float, rate: float) -> None:
        """The load, the kill in the middle, and the wait for the jobs."""
        begin, end = time.time(), time.time() + 60 * minutes
        limits = httpx.Limits(max_connections=60)
        first: dict[str, float] = {}
        async with httpx.AsyncClient(
            base_url=self.served.url, timeout=60, trust_env=False, limits=limits
        ) as client:
            tasks: set[asyncio.Task[None]] = set()
            told = begin
            while (now := time.time()) < end:
                if self.outage is None and now > begin + 30 * minutes:
                    self.outage = (now, now + 3600)
                    os.kill(postmaster(self.home), signal.SIGKILL)
                    print("the database was killed", flush=True)
                    tasks.add(asyncio.create_task(self.wait_for_database(client)))
                if not first and now > begin + 6 * minutes:
                    first = self.served.memory_mib()
                    print(f"memory after a tenth: {first}", flush=True)
                if now > told + 60:
                    told = now
                    asked = sum(self.counts.values())
                    print(f"{(now - begin) / 60:.0f} min: {asked} requests, {len(self.jobs)} jobs, "
                          f"{len(self.bad)} faults", flush=True)  # fmt: skip
                if len(tasks) < 50:
                    task = asyncio.create_task(self.ask(client))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                await asyncio.sleep(self.random.expovariate(rate))
            await asyncio.gather(*tasks)
            lost = await self.unfinished(client)
        print(f"memory at the end: {self.served.memory_mib()}")
        for key, n in sorted(self.counts.items(), key=str):
            print(*key, n)
        print(f"jobs accepted {len(self.jobs)}, not finished {len(lost)}", *lost[:5])
        print(f"faults outside the outage: {len(self.bad)}", *self.bad[:40], sep="\n")

    async def wait_for_database(self, client: httpx.AsyncClient) -> None:
        """Note the end of the outage, ten seconds after health is well again."""
        start = time.time()
        while True:
            await asyncio.sleep(0.5)
            try:
                if (await client.get("/api/htc/health")).status_code == 200:
                    break
            except httpx.HTTPError:
                continue
        self.outage = (start - 2, time.time() + 10)
        print(f"the database answers again after {time.time() - start:.1f} s", flush=True)

    async def unfinished(self, client: httpx.AsyncClient) -> list[str]:
        """Jobs that did not finish within fifteen minutes of the end of the load."""
        waiting = list(self.jobs)
        deadline = time.time() + 900
        while waiting and time.time() < deadline:
            states = {
                run_id: (await client.get(f"/api/htc/results/{run_id}")).json().get("state")
                for run_id in waiting
            }
            waiting = [run_id for run_id, state in states.items() if state != "finished"]
            if {states[run_id] for run_id in waiting} <= {"failed", "cancelled"}:
                break
            await asyncio.sleep(2.0)
        return waiting


def main() -> None:
    """Run it and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=40, help="requests a second")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--log", type=Path, help="where the service logs")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = arguments.home or Path(scratch) / "home"
        log = arguments.log or Path(scratch) / "service.log"
        with serving(home, "--workers", "2", "--job-workers", "1", log=log) as served:
            asyncio.run(Soak(served, home, arguments.seed).run(arguments.minutes, arguments.rate))


if __name__ == "__main__":
    main()
