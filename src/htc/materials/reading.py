"""From a file, a text or an object in memory to a checked structure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from htc.errors import StructureError
from htc.materials.checks import DEFAULT_MAX_SITES, checked
from htc.materials.formats import FORMATS, StructureFormat, detect_format, parse, structure_from_dict

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = [
    "DEFAULT_MAX_BYTES",
    "LoadedStructure",
    "as_structure",
    "decode",
    "load_structure",
    "parse_structure",
    "read_bytes",
    "read_structure",
    "structure_from_text",
]

DEFAULT_MAX_BYTES: Final = 5_000_000
"""Largest structure file that is opened. A cell of 200 sites takes some 20 kB in any format."""

_COMPRESSED: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf\x27\x1c": "7-zip",
}


@dataclass(frozen=True, slots=True)
class LoadedStructure:
    """A checked structure and what had to be said about the way it came in."""

    structure: Structure
    source: str
    """The input as its giver named it."""
    format: str
    """``cif``, ``poscar``, ``json``, ``pymatgen`` or ``ase``."""
    notes: tuple[str, ...] = ()
    """What was assumed, dropped or looked odd, one sentence each."""


def load_structure(
    path: str | Path, *, max_sites: int = DEFAULT_MAX_SITES, max_bytes: int = DEFAULT_MAX_BYTES
) -> LoadedStructure:
    """Read one structure file, its format found from its content.

    Args:
        path: CIF, POSCAR/CONTCAR or pymatgen JSON.
        max_sites: most sites in the cell.
        max_bytes: larger files are refused before they are opened.

    Raises:
        StructureError: no such file, no permission, too large, not a structure, or not a sound one.
    """
    path = Path(path)
    return parse_structure(read_bytes(path, max_bytes), source=str(path), max_sites=max_sites)


def read_structure(
    path: str | Path, *, max_sites: int = DEFAULT_MAX_SITES, max_bytes: int = DEFAULT_MAX_BYTES
) -> Structure:
    """The structure of :func:`load_structure`, without its notes."""
    return load_structure(path, max_sites=max_sites, max_bytes=max_bytes).structure


def structure_from_text(
    text: str | bytes,
    fmt: StructureFormat | None = None,
    *,
    source: str = "structure text",
    max_sites: int = DEFAULT_MAX_SITES,
) -> Structure:
    """The structure of :func:`parse_structure`, without its notes."""
    return parse_structure(text, fmt, source=source, max_sites=max_sites).structure


def parse_structure(
    text: str | bytes,
    fmt: StructureFormat | None = None,
    *,
    source: str = "structure text",
    max_sites: int = DEFAULT_MAX_SITES,
) -> LoadedStructure:
    """Read a structure from text.

    Args:
        text: content of a CIF, POSCAR or pymatgen JSON file.
        fmt: its format; None to find out from the content.
        source: name for messages.
        max_sites: most sites in the cell.

    Raises:
        StructureError: not a structure, or not a sound one.
    """
    if fmt is not None and fmt not in FORMATS:
        raise StructureError(
            f"no structure format '{fmt}'", where=source, hint=f"one of {', '.join(FORMATS)}"
        )
    decoded = decode(text, source) if isinstance(text, bytes) else text
    if not decoded.strip():
        raise StructureError("the file is empty", where=source)
    fmt = fmt or detect_format(decoded)
    if fmt is None:
        raise StructureError(
            "not a structure in a known format", where=source, hint="CIF, POSCAR and pymatgen JSON are read"
        )
    raw, notes = parse(decoded, fmt, source, max_sites)
    structure, more = checked(raw, source, max_sites=max_sites)
    return LoadedStructure(structure, source, fmt, (*dict.fromkeys([*notes, *more]),))


def as_structure(obj: Any, *, source: str = "structure", max_sites: int = DEFAULT_MAX_SITES) -> Structure:
    """A checked structure from an object in memory.

    Args:
        obj: a pymatgen ``Structure``, an ``ase.Atoms`` periodic in three directions, a dictionary as of
            ``Structure.as_dict()``, or a :class:`LoadedStructure`.
        source: name for messages.
        max_sites: most sites in the cell.

    Raises:
        StructureError: none of these, or not a sound structure.
    """
    from pymatgen.core.structure import IStructure

    raw: IStructure
    if isinstance(obj, LoadedStructure):
        return obj.structure
    if isinstance(obj, Mapping):
        raw = structure_from_dict(dict(obj), source, max_sites)
    elif isinstance(obj, IStructure):
        raw = obj
    elif hasattr(obj, "get_chemical_symbols") and hasattr(obj, "get_scaled_positions"):
        raw = _from_ase(obj, source)
    else:
        raise StructureError(
            f"a {type(obj).__name__} is not a structure",
            where=source,
            hint="pymatgen Structure, ase.Atoms or the dictionary of Structure.as_dict() are taken",
        )
    return checked(raw, source, max_sites=max_sites)[0]


def _from_ase(atoms: Any, source: str) -> Structure:
    """Known by what it can do, so that ASE need not be installed to read files."""
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    if not all(atoms.pbc):
        raise StructureError(
            "the atoms are not periodic in all three directions",
            where=source,
            hint="set atoms.pbc = True for a crystal; molecules and slabs are not crystals",
        )
    if abs(atoms.cell.volume) < 1e-6:
        raise StructureError("the cell has no volume", where=source, hint="check the lattice vectors")
    symbols = atoms.get_chemical_symbols()
    if "X" in symbols:
        raise StructureError("the atoms contain the placeholder element X", where=source)
    return Structure(Lattice(atoms.cell.array), symbols, atoms.get_scaled_positions(wrap=False))


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """Content of a regular file of at most ``max_bytes``.

    Raises:
        StructureError: with the file's name, for everything that can be wrong with it.
    """
    where = str(path)
    try:
        if path.is_dir():
            raise StructureError("is a folder, not a file", where=where)
        if not path.exists():
            raise StructureError("no such file", where=where)
        if not path.is_file():
            raise StructureError("is not a regular file", where=where)
        size = path.stat().st_size
        if size > max_bytes:
            raise StructureError(
                f"the file has {size / 1e6:.1f} MB, more than the limit of {max_bytes / 1e6:g} MB",
                where=where,
                hint="a structure file is small; is this a trajectory or a charge density?",
            )
        with path.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except PermissionError as error:
        raise StructureError("no permission to read the file", where=where) from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise StructureError(
            f"cannot be read: {getattr(error, 'strerror', None) or error}", where=where
        ) from error
    if len(content) > max_bytes:
        raise StructureError("the file grew beyond the limit while it was read", where=where)
    return content


def decode(content: bytes, source: str) -> str:
    """Text of a file.

    Raises:
        StructureError: compressed or binary content.
    """
    if not content:
        raise StructureError("the file is empty", where=source)
    for magic, name in _COMPRESSED.items():
        if content.startswith(magic):
            raise StructureError(f"the file is compressed with {name}", where=source, hint="unpack it first")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\x00" in content:
        raise StructureError("the file is binary, not text", where=source)
    else:
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        pass
    # Old CIFs carry Latin-1 author names; control characters tell junk from names.
    text = content.decode("latin-1")
    if sum(1 for c in text if ord(c) < 32 and c not in "\t\r\n\f") > 0 or content[:1] >= b"\x80":
        raise StructureError("the file is binary, not text", where=source)
    return text
