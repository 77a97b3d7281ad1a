"""How often a hull that relaxes few made-up crystals differs from one that relaxes all that come near it.

    OMP_NUM_THREADS=1 python -m benchmarks.made_up_hull Mg-Al-B [Nb-Ti-N ...] [--cache FOLDER]

For each system and those within it: every made-up crystal is brought to its best volume, and relaxed where
that comes within ``--window`` eV/atom of the hull of the known crystals. Each crystal with all of the
elements is then measured against all of these, and as ``htc stability`` does it. Energies are kept in the
folder: a run that was interrupted goes on with the next crystal.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from htc.stability import StabilityCache, load_potential
from htc.stability.competition import compete, gather
from htc.stability.competitors import bundled
from htc.stability.competitors.source import Competitor
from htc.stability.energies import Energies
from htc.stability.hull import Phase, chemical_potentials, hull_distance

SAME_EV = 0.001


def near(
    crystals: list[Competitor], known: list[Phase], energies: Energies, window: float
) -> list[Competitor]:
    """Those that are within so many eV/atom of the hull of the known ones before they are relaxed."""
    found: list[Competitor] = []
    for crystal in crystals:
        screened = energies.static(crystal)
        if screened is None:
            continue
        amounts = crystal.structure.composition.fractional_composition.get_el_amt_dict()
        fractions = {str(symbol): float(x) for symbol, x in amounts.items()}
        plane = chemical_potentials(fractions, known)
        if screened.energy_ev - sum(x * plane[symbol] for symbol, x in fractions.items()) < window:
            found.append(crystal)
    return found


def compare(elements: list[str], energies: Energies, window: float) -> list[float]:
    """How far the quick distances lie above the exhaustive ones, eV/atom; prints what it finds."""
    competitors, _ = gather(bundled(), elements)
    known = [p for c in competitors if not c.made_up and isinstance(p := energies.relaxed(c), Phase)]
    made_up = [c for c in competitors if c.made_up]
    kept = near(made_up, known, energies, window)
    relaxed = [p for c in kept if isinstance(p := energies.relaxed(c), Phase)]
    targets = [p for p in (*known, *relaxed) if p.fractions.keys() == set(elements)]
    off: list[float] = []
    turned = few = most = 0
    for target in targets:
        whole = hull_distance(replace(target, made_up=False), [*known, *relaxed])
        quick = compete(replace(target, made_up=False), bundled(), energies)
        if quick.distance_ev is None or whole.distance_ev is None:
            continue
        off.append(quick.distance_ev - whole.distance_ev)
        turned += whole.on_hull != quick.on_hull
        few, most = few + quick.n_made_up, max(most, quick.n_made_up)
        if abs(off[-1]) > SAME_EV:
            print(
                f"  {target.name}: {quick.distance_ev:.4f} instead of {whole.distance_ev:.4f} eV/atom",
                flush=True,
            )
    differ = sum(abs(x) > SAME_EV for x in off)
    print(
        f"{'-'.join(elements)}: {len(known)} known, {len(made_up)} made up, {len(relaxed)} of them relaxed; "
        f"of {len(targets)} crystals {differ} differ, {turned} change sides; "
        f"relaxed for each {few / max(1, len(targets)):.1f}, at most {most}",
        flush=True,
    )
    return off


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("systems", nargs="+", help="chemical systems, e.g. Mg-Al-B")
    parser.add_argument("--potential", default="sevennet-0")
    parser.add_argument("--cache", type=Path, default=None, help="keep energies in this folder")
    parser.add_argument("--window", type=float, default=0.25, help="eV/atom")
    wanted = parser.parse_args()
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as folder:
        cache = StabilityCache(wanted.cache or Path(folder))
        energies = Energies(load_potential(wanted.potential), cache=cache)
        systems = {
            tuple(sorted(part))
            for system in wanted.systems
            for n in (2, 3)
            for part in combinations(system.split("-"), n)
        }
        began = time.process_time()
        off = [
            x
            for part in sorted(systems, key=lambda part: (len(part), part))
            for x in compare(list(part), energies, wanted.window)
        ]
    differ = sum(abs(x) > SAME_EV for x in off)
    print(f"{differ} of {len(off)} distances differ by more than {SAME_EV} eV/atom", end="; ")
    print(f"{time.process_time() - began:.0f} s of processor")


if __name__ == "__main__":
    main()
