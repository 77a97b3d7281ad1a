"""Whatever holds rows, as Arrow batches of a chunk's size, with the number of each row.

Text formats are read as text: a value that is no number is then one row's fault and not the file's.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa

from htc.errors import InputError

__all__ = ["FORMATS", "Piece", "Refused", "Source", "format_of", "open_source"]

Source: TypeAlias = pa.Table | pa.RecordBatch | pa.RecordBatchReader | Iterable[pa.RecordBatch] | Path | str
"""What can be loaded."""

FORMATS: Final = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".ndjson": "jsonl",
    ".ndjson.gz": "jsonl",
}
"""Format by the end of a file's name."""

_BLOCK: Final = 16 << 20
"""Bytes of CSV parsed at once: the longest line it may have."""
_JSON_BYTES: Final = 64 << 20
"""Bytes of JSONL after which a batch ends early."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be stored."""

    number: int
    """Which row of the source, from 1; the header of a CSV file does not count."""
    reasons: tuple[str, ...]
    data: Any
    """The row as it came."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a source."""

    batch: pa.RecordBatch
    numbers: np.ndarray[Any, np.dtype[np.int64]]
    """Of each row in the source."""
    refused: list[Refused] = field(default_factory=list)
    """Lines between them that are no rows."""


def format_of(path: Path) -> str:
    """The format of a file, by its name.

    Raises:
        InputError: the name says none.
    """
    name = path.name.lower()
    for end in sorted(FORMATS, key=len, reverse=True):
        if name.endswith(end):
            return FORMATS[end]
    raise InputError(
        "the file's format is not known", where=str(path), hint=f"its name must end in {', '.join(FORMATS)}"
    )


def open_source(source: Source, rows: int) -> tuple[Iterator[Piece], int | None]:
    """Pieces of at most ``rows`` rows, and how many rows there are where that is known.

    Raises:
        InputError: the file is missing, damaged or of no known format. Damage further in is raised while
            iterating.
    """
    if isinstance(source, str | Path):
        return _open_path(Path(source), rows)
    if isinstance(source, pa.Table):
        return _numbered(source.to_batches(max_chunksize=rows), rows), source.num_rows
    if isinstance(source, pa.RecordBatch):
        return _numbered([source], rows), source.num_rows
    return _numbered(source, rows), None


def _open_path(path: Path, rows: int) -> tuple[Iterator[Piece], int | None]:
    kind = format_of(path)
    if not path.exists():
        raise InputError("there is no such file", where=str(path))
    if not path.is_file():
        raise InputError("not a file", where=str(path))
    try:
        if kind == "parquet":
            import pyarrow.parquet as pq

            file = pq.ParquetFile(path, pre_buffer=False)
            batches = file.iter_batches(batch_size=rows)
            return _guarded(_numbered(batches, rows), path), file.metadata.num_rows
        if kind == "arrow":
            return _guarded(_numbered(_arrow_batches(path), rows), path), None
        # Small text files need no count to be known as small.
        estimate = path.stat().st_size // 50 if path.stat().st_size < 1 << 20 else None
        read = _csv_pieces if kind == "csv" else _jsonl_pieces
        return _guarded(read(path, rows), path), estimate
    except (pa.ArrowException, OSError, EOFError) as error:
        raise _damaged(path, error) from error


def _guarded(pieces: Iterator[Piece], path: Path) -> Iterator[Piece]:
    try:
        yield from pieces
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    message = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(
        f"the file cannot be read: {message}",
        where=str(path),
        hint="rows before this place may be stored already; mend the file and import it again, they are"
        " recognised",
    )


def _numbered(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[Piece]:
    """Batches cut and put together to about ``rows`` rows each."""
    number = 1
    waiting: list[pa.RecordBatch] = []

    def together() -> Piece:
        batch = waiting[0] if len(waiting) == 1 else _concatenated(waiting)
        numbers = np.arange(number, number + batch.num_rows, dtype=np.int64)
        return Piece(batch, numbers)

    for given in batches:
        if not isinstance(given, pa.RecordBatch):
            raise InputError(f"not a pyarrow RecordBatch but {type(given).__name__}")
        for start in range(0, given.num_rows, rows):
            batch = given.slice(start, rows)
            full = sum(b.num_rows for b in waiting) + batch.num_rows > rows
            if waiting and (full or batch.schema != waiting[0].schema):
                piece = together()
                yield piece
                number += piece.batch.num_rows
                waiting.clear()
            waiting.append(batch)
    if waiting:
        yield together()


def _concatenated(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    whole = pa.Table.from_batches(batches).combine_chunks()
    arrays = [column.chunk(0) for column in whole.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=whole.schema)


def _arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as source:
        magic = source.read(6)
        source.seek(0)
        if magic == b"ARROW1":
            with pa.ipc.open_file(source) as file:
                for i in range(file.num_record_batches):
                    yield file.get_batch(i)
        else:
            with pa.ipc.open_stream(source) as stream:
                yield from stream


def _binary(path: Path) -> IO[bytes]:
    return gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]  # a GzipFile reads as bytes


def _csv_pieces(path: Path, rows: int) -> Iterator[Piece]:
    from pyarrow import csv

    refused: list[Refused] = []

    def refuse(row: csv.InvalidRow) -> str:
        reason = f"line has {row.actual_columns} columns, not {row.expected_columns}"
        refused.append(Refused((row.number or 1) - 1, (reason,), {"line": row.text}))
        return "skip"

    names = _csv_header(path)
    with _binary(path) as source:
        reader = csv.open_csv(
            source,
            read_options=csv.ReadOptions(
                use_threads=False, block_size=_BLOCK, column_names=names, skip_rows=0
            ),
            parse_options=csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.binary()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                check_utf8=False,
            ),
        )
        at, taken, first = 0, 0, True
        for batch in reader:
            if first:  # the header
                batch, first = batch.slice(1), False
            while batch.num_rows:
                part = batch.slice(0, rows)
                batch = batch.slice(rows)
                # Refused lines of the block lie among its rows; their numbers are left out.
                numbers, at = _numbers_between(at, part.num_rows, {r.number for r in refused})
                yield Piece(part, numbers, refused[taken:])
                taken = len(refused)
            refused[:] = [r for r in refused if r.number > at]
            taken = min(taken, len(refused))
        if len(refused) > taken:
            yield Piece(_no_rows(names), np.empty(0, np.int64), refused[taken:])


