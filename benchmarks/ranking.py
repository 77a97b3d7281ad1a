"""The ranking on millions of predictions: pages under filters, refreshes beside readers, layouts.

    python -m benchmarks ranking [--home FOLDER | --url URL] [--rows N ...] [--layouts]

Fills ``htc_predictions`` up to each N (default 1,000,000), a multiple of 250,000, and measures there; the
database keeps the rows. Without a folder or URL a folder is made and removed. 10,000,000 rows take 12 GB.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from benchmarks.filling import fill
from benchmarks.timing import seconds_of
from htc.settings import Settings
from htc.store import Database, Filters, refresh_rankings, top, top_formulas
from htc.store.database import user_url

PAGE = 100
REPEATS = 40

SINGLE = {
    "none": Filters(),
    "Tc at least 5 K": Filters(min_tc_predicted=5.0),
    "with O, the commonest": Filters(elements=("O",)),
    "with Nb": Filters(elements=("Nb",)),
    "with Xe, the rarest": Filters(elements=("Xe",)),
    "without O": Filters(without=("O",)),
    "only B, C, Mg": Filters(only=("B", "C", "Mg")),
    "at most 10 GPa": Filters(max_pressure_required_gpa=10.0),
    "100 to 120 GPa": Filters(min_pressure_required_gpa=100.0, max_pressure_required_gpa=120.0),
    "phonons stable": Filters(phonon_stable=True),
    "stable against decay": Filters(thermo_stable=True),
    "hull at most 0.05 eV/atom": Filters(max_hull_distance_eV=0.05),
    "hull at most 0.01 eV/atom": Filters(max_hull_distance_eV=0.01),
    "confidence at least medium": Filters(min_confidence_level="medium"),
    "confidence high": Filters(min_confidence_level="high"),
    "model, 1 row in 20": Filters(model_id="bench-c"),
    "run": Filters(experiment_id="bench-1-3"),
    "formula": Filters(formula="O3Si2"),
}
DEEP = {"none", "with O, the commonest", "at most 10 GPa", "phonons stable", "confidence at least medium"}
"""Filters whose page 10,000 is looked for."""
SEVERAL = {
    "with B and Nb": Filters(elements=("B", "Nb")),
    "with O and Si": Filters(elements=("O", "Si")),
    "stable, at most 10 GPa": Filters(phonon_stable=True, thermo_stable=True, max_pressure_required_gpa=10.0),
    "with Nb, high, stable": Filters(
        elements=("Nb",), min_confidence_level="high", phonon_stable=True, thermo_stable=True
    ),
    "model, without O, hull 0.05": Filters(model_id="bench-c", without=("O",), max_hull_distance_eV=0.05),
    "run, with O": Filters(experiment_id="bench-1-3", elements=("O",)),
    "with Os and Tc: few rows": Filters(elements=("Os", "Tc")),
    "unstable, hull 0.02: never": Filters(thermo_stable=False, max_hull_distance_eV=0.02),
}


def deep_place(database: Database, wish: Filters) -> tuple[int, str | None]:
    """Number and cursor of the page 10,000 of 100 rows, or of the last one above 1 K."""
    cursor, pages = None, 0
    while pages < 9_900:
        page = top(database, 10_000, wish, cursor, candidates=None)
        if page.next_cursor is None or page.rows[-1].tc_predicted < 1.0:
            break
        cursor, pages = page.next_cursor, pages + 100
    return pages + 1, cursor


def timed(run: Callable[[], object]) -> str:
    """Best, median and worst of many calls after some: the best tells what others on the machine cost."""
    for _ in range(12):  # the driver prepares what it is given often
        run()
    times = [1e3 * seconds_of(run) for _ in range(REPEATS)]
    return f"{min(times):.1f}, **{statistics.median(times):.1f}**, {max(times):.1f} ms"


def processor_time(database: Database, run: Callable[[], object]) -> str:
    """Processor time of a call, ours and the server's: what it would take on a machine without others."""
    with database.connect() as connection:
        backend = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    used = Path(f"/proc/{backend}/schedstat")
    if not used.exists():
        return "-"

    def both() -> float:
        return 1e3 * time.process_time() + 1e-6 * int(used.read_text().split()[0])

    start = both()
    for _ in range(REPEATS):
        run()
    return f"{(both() - start) / REPEATS:.1f} ms"


