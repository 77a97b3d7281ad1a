"""Arrow columns through the binary COPY of real servers and back."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from htc.store import Database
from htc.store.bulk.pgcopy import ARROW_TYPES, HEADER, TRAILER, Kind, encode

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    "float8": st.floats(),
    "int4": st.integers(-(2**31), 2**31 - 1),
    "int8": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "timestamptz": st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC)),
    "uuid": st.uuids().map(str),
    "text": TEXT,
    "json": TEXT.map(lambda t: json.dumps({"a": t}, ensure_ascii=False)),
    "jsonb": st.integers(-(10**6), 10**6).map(lambda i: f'{{"a": {i}}}'),
    "text[]": st.lists(st.none() | TEXT, max_size=4),
    "varchar[]": st.lists(st.none() | TEXT, max_size=4),
    "float8[]": st.lists(st.none() | st.floats(), max_size=4),
}
KINDS = {kind.replace("[]", "_list"): kind for kind in VALUES}


@st.composite
def batches(draw: st.DrawFn) -> pa.RecordBatch:
    n = draw(st.integers(1, 30))
    columns = {}
    for name, kind in KINDS.items():
        nullable = draw(st.booleans())
        values = VALUES[kind] | st.none() if nullable else VALUES[kind]
        columns[name] = pa.array(draw(st.lists(values, min_size=n, max_size=n)), ARROW_TYPES[kind])
    batch = pa.RecordBatch.from_pydict(columns)
    start = draw(st.integers(0, n - 1))
    return batch.slice(start, draw(st.integers(1, n - start)))


@pytest.fixture(scope="module", params=["embedded_server", "server_15"])
def scratch(request: pytest.FixtureRequest) -> Any:
    """A database with a table of every kind."""
    with request.getfixturevalue(request.param).empty() as database:
        with database.begin() as connection:
            columns = ", ".join(f"{name} {kind}" for name, kind in KINDS.items())
            connection.exec_driver_sql(f"CREATE TABLE every (row int, {columns})")
        yield database


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches())
def test_every_value_comes_back(scratch: Database, batch: pa.RecordBatch) -> None:
    given_columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    given_columns["row"] = pa.array(range(batch.num_rows), pa.int32())
    encoded = encode(given_columns, {**KINDS, "row": "int4"})
    with scratch.begin() as connection:
        own = connection.connection.driver_connection
        with own.cursor().copy(
            f"COPY every ({', '.join(encoded.columns)}) FROM STDIN (FORMAT binary)"
        ) as copy:
            for part in (HEADER, encoded.body, TRAILER):
                copy.write(part)
        stored = own.execute(
            f"SELECT {', '.join(f'{n}::text' if k in ('json', 'uuid') else n for n, k in KINDS.items())}"
            " FROM every ORDER BY row"
        ).fetchall()
        own.execute("TRUNCATE every")
    for row, sent in zip(stored, batch.to_pylist(), strict=True):
        for (name, kind), value in zip(KINDS.items(), row, strict=True):
            expected = sent[name]
            if kind == "jsonb" and expected is not None:
                expected = json.loads(expected)
            if kind == "uuid" and expected is not None:
                assert uuid.UUID(expected) == uuid.UUID(value)
            else:
                assert _same(value, expected), (name, value, expected)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isnan(one) == math.isnan(other) and (
            math.isnan(one) or (one == other and math.copysign(1, one) == math.copysign(1, other))
        )
    return bool(one == other)


def test_the_stream_is_what_the_manual_says() -> None:
    columns = {"n": pa.array([1, None], pa.int32()), "t": pa.array(["é", ""])}
    encoded = encode(columns, {"n": "int4", "t": "text"})
    assert encoded.columns == ("n", "t")
    assert bytes(encoded.body) == (
        b"\0\2" + b"\0\0\0\4\0\0\0\1" + b"\0\0\0\2\xc3\xa9" + b"\0\2" + b"\xff\xff\xff\xff" + b"\0\0\0\0"
    )


def test_columns_of_constant_width_come_first() -> None:
    columns = {"t": pa.array(["a"]), "x": pa.array([0.5]), "none": pa.nulls(1, pa.string())}
    encoded = encode(columns, {"t": "text", "x": "float8", "none": "text"})
    assert encoded.columns == ("x", "none", "t")
    assert bytes(encoded.body)[6:14] == np.array([0.5], ">f8").tobytes()
