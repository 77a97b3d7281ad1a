"""Arrow columns as PostgreSQL's binary COPY format, a column at a time.

A row of the format is the number of its fields, then for each its length (-1 for NULL) and its bytes, all
in network order. Fields of fixed width are laid into one block of bytes a row; Arrow's own string kernel
joins the blocks and the texts between them. Its result, laid out row after row, is the stream. No loop over
rows runs in Python.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ARROW_TYPES", "HEADER", "TRAILER", "Encoded", "Kind", "encode", "encoded_rows"]

Kind = Literal[
    "float8", "int4", "int8", "bool", "timestamptz", "uuid", "text", "json", "jsonb",
    "text[]", "varchar[]", "float8[]",
]  # fmt: skip
"""A column's type; ``text`` stands for VARCHAR too."""

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER: Final = struct.pack(">h", -1)

ARROW_TYPES: Final[dict[Kind, pa.DataType]] = {
    "float8": pa.float64(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "bool": pa.bool_(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "uuid": pa.string(),
    "text": pa.string(),
    "json": pa.string(),
    "jsonb": pa.string(),
    "text[]": pa.list_(pa.string()),
    "varchar[]": pa.list_(pa.string()),
    "float8[]": pa.list_(pa.float64()),
}
"""What a column of each kind must be before it is encoded; uuid as its 36 characters."""

_FIXED: Final[dict[Kind, str]] = {
    "float8": ">f8",
    "int4": ">i4",
    "int8": ">i8",
    "bool": "u1",
    "timestamptz": ">i8",
    "uuid": "V16",
}
_ELEMENTS: Final[dict[Kind, tuple[Kind, int]]] = {
    "text[]": ("text", 25),
    "varchar[]": ("text", 1043),
    "float8[]": ("float8", 701),
}
"""Kind and type OID of an array's elements; these OIDs are the same in every PostgreSQL."""

_EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01, from which PostgreSQL counts, in microseconds since 1970."""

Bytes = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows ready for ``COPY table (columns) FROM STDIN (FORMAT binary)``, without header and trailer."""

    columns: tuple[str, ...]
    """In the order of the fields."""
    body: memoryview


def encode(columns: Mapping[str, pa.Array], kinds: Mapping[str, Kind]) -> Encoded:
    """Encode columns of equal length, each of the type in :data:`ARROW_TYPES`.

    Args:
        columns: at least one; slices are fine.
        kinds: by column name.

    Returns:
        The rows; columns of fixed width come first.
    """
    order, rows = _rows(columns, kinds)
    offsets, data = _contents(rows)
    return Encoded(order, memoryview(data)[int(offsets[0]) : int(offsets[-1])])


def encoded_rows(columns: Mapping[str, pa.Array], kinds: Mapping[str, Kind]) -> tuple[memoryview, Bytes]:
    """The same rows in the order given, with the offset of each: ``(body, offsets of shape (n + 1,))``."""
    names = tuple(columns)
    pieces = [_field(columns[name], kinds[name]) for name in names]
    offsets, data = _contents(_joined(pieces))
    return memoryview(data), offsets


def _rows(columns: Mapping[str, pa.Array], kinds: Mapping[str, Kind]) -> tuple[tuple[str, ...], pa.Array]:
    n = len(next(iter(columns.values())))
    block: list[tuple[str, Any]] = [(">i2", len(columns))]
    late: list[tuple[str, tuple[Bytes, pa.Array]]] = []
    early: list[str] = []
    for name, column in columns.items():
        kind = kinds[name]
        if column.null_count == n:
            block.append((">i4", -1))
            early.append(name)
        elif kind in _FIXED and column.null_count == 0:
            dtype = _FIXED[kind]
            block += [(">i4", np.dtype(dtype).itemsize), (dtype, _values(column, kind))]
            early.append(name)
        else:
            late.append((name, _variable(column, kind)))
    pieces: list[pa.Array] = []
    for _, (lengths, payload) in late:
        block.append((">i4", lengths))
        pieces += [_block(n, block), payload]
        block = []
    if block:
        pieces.append(_block(n, block))
    return (*early, *(name for name, _ in late)), _joined(pieces)


def _block(n: int, fields: list[tuple[str, Any]]) -> pa.Array:
    """Fields side by side, as a binary array of constant width."""
    matrix = np.empty(n, np.dtype([(f"f{i}", dtype) for i, (dtype, _) in enumerate(fields)]))
    for i, (_, values) in enumerate(fields):
        matrix[f"f{i}"] = values
    return _binary(matrix, np.arange(n + 1, dtype=np.int64) * matrix.itemsize)


def _field(column: pa.Array, kind: Kind) -> pa.Array:
    """Length and bytes of each field, as a binary array."""
    n = len(column)
    if column.null_count == n:
        return _block(n, [(">i4", -1)])
    if kind in _FIXED and column.null_count == 0:
        dtype = _FIXED[kind]
        return _block(n, [(">i4", np.dtype(dtype).itemsize), (dtype, _values(column, kind))])
    lengths, payload = _variable(column, kind)
    return _joined([_block(n, [(">i4", lengths)]), payload])


def _variable(column: pa.Array, kind: Kind) -> tuple[Bytes, pa.Array]:
    """``(lengths with -1 for NULL, bytes)`` of fields whose length differs from row to row."""
    if kind in _FIXED:
        valid = np.asarray(column.is_valid())
        width = np.dtype(_FIXED[kind]).itemsize
        values = _values(column.drop_null(), kind).astype(_FIXED[kind])
        return np.where(valid, width, -1), _binary(values, _offsets(valid * width))
    if kind in _ELEMENTS:
        return _array(column, *_ELEMENTS[kind])
    payload = column.cast(pa.binary())
    lengths = np.asarray(pc.fill_null(pc.binary_length(payload), -1))
    if kind != "jsonb":
        return lengths, payload
    # The format's version comes first.
    version = np.ones(len(column), np.uint8)[lengths >= 0]
    lengths = np.where(lengths >= 0, lengths + 1, -1)
    return lengths, _joined([_binary(version, _offsets((lengths >= 0).astype(np.int64))), payload])


def _array(column: pa.Array, kind: Kind, oid: int) -> tuple[Bytes, pa.Array]:
    valid = np.asarray(column.is_valid())
    counts = np.asarray(pc.fill_null(pc.list_value_length(column), 0)).astype(np.int64)
    items = column.flatten()
    if len(items):
        item_offsets, data = _contents(_field(items, kind))
    else:
        item_offsets, data = np.zeros(1, np.int64), pa.py_buffer(b"")
    bounds = item_offsets[_offsets(counts)]
    header = np.empty((len(column), 5), ">i4")
    header[:] = (1, int(items.null_count > 0), oid, 0, 1)
    header[:, 3] = counts
    header[counts == 0, :2] = 0
    # An empty array has no dimensions: its header ends after the element type.
    widths = np.where(valid, np.where(counts > 0, 20, 12), 0)
    kept = header.view(np.uint8).reshape(len(column), 20)[np.arange(20) < widths[:, None]]
    lengths = np.where(valid, widths + np.diff(bounds), -1)
    return lengths, _joined([_binary(kept, _offsets(widths)), _binary(data, bounds)])


def _values(column: pa.Array, kind: Kind) -> Bytes:
    """Values of a column without NULLs."""
    if kind == "timestamptz":
        return np.asarray(column.cast(pa.int64())) - _EPOCH_US
    if kind == "uuid":
        return _uuid_bytes(column)
    return np.asarray(column.to_numpy(zero_copy_only=False))


_NIBBLE: Final = np.zeros(256, np.uint8)
for _digits in (b"0123456789abcdef", b"0123456789ABCDEF"):
    _NIBBLE[np.frombuffer(_digits, np.uint8)] = np.arange(16)


def _uuid_bytes(column: pa.Array) -> Bytes:
    digits = pc.replace_substring(column, "-", "")
    offsets, data = _contents(digits.cast(pa.binary()))
    text = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]].reshape(len(column), 32)
    nibbles = _NIBBLE[text]
    return np.ascontiguousarray(nibbles[:, ::2] << 4 | nibbles[:, 1::2]).view("V16").reshape(-1)


