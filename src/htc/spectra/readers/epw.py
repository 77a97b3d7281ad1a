"""EPW: ``prefix.a2f`` with its phonon smearings, ``prefix.a2f_iso``, ``prefix.a2f_proj``; all in meV."""

from __future__ import annotations

import re
from typing import Any, Final

from htc.spectra.readers.parsed import Column, FileFormat, Parsed
from htc.spectra.readers.source import SourceFile, to_float

__all__ = ["FORMAT", "ISO_FORMAT"]

_SMEARINGS = re.compile(
    r"^\s*#?\s*w\[meV\]\s+a2f and integrated.*?(?<!\d)(\d{1,4})\s+smearing", re.IGNORECASE
)
_ISO = re.compile(r"^\s*#?\s*w\[meV\]\s+a2f\b(?!\s+and)", re.IGNORECASE)


def detects_smearings(file: SourceFile) -> bool:
    """A first line ``w[meV] a2f and integrated 2*a2f/w for N smearing values``."""
    return bool(file.first_lines and _SMEARINGS.match(file.first_lines[0]))


def detects_iso(file: SourceFile) -> bool:
    """A first line ``w[meV] a2f``, perhaps with mode-resolved columns after it."""
    return bool(file.first_lines and _ISO.match(file.first_lines[0]))


def parse_smearings(file: SourceFile, unit: str | None) -> Parsed:  # noqa: ARG001  (the header states the unit)
    """Read N spectra; the N columns after them are their cumulative lambda."""
    block = file.numeric_block()
    match = _SMEARINGS.match(block.header[0])
    count = int(match.group(1)) if match else 0
    if block.table.shape[1] != 2 * count + 1:
        raise file.error(
            f"{count} smearings need {2 * count + 1} columns, the table has {block.table.shape[1]}",
            line=1,
            hint="the file is truncated or its columns run together",
        )
    footer = _footer(block.footer)
    widths = footer.get("Phonon smearing (meV)", [])
    if len(widths) != count:
        widths = []
    notes: dict[str, Any] = {
        key: footer[name][0]
        for key, name in (
            ("electron_smearing_ev", "Electron smearing"),
            ("lambda_q_sum", "Summed el-ph coupling"),
        )
        if footer.get(name)
    }
    if not block.footer:
        notes["truncated"] = True
    columns = []
    for i in range(count):
        label = f"phonon smearing {widths[i]:g} meV" if widths else f"smearing {i + 1}"
        reported = {"lambda_ep": float(block.table[-1, 1 + count + i])}
        columns.append(Column(block.table[:, 1 + i], label, widths[i] if widths else None, reported))
    return Parsed(block.table[:, 0], "meV", columns, "meV", notes)


def parse_iso(file: SourceFile, unit: str | None) -> Parsed:  # noqa: ARG001  (the header states the unit)
    """Read the one total spectrum."""
    block = file.numeric_block()
    match = re.search(r"lambda_int\s*=\s*(\S+)", "\n".join(block.footer))
    reported = {"lambda_ep": to_float(match.group(1))} if match else {}
    return Parsed(block.table[:, 0], "meV", [Column(block.table[:, 1], "isotropic", None, reported)])


_VALUE: Final = re.compile(r"[-+.\dEe]+")


def _footer(lines: list[str]) -> dict[str, list[float]]:
    """Values of ``name value`` lines, and of ``name`` lines followed by ``# values``."""
    found: dict[str, list[float]] = {}
    name = ""
    for line in lines:
        text = line.strip()
        if text.startswith("#"):
            found[name] = _floats(text[1:])
            continue
        name = text
        # Word by word: one pattern for the whole would try every blank of a damaged line as its end.
        *named, value = text.rsplit(None, 1)
        if named and _VALUE.fullmatch(value):
            words = named[0].rstrip()
            if words.endswith(")") and "(" in words:
                words = words[: words.rindex("(")].rstrip()
            found[words] = _floats(value)
    return found


def _floats(text: str) -> list[float]:
    try:
        return [to_float(token) for token in text.split()]
    except ValueError:
        return []


FORMAT = FileFormat("epw-a2f", "EPW prefix.a2f", "meV", detects_smearings, parse_smearings)
ISO_FORMAT = FileFormat("epw-a2f-iso", "EPW prefix.a2f_iso or a2f_proj", "meV", detects_iso, parse_iso)
