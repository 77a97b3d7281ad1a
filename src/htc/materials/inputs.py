"""From the arguments of a person to a stream of formulas and structures.

Files, folders, zip archives and formulas come in; items come out one at a time, in order, so that thousands
of files never sit in memory together and one bad file never stops the rest.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Literal

from htc.errors import FormulaError, HTCError, InputError, StructureError
from htc.materials.checks import DEFAULT_MAX_SITES
from htc.materials.formulas import parse_formula
from htc.materials.reading import DEFAULT_MAX_BYTES, load_structure, parse_structure

if TYPE_CHECKING:
    from pymatgen.core.composition import Composition
    from pymatgen.core.structure import Structure

__all__ = [
    "STRUCTURE_SUFFIXES",
    "InputItem",
    "Limits",
    "is_structure_name",
    "iter_inputs",
    "looks_like_path",
]

STRUCTURE_SUFFIXES: Final = frozenset({".cif", ".mcif", ".vasp", ".poscar", ".contcar", ".json"})
_OTHER_SUFFIXES: Final = frozenset(
    {".zip", ".gz", ".tar", ".tgz", ".bz2", ".xz", ".txt", ".xyz", ".toml", ".csv"}
)
_BARE_NAMES: Final = ("POSCAR", "CONTCAR")


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused before it can hurt."""

    max_sites: int = DEFAULT_MAX_SITES
    max_bytes: int = DEFAULT_MAX_BYTES
    """Largest structure file, unpacked."""
    max_members: int = 100_000
    """Most entries of one archive."""
    max_archive_bytes: int = 1_000_000_000
    max_ratio: float = 1000.0
    """Largest ratio of unpacked to packed size of a member: deflate reaches 1032 on nothing but zeros."""


@dataclass(frozen=True, slots=True)
class InputItem:
    """One thing to predict, or the reason why it is none."""

    source: str
    """As its giver named it: a path, ``archive.zip/member``, a formula."""
    kind: Literal["structure", "formula", "error"]
    payload: Structure | Composition | HTCError
    notes: tuple[str, ...] = ()

    @property
    def structure(self) -> Structure | None:
        """The structure, where this is one."""
        return self.payload if self.kind == "structure" else None  # type: ignore[return-value]  # tied to kind

    @property
    def composition(self) -> Composition | None:
        """The composition of a formula or a structure."""
        if self.kind == "structure":
            return self.payload.composition  # type: ignore[union-attr]  # tied to kind
        return self.payload if self.kind == "formula" else None  # type: ignore[return-value]  # tied to kind

    @property
    def error(self) -> HTCError | None:
        """The error, where this is one."""
        return self.payload if self.kind == "error" else None  # type: ignore[return-value]  # tied to kind


def _failed(source: str, error: HTCError) -> InputItem:
    return InputItem(source, "error", error.located(source))


def iter_inputs(inputs: Iterable[str | Path], limits: Limits | None = None) -> Iterator[InputItem]:
    """Stream of everything the inputs hold, in order.

    An existing path is a path. What does not exist but has a path separator or the suffix of a file gives
    "no such file". Everything else is read as a formula. Folders are walked in sorted order, without
    hidden files and without following links; in folders and archives only names that look like structures
    are read.

    Args:
        inputs: paths of files, folders and zip archives, and formulas.
        limits: sizes beyond which an item is an error.
    """
    limits = limits or Limits()
    for given in inputs:
        yield from _expand(given, limits)


def _expand(given: str | Path, limits: Limits) -> Iterator[InputItem]:
    text = str(given)
    try:
        path = Path(given)
        exists = bool(text.strip()) and path.exists()
        is_folder = exists and path.is_dir()
    except (OSError, ValueError):  # a name too long, a null byte, a folder that may not be entered
        exists = is_folder = False
    if is_folder:
        yield from _folder(path, limits)
    elif exists and path.suffix.lower() == ".zip":
        yield from _archive(path, limits)
    elif exists:
        yield _file(path, limits)
    elif isinstance(given, Path) or looks_like_path(text):
        yield _failed(text, StructureError("no such file", where=text, hint=_where_from(text)))
    else:
        yield _formula(text)


def _where_from(text: str) -> str | None:
    return None if Path(text).is_absolute() else f"looked in {Path.cwd()}"


def looks_like_path(text: str) -> bool:
    """Whether a text that names no existing file was still meant as one, not as a formula."""
    if "/" in text or "\\" in text or text.startswith(("~", ".")):
        return True
    suffix = Path(text).suffix.lower()
    return suffix in STRUCTURE_SUFFIXES or suffix in _OTHER_SUFFIXES or text.startswith(_BARE_NAMES)


