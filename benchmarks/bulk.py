"""Rows a second into the 24 columns: the bulk path against SQLAlchemy, on each server there is.

    python -m benchmarks bulk [ROWS]

``ROWS`` (a million) go from an Arrow table into an empty database, as many more into the filled one; then
both ways of SQLAlchemy get a small number into the same table. Servers: the embedded one and, where it is
installed, PostgreSQL 15 with its own default settings.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.engine import URL

from benchmarks.rows import table
from htc.settings import Settings
from htc.store import Database
from htc.store.bulk import load
from htc.store.bulk.pgcopy import encode
from htc.store.bulk.prepare import Preparation
from htc.store.bulk.sources import open_source
from htc.store.bulk.target import target
from htc.store.embedded.installed import installed_folders
from htc.store.tables import htc_predictions

FEW = 20_000

Figures = list[tuple[str, str]]


def measure(rows: int = 1_000_000) -> Figures:
    """Encoding, both loads, and SQLAlchemy, on each server."""
    first, second = table(rows, 0), table(rows, 1)
    few = table(FEW, 2).combine_chunks()
    figures = [
        ("cores, load average before", f"{os.cpu_count()}, {os.getloadavg()[0]:.1f}"),
        *_encoding(first),
    ]
    with tempfile.TemporaryDirectory() as folder, Database.open(Settings(home=Path(folder))) as database:
        figures += _on(database, "embedded", first, second, few)
    for programs in installed_folders(15)[:1]:
        with _postgres_15(programs) as url, Database.connect_to(url) as database:
            figures += _on(database, "PostgreSQL 15", first, second, few)
    return figures


def _encoding(rows: pa.Table) -> Figures:
    preparation = Preparation.of(target("htc_predictions"), "benchmark", None, False)
    begun = time.process_time()
    for piece in open_source(rows, 50_000)[0]:
        chunk, _ = preparation.chunk(piece)
        encode(chunk.columns, preparation.target.kinds)
    seconds = time.process_time() - begun
    return [("Arrow to binary COPY, elements included", f"{rows.num_rows / seconds:,.0f} rows/s of CPU time")]


def _on(database: Database, name: str, first: pa.Table, second: pa.Table, few: pa.Table) -> Figures:
    figures: Figures = []
    speeds = []
    for what, rows in (("into an empty table", first), ("into the filled table", second)):
        report = load(database, rows)
        assert report.inserted == rows.num_rows
        speeds.append(rows.num_rows / report.seconds)
        figures.append((f"{name}: load, {what}", f"{speeds[-1]:,.0f} rows/s"))
    with database.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO runs (id, kind, created_by)"
                " SELECT DISTINCT unnest(CAST(:ids AS text[])), 'x', 'x'"
            ),
            {"ids": few["experiment_id"].unique().to_pylist()},
        )
    half = FEW // 2
    dictionaries = few.to_pylist()
    for row in dictionaries:
        row["structure_info"] = {"n_sites": 5}
    orm_speed = half / _seconds(lambda: _add_all(database, dictionaries[:half]))
    core_speed = half / _seconds(lambda: _executemany(database, dictionaries[half:]))
    figures += [
        (f"{name}: ORM add_all", f"{orm_speed:,.0f} rows/s; load is {speeds[0] / orm_speed:.0f} and "
         f"{speeds[1] / orm_speed:.0f} times faster"),
        (f"{name}: Core executemany", f"{core_speed:,.0f} rows/s; load is {speeds[0] / core_speed:.0f} and "
         f"{speeds[1] / core_speed:.0f} times faster"),
    ]  # fmt: skip
    return figures


def _seconds(work: object) -> float:
    begun = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - begun


def _add_all(database: Database, rows: list[dict[str, object]]) -> None:
    registry = orm.registry()

    class Row:
        def __init__(self, **values: object) -> None:
            for name, value in values.items():
                setattr(self, name, value)

    registry.map_imperatively(Row, htc_predictions)
    with orm.Session(database.engine) as session:
        session.add_all([Row(**row) for row in rows])
        session.commit()


def _executemany(database: Database, rows: list[dict[str, object]]) -> None:
    with database.begin() as connection:
        connection.execute(sa.insert(htc_predictions), rows)


@contextmanager
def _postgres_15(programs: Path) -> Iterator[URL]:
    """A private server with an empty database, stopped and removed at the end."""
    from htc.store.embedded.cluster import quiet_environment, write_access_rules
    from htc.store.embedded.identity import current_identity

    identity = current_identity()
    root = Path(tempfile.mkdtemp())
    data, socket_dir = root / "data", root / "s"
    socket_dir.mkdir(mode=0o700)
    environment = quiet_environment()
    command = [
        *identity.prefix,
        str(programs / "initdb"),
        "-D",
        str(data),
        "-U",
        "htc",
        "-E",
        "UTF8",
        "-N",
    ]
    subprocess.run([*command, "--locale=C", "-A", "peer"], check=True, capture_output=True, env=environment)
    write_access_rules(data, identity)
    options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={socket_dir}"]
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(
            [*identity.prefix, str(programs / "postgres"), "-D", str(data), *options],
            env=environment,
            stderr=log,
        )
        query = {"host": str(socket_dir), "port": "5432"}
        url = URL.create("postgresql+psycopg", username="htc", database="postgres", query=query)
        try:
            for _ in range(200):
                if (socket_dir / ".s.PGSQL.5432").exists():
                    break
                time.sleep(0.1)
            time.sleep(0.5)
            yield url
        finally:
            server.terminate()
            server.wait()
            shutil.rmtree(root, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Print the figures."""
    for what, figure in measure(*(int(a) for a in arguments[:1])):
        print(f"{what:44} {figure}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
