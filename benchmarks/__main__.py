"""Run the measurements and print their figures.

    python -m benchmarks [NAME ...]
    python -m benchmarks eliashberg [--ebmb FOLDER] [--images FOLDER]
    python -m benchmarks bulk [ROWS]
    python -m benchmarks ranking [--home FOLDER | --url URL] [--rows N ...] [--layouts]
    python -m benchmarks replay PREDICTIONS.parquet
    python -m benchmarks breeding

Ratios are of two things measured in the same run: they carry over to other machines better than the times
beside them.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.timing import median_of

Figures = list[tuple[str, str]]


def _library_cifs(folder: Path, copies: int = 4) -> Path:
    """An archive of the bundled library's crystals as CIF, each several times with another volume."""
    from pymatgen.io.cif import CifWriter

    from htc.materials.library import library_entries

    path = folder / "library.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for entry in library_entries():
            for i in range(copies):
                structure = entry.structure.copy()
                structure.scale_lattice(structure.volume * (1.0 + 0.01 * i))
                archive.writestr(
                    f"{entry.name.replace('/', '-')}_{i}.cif", str(CifWriter(structure, symprec=0.01))
                )
    return path


def predict() -> Figures:
    """The fast tier's ``htc predict`` on an archive of CIFs, one process, with and without the store."""
    from htc.materials.inputs import iter_inputs
    from htc.models import load_model
    from htc.prediction import Failure, Prediction, Predictor
    from htc.settings import Settings
    from htc.store import Database, save

    given = os.environ.get("HTC_DATA")
    with tempfile.TemporaryDirectory() as folder:
        if given and (archive := Path(given) / "structures" / "betenet_cifs.zip").exists():
            name = "BETE-NET CIFs"
        else:
            archive, name = _library_cifs(Path(folder)), "library CIFs"
        start = time.perf_counter()
        model = load_model(tier="fast")
        load_s = time.perf_counter() - start
        predictor = Predictor(model)
        list(predictor.predict(list(iter_inputs([archive]))[:8], mu_star=0.1))
        start = time.process_time()
        items = list(iter_inputs([archive]))
        read_s = time.process_time() - start
        start = time.process_time()
        results = list(predictor.predict(items, mu_star=0.1))
        predict_s = time.process_time() - start
        predictions = [r for r in results if isinstance(r, Prediction)]
        with Database.open(Settings(home=Path(folder) / "home")) as database:
            start = time.perf_counter()
            save(database, predictions)
            save_s = time.perf_counter() - start
    failed = sum(isinstance(r, Failure) for r in results)
    n = len(items)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        (f"{name}", f"{n}, {failed} not readable"),
        ("model load", f"{load_s:.2f} s"),
        ("read and check a CIF", f"{read_s / n * 1e3:.1f} ms CPU"),
        ("symmetry, features, model, record", f"{predict_s / n * 1e3:.1f} ms CPU"),
        ("both", f"{n / (read_s + predict_s):.0f} structures/s/core"),
        ("store", f"{len(predictions) / save_s:.0f} predictions/s"),
        ("peak memory", f"{memory:.0f} MiB"),
    ]


def tiers() -> Figures:
    """What a structure costs in each tier of the model; set OMP_NUM_THREADS=1."""
    from benchmarks.tiers import tiers as run

    given = os.environ.get("HTC_DATA")
    with tempfile.TemporaryDirectory() as folder:
        if given and (archive := Path(given) / "structures" / "betenet_cifs.zip").exists():
            return run(archive)
        return run(_library_cifs(Path(folder)))


def forest() -> Figures:
    """The packed forest against LightGBM's own prediction, one thread, the same trees."""
    import lightgbm

    from htc.models.forest import pack

    generator = np.random.default_rng(0)
    rows = generator.normal(size=(2000, 250))
    target = rows[:, 0] * rows[:, 1] + np.sin(rows[:, 2])
    model = lightgbm.LGBMRegressor(n_estimators=500, num_leaves=63, n_jobs=1, verbose=-1).fit(rows, target)
    booster = model.booster_
    packed = pack([booster])
    ours = median_of(lambda: packed.predict(rows[:500]))
    theirs = median_of(lambda: booster.predict(rows[:500], num_threads=1))
    return [
        ("500 rows, 500 trees of 63 leaves", f"{ours * 1e3:.0f} ms, LightGBM {theirs * 1e3:.0f} ms"),
        ("ratio", f"{ours / theirs:.2f}"),
    ]


