"""A stranger's zip, read into memory within bounds: nothing is unpacked to disk, nothing is believed."""

from __future__ import annotations

import io
import json
import math
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from htc.errors import InputError

__all__ = ["Limits", "OpenedPack", "open_pack", "read_json"]

_LARGEST_NUMBER: Final = 1e15
_MAX_DEPTH: Final = 40


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before it can hurt."""

    max_archive_bytes: int = 64_000_000
    max_file_bytes: int = 32_000_000
    """Of one file, unpacked."""
    max_total_bytes: int = 96_000_000
    max_files: int = 100
    max_name: int = 200


@dataclass(frozen=True, slots=True)
class OpenedPack:
    """The files of a pack."""

    files: Mapping[str, bytes]
    damaged: Mapping[str, str] = field(default_factory=dict)
    """What could not be unpacked, and why, by path."""


def open_pack(source: Path | bytes, limits: Limits | None = None) -> OpenedPack:
    """Read a pack.

    Args:
        source: a file, or its content.
        limits: sizes beyond which it is refused.

    Raises:
        InputError: it cannot be read, is no zip, is too large, or has an entry that no pack has: a name that
            leads out of the archive, a link, an encrypted file, two files of one name.
    """
    limits = limits or Limits()
    where = str(source) if isinstance(source, Path) else "the pack"
    content = source if isinstance(source, bytes) else _content(source, limits)
    if len(content) > limits.max_archive_bytes:
        raise InputError(f"it has more than {limits.max_archive_bytes / 1e6:g} MB", where=where)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, zlib.error, EOFError) as error:
        raise InputError(
            f"not a readable zip archive: {error}", where=where, hint="the file may be truncated"
        ) from error
    with archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        _check_members(members, where, limits)
        files: dict[str, bytes] = {}
        damaged: dict[str, str] = {}
        left = limits.max_total_bytes
        for member in members:
            bound = min(limits.max_file_bytes, left)
            try:
                with archive.open(member) as stream:
                    # What the header says of the size is a claim; what is read is bounded all the same.
                    data = stream.read(bound + 1)
            except (
                zipfile.BadZipFile,
                zlib.error,
                EOFError,
                OSError,
                NotImplementedError,
                RuntimeError,
            ) as error:
                damaged[member.filename] = f"cannot be unpacked: {error}"
                continue
            if len(data) > bound:
                raise InputError("unpacks to more than a pack ever has", where=f"{where}/{member.filename}")
            left -= len(data)
            files[member.filename] = data
    return OpenedPack(files, damaged)


def read_json(data: bytes, where: str) -> Any:
    """JSON within bounds: no NaN, no infinity, no number beyond 10^15, no abyss of brackets, no name twice.

    Raises:
        InputError: it is not that.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            parse_constant=_refuse_constant,
            parse_float=_bounded_float,
            parse_int=_bounded_int,
            object_pairs_hook=_once_each,
        )
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"not usable JSON: {error}", where=where) from error
    if _depth(value) > _MAX_DEPTH:
        raise InputError("its brackets are too deep", where=where)
    return value


def _content(path: Path, limits: Limits) -> bytes:
    where = str(path)
    try:
        if not path.exists():
            raise InputError("no such file", where=where)
        if not path.is_file():
            raise InputError("is not a file", where=where)
        with path.open("rb") as stream:
            return stream.read(limits.max_archive_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise InputError(
            f"cannot be read: {getattr(error, 'strerror', None) or error}", where=where
        ) from error


def _check_members(members: list[zipfile.ZipInfo], where: str, limits: Limits) -> None:
    if len(members) > limits.max_files:
        raise InputError(f"{len(members)} files, more than a pack ever has", where=where)
    seen: set[str] = set()
    total = 0
    for member in members:
        name, place = member.filename, f"{where}/{member.filename[:100]!r}"
        path = PurePosixPath(name.replace("\\", "/"))
        outside = path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0]
        if outside or "\\" in name:
            raise InputError("the name leads outside the archive", where=place)
        if len(name) > limits.max_name or any(unicodedata.category(c).startswith("C") for c in name):
            raise InputError("no file has such a name", where=place)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError("is a link, not a file", where=place)
        if member.flag_bits & 0x1:
            raise InputError("is encrypted", where=place)
        if str(path) != name or name.casefold() in seen:
            raise InputError("two files of one name, or a name that is not plain", where=place)
        seen.add(name.casefold())
        total += member.file_size
        if member.file_size > limits.max_file_bytes or total > limits.max_total_bytes:
            raise InputError("unpacks to more than a pack ever has", where=place)


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _bounded_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:30]} is too large")
    return value


def _bounded_int(text: str) -> int:
    value = int(text)
    if abs(value) > _LARGEST_NUMBER:
        raise ValueError(f"the number {text[:30]} is too large")
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _depth(value: Any) -> int:
    """Nesting of lists and objects, without recursion."""
    deepest, level = 0, [value]
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            break
        deepest += 1
        if deepest > _MAX_DEPTH:
            break
        level = inner
    return deepest
