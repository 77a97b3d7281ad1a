"""Filters of OPTIMADE over many stored crystals: pages, counts, sorted walks.

    python -m benchmarks.optimade [--home FOLDER | --url URL] [--structures N]

Fills a database with N made-up crystals (default 100,000) and 1.3 predictions for each; it keeps them.
Without a folder or URL a folder is made and removed.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex

from benchmarks.filling import MODELS
from benchmarks.rows import RUNS, table
from htc.errors import InputError
from htc.optimade.filters import read_filter
from htc.optimade.properties import STRUCTURE_TYPE
from htc.settings import Settings
from htc.store import Database
from htc.store.database import user_url
from htc.store.optimade import DOCUMENT, STRUCTURES, Sort, count_entries, find_entries
from htc.store.tables import htc_predictions, runs, structures

CHUNK = 50_000
REPEATS = 3
AGAIN = 0.3
"""Share of crystals predicted a second time, by another tier."""

FILTERS = {
    "none": "",
    "with Nb": 'elements HAS "Nb"',
    "with O, the commonest": 'elements HAS "O"',
    "with Nb and N": 'elements HAS ALL "Nb","N"',
    "with Nb or V, two elements": 'elements HAS ANY "Nb","V" AND nelements=2',
    "only B, C, Mg": 'elements HAS ONLY "B","C","Mg"',
    "reduced formula": 'chemical_formula_reduced="O3Si2"',
    "anonymous formula": 'chemical_formula_anonymous="A3B2"',
    "formula begins with Nb": 'chemical_formula_descriptive STARTS WITH "Nb"',
    "Tc above 30 K": "_htc_tc_kelvin > 30",
    "with Nb, Tc above 10 K": 'elements HAS "Nb" AND _htc_tc_kelvin > 10',
    "Tc above 10 K, at ambient, hull": "_htc_tc_kelvin > 10 AND _htc_pressure_gpa < 1"
    " AND _htc_hull_distance_ev_per_atom < 0.02",
    "high confidence, without O": '_htc_confidence="high" AND NOT elements HAS "O"',
    "a third of Al, exactly": 'elements:elements_ratios HAS "Al":=0.3333333333',
    "reduced formula, in part": 'chemical_formula_reduced CONTAINS "Nb3"',
    "none has it": 'elements HAS ALL "He","Xe","U"',
}
SORTS = {
    "by id": (),
    "by Tc, falling": (Sort("_htc_tc_kelvin", True),),
    "by sites, then Tc": (Sort("nsites"), Sort("_htc_tc_kelvin", True)),
}


def fill(database: Database, wanted: int) -> None:
    """Bring ``structures`` to ``wanted`` rows, a multiple of ``CHUNK``, with their predictions."""
    with database.connect() as connection:
        there = connection.execute(sa.select(sa.func.count()).select_from(structures)).scalar_one()
    if there >= wanted:
        return
    with database.begin() as connection:
        for index in htc_predictions.indexes:
            connection.execute(sa.text(f"DROP INDEX IF EXISTS {index.name}"))
        connection.execute(
            sa.text("INSERT INTO models (id) SELECT unnest(CAST(:ids AS text[])) ON CONFLICT DO NOTHING"),
            {"ids": list(MODELS)},
        )
    for seed in range(there // CHUNK, wanted // CHUNK):
        _load(database, 1_000 + seed)
    with database.begin() as connection:
        for index in sorted(htc_predictions.indexes, key=lambda i: str(i.name)):
            connection.execute(CreateIndex(index))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM (ANALYZE) htc_predictions, structures, bete_runs"))


def _load(database: Database, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = table(int(CHUNK * (1 + AGAIN)), seed)
    shown = set(rows.column_names)
    compositions = rows["composition"].to_pylist()
    # The rows beyond the crystals are second predictions of the first ones.
    owner = [i if i < CHUNK else i - CHUNK for i in range(len(rows))]
    cells = [_crystal(compositions[i], random) for i in range(CHUNK)]
    rows = rows.set_column(
        rows.column_names.index("reduced_formula"),
        "reduced_formula",
        pa.array([cells[i]["reduced_formula"] for i in owner]),
    )
    rows = rows.append_column("model_id", pa.array(np.array(MODELS)[random.integers(0, 3, len(rows))]))
    tiers = np.array(["fast", "default", "best"])[random.choice(3, len(rows), p=[0.3, 0.6, 0.1])]
    rows = rows.append_column("model_tier", pa.array(tiers))
    rows = rows.append_column("owner", pa.array(owner))
    crystals = pa.table(
        {
            "owner": list(range(CHUNK)),
            "structure": [json.dumps(cell.pop("structure")) for cell in cells],
            **{name: [cell[name] for cell in cells] for name in cells[0]},
        }
    )
    columns = ", ".join(f'"{name}"' for name in (*shown, "model_id", "model_tier"))
    elements = "string_to_array(c.elements, ',')"
    with database.begin() as connection:
        connection.execute(
            sa.insert(runs),
            [{"id": f"bench-{seed}-{i}", "kind": "batch", "created_by": "benchmark"} for i in range(RUNS)],
        )
        connection.exec_driver_sql(
            "CREATE TEMP TABLE c (owner int, structure jsonb, reduced_formula text, anonymous_formula text,"
            " elements text, nsites int, volume float8, spacegroup_number int) ON COMMIT DROP;"
            " CREATE TEMP TABLE r (LIKE htc_predictions INCLUDING DEFAULTS) ON COMMIT DROP;"
            " ALTER TABLE r ADD COLUMN owner int"
        )
        _copy(connection, "c", crystals)
        _copy(connection, "r", rows)
        connection.exec_driver_sql(
            "INSERT INTO structures (structure, reduced_formula, anonymous_formula, elements, nsites, volume,"
            f" spacegroup_number) SELECT structure, reduced_formula, anonymous_formula, {elements}, nsites,"
            " volume, spacegroup_number FROM c ON CONFLICT DO NOTHING"
        )
        connection.exec_driver_sql(
            f"INSERT INTO htc_predictions ({columns}, elements, structure_hash) SELECT"
            f" {', '.join('r.' + name for name in columns.split(', '))}, {elements},"
            " htc_document_hash(c.structure) FROM r JOIN c USING (owner)"
        )


def _copy(connection: sa.Connection, name: str, rows: pa.Table) -> None:
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(rows, buffer, pyarrow.csv.WriteOptions(include_header=False))
    driver: Any = connection.connection.driver_connection
    columns = ", ".join(f'"{column}"' for column in rows.column_names)
    with driver.cursor().copy(f"COPY {name} ({columns}) FROM STDIN (FORMAT csv)") as copy:
        copy.write(buffer.getvalue())


def _crystal(composition: str, random: np.random.Generator) -> dict[str, Any]:
    """A cell of a composition such as ``"Mg1 B2"``, as pymatgen would write it, and its columns."""
    from pymatgen.core.composition import Composition

    whole = Composition(composition)
    matrix = np.diag(3.0 + random.random(3)) + 0.05 * random.random((3, 3))
    symbols = [e.symbol for e, n in whole.items() for _ in range(int(n))]
    places = random.random((len(symbols), 3))
    cartesian = places @ matrix
    document = {
        "@module": "pymatgen.core.structure",
        "@class": "Structure",
        "charge": 0,
        "lattice": {"matrix": matrix.tolist(), "pbc": [True] * 3, "volume": float(np.linalg.det(matrix))},
        "sites": [
            {"species": [{"element": s, "occu": 1}], "abc": a, "xyz": x, "label": s, "properties": {}}
            for s, a, x in zip(symbols, places.tolist(), cartesian.tolist(), strict=True)
        ],
    }
    return {
        "structure": document,
        "reduced_formula": whole.reduced_formula,
        "anonymous_formula": whole.anonymized_formula,
        "elements": ",".join(sorted({e.symbol for e in whole})),
        "nsites": len(symbols),
        "volume": float(np.linalg.det(matrix)),
        "spacegroup_number": int(random.integers(1, 231)),
    }


def measure(database: Database) -> None:
    """Print what pages of 20 and counts cost."""
    fields = [*STRUCTURE_TYPE.kind.columns, DOCUMENT]
    for name, text in FILTERS.items():
        wish = read_filter(text, STRUCTURE_TYPE.vocabulary).wish
        walks = [
            partial(find_entries, database, STRUCTURES, fields, 20, wish=wish, sort=order)
            for order in SORTS.values()
        ]
        shown = [_timed(database, walk) for walk in walks]
        count = partial(count_entries, database, STRUCTURES, wish)
        print(
            f"{name:34s} {' '.join(shown)}   {count()} entries counted in {_timed(database, count)}",
            flush=True,
        )


def _timed(database: Database, run: Callable[[], object]) -> str:
    """Processor time of a call, ours and the server's: what it would take on a machine without others."""
    with database.connect() as connection:
        backend = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    used = Path(f"/proc/{backend}/schedstat")

    def both() -> float:
        return 1e3 * time.process_time() + 1e-6 * int(used.read_text().split()[0])

    spent = []
    for _ in range(REPEATS):
        start = both()
        try:
            run()
        except InputError:
            return "   given up"
        spent.append(both() - start)
    return f"{statistics.median(spent):8.1f} ms"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--url")
    parser.add_argument("--structures", type=int, default=100_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.url:
            database = Database.connect_to(user_url(asked.url), ensure_schema=True)
        else:
            database = Database.open(Settings(home=asked.home or Path(folder)))
        with database:
            fill(database, asked.structures)
            print(" " * 34, " ".join(f"{name:>11s}" for name in SORTS))
            measure(database)


if __name__ == "__main__":
    main()
