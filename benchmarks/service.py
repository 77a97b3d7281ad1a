"""What the service carries: requests a second by kind, latency, memory of a worker.

    python -m benchmarks.service [--home FOLDER] [--rows 1000000] [--seconds 10] [--connections 50]

Two web workers, no job workers; wrk and the client share the machine with them, so a machine with cores to
spare does better. Without ``--home`` a database with that many made-up predictions is built first (minutes).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from itertools import count
from pathlib import Path

import httpx

from benchmarks.serving import Serving, serving, wrk


def structures(n: int) -> list[str]:
    """CIF texts of the library's crystals, each with a volume that was not asked for before."""
    from pymatgen.io.cif import CifWriter

    from htc.materials.library import library_entries

    entries = [e for e in library_entries() if len(e.structure) <= 8]
    texts = []
    for i in count():
        for entry in entries:
            structure = entry.structure.copy()
            structure.scale_lattice(structure.volume * (1.0 + 1e-4 * (i + 1)))
            texts.append(str(CifWriter(structure)))
            if len(texts) == n:
                return texts
    raise RuntimeError("unreachable")


def uncached(served: Serving, n: int, load: dict[str, int], scratch: Path) -> str:
    """Structures that were never asked for, one a request, and a thousand a request."""
    first, single, many = 16, 150 * load["seconds"], n
    texts = structures(first + single + many)
    items = [{"structure": text} for text in texts]
    bodies = scratch / "bodies.jsonl"
    bodies.write_text("".join(json.dumps(item) + "\n" for item in items[first : first + single]))
    with httpx.Client(base_url=served.url, timeout=120, trust_env=False) as client:
        for item in items[:first]:  # imports and caches of both workers
            client.post("/api/htc/predict", json=item).raise_for_status()
        rate, words = wrk(f"{served.url}/api/htc/predict", bodies=bodies, **load)
        start = time.perf_counter()
        asked = {"items": items[first + single :]}
        with client.stream("POST", "/api/htc/predict/batch", json=asked) as answer:
            lines = [json.loads(line) for line in answer.iter_lines() if line]
        batch = len(lines) / (time.perf_counter() - start)
    wrong = sum(line.get("prediction") is None for line in lines)
    return (
        f"uncached structures: {rate:.0f}/s one a request, {words}; "
        f"{batch:.0f}/s in one batch (one process), {wrong} without answer"
    )


def main() -> None:
    """Print a line a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="HTC_HOME with the database, kept")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--structures", type=int, default=600)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = arguments.home or Path(scratch) / "home"
        from benchmarks.filling import fill
        from htc.settings import Settings
        from htc.store import Database

        with Database.open(Settings(home=home)) as database:
            fill(database, arguments.rows)
        options = ("--workers", "2", "--job-workers", "0")
        load = {"seconds": arguments.seconds, "connections": arguments.connections}
        with serving(home, *options, log=Path(scratch) / "service.log") as served:
            print(f"memory at start: {served.memory_mib()}", flush=True)
            question = json.dumps({"composition": "MgB2"})
            httpx.post(
                f"{served.url}/api/htc/predict", content=question, trust_env=False,
                headers={"Content-Type": "application/json"}, timeout=60,
            ).raise_for_status()  # fmt: skip
            for name, path, body in (
                ("health", "/api/htc/health", None),
                ("cached predict", "/api/htc/predict", question),
                (f"first ranking page of {arguments.rows:,} rows", "/api/htc/rankings?n=50", None),
                ("ranking page, Nb and no O", "/api/htc/rankings?n=50&elements=Nb&without=O", None),
            ):
                rate, words = wrk(served.url + path, body=body, **load)
                print(f"{name}: {rate:.0f}/s, {words}", flush=True)
            for wanted in (500, 700):
                pause = round(1e3 * arguments.connections / wanted) - 8
                rate, words = wrk(f"{served.url}/api/htc/predict", body=question, pause_ms=pause, **load)
                print(
                    f"cached predict, each connection pausing {pause} ms: {rate:.0f}/s, {words}", flush=True
                )
            load["connections"] = 16
            print(uncached(served, arguments.structures, load, Path(scratch)), flush=True)
            print(f"memory at the end: {served.memory_mib()}", flush=True)


if __name__ == "__main__":
    main()
