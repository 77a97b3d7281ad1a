"""A database of made-up predictions of any size, loaded without its indexes, which are built afterwards."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex

from benchmarks.rows import RUNS, table
from htc.store.tables import htc_predictions, runs

if TYPE_CHECKING:
    from htc.store import Database

CHUNK = 250_000
MODELS = ("bench-a", "bench-b", "bench-c")
_MODEL_SHARES = (0.6, 0.35, 0.05)


def chunk(seed: int, n: int = CHUNK) -> pa.Table:
    """``n`` rows with their elements and a model."""
    rows = table(n, seed)
    random = np.random.default_rng(10_000 + seed)
    symbols = pc.replace_substring(pc.replace_substring_regex(rows["composition"], r"\d+", ""), " ", ",")
    elements = pc.binary_join_element_wise("{", symbols, "}", "")
    chosen = np.array(MODELS)[random.choice(len(MODELS), n, p=_MODEL_SHARES)]
    return rows.append_column("elements", elements).append_column("model_id", pa.array(chosen))


def fill(database: Database, wanted: int) -> None:
    """Bring ``htc_predictions`` to ``wanted`` rows, a multiple of ``CHUNK``; what is there stays."""
    with database.connect() as connection:
        there = connection.execute(sa.select(sa.func.count()).select_from(htc_predictions)).scalar_one()
    if there >= wanted:
        return
    with database.begin() as connection:
        for index in htc_predictions.indexes:
            connection.execute(sa.text(f"DROP INDEX IF EXISTS {index.name}"))
    for seed in range(there // CHUNK, wanted // CHUNK):
        _load(database, seed)
    with database.begin() as connection:
        connection.execute(sa.text("SET LOCAL maintenance_work_mem = '512MB'"))
        for index in sorted(htc_predictions.indexes, key=lambda i: str(i.name)):
            connection.execute(CreateIndex(index))
    tidy(database)


def tidy(database: Database) -> None:
    """What autovacuum does to a table in its own time: visibility map and statistics."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM (ANALYZE) htc_predictions"))
        connection.execute(sa.text("CHECKPOINT"))


def _load(database: Database, seed: int) -> None:
    rows = chunk(seed)
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(rows, buffer, pyarrow.csv.WriteOptions(include_header=False))
    columns = ", ".join(f'"{name}"' for name in rows.column_names)
    with database.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO models (id) SELECT unnest(CAST(:ids AS text[])) ON CONFLICT DO NOTHING"),
            {"ids": list(MODELS)},
        )
        connection.execute(
            sa.insert(runs),
            [{"id": f"bench-{seed}-{i}", "kind": "batch", "created_by": "benchmark"} for i in range(RUNS)],
        )
        driver = connection.connection.driver_connection
        assert driver is not None
        with driver.cursor().copy(f"COPY htc_predictions ({columns}) FROM STDIN (FORMAT csv)") as copy:
            copy.write(buffer.getvalue())
