"""Quantum ESPRESSO lambda.x: ``alpha2F.dat``, THz, a column for every broadening named in its header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htc.spectra.readers import qe_run
from htc.spectra.readers.parsed import Column, FileFormat, Parsed
from htc.spectra.readers.source import SourceFile, to_float

__all__ = ["FORMAT"]

_HEADER = re.compile(r"^\s*#\s*E\(THz\)((?:\s+[-+.\dEeDd]+)+)\s*$")


def detects(file: SourceFile) -> bool:
    """A first line ``# E(THz) 0.005 0.010 ...``."""
    return bool(file.first_lines and _HEADER.match(file.first_lines[0]))


def parse(file: SourceFile, unit: str | None) -> Parsed:  # noqa: ARG001  (the header states the unit)
    """Read the spectra, with what lambda.x and ph.x left beside them."""
    degauss, omega, values = broadening_table(file, _HEADER)
    folder = file.path.parent
    reported = qe_run.summary(folder)
    points = qe_run.q_points(folder)
    q_sum = qe_run.lambda_q_sum(folder, points)
    notes: dict[str, Any] = {}
    if reported and not _same_broadenings([row["degauss"] for row in reported], degauss):
        notes["note"] = "lambda.dat beside the file has other broadenings and was left aside"
        reported = []
    if points and not _same_broadenings(list(points[0].degauss), degauss):
        points, q_sum = [], None
    columns = []
    for i, width in enumerate(degauss):
        known = {k: v for k, v in reported[i].items() if k != "degauss"} if reported else {}
        if q_sum is not None:
            known["lambda_q_sum"] = float(q_sum[i])
        columns.append(Column(values[:, i], f"degauss {width:g} Ry", width, known))
    findings = qe_run.diagnose(points)
    return Parsed(omega, "THz", columns, "Ry", notes, findings, qe_run.RERUN if findings else None)


def broadening_table(
    file: SourceFile, header: re.Pattern[str]
) -> tuple[list[float], NDArray[np.float64], NDArray[np.float64]]:
    """Broadenings of the header line, frequencies ``(n,)`` and values ``(n, broadenings)``.

    Raises:
        SpectrumError: the header and the table do not fit together.
    """
    block = file.numeric_block()
    match = header.match(block.header[0])
    try:
        widths = [to_float(token) for token in match.group(1).split()] if match else []
    except ValueError as error:
        raise file.error(f"a broadening of the header is no number: {error}", line=1) from None
    if len(widths) != block.table.shape[1] - 1:
        raise file.error(
            f"the header names {len(widths)} broadenings, the table has {block.table.shape[1] - 1} columns",
            line=1,
            hint="the file is truncated or its columns run together; run lambda.x again",
        )
    return widths, block.table[:, 0], block.table[:, 1:]


def _same_broadenings(one: Sequence[float], other: Sequence[float]) -> bool:
    return len(one) == len(other) and bool(np.allclose(one, other, atol=6e-4))


FORMAT = FileFormat("qe-lambda", "Quantum ESPRESSO lambda.x alpha2F.dat", "THz", detects, parse)
