"""A plain two-column table, frequency and alpha2F, whose unit its header or the caller states."""

from __future__ import annotations

import re
from typing import Final

from htc.spectra.energy import UNIT_NAMES, units_in_header
from htc.spectra.readers.parsed import Column, FileFormat, Parsed
from htc.spectra.readers.source import SourceFile
from htc.spectra.spectrum import ORIGIN_SURROGATE

__all__ = ["FORMAT", "names_alpha2f"]

_ALPHA2F = re.compile(r"a2f|alpha\W*2\W*f|α\W*[2²]\W*f|eliashberg", re.IGNORECASE)
_MAX_HEADER_LINES: Final = 100
_MAX_HEADER_LINE: Final = 400
"""As much as is looked at, lines and characters: the patterns take the square of a line's length."""
_SURROGATE = re.compile(rf"\b{ORIGIN_SURROGATE}\b", re.IGNORECASE)
_SOMETHING_ELSE = re.compile(
    r"dos\b|density of states|delta|znorm|gap|\bTc\b|self.?energy|linewidth", re.IGNORECASE
)


def names_alpha2f(file: SourceFile) -> bool:
    """Whether a header says that the table is alpha2F and in what unit."""
    header = _header(file)
    return bool(_ALPHA2F.search(header)) and len(units_in_header(header)) == 1


def detects(file: SourceFile) -> bool:
    """Any text file: what fits nothing else is tried as a plain table."""
    return bool(file.first_lines)


def parse(file: SourceFile, unit: str | None) -> Parsed:
    """Read the two columns."""
    block = file.numeric_block()
    header = "\n".join(line[:_MAX_HEADER_LINE] for line in block.header[:_MAX_HEADER_LINES])
    if _SOMETHING_ELSE.search(header) and not _ALPHA2F.search(header):
        raise file.error(
            f"its header does not speak of alpha2F: {header.strip()[:80]!r}",
            hint="if it is alpha2F, name it so in the header",
        )
    if block.footer:
        raise file.error(
            f"text after the table: {block.footer[0].strip()[:60]!r}",
            hint="is the file of a format not known here? Keep the two columns of alpha2F only",
        )
    if block.table.shape[1] != 2:
        raise file.error(
            f"{block.table.shape[1]} columns, and nothing says which of them is alpha2F",
            hint="keep two columns, frequency and alpha2F; alpha2F_ij of several bands go to "
            "`htc eliashberg --mu-matrix`",
        )
    stated = units_in_header(header)
    if len(stated) > 1 and unit not in stated:
        raise file.error(
            f"the header names several units: {', '.join(sorted(stated))}",
            hint="say which of them the frequencies are in, e.g. --unit meV",
        )
    if len(stated) == 1 and unit is not None and unit not in stated:
        raise file.error(
            f"the header says {min(stated)}, the caller {unit}", hint="leave the unit to the header"
        )
    chosen = unit or next(iter(stated), None)
    if chosen is None:
        named = file.path.name == "ALPHA2F.OUT"
        raise file.error(
            "nothing states the unit of its frequencies",
            hint="give it, e.g. --unit THz; known: "
            + ", ".join(UNIT_NAMES)
            + ("; Elk writes Ha, but this is not as Elk writes it" if named else ""),
        )
    origin = "header" if stated else "caller"
    notes = {"unit_stated_by": origin}
    if _SURROGATE.search(header):
        notes["origin"] = ORIGIN_SURROGATE
    column = Column(block.table[:, 1], notes.get("origin", "total"))
    return Parsed(block.table[:, 0], chosen, [column], notes=notes)


def _header(file: SourceFile) -> str:
    lines = []
    for line in file.first_lines:
        if line.strip() and line.lstrip()[0] in "-+.0123456789":
            break
        lines.append(line)
    return "\n".join(lines)


FORMAT = FileFormat("table", "two-column table with a stated unit", None, detects, parse)
