"""A load killed, a server that dies, a disk that is full: run it again, and every row is there once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from htc.errors import DatabaseUnavailableError, StorageError
from htc.settings import Settings
from htc.store import Database
from htc.store.bulk import load

Make = Callable[..., pa.Table]
Ask = Callable[..., Any]

_LOADING = """
import sys
from pathlib import Path
from sqlalchemy.engine import make_url
from htc.store import Database
from htc.store.bulk import load
with Database.connect_to(make_url(sys.argv[1]), ensure_schema=False) as database:
    print("begun", flush=True)
    load(database, Path(sys.argv[2]), chunk_rows=500, defer_indexes=True)
"""


@pytest.fixture
def many(make_rows: Make, tmp_path: Path) -> Path:
    pq.write_table(make_rows(40_000, id=...), tmp_path / "many.parquet", row_group_size=5_000)
    return tmp_path / "many.parquet"


def test_killed_in_the_middle_and_again(database: Database, many: Path, ask: Ask) -> None:
    count = "SELECT count(*) FROM pg_index WHERE indrelid = 'htc_predictions'::regclass AND indisvalid"
    indexes = ask(database, count)
    url = database.engine.url.render_as_string(hide_password=False)
    child = subprocess.Popen([sys.executable, "-c", _LOADING, url, str(many)], stdout=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while ask(database, "SELECT count(*) FROM htc_predictions") < 2_000:
        assert time.monotonic() < deadline
        assert child.poll() is None
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    stored = ask(database, "SELECT count(*) FROM htc_predictions")
    assert stored % 500 == 0
    assert ask(database, count) < indexes
    # Its server side may still be about to find out.
    while ask(database, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"):
        assert time.monotonic() < deadline
    report = load(database, many, chunk_rows=5_000)
    assert report.rows == 40_000
    assert report.inserted == 40_000 - report.unchanged
    assert report.unchanged >= stored
    assert report.differing == report.rejected == 0
    assert ask(database, "SELECT count(*) FROM htc_predictions") == 40_000
    assert ask(database, count) == indexes
    assert "ix_htc_predictions_ranking" in report.rebuilt


def test_the_server_dies(home: Path, many: Path, ask: Ask) -> None:
    with Database.open(Settings(home=home)) as database:
        server = database.embedded
        assert server is not None
        note = (server.data / "postmaster.pid").read_text().splitlines()

        def strike(what: str, done: int, total: int | None) -> None:
            os.kill(int(note[0]), signal.SIGQUIT)

        with pytest.raises(DatabaseUnavailableError):
            load(database, many, chunk_rows=1_000, progress=strike)
    with Database.open(Settings(home=home)) as database:
        report = load(database, many)
        assert report.inserted + report.unchanged == 40_000
        assert ask(database, "SELECT count(*), count(DISTINCT id) FROM htc_predictions") == [(40_000, 40_000)]


@pytest.mark.slow
def test_a_full_disk_leaves_whole_chunks(
    tmpfs: Callable[[str], Path], ready_home: Path, make_rows: Make, ask: Ask
) -> None:
    import shutil

    folder = tmpfs("size=120m")
    shutil.copytree(ready_home, folder, dirs_exist_ok=True)
    table = make_rows(100_000)
    with (
        Database.open(Settings(home=folder)) as database,
        pytest.raises((StorageError, DatabaseUnavailableError)),
    ):
        load(database, table, chunk_rows=10_000, defer_indexes=False)
    subprocess.run(["mount", "-o", "remount,size=3g", str(folder)], check=True)
    with Database.open(Settings(home=folder)) as database:
        stored = ask(database, "SELECT count(*) FROM htc_predictions")
        assert stored % 10_000 == 0
        report = load(database, table, defer_indexes=False)
        assert (report.inserted, report.unchanged) == (100_000 - stored, stored)


def test_two_loads_of_the_same_rows_at_once(database: Database, make_rows: Make, ask: Ask) -> None:
    table = make_rows(4_000, input_hash=[f"h{(i * 7919) % 4000}" for i in range(4_000)])
    backwards = table.take(pa.array(range(3_999, -1, -1)))
    reports: list[Any] = []

    def work(rows: pa.Table) -> None:
        reports.append(load(database, rows, chunk_rows=250))

    threads = [threading.Thread(target=work, args=(rows,)) for rows in (table, backwards)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(r.inserted for r in reports) == 4_000
    assert sum(r.unchanged for r in reports) == 4_000
    assert ask(database, "SELECT count(*) FROM htc_predictions") == 4_000


def test_memory_does_not_grow_with_the_source(database: Database, make_rows: Make, ask: Ask) -> None:
    """Chunks are asked for as they are written: never more than some are there at once."""
    alive, most = 0, 0

    def batches() -> Any:
        nonlocal alive, most
        for i in range(60):
            alive = i * 100 - ask(database, "SELECT count(*) FROM htc_predictions")
            most = max(most, alive)
            yield from make_rows(100, 100 * i).to_batches()

    assert load(database, batches(), chunk_rows=100).inserted == 6_000
    assert most <= 100 * 8
