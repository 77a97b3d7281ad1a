"""A file to read, opened once and carefully: its size, its head, its lines."""

from __future__ import annotations

import re
import stat
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import SpectrumError

__all__ = ["MAX_FILE_BYTES", "NumericBlock", "SourceFile", "is_folder", "to_float"]

FloatArray = NDArray[np.float64]

MAX_FILE_BYTES: Final[int] = 100_000_000
"""Larger files are refused before they are read: a million points with two columns need a quarter of it."""

_HEAD_BYTES: Final[int] = 65_536
_NETCDF_MAGIC: Final[tuple[bytes, ...]] = (b"CDF\x01", b"CDF\x02", b"CDF\x05", b"\x89HDF")
_PACKED_MAGIC: Final[dict[bytes, str]] = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
}
_SEPARATORS = re.compile(r"[\s,;]+")
# Fortran: 1.0D-03, and 1.0-143 where the exponent needs three digits.
_FORTRAN_EXPONENT = re.compile(r"(?<=[\d.])(?:[dD]([+-]?\d+)|([+-]\d{3}))$")


class SourceFile:
    """A regular, readable, non-empty file of tolerable size.

    Raises:
        SpectrumError: it is not that.
    """

    def __init__(self, path: Path) -> None:
        """Look at the file and read its head."""
        self.path = path
        try:
            info = path.stat()
            if stat.S_ISDIR(info.st_mode):
                raise SpectrumError("is a folder, not a file", where=str(path))
            if not stat.S_ISREG(info.st_mode):
                raise SpectrumError("is not a regular file", where=str(path))
            if info.st_size == 0:
                raise SpectrumError("is empty", where=str(path), hint="did the run that wrote it finish?")
            if info.st_size > MAX_FILE_BYTES:
                raise SpectrumError(
                    f"has {info.st_size / 1e6:.0f} MB; spectra up to {MAX_FILE_BYTES / 1e6:.0f} MB are read",
                    where=str(path),
                    hint="is it really alpha2F? If so, keep only the columns and the frequencies needed",
                )
            with path.open("rb") as stream:
                self.head = stream.read(_HEAD_BYTES)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error

    @property
    def is_netcdf(self) -> bool:
        """Whether the file is netCDF, classic or HDF5."""
        return self.head.startswith(_NETCDF_MAGIC)

    @cached_property
    def first_lines(self) -> list[str]:
        """The lines of the head that are whole; none of a binary file."""
        if b"\x00" in self.head:
            return []
        lines = self.head.decode("utf-8-sig", errors="replace").splitlines()
        return lines[:-1] if len(self.head) == _HEAD_BYTES and len(lines) > 1 else lines

    @cached_property
    def lines(self) -> list[str]:
        """All lines of a text file.

        Raises:
            SpectrumError: the file is not text.
        """
        self.refuse_binary()
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise _unreadable(self.path, error) from error
        return data.decode("utf-8-sig", errors="replace").splitlines()

    def refuse_binary(self) -> None:
        """Raise a SpectrumError if the file is not text."""
        packed = next((name for magic, name in _PACKED_MAGIC.items() if self.head.startswith(magic)), None)
        if packed:
            raise SpectrumError(f"is {packed}-compressed", where=str(self.path), hint="unpack it first")
        control = sum(byte < 9 or 13 < byte < 32 for byte in self.head)
        if b"\x00" in self.head or control > 0.01 * len(self.head):
            raise SpectrumError(
                "is binary and not a netCDF file",
                where=str(self.path),
                hint="give the text file with alpha2F",
            )

    def error(self, what: str, *, line: int | None = None, hint: str | None = None) -> SpectrumError:
        """A SpectrumError about this file; ``line`` counts from 1."""
        where = str(self.path) if line is None else f"{self.path}, line {line}"
        return SpectrumError(what, where=where, hint=hint)

    def numeric_block(self, *, min_columns: int = 2) -> NumericBlock:
        """The first run of lines that hold numbers only, with the text before and after it.

        Raises:
            SpectrumError: there is none, or its lines differ in length.
        """
        lines = self.lines
        start = next((i for i, line in enumerate(lines) if _numbers(line)), None)
        if start is None:
            raise self.error("holds no numbers")
        header = [line for line in lines[:start] if line.strip()]
        table = _fast_table(lines[start:])
        footer: list[str] = []
        if table is None:
            if len(_numbers(lines[start]) or ()) < min_columns:
                raise self.error("does not begin with a table of numbers", line=start + 1)
            table, footer = self._slow_table(start)
        if table.shape[1] < min_columns:
            raise self.error(
                f"has {table.shape[1]} column of numbers, a spectrum needs {min_columns}", line=start + 1
            )
        return NumericBlock(header, table, footer)

    def _slow_table(self, start: int) -> tuple[FloatArray, list[str]]:
        rows: list[list[float]] = []
        end = len(self.lines)
        for number, line in enumerate(self.lines[start:], start):
            if not line.strip():
                continue
            row = _numbers(line)
            if row is None:
                end = number
                break
            if rows and len(row) != len(rows[0]):
                raise self.error(
                    f"{len(row)} numbers where the lines above have {len(rows[0])}",
                    line=number + 1,
                    hint="the file is truncated or its columns run together; write it again",
                )
            rows.append(row)
        return np.array(rows, dtype=np.float64), [line for line in self.lines[end:] if line.strip()]


class NumericBlock:
    """A table of numbers in a text file.

    Args:
        header: the non-empty lines before it.
        table: shape ``(rows, columns)``.
        footer: the non-empty lines after it.
    """

    def __init__(self, header: list[str], table: FloatArray, footer: list[str]) -> None:
        """Keep the three parts."""
        self.header = header
        self.table = table
        self.footer = footer


def to_float(token: str) -> float:
    """A number as Fortran or C writes it; a field of asterisks (overflow) is NaN.

    Raises:
        ValueError: it is not a number.
    """
    try:
        return float(token)
    except ValueError:
        if token and set(token) == {"*"}:
            return float("nan")
        return float(_FORTRAN_EXPONENT.sub(lambda m: "e" + (m.group(1) or m.group(2)), token))


def _numbers(line: str) -> list[float] | None:
    """The numbers of a line that holds nothing else, or None."""
    tokens = [token for token in _SEPARATORS.split(line.strip()) if token]
    try:
        return [to_float(token) for token in tokens] or None
    except ValueError:
        return None


def _fast_table(lines: list[str]) -> FloatArray | None:
    """The table if every line is plain numbers, read in C; None sends the caller the careful way."""
    delimiter = "," if "," in lines[0] else None
    try:
        table = np.loadtxt(lines, dtype=np.float64, comments=None, delimiter=delimiter, ndmin=2)
    except ValueError:
        return None
    return np.asarray(table)


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder; False, not an error, where that cannot be seen."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _unreadable(path: Path, error: OSError | ValueError) -> SpectrumError:
    if isinstance(error, FileNotFoundError):
        return SpectrumError("no such file", where=str(path))
    if isinstance(error, PermissionError):
        return SpectrumError("no permission to read it", where=str(path))
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return SpectrumError(f"cannot be read: {reason}", where=str(path))
