"""What a campaign costs beside the predictions themselves, and how much memory all of its processes take.

    HTC_HOME=/tmp/bench python -m benchmarks.campaign --candidates 100000 --workers 2

Binary and ternary compounds made from prototypes, through the fast tier; the best 1,000 through it once more.
Prints candidates a second, the share of the time that was bookkeeping, and the largest memory of coordinator
and workers together, looked at once a second. Shared pages count once for each process: the figure is an
upper bound.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from htc.discovery.campaign import Campaign
from htc.jobs.campaign import CampaignRequest, run_here, submit_campaign
from htc.jobs.campaign.owners import owner_name
from htc.jobs.campaign.watching import Progress, in_words
from htc.settings import Settings
from htc.store import Database
from htc.store.campaigns import stages_of

_STEP_S = 30.0


def campaign_of(candidates: int, tier: str) -> Campaign:
    """Some two million numbers, of which so many are drawn."""
    metals = ["transition_metals", "alkaline_earth", "lanthanides"]
    sources = [
        {"kind": "substitution", "prototypes": [prototype], "slots": slots}
        for prototype, slots in (
            ("A15", {"Cr": metals, "Si": ["all"]}),
            ("library:NbN", {"Nb": metals, "N": ["all"]}),
            ("Heusler", {"Al": ["all"], "Cu": ["all"], "Mn": ["all"]}),
            ("AB3C_cP5_221_a_c_b", {"Ca": ["all"], "O": ["all"], "Ti": ["all"]}),
            ("ABC_cF12_216_b_c_a", {"Ag": ["all"], "As": ["all"], "Mg": ["all"]}),
        )
    ]
    return Campaign.model_validate(
        {
            "name": f"benchmark of {candidates:,} candidates",
            "limit": candidates,
            "candidates": sources,
            "stages": [
                {"kind": "predict", "tier": tier, "keep": {"best": 1000}},
                {"kind": "predict", "tier": tier, "keep": {"best": 100, "by": "tc_lower_95ci"}},
            ],
        }
    )


def memory_mib() -> float:
    """Resident memory of this process and of all that descend from it, MiB."""
    parents: dict[int, int] = {}
    resident: dict[int, int] = {}
    page = os.sysconf("SC_PAGE_SIZE")
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
        resident[int(folder.name)] = int(fields[21]) * page
    mine = {os.getpid()}
    while True:
        more = {pid for pid, parent in parents.items() if parent in mine} - mine
        if not more:
            return sum(resident.get(pid, 0) for pid in mine) / 2**20
        mine |= more


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--scheduler", default=None, help="address of a Dask scheduler")
    parser.add_argument("--tier", default="fast", choices=["fast", "default"])
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    settings = Settings()
    campaign = campaign_of(wanted.candidates, wanted.tier)
    request = CampaignRequest(campaign=campaign, workers=wanted.workers, scheduler=wanted.scheduler)
    peak, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(1.0):
            peak[0] = max(peak[0], memory_mib())

    told: dict[str, Any] = {"at": 0.0, "doing": ""}

    def watch(one: Progress) -> None:
        now = time.monotonic()
        if one.doing != told["doing"] or now - told["at"] > _STEP_S:
            told.update(at=now, doing=one.doing)
            print(f"{in_words(one)}; {memory_mib():.0f} MiB", flush=True)

    with Database.open(settings) as database:
        began = time.perf_counter()
        _, lease = submit_campaign(database, settings, request, created_by="benchmark", owner=owner_name())
        if lease is None:
            raise SystemExit("the run was not begun")
        submitted = time.perf_counter() - began
        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        result = run_here(database, settings, lease, stopping=threading.Event(), watch=watch)
        wall = time.perf_counter() - began
        over.set()
        thread.join()
        stages = stages_of(database, lease.run_id)
    first, costs = stages[0], result["costs"]
    figures = {
        "run": lease.run_id,
        "numbers": first.entries,
        "judged": first.done,
        "rejected": first.rejected,
        "failed": first.failed,
        "submitting_s": submitted,
        "wall_s": wall,
        "numbers_per_s": first.entries / wall,
        "seconds_for_a_million": 1e6 * wall / first.entries,
        "peak_mib": peak[0],
        "costs": costs,
        "stages": result["stages"],
    }
    if wanted.json:
        print(json.dumps(figures, indent=2))
        return
    print(
        f"{first.entries:,} numbers ({first.done:,} judged, {first.rejected:,} rejected, {first.failed:,} "
        f"failed) in {wall:.1f} s: {first.entries / wall:.0f}/s, "
        f"a million in {1e6 * wall / first.entries / 60:.0f} min"
    )
    print(
        f"workers {costs['worker_seconds']:.1f} s; planning {costs['planning_seconds']:.2f} s, store "
        f"{costs['store_seconds']:.2f} s, selection {costs['selection_seconds']:.2f} s: bookkeeping "
        f"{100 * costs['bookkeeping']:.2f} %; workers idle {100 * costs['idle']:.1f} %"
    )
    print(f"peak memory of all processes {peak[0]:.0f} MiB")


if __name__ == "__main__":
    main()