def is_structure_name(name: str) -> bool:
    """Whether a file name is that of a structure."""
    base = PurePosixPath(name).name
    if base.startswith((".", "__MACOSX")):
        return False
    return PurePosixPath(base).suffix.lower() in STRUCTURE_SUFFIXES or base.startswith(_BARE_NAMES)


def _formula(text: str) -> InputItem:
    try:
        return InputItem(text, "formula", parse_formula(text))
    except FormulaError as error:
        return _failed(text, error)


def _file(path: Path, limits: Limits) -> InputItem:
    source = str(path)
    try:
        loaded = load_structure(path, max_sites=limits.max_sites, max_bytes=limits.max_bytes)
    except HTCError as error:
        return _failed(source, error)
    return InputItem(source, "structure", loaded.structure, loaded.notes)


def _folder(path: Path, limits: Limits) -> Iterator[InputItem]:
    found = False
    unreadable: list[OSError] = []
    for folder, below, names in os.walk(path, onerror=unreadable.append):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            member = Path(folder) / name
            if member.suffix.lower() == ".zip":
                found = True
                yield from _archive(member, limits)
            elif is_structure_name(name):
                found = True
                yield _file(member, limits)
    for error in unreadable:
        found = True
        place = str(error.filename or path)
        yield _failed(place, StructureError(f"the folder cannot be read: {error.strerror}", where=place))
    if not found:
        yield _failed(
            str(path),
            InputError(
                "the folder holds no structure files", where=str(path), hint="CIF, POSCAR, JSON and zip"
            ),
        )


def _archive(path: Path, limits: Limits) -> Iterator[InputItem]:
    """Members are read into memory one by one; nothing is ever unpacked to disk."""
    source = str(path)
    try:
        size, limit = path.stat().st_size, limits.max_archive_bytes
        if size > limit:
            what = f"the archive has {size / 1e6:.0f} MB, more than the limit of {limit / 1e6:g} MB"
            yield _failed(source, InputError(what, where=source))
            return
        archive = zipfile.ZipFile(path)
    except PermissionError:
        yield _failed(source, InputError("no permission to read the file", where=source))
        return
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        what = f"not a readable zip archive: {getattr(error, 'strerror', None) or error}"
        yield _failed(source, InputError(what, where=source, hint="the file may be truncated"))
        return
    with archive:
        members = archive.infolist()
        if len(members) > limits.max_members:
            what = f"the archive has {len(members)} entries, more than the limit of {limits.max_members}"
            yield _failed(source, InputError(what, where=source))
            return
        found = False
        for member in sorted(members, key=lambda m: _natural(m.filename)):
            nested = member.filename.lower().endswith(".zip")
            if member.is_dir() or not (nested or is_structure_name(member.filename)):
                continue
            found = True
            yield _member(archive, member, f"{source}/{member.filename}", limits, nested=nested)
        if not found:
            what = "the archive holds no structure files"
            yield _failed(source, InputError(what, where=source, hint="CIF, POSCAR and JSON are read"))


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which 9.cif comes before 10.cif."""
    parts: list[tuple[int, int, str]] = []
    digits = ""
    for c in name + "\0":
        if c.isascii() and c.isdigit() and len(digits) < 18:
            digits += c
            continue
        if digits:
            parts.append((0, int(digits), ""))
            digits = ""
        parts.append((1, 0, c))
    return tuple(parts)


def _member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, source: str, limits: Limits, *, nested: bool
) -> InputItem:
    try:
        _check_member(member, source, limits, nested=nested)
        with archive.open(member) as stream:
            # The header's size is a claim; what is read is bounded all the same.
            content = stream.read(limits.max_bytes + 1)
        if len(content) > limits.max_bytes:
            raise StructureError("the member is larger than it claims", where=source)
        loaded = parse_structure(content, source=source, max_sites=limits.max_sites)
    except HTCError as error:
        return _failed(source, error)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        return _failed(source, StructureError(f"damaged in the archive: {error}", where=source))
    return InputItem(source, "structure", loaded.structure, loaded.notes)


def _check_member(member: zipfile.ZipInfo, source: str, limits: Limits, *, nested: bool) -> None:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
        raise StructureError("the name leads outside the archive", where=source)
    if nested:
        raise StructureError(
            "an archive within an archive is not opened", where=source, hint="unpack it first"
        )
    if member.flag_bits & 0x1:
        raise StructureError("the member is encrypted", where=source, hint="unpack it first")
    if member.file_size > limits.max_bytes:
        raise StructureError(
            f"the member has {member.file_size / 1e6:.1f} MB unpacked, "
            f"more than the limit of {limits.max_bytes / 1e6:g} MB",
            where=source,
        )
    if member.file_size > limits.max_ratio * max(member.compress_size, 1):
        raise StructureError("the member unpacks to far more than a structure would", where=source)