def _joined(pieces: list[pa.Array]) -> pa.Array:
    if len(pieces) == 1:
        return pieces[0]
    if sum(piece.nbytes for piece in pieces) >= 1 << 31:
        pieces = [piece.cast(pa.large_binary()) for piece in pieces]
    separator = pa.scalar(b"", pieces[0].type)
    return pc.binary_join_element_wise(*pieces, separator, null_handling="replace", null_replacement="")


def _contents(array: pa.Array) -> tuple[Bytes, pa.Buffer]:
    """Offsets of shape (n + 1,) into the data, and the data."""
    _, offsets, data = array.buffers()
    dtype = np.int64 if pa.types.is_large_binary(array.type) else np.int32
    every = np.frombuffer(offsets, dtype)[array.offset : array.offset + len(array) + 1]
    return every.astype(np.int64), data if data is not None else pa.py_buffer(b"")


def _offsets(lengths: Bytes) -> Bytes:
    out = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=out[1:])
    return out


def _binary(data: Bytes | pa.Buffer, offsets: Bytes) -> pa.Array:
    large = int(offsets[-1]) >= 1 << 31
    buffers = [None, pa.py_buffer(offsets.astype(np.int64 if large else np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_binary() if large else pa.binary(), len(offsets) - 1, buffers)
