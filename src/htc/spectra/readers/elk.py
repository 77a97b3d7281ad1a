"""Elk: ``ALPHA2F.OUT``, Hartree, two columns without header that start below zero frequency."""

from __future__ import annotations

import re
from typing import Final

from htc.errors import SpectrumError
from htc.spectra.readers.parsed import Column, FileFormat, Parsed
from htc.spectra.readers.source import SourceFile, to_float
from htc.units import K_PER_MEV, MEV_PER_HARTREE

__all__ = ["FORMAT"]

# The Fortran edit descriptor 2G18.10: right-justified, or with four blanks in place of an exponent.
_RECORD = re.compile(r"^(?=.{36}$)\s*-?\d\.\d{9,10}(?:E[-+]\d\d| {4})\s*-?\d\.\d{9,10}(?:E[-+]\d\d| {4})$")

_REPORTED: Final[dict[str, tuple[str, float]]] = {
    "Electron-phonon coupling constant": ("lambda_ep", 1.0),
    "Logarithmic average frequency": ("omega_log_k", MEV_PER_HARTREE * K_PER_MEV),
    "RMS average frequency": ("omega_2_k", MEV_PER_HARTREE * K_PER_MEV),
}


def detects(file: SourceFile) -> bool:
    """Records of two G18.10 fields, the first of them at a negative frequency within 1 Ha."""
    lines = file.first_lines
    if len(lines) < 2 or not all(_RECORD.match(line) for line in lines):
        return False
    return -1.0 < to_float(lines[0].split()[0]) < 0.0


def parse(file: SourceFile, unit: str | None) -> Parsed:  # noqa: ARG001  (Elk writes Hartree only)
    """Read the spectrum, with the moments of ``MCMILLAN.OUT`` beside it."""
    table = file.numeric_block().table
    return Parsed(table[:, 0], "Ha", [Column(table[:, 1], "total", None, _mcmillan(file))])


def _mcmillan(file: SourceFile) -> dict[str, float]:
    try:
        lines = SourceFile(file.path.with_name("MCMILLAN.OUT")).lines
    except SpectrumError:
        return {}
    found = {}
    for line in lines:
        name, _, value = line.rpartition(":")
        for phrase, (key, factor) in _REPORTED.items():
            if phrase in name:
                try:
                    found[key] = to_float(value.strip()) * factor
                except ValueError:
                    continue
    return found


FORMAT = FileFormat("elk", "Elk ALPHA2F.OUT", "Ha", detects, parse)
