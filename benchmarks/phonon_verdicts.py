"""How often the verdict on phonons is wrong, and what it costs: crystals that first principles found stable.

    HTC_DATA=... OMP_NUM_THREADS=1 python -m benchmarks.phonon_verdicts [POTENTIAL] [CELLS] [--keep FOLDER]

The cells of ``epc/betenet.jsonl`` had real phonons in their source, or they would not be there. The sample is
those of at most four atoms of the training folds, in the order of the SHA-256 of their id.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

MOST_ATOMS = 4
PUBLIC_TEST_FOLD = 3


def stable_cells(data: Path, most: int) -> list[tuple[str, Any]]:
    """Names and primitive cells of the sample."""
    from pymatgen.core.structure import Structure

    from htc.materials.structures import primitive_standardised

    lines = (data / "epc" / "betenet.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["fold"] != PUBLIC_TEST_FOLD]
    rows.sort(key=lambda row: hashlib.sha256(str(row["betenet_id"]).encode()).hexdigest())
    found: list[tuple[str, Any]] = []
    for row in rows:
        cell = primitive_standardised(Structure.from_str(row["poscar"], fmt="poscar")).structure
        if len(cell) <= MOST_ATOMS:
            found.append((f"{row['betenet_id']} {row['formula']}", cell))
        if len(found) == most:
            break
    return found


def unstable_cells() -> list[tuple[str, Any]]:
    """Crystals whose harmonic phonons are imaginary beyond doubt."""
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    def make(group: str, a: float, **sites: tuple[float, float, float]) -> Any:
        return Structure.from_spacegroup(group, Lattice.cubic(a), list(sites), list(sites.values()))

    half = (0.5, 0.5, 0.5)
    return [
        ("bcc Ti", make("Im-3m", 3.25, Ti=(0, 0, 0))),
        ("cubic BaTiO3", make("Pm-3m", 4.0, Ba=(0, 0, 0), Ti=half, O=(0.5, 0.5, 0))),
        ("rocksalt NbN", make("Fm-3m", 4.4, Nb=(0, 0, 0), N=half)),
    ]


def measure(potential_name: str, cells: int, keep: Path | None) -> None:
    """Print a line a crystal and the counts."""
    from htc.errors import HTCError
    from htc.stability.phonons import phonons
    from htc.stability.potentials import load_potential
    from htc.stability.relaxation import relax

    potential = load_potential(potential_name)
    samples = {"unstable": unstable_cells(), "stable": stable_cells(Path(os.environ["HTC_DATA"]), cells)}
    times = []
    for truth, sample in samples.items():
        verdicts: Counter[str] = Counter()
        for name, cell in sample:
            start = time.process_time()
            try:
                relaxed = relax(cell, potential, cache_dir=keep)
                found = phonons(relaxed.structure, potential, cache_dir=keep) if relaxed.converged else None
            except HTCError as error:
                verdicts["refused"] += 1
                print(f"{name}: refused, {error}", flush=True)
                continue
            verdict = found.verdict if found else "unconverged"
            verdicts[verdict] += 1
            times.append(time.process_time() - start)
            what = (
                f"{found.reason}; highest {found.frequencies_thz.max():.1f} THz" if found else relaxed.reason
            )
            print(f"{name}: {verdict}, {what}, {times[-1]:.1f} s", flush=True)
        print(f"{truth} by first principles or experiment: {dict(verdicts)}", flush=True)
    print(f"CPU time: median {np.median(times):.1f} s, worst {max(times):.1f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("potential", nargs="?", default="sevennet-l3i5")
    parser.add_argument("cells", nargs="?", type=int, default=24)
    parser.add_argument(
        "--keep", type=Path, help="folder for forces: a second run goes on, its times mean nothing"
    )
    arguments = parser.parse_args()
    measure(arguments.potential, arguments.cells, arguments.keep)
