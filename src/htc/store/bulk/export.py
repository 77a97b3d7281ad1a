"""Tables into files, of any size, with flat memory, whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import pyarrow as pa
from psycopg import Connection, sql

from htc.errors import InputError
from htc.store.bulk.files import batch_writer, binary_sink, complete_or_not_at_all
from htc.store.bulk.pgcopy import ARROW_TYPES, Kind
from htc.store.bulk.reading import batches_of, readable_time, selected
from htc.store.bulk.sources import format_of
from htc.store.bulk.target import Target, target
from htc.store.schema import HEAD
from htc.version import __version__

if TYPE_CHECKING:
    from htc.store.bulk.load import Progress
    from htc.store.database import Database

__all__ = ["UNITS", "ExportReport", "export", "export_table"]

UNITS: Final = {
    "tc_predicted": "K",
    "tc_lower_95ci": "K",
    "tc_upper_95ci": "K",
    "tc_uncertainty": "K",
    "tc_kelvin": "K",
    "omega_log": "K",
    "omega_log_uncertainty": "K",
    "omega_2": "K",
    "omega_2_uncertainty": "K",
    "tc_experiment": "K",
    "tc_experiment_lower_95ci": "K",
    "tc_experiment_upper_95ci": "K",
    "lowest_frequency_thz": "THz",
    "pressure_required_gpa": "GPa",
    "pressure_uncertainty_gpa": "GPa",
    "hull_distance_eV": "eV/atom",
    "lambda_ep": "1",
    "lambda_ep_uncertainty": "1",
    "mu_star": "1",
    "xi_parameter": "1",
    "alpha2f_omega": "meV",
    "alpha2f_alpha2f": "1",
    "volume": "angstrom^3",
    "duration_ms": "ms",
}
"""Unit of each column that has one; kept in the schema of Parquet and Arrow files."""

_ORDER: Final = {"runs": "created_at, id", "structures": "hash"}
"""The order of rows where one may refer to another, or where equal rows should make equal files."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written."""

    path: Path
    table: str
    rows: int
    size_bytes: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**asdict(self), "path": str(self.path)}


