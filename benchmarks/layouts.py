"""How the table of predictions could be laid out for more rows: BRIN for time, sixteen partitions."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import sqlalchemy as sa

from benchmarks.timing import seconds_of
from htc.store import Ranked
from htc.store.tables import LIVE, RANKED
from htc.store.walk import _AS_INDEXED, ORDER

if TYPE_CHECKING:
    from htc.store import Database

COLUMNS = ", ".join(Ranked.__dataclass_fields__)
COPIED = 500_000
PARTS = 16

QUERIES = {
    "top-100": f"SELECT {COLUMNS} FROM t WHERE {LIVE} {ORDER} LIMIT 101",
    "top-100, run": f"SELECT {COLUMNS} FROM t WHERE experiment_id = 'bench-1-3' AND {LIVE} {ORDER} LIMIT 101",
    "top-100, model": f"SELECT {COLUMNS} FROM t WHERE model_id = 'bench-c' AND {RANKED} {ORDER} LIMIT 101",
    "top-100, Nb": " UNION ALL ".join(
        f"(SELECT {COLUMNS} FROM t WHERE elements[{k}] = 'Nb' AND {RANKED} {ORDER} LIMIT 101)"
        for k in range(1, 7)
    )
    + f" {ORDER} LIMIT 101",
}


def layouts(database: Database) -> None:
    """Print what each layout costs."""
    _time_index(database)
    _partitions(database)


def _time_index(database: Database) -> None:
    windows = {"one day": "interval '1 day'", "one hour": "interval '1 hour'"}
    start = "timestamptz '2026-01-02 00:00:00+00'"
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:

        def ask(window: str) -> tuple[int, float]:
            query = sa.text(
                "SELECT count(*), max(tc_predicted) FROM htc_predictions"
                f" WHERE created_at >= {start} AND created_at < {start} + {windows[window]}"
            )
            times = [seconds_of(lambda: connection.execute(query).all()) for _ in range(5)]
            return int(connection.execute(query).one()[0]), statistics.median(times)

        def size(name: str) -> str:
            return str(
                connection.execute(
                    sa.text("SELECT pg_size_pretty(pg_relation_size(to_regclass(:n)))"), {"n": name}
                ).scalar_one()
            )

        print("\n| created_at | size | made in | " + " | ".join(windows) + " |\n|---|---|---|---|---|")
        name = "ix_htc_predictions_created_at"
        for kind, using in (("BRIN", "brin"), ("btree", "btree")):
            connection.execute(sa.text(f"DROP INDEX IF EXISTS {name}"))
            statement = sa.text(f"CREATE INDEX {name} ON htc_predictions USING {using} (created_at)")
            made = seconds_of(lambda statement=statement: connection.execute(statement))
            answers = [ask(window) for window in windows]
            told = " | ".join(f"{rows:,} rows, {1e3 * took:.0f} ms" for rows, took in answers)
            print(f"| {kind} | {size(name)} | {made:.1f} s | {told} |", flush=True)
        connection.execute(sa.text(f"DROP INDEX {name}"))
        connection.execute(sa.text(f"CREATE INDEX {name} ON htc_predictions USING brin (created_at)"))


def _partitions(database: Database) -> None:
    print(f"\n| {COPIED:,} rows | insert | index build | VACUUM ANALYZE | lookup by id | ", end="")
    print(" | ".join(QUERIES) + " |\n|---|---|---|---|---|" + "---|" * len(QUERIES))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:

        def do(statement: str) -> float:
            return seconds_of(lambda: connection.execute(sa.text(statement)))

        do("DROP TABLE IF EXISTS layout_source, layout_t")
        do(f"CREATE TABLE layout_source AS SELECT * FROM htc_predictions LIMIT {COPIED}")
        low, high = connection.execute(
            sa.text("SELECT min(created_at), max(created_at) FROM layout_source")
        ).one()
        some = (
            connection.execute(sa.text("SELECT id FROM layout_source TABLESAMPLE SYSTEM (0.2) LIMIT 300"))
            .scalars()
            .all()
        )
        indexes = list(
            connection.execute(
                sa.text(
                    "SELECT replace(replace(indexdef, 'public.htc_predictions', 'layout_t'),"
                    " 'INDEX ', 'INDEX l')"
                    " FROM pg_indexes WHERE tablename = 'htc_predictions'"
                    " AND indexname NOT IN ('htc_predictions_pkey', 'uq_htc_predictions_input_hash')"
                )
            ).scalars()
        )
        for layout, by in (
            ("one table", ""),
            ("16 by hash of id", "HASH (id)"),
            ("16 by time", "RANGE (created_at)"),
        ):
            do("DROP TABLE IF EXISTS layout_t")
            do(f"CREATE TABLE layout_t (LIKE layout_source) {f'PARTITION BY {by}' if by else ''}")
            for k in range(PARTS if by else 0):
                if by.startswith("HASH"):
                    bound = f"WITH (MODULUS {PARTS}, REMAINDER {k})"
                else:
                    step = (high - low) / PARTS
                    first = "MINVALUE" if k == 0 else f"'{low + k * step}'"
                    last = "MAXVALUE" if k == PARTS - 1 else f"'{low + (k + 1) * step}'"
                    bound = f"FROM ({first}) TO ({last})"
                do(f"CREATE TABLE layout_t{k} PARTITION OF layout_t FOR VALUES {bound}")
            # A key of a partitioned table must hold the column it is partitioned by.
            do(f"ALTER TABLE layout_t ADD PRIMARY KEY ({'id, created_at' if by.startswith('R') else 'id'})")
            for definition in indexes:
                do(definition)
            insert = do("INSERT INTO layout_t SELECT * FROM layout_source")
            names = (
                connection.execute(
                    sa.text(
                        "SELECT c.relname FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid"
                        " WHERE i.indrelid = 'layout_t'::regclass AND NOT i.indisprimary"
                    )
                )
                .scalars()
                .all()
            )
            for name in names:
                do(f"DROP INDEX {name}")
            build = sum(do(definition) for definition in indexes)
            vacuum = do("VACUUM (ANALYZE) layout_t")
            lookup = statistics.median(
                seconds_of(
                    lambda i=i: connection.exec_driver_sql("SELECT * FROM layout_t WHERE id = %s", (i,)).all()
                )
                for i in some
            )
            do(_AS_INDEXED.replace("SET LOCAL", "SET"))
            asked = []
            for query in QUERIES.values():
                text = query.replace("FROM t ", "FROM layout_t ")
                times = [
                    seconds_of(lambda text=text: connection.exec_driver_sql(text).all()) for _ in range(30)
                ]
                asked.append(f"{1e3 * statistics.median(times[5:]):.1f} ms")
            do("RESET ALL")
            print(
                f"| {layout} | {COPIED / insert:,.0f} rows/s | {build:.0f} s | {vacuum:.1f} s"
                f" | {1e3 * lookup:.2f} ms | {' | '.join(asked)} |",
                flush=True,
            )
        do("DROP TABLE layout_source, layout_t")