def _numbers_between(at: int, n: int, skipped: set[int]) -> tuple[np.ndarray[Any, Any], int]:
    """The next ``n`` numbers after ``at`` that are not skipped, and the last of them."""
    if not skipped:
        return np.arange(at + 1, at + n + 1, dtype=np.int64), at + n
    candidates = np.arange(at + 1, at + n + len(skipped) + 1, dtype=np.int64)
    numbers = candidates[~np.isin(candidates, list(skipped))][:n]
    return numbers, int(numbers[-1]) if n else at


def _no_rows(names: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], pa.binary()) for _ in names], names)


def _csv_header(path: Path) -> list[str]:
    import csv

    with _binary(path) as source, io.TextIOWrapper(source, "utf-8-sig", errors="replace", newline="") as text:
        names = next(csv.reader([text.readline(1 << 20)]), [])
    if not names:
        raise InputError("the file is empty", where=str(path), hint="its first line must name the columns")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise InputError(f"column {doubled[0]!r} is there twice", where=str(path))
    return names


def _jsonl_pieces(path: Path, rows: int) -> Iterator[Piece]:
    objects: list[dict[str, Any]] = []
    numbers: list[int] = []
    refused: list[Refused] = []
    size = 0
    with _binary(path) as source:
        for number, line in enumerate(source, 1):
            if not line.strip():
                continue
            row = _json_row(line)
            if isinstance(row, _NoRow):
                refused.append(Refused(number, row.reasons, {"line": row.line}))
            else:
                objects.append(row)
                numbers.append(number)
                size += len(line)
            if len(objects) + len(refused) >= rows or size >= _JSON_BYTES:
                yield Piece(_json_batch(objects), np.array(numbers, np.int64), refused)
                objects, numbers, refused, size = [], [], [], 0
    if objects or refused:
        yield Piece(_json_batch(objects), np.array(numbers, np.int64), refused)


@dataclass(frozen=True, slots=True)
class _NoRow:
    """A line that is none."""

    reasons: tuple[str, ...]
    line: str


def _json_row(line: bytes) -> dict[str, Any] | _NoRow:
    try:
        row = json.loads(line)
        reason = "line is not a JSON object"
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        row, reason = None, "line is not JSON"
    if not isinstance(row, dict):
        return _NoRow((reason,), line[:10_000].decode(errors="backslashreplace").rstrip("\n"))
    why: Any = [reason]
    if set(row) == {"row", "reasons", "data"} and isinstance(row["data"], dict):
        why, row = row["reasons"], row["data"]  # a line of a rejects file, mended
    if set(row) == {"line"} and isinstance(row["line"], str):  # no table has such a column
        return _mended_line(row["line"], why)
    return row


def _mended_line(text: str, why: Any) -> dict[str, Any] | _NoRow:
    """The row of a line that was no row when it was refused; with the old reasons where it still is none."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        row = None
    if isinstance(row, dict):
        return row
    return _NoRow(tuple(map(str, why)) if isinstance(why, list) and why else ("line is not JSON",), text)


def _json_batch(objects: list[dict[str, Any]]) -> pa.RecordBatch:
    names = list(dict.fromkeys(name for row in objects for name in row))
    if not names:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * len(objects), pa.struct([])))
    return pa.RecordBatch.from_arrays([_json_column([row.get(n) for row in objects]) for n in names], names)


def _json_column(values: list[Any]) -> pa.Array:
    """Numbers and booleans where all are; anything else as its text."""
    kinds = {type(v) for v in values if v is not None}
    if kinds <= {bool} or kinds <= {float} or kinds == {int, float}:
        plain = [float(v) if v is not None and kinds != {bool} else v for v in values] if kinds else values
        try:
            return pa.array(plain)
        except (pa.ArrowInvalid, OverflowError):
            pass
    return pa.array([_json_text(v) for v in values], pa.binary())


def _json_text(value: Any) -> bytes | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # Half a surrogate pair is no text; its bytes are found out later, as this row's fault.
    return text.encode("utf-8", "surrogatepass")