def symmetry() -> Figures:
    """Standardising crystals with moyo against spglib's dataset alone."""
    import spglib

    from htc.materials.library import library_entries
    from htc.materials.symmetry import primitive_standardised

    structures = [entry.structure for entry in library_entries()][:60]
    cells = [(s.lattice.matrix, s.frac_coords, s.atomic_numbers) for s in structures]
    ours = median_of(lambda: [primitive_standardised(s) for s in structures], 3)
    theirs = median_of(lambda: [spglib.get_symmetry_dataset(c, symprec=0.01) for c in cells], 3)
    return [
        ("60 crystals", f"{ours * 1e3:.0f} ms, spglib {theirs * 1e3:.0f} ms"),
        ("ratio", f"{ours / theirs:.2f}"),
    ]


def formulas() -> Figures:
    """Closed formulas, a million at once against one by one."""
    from htc.theory.empirical import allen_dynes

    generator = np.random.default_rng(0)
    lam, log, two = generator.uniform([0.2, 50, 60], [3.0, 900, 1200], (1_000_000, 3)).T
    many = median_of(lambda: allen_dynes(lam, log, two, 0.1), 3) / len(lam)
    one = median_of(lambda: [allen_dynes(lam[i], log[i], two[i], 0.1) for i in range(1000)], 3) / 1000
    return [
        ("full Allen-Dynes, an array", f"{1e-6 / many:.1f} million/s"),
        ("ratio to one call each", f"{one / many:.0f} times faster"),
    ]


def start() -> Figures:
    """Cold starts of the command line: a new process each, the median of seven."""
    from htc.examples import examples

    program = str(Path(sys.executable).parent / "htc")
    with tempfile.TemporaryDirectory() as home, examples() as inputs:
        environment = {**os.environ, "HTC_HOME": home}
        spectrum = next(str(e.path) for e in inputs if e.kind == "spectrum")

        def timed(*arguments: str) -> float:
            return median_of(
                lambda: subprocess.run(
                    [program, *arguments], env=environment, check=True, capture_output=True, timeout=120
                ),
                7,
            )

        begun = time.perf_counter()
        subprocess.run(
            [program, "db", "status"], env=environment, check=True, capture_output=True, timeout=120
        )
        subprocess.run(
            [program, "predict", "Nb"], env=environment, check=True, capture_output=True, timeout=120
        )
        first = time.perf_counter() - begun
        return [
            ("htc --help", f"{timed('--help'):.2f} s"),
            ("htc tc FILE", f"{timed('tc', spectrum):.2f} s"),
            ("htc predict --no-store Nb", f"{timed('predict', '--no-store', 'Nb'):.2f} s"),
            ("first htc predict, making the database", f"{first:.2f} s"),
            ("htc predict Nb", f"{timed('predict', 'Nb'):.2f} s"),
        ]


ALL: dict[str, Callable[[], Figures]] = {
    "predict": predict,
    "tiers": tiers,
    "forest": forest,
    "symmetry": symmetry,
    "formulas": formulas,
    "start": start,
}


def eliashberg(*options: str) -> int:
    """Run the tables and plots of the Eliashberg engine, with one thread: see there."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "benchmarks.eliashberg", *options]
    return subprocess.run(command, env={**os.environ, **one}, check=False).returncode


def main() -> int:
    """Run the named measurements, or all."""
    if sys.argv[1:2] == ["eliashberg"]:
        return eliashberg(*sys.argv[2:])
    if sys.argv[1:2] == ["ranking"]:
        from benchmarks.ranking import main as ranking

        return ranking(sys.argv[2:])
    if sys.argv[1:2] == ["breeding"]:
        from benchmarks.breeding import main as breeding

        return breeding(sys.argv[2:])
    if sys.argv[1:2] == ["replay"]:
        from benchmarks.replay import main as replay

        return replay(sys.argv[2:])
    if sys.argv[1:2] == ["bulk"]:
        from benchmarks.bulk import main as bulk

        return bulk(sys.argv[2:])
    names = sys.argv[1:] or list(ALL)
    unknown = [name for name in names if name not in ALL]
    if unknown:
        there = ", ".join([*ALL, "bulk", "eliashberg", "ranking", "replay", "breeding"])
        print(f"no measurement is called {unknown[0]!r}; there are: {there}", file=sys.stderr)
        return 2
    for name in names:
        print(f"\n{name}: {(ALL[name].__doc__ or '').splitlines()[0]}")
        for what, figure in ALL[name]():
            print(f"  {what:40} {figure}", flush=True)
    return 0 if sys.argv[1:] else eliashberg()


if __name__ == "__main__":
    sys.exit(main())
