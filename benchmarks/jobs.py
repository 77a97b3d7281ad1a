"""What a run costs beside the predictions themselves.

    HTC_HOME=/tmp/bench python benchmarks/jobs.py --tier fast --candidates 2000

Screens crystals made from two prototypes with one worker in this process, and says how many candidates a
second it judged, and which share of the time went into the queue, the items and the store.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time

from htc.discovery import ScreenRequest
from htc.jobs import Worker, submit
from htc.settings import Settings
from htc.store import Database
from htc.store.jobs import run_summary

METALS = ["V", "Nb", "Ta", "Ti", "Zr", "Hf", "Mo", "W", "Cr", "Sc", "Y", "La", "Re", "Tc", "Ru", "Os"]
OTHERS = [
    *("Al", "Ga", "Si", "Ge", "Sn", "In", "Pb", "Sb", "As", "P", "Pt", "Au", "Ir", "Rh", "Pd", "Be"),
    *("Tl", "Bi", "Cd", "Zn", "Mg", "Ag"),
]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", default="fast", choices=["fast", "default", "best"])
    parser.add_argument("--candidates", type=int, default=704, help="up to 704 a pressure")
    wanted = parser.parse_args()
    settings = Settings(tier=wanted.tier)
    each = len(METALS) * len(OTHERS) * 2
    pressures = [float(p) for p in range(max(1, wanted.candidates // each))]
    request = ScreenRequest.model_validate(
        {
            "candidates": {
                "substitutions": [
                    {"prototype": "Nb3Sn", "replace": {"Nb": METALS, "Sn": OTHERS}},
                    {"prototype": "NbN", "replace": {"Nb": METALS, "N": OTHERS}},
                ]
            },
            "pressures_gpa": pressures,
            "tier": wanted.tier,
        }
    )
    with Database.open(settings) as database:
        job, _ = submit(database, request, created_by="benchmark")
        worker = Worker(settings, database)
        profile = cProfile.Profile()
        began = time.perf_counter()
        profile.runcall(worker.work_once)
        seconds = time.perf_counter() - began
        worker.close()
        run = run_summary(database, job.run_id)
    spent = _seconds(profile)
    print(f"{run.done} candidates ({run.failed} failed) in {seconds:.1f} s: {run.done / seconds:.0f}/s")
    for name, part in spent.items():
        print(f"  {name:12} {part:7.2f} s  {100 * part / seconds:5.1f} %")


def _seconds(profile: cProfile.Profile) -> dict[str, float]:
    """Time inside of each, what it calls included."""
    where = {
        "judging": ("evaluation.py", "__call__"),
        "candidates": ("candidates.py", "__getitem__"),
        "store": ("task.py", "_store"),
        "queue": ("leases.py", "record"),
    }
    found = dict.fromkeys(where, 0.0)
    for (file, _, function), (_, _, _, total, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]  # not in its types
        for name, (module, called) in where.items():
            if file.endswith(module) and function == called:
                found[name] += total
    return found


if __name__ == "__main__":
    main()
