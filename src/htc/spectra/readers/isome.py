"""Tables like lambda.x's in full precision, as IsoME reads them: ``# E (THz)``, many broadenings."""

from __future__ import annotations

import re

from htc.spectra.readers.parsed import Column, FileFormat, Parsed
from htc.spectra.readers.qe_lambda import broadening_table
from htc.spectra.readers.source import SourceFile

__all__ = ["FORMAT"]

_HEADER = re.compile(r"^\s*#\s*E \(THz\)((?:\s+[-+.\dEeDd]+)+)\s*$")


def detects(file: SourceFile) -> bool:
    """A first line ``# E (THz) 0.5000E-002 ...``, with a space before the unit."""
    return bool(file.first_lines and _HEADER.match(file.first_lines[0]))


def parse(file: SourceFile, unit: str | None) -> Parsed:  # noqa: ARG001  (the header states the unit)
    """Read the spectra; text after the table is left aside."""
    widths, omega, values = broadening_table(file, _HEADER)
    columns = [Column(values[:, i], f"degauss {width:g} Ry", width) for i, width in enumerate(widths)]
    return Parsed(omega, "THz", columns, "Ry")


FORMAT = FileFormat("isome", "alpha2F over broadenings in THz (IsoME, full precision)", "THz", detects, parse)