def export(
    database: Database,
    path: Path,
    *,
    table: str = "htc_predictions",
    run: str | None = None,
    min_tc: float | None = None,
    columns: Sequence[str] | None = None,
    include_structures: bool = False,
    include_set_aside: bool = False,
    compression: str | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Write the rows of a table into a file, as they are at one moment.

    The file is a source for :func:`htc.store.bulk.load`. Floats come back exactly from every format.

    Args:
        database: an open database.
        path: ends in .parquet, .arrow, .feather, .csv, .jsonl, or .csv.gz, .jsonl.gz. An old file is replaced
            when the new one is complete.
        table: one of :data:`~htc.store.bulk.target.INTERCHANGE`.
        run: only rows of this run.
        min_tc: only Tc at or above this, K; predictions only.
        columns: only these, in this order.
        include_structures: one more column ``structure``, each prediction's crystal as JSON. It is for
            readers; a load leaves it out when told to ignore unknown columns.
        include_set_aside: rows that were deleted, too.
        compression: of Parquet and Arrow files, see :data:`~htc.store.bulk.files.COMPRESSIONS`.
        progress: told about the rows done.

    Raises:
        InputError: no such table or column, a filter that does not fit the table, a format not known.
        StorageError: the file cannot be written.
        StoreError: the database refused.
    """
    wanted = target(table)
    conditions = _conditions(wanted, run, min_tc, include_set_aside)
    with database.begin() as connection:
        own = cast("Connection[Any]", connection.connection.driver_connection)
        return export_table(
            own,
            path,
            wanted,
            conditions,
            columns=columns,
            include_structures=include_structures,
            compression=compression,
            progress=progress,
        )


def export_table(
    connection: Connection[Any],
    path: Path,
    wanted: Target,
    conditions: Sequence[sql.Composable] = (),
    *,
    columns: Sequence[str] | None = None,
    include_structures: bool = False,
    compression: str | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """The same with a connection in a transaction, and conditions in SQL on the table ``t``."""
    begun = time.monotonic()
    form = format_of(path)
    zipped = path.name.lower().endswith(".gz")
    kinds = _chosen(wanted, columns)
    query = _query(wanted, kinds, conditions, include_structures, as_json=form == "jsonl")
    if include_structures:
        kinds = {**kinds, "structure": "json"}
    rows = 0
    with complete_or_not_at_all(path) as unfinished:
        if form == "jsonl":
            rows = _write_json_lines(connection, unfinished, query, zipped=zipped, progress=progress)
        else:
            schema = _schema(wanted, kinds, plain=form == "csv")
            with batch_writer(unfinished, form, schema, compression, zipped=zipped) as write:
                for batch in batches_of(connection, query, kinds, schema):
                    write(batch)
                    rows += batch.num_rows
                    if progress is not None:
                        progress(wanted.name, rows, None)
    return ExportReport(path, wanted.name, rows, path.stat().st_size, time.monotonic() - begun)


def _conditions(
    wanted: Target, run: str | None, min_tc: float | None, include_set_aside: bool
) -> list[sql.Composable]:
    out: list[sql.Composable] = []
    if run is not None:
        column = next(
            (c for c, (table, _) in wanted.parents.items() if table == "runs" and wanted.name != "runs"), None
        )
        if column is None:
            raise InputError(f"{wanted.name} has no runs to choose by")
        out.append(sql.SQL("t.{} = {}").format(sql.Identifier(column), sql.Literal(run)))
    if min_tc is not None:
        column = next((c for c in ("tc_predicted", "tc_kelvin") if c in wanted.kinds), None)
        if column is None or min_tc != min_tc:
            raise InputError(f"{wanted.name} cannot be chosen by this Tc")
        out.append(
            sql.SQL("t.{c} >= {tc} AND t.{c} < 'Infinity'").format(
                c=sql.Identifier(column), tc=sql.Literal(min_tc)
            )
        )
    if not include_set_aside and "deleted_at" in wanted.kinds:
        out.append(sql.SQL("t.deleted_at IS NULL"))
    return out


def _chosen(wanted: Target, columns: Sequence[str] | None) -> dict[str, Kind]:
    if columns is None:
        return dict(wanted.kinds)
    unknown = [name for name in columns if name not in wanted.kinds]
    if unknown or not columns:
        raise InputError(
            f"{wanted.name} has no column {', '.join(map(repr, unknown)) or 'of no name'}",
            hint=f"there are: {', '.join(wanted.kinds)}",
        )
    return {name: wanted.kinds[name] for name in dict.fromkeys(columns)}


def _query(
    wanted: Target,
    kinds: dict[str, Kind],
    conditions: Sequence[sql.Composable],
    include_structures: bool,
    *,
    as_json: bool,
) -> sql.Composed:
    if include_structures and wanted.name not in {"htc_predictions", "bete_runs"}:
        raise InputError(f"{wanted.name} has no structures")
    parts: list[sql.Composable] = [_for_json(n, k) if as_json else selected(n, k) for n, k in kinds.items()]
    tables = sql.SQL("{} AS t").format(sql.Identifier(wanted.name))
    if include_structures:
        parts.append(sql.SQL("s.structure"))
        tables = sql.SQL("{} LEFT JOIN structures AS s ON s.hash = t.structure_hash").format(tables)
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(parts), tables)
    if conditions:
        query = sql.SQL("{} WHERE {}").format(query, sql.SQL(" AND ").join(conditions))
    if wanted.name in _ORDER:
        query = sql.SQL("{} ORDER BY {}").format(query, sql.SQL(_ORDER[wanted.name]))
    return query


def _for_json(name: str, kind: Kind) -> sql.Composed:
    if kind == "timestamptz":
        return readable_time(name)
    column = sql.Identifier(name)
    # Line breaks may only stand between the tokens of a JSON text, where a blank is as good.
    pattern = "translate(t.{}::text, E'\\n\\r', '  ')::json AS {}" if kind == "json" else "t.{} AS {}"
    return sql.SQL(pattern).format(column, column)


def _write_json_lines(
    connection: Connection[Any], path: Path, query: sql.Composed, *, zipped: bool, progress: Progress | None
) -> int:
    connection.execute("SET LOCAL TIME ZONE 'UTC'; SET LOCAL extra_float_digits = 1")
    rows = 0
    with binary_sink(path, zipped=zipped) as sink, connection.cursor("htc_export") as cursor:
        cursor.itersize = 5000
        cursor.execute(sql.SQL("SELECT row_to_json(r)::text FROM ({}) AS r").format(query))
        for (line,) in cursor:
            sink.write(line.encode() + b"\n")
            rows += 1
            if progress is not None and rows % 50_000 == 0:
                progress("rows", rows, None)
    return rows


def _schema(wanted: Target, kinds: dict[str, Kind], *, plain: bool) -> pa.Schema:
    fields = []
    for name, kind in kinds.items():
        type_ = ARROW_TYPES[kind]
        if plain and pa.types.is_list(type_):
            type_ = pa.string()  # CSV has no lists: JSON arrays
        metadata = {"unit": UNITS[name]} if name in UNITS else None
        fields.append(pa.field(name, type_, metadata=metadata))
    return pa.schema(
        fields, {"htc.table": wanted.name, "htc.revision": HEAD, "htc.program_version": __version__}
    )