def pages(database: Database) -> None:
    """Median and worst time of a page of 100."""
    print(
        "\n| filter | rows | page 1: best, median, worst | processor | page | best, median, worst |"
        "\n|---|---|---|---|---|---|"
    )
    for name, wish in SINGLE.items():
        found = len(top(database, PAGE, wish).rows)
        first = timed(lambda wish=wish: top(database, PAGE, wish))
        number, cursor = deep_place(database, wish) if name in DEEP else (1, None)
        late = timed(lambda wish=wish, cursor=cursor: top(database, PAGE, wish, cursor))
        deep = f"{number:,} | {late}" if number > 1 else "- | -"
        cost = processor_time(database, lambda wish=wish: top(database, PAGE, wish))
        print(f"| {name} | {found} | {first} | {cost} | {deep} |", flush=True)
    print(
        "\n| filters | rows | best, median, worst | processor | until complete: rows, time |"
        "\n|---|---|---|---|---|"
    )
    for name, wish in SEVERAL.items():
        found = len(top(database, PAGE, wish).rows)
        first = timed(lambda wish=wish: top(database, PAGE, wish))
        cost = processor_time(database, lambda wish=wish: top(database, PAGE, wish))
        start = time.perf_counter()
        whole = len(top(database, PAGE, wish, candidates=None).rows)
        took = time.perf_counter() - start
        print(f"| {name} | {found} | {first} | {cost} | {whole}, {took:.2f} s |", flush=True)


def refreshes(database: Database, n: int = 1_000_000) -> None:
    """Readers of the ranking by formula while it is computed anew."""
    with database.begin() as connection:
        there = connection.execute(sa.text("SELECT count(*) FROM bete_runs")).scalar_one()
        connection.execute(
            sa.text(
                "INSERT INTO bete_runs (id, tc_kelvin, structure_formula, created_by, input_hash)"
                " SELECT gen_random_uuid(), 30 * random() ^ 3, 'X' || (random() * 200000)::int, 'x', 'b' || i"
                " FROM generate_series(:first, :last) AS i"
            ),
            {"first": there + 1, "last": n},
        )
    refresh_rankings(database)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM (ANALYZE) bete_runs"))
        connection.execute(sa.text("ANALYZE top_superconductors"))

    def reader(stop: Callable[[], bool]) -> list[float]:
        times = []
        while not stop():
            times.append(1e3 * seconds_of(lambda: top_formulas(database, PAGE)))
            time.sleep(0.002)
        return times

    took: list[float] = []
    work = threading.Thread(target=lambda: took.append(seconds_of(lambda: refresh_rankings(database))))
    begun = time.monotonic()
    alone = reader(lambda: time.monotonic() > begun + 10.0)
    work.start()
    beside = reader(lambda: not work.is_alive())
    print(f"\nrefresh over {n:,} bete_runs, CONCURRENTLY: {took[0]:.1f} s")
    for name, times in (("no refresh", alone), ("during one", beside)):
        median, worst = statistics.median(times), max(times)
        print(f"  {PAGE} formulas, {name}: median {median:.1f} ms, worst {worst:.1f} ms of {len(times)}")


@contextmanager
def opened(home: Path | None, url: str | None) -> Iterator[Database]:
    """The database to measure on."""
    if url is not None:
        with Database.connect_to(user_url(url)) as database:
            yield database
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        Database.open(Settings(home=home or Path(folder), database_url=None)) as database,
    ):
        yield database


def main(arguments: list[str] | None = None) -> int:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ranking")
    parser.add_argument("--home", type=Path, help="HTC_HOME of the embedded server to measure on")
    parser.add_argument("--url", help="or a database of another server")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--layouts", action="store_true", help="also BRIN, and 16 partitions")
    chosen = parser.parse_args(arguments)
    with opened(chosen.home, chosen.url) as database:
        for n in chosen.rows:
            fill(database, n)
            print(f"\n{n:,} predictions, PostgreSQL {database.server_version // 10_000}")
            pages(database)
        refreshes(database)
        if chosen.layouts:
            from benchmarks.layouts import layouts

            layouts(database)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
