"""Files that get their name only when they are complete."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa

from htc.errors import InputError, StorageError

__all__ = ["COMPRESSIONS", "batch_writer", "binary_sink", "complete_or_not_at_all"]

COMPRESSIONS: Final = {
    "parquet": ("zstd", "snappy", "gzip", "lz4", "none"),
    "arrow": ("lz4", "zstd", "none"),
    "csv": (),
    "jsonl": (),
}
"""By format, the default first; text is compressed by naming the file .gz."""


@contextmanager
def complete_or_not_at_all(path: Path) -> Iterator[Path]:
    """A name to write to; what is there is renamed to ``path`` at the end, or removed.

    Raises:
        StorageError: no room, no permission.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            yield unfinished
            with unfinished.open("rb") as written:
                os.fsync(written.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"the file cannot be written: {error.strerror or error}",
            where=str(path),
            hint="see whether there is room, and whether you may write there",
        ) from error


@contextmanager
def batch_writer(
    path: Path, form: str, schema: pa.Schema, compression: str | None, *, zipped: bool
) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """What writes batches into a new file of a format.

    Raises:
        InputError: the format does not know this compression.
    """
    choices = COMPRESSIONS[form]
    if compression is not None and compression not in choices:
        raise InputError(
            f"{form} files are not compressed with {compression}",
            hint=f"possible: {', '.join(choices)}" if choices else "end the file's name in .gz",
        )
    chosen = compression or (choices[0] if choices else None)
    if form == "parquet":
        import pyarrow.parquet as pq

        with pq.ParquetWriter(path, schema, compression=chosen) as writer:
            yield writer.write_batch
    elif form == "arrow":
        options = pa.ipc.IpcWriteOptions(compression=None if chosen == "none" else chosen)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema, options=options) as writer:
            yield writer.write_batch
    else:
        from pyarrow import csv

        with binary_sink(path, zipped=zipped) as sink, csv.CSVWriter(sink, schema) as writer:
            yield writer.write_batch


@contextmanager
def binary_sink(path: Path, *, zipped: bool) -> Iterator[IO[bytes] | Any]:
    """A file for bytes, gzipped or not."""
    if zipped:
        # Without time and name in it, equal rows give equal files.
        with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, 0) as sink:
            yield sink
    else:
        with path.open("wb") as sink:
            yield sink
