"""How often the verdict on phonons is wrong, and what it costs: crystals that first principles found stable.

    HTC_DATA=... OMP_NUM_THREADS=1 python -m benchmarks.phonon_verdicts [POTENTIAL] [CELLS] [--atoms 1 4]

The cells of ``epc/betenet.jsonl`` had real phonons in their source, or they would not be there. The sample is
those of at most four atoms (``--atoms``) of the training folds, in the order of the SHA-256 of their id.
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

PUBLIC_TEST_FOLD = 3


def stable_cells(data: Path, most: int, atoms: tuple[int, int]) -> list[tuple[str, Any]]:
    """Names and primitive cells of the sample."""
    from pymatgen.core.structure import Structure

    from htc.materials.structures import primitive_standardised

    lines = (data / "epc" / "betenet.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["fold"] != PUBLIC_TEST_FOLD]
    rows.sort(key=lambda row: hashlib.sha256(str(row["betenet_id"]).encode()).hexdigest())
    found: list[tuple[str, Any]] = []
    for row in rows:
        cell = primitive_standardised(Structure.from_str(row["poscar"], fmt="poscar")).structure
        if atoms[0] <= len(cell) <= atoms[1]:
            found.append((f"{row['betenet_id']} {row['formula']}", cell))
        if len(found) == most:
            break
    return found


def unstable_cells() -> list[tuple[str, Any]]:
    """Crystals whose phonons are imaginary in first principles."""
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    def make(group: str, a: float, **sites: tuple[float, float, float]) -> Any:
        return Structure.from_spacegroup(group, Lattice.cubic(a), list(sites), list(sites.values()))

    zero, half, face, quarter = (0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0), (0.25, 0.25, 0.25)
    return [
        # Grimvall et al., Rev. Mod. Phys. 84, 945 (2012), doi:10.1103/RevModPhys.84.945.
        ("bcc Ti", make("Im-3m", 3.25, Ti=zero)),
        ("bcc Zr", make("Im-3m", 3.6, Zr=zero)),
        ("bcc Hf", make("Im-3m", 3.55, Hf=zero)),
        ("bcc Al", make("Im-3m", 3.24, Al=zero)),
        ("fcc Nb", make("Fm-3m", 4.2, Nb=zero)),
        ("fcc Mo", make("Fm-3m", 4.0, Mo=zero)),
        ("fcc W", make("Fm-3m", 4.05, W=zero)),
        # Ghosez et al., Phys. Rev. B 60, 836 (1999), doi:10.1103/PhysRevB.60.836, and the two like them.
        ("cubic BaTiO3", make("Pm-3m", 4.0, Ba=zero, Ti=half, O=face)),
        ("cubic PbTiO3", make("Pm-3m", 3.97, Pb=zero, Ti=half, O=face)),
        ("cubic KNbO3", make("Pm-3m", 4.03, K=zero, Nb=half, O=face)),
        ("cubic SrTiO3", make("Pm-3m", 3.95, Sr=zero, Ti=half, O=face)),
        # Parlinski et al., Phys. Rev. Lett. 78, 4063 (1997), doi:10.1103/PhysRevLett.78.4063.
        ("cubic ZrO2", make("Fm-3m", 5.1, Zr=zero, O=quarter)),
        # Isaev et al., J. Appl. Phys. 101, 123519 (2007), doi:10.1063/1.2747230.
        ("rocksalt NbN", make("Fm-3m", 4.4, Nb=zero, N=half)),
        ("rocksalt TaN", make("Fm-3m", 4.42, Ta=zero, N=half)),
        ("rocksalt VN", make("Fm-3m", 4.12, V=zero, N=half)),
    ]


def measure(potential_name: str, cells: int, atoms: tuple[int, int], keep: Path | None) -> None:
    """Print a line a crystal and the counts."""
    from htc.errors import HTCError
    from htc.stability.phonons import phonons
    from htc.stability.potentials import load_potential
    from htc.stability.relaxation import relax

    potential = load_potential(potential_name)
    data = Path(os.environ["HTC_DATA"])
    samples = {"unstable": unstable_cells(), "stable": stable_cells(data, cells, atoms)}
    for truth, sample in samples.items():
        times = []
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
        cost = f"CPU time: median {np.median(times):.1f} s, worst {max(times):.1f} s"
        print(f"{truth} by first principles: {dict(verdicts)}; {cost}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("potential", nargs="?", default="sevennet-l3i5")
    parser.add_argument("cells", nargs="?", type=int, default=24)
    parser.add_argument("--atoms", nargs=2, type=int, default=[1, 4], help="fewest and most in a cell")
    parser.add_argument("--keep", type=Path, help="folder for forces, to go on after a stop")
    arguments = parser.parse_args()
    measure(arguments.potential, arguments.cells, tuple(arguments.atoms), arguments.keep)
