"""Rows of a query as Arrow batches, a few megabytes at a time.

The server writes CSV, whose floats have as many digits as bring the same number back, and Arrow's own parser
reads it: no value passes through a Python object, lists aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyarrow as pa
from psycopg import Connection, sql

from htc.errors import StoreError
from htc.store.bulk.casting import cast
from htc.store.bulk.pgcopy import ARROW_TYPES, Kind
from htc.store.calendar import in_calendar

__all__ = ["batches_of", "selected"]

ROWS: Final = 50_000
BYTES: Final = 32 << 20
"""Of CSV, after which a batch ends early."""

_PARSED: Final = {"float8": pa.float64(), "int4": pa.int32(), "int8": pa.int64(), "bool": pa.bool_()}
"""What the parser makes itself; the rest is text to it."""


def selected(name: str, kind: Kind, alias: str = "t") -> sql.Composed:
    """A column as the query has to give it."""
    column = sql.Identifier(name)
    if kind == "timestamptz":
        return readable_time(name, alias)
    pattern = "array_to_json({}.{}) AS {}" if kind.endswith("[]") else "{}.{} AS {}"
    return sql.SQL(pattern).format(sql.Identifier(alias), column, column)


def readable_time(name: str, alias: str = "t") -> sql.Composed:
    """A time; NULL where an earlier version left infinity or a year beyond 1 to 9999."""
    condition = in_calendar("{column}")
    return sql.SQL(f"CASE WHEN {condition} THEN {{column}} END AS {{name}}").format(
        column=sql.Identifier(alias, name), name=sql.Identifier(name)
    )


def batches_of(
    connection: Connection[Any], query: sql.Composed, kinds: Mapping[str, Kind], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Batches of a query whose columns are those of ``kinds``, in this order.

    Raises:
        psycopg.Error: as any statement.
        StoreError: a value that Arrow cannot hold.
    """
    connection.execute(
        "SET LOCAL TIME ZONE 'UTC'; SET LOCAL datestyle = 'ISO'; SET LOCAL extra_float_digits = 1"
    )
    with connection.cursor().copy(
        sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')").format(query)
    ) as copy:
        lines: list[Any] = []
        size = 0
        for line in copy:
            lines.append(line)
            size += len(line)
            if len(lines) >= ROWS or size >= BYTES:
                yield _parsed(b"".join(lines), kinds, schema)
                lines, size = [], 0
        if lines:
            yield _parsed(b"".join(lines), kinds, schema)


def _parsed(data: bytes, kinds: Mapping[str, Kind], schema: pa.Schema) -> pa.RecordBatch:
    from pyarrow import csv

    table = csv.read_csv(
        pa.BufferReader(data),
        read_options=csv.ReadOptions(column_names=list(kinds), use_threads=False, block_size=len(data) + 1),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types={name: _PARSED.get(kind, pa.string()) for name, kind in kinds.items()},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    columns = []
    for name, kind in kinds.items():
        text = table.column(name).combine_chunks()
        column = text.chunk(0) if isinstance(text, pa.ChunkedArray) else text
        wanted = schema.field(name).type
        if column.type != wanted and not pa.types.is_string(wanted):
            column, unfit = cast(column, kind)
            if unfit is not None and unfit.any():
                raise StoreError(
                    f"a value of {name} has no place in an Arrow column of type {ARROW_TYPES[kind]}",
                    hint="leave the column out, or write JSONL",
                )
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=schema)
