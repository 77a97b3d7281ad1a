"""Spreadsheets of the GitGreg hydride collection: csv, THz, named columns, running moments."""

from __future__ import annotations

import csv

import numpy as np

from htc.spectra.readers.parsed import Column, FileFormat, Parsed
from htc.spectra.readers.source import SourceFile

__all__ = ["FORMAT"]

_REPORTED = {"lambda": "lambda_ep", "wlog": "omega_log_k", "w2": "omega_2_k"}


def detects(file: SourceFile) -> bool:
    """A first line ``"freqs, THz","a2f (lambda), THz",...``."""
    names = _names(file)
    return len(names) > 1 and names[0] == "freqs, THz" and names[1].startswith("a2f (")


def parse(file: SourceFile, unit: str | None) -> Parsed:  # noqa: ARG001  (the header states the unit)
    """Read every a2f column; the moments of the same variant are taken from the last row."""
    names = _names(file)
    table = file.numeric_block().table
    if table.shape[1] != len(names):
        raise file.error(f"the header names {len(names)} columns, the table has {table.shape[1]}", line=1)
    columns = []
    for i, name in enumerate(names):
        if not name.startswith("a2f ("):
            continue
        if ")" not in name:
            raise file.error(f"the column {name[:40]!r} of the header breaks off", line=1)
        variant = name[name.index("(") : name.index(")") + 1]
        reported = {
            key: float(table[-1, j])
            for j, other in enumerate(names)
            for start, key in _REPORTED.items()
            if other.startswith(f"{start} {variant}") and np.isfinite(table[-1, j])
        }
        columns.append(Column(table[:, i], f"a2f {variant}", None, reported))
    return Parsed(table[:, 0], "THz", columns)


def _names(file: SourceFile) -> list[str]:
    return next(csv.reader(file.first_lines[:1]), [])


FORMAT = FileFormat("gitgreg", "alpha2F spreadsheet in THz (GitGreg)", "THz", detects, parse)
