"""Quantum ESPRESSO matdyn.x: ``a2F.dosN``, Rydberg; the total, then every mode, in records that may wrap."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from htc.spectra.readers import qe_run
from htc.spectra.readers.parsed import Column, FileFormat, Parsed
from htc.spectra.readers.source import SourceFile, to_float

__all__ = ["FORMAT"]

_LAST_LINE = re.compile(r"^\s*lambda\s*=\s*(\S+)\s+Delta\s*=\s*(\S+)")


def detects(file: SourceFile) -> bool:
    """The header's ``Eliashberg function a2F`` and ``frequencies in Rydberg``."""
    head = "\n".join(file.first_lines[:6])
    return "Eliashberg function a2F" in head and "requencies in Rydberg" in head


def parse(file: SourceFile, unit: str | None) -> Parsed:  # noqa: ARG001  (the header states the unit)
    """Read the total spectrum of the one broadening the file is for."""
    numbers: list[float] = []
    last: re.Match[str] | None = None
    for i, line in enumerate(file.lines):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        last = _LAST_LINE.match(line)
        if last:
            break
        try:
            numbers += [to_float(token) for token in line.split()]
        except ValueError:
            raise file.error(f"not numbers: {line.strip()[:60]!r}", line=i + 1) from None
    table = _records(file, np.array(numbers))

    reported = {"lambda_ep": to_float(last.group(1))} if last else {}
    smearing, label = None, file.path.name
    number = re.search(r"(\d+)$", file.path.name)
    rows = qe_run.matdyn_summary(file.path.parent)
    if number and 0 < int(number.group()) <= len(rows):
        row = rows[int(number.group()) - 1]
        smearing = row["degauss"]
        label = f"degauss {smearing:g} Ry"
        reported["dos_ef"] = row["dos_ef"]
    findings = qe_run.diagnose(qe_run.q_points(file.path.parent))
    notes = {"modes": table.shape[1] - 2}
    if last is None:
        notes["truncated"] = True
    column = Column(table[:, 1], label, smearing, reported)
    return Parsed(table[:, 0], "Ry", [column], "Ry", notes, findings, qe_run.RERUN if findings else None)


def _records(file: SourceFile, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The numbers as records (omega, total, a multiple of three modes), found by omega's even steps."""
    for width in range(5, numbers.size // 3 + 1, 3):
        usable = numbers.size - numbers.size % width
        omega = numbers[:usable:width]
        if not np.isfinite(omega).all():
            continue
        steps = np.diff(omega)
        # Six digits are printed, so that steps of omega differ by their rounding.
        even = np.abs(steps - steps.mean()) <= 2e-5 * abs(omega[-1]) + 1e-3 * abs(steps.mean())
        if (steps > 0.0).all() and even.all():
            if usable != numbers.size:
                raise file.error(
                    f"the last record has {numbers.size - usable} of {width} numbers",
                    hint="the file is truncated; run matdyn.x again",
                )
            return numbers.reshape(-1, width)
    raise file.error(
        "no record length makes its frequencies increase in even steps",
        hint="the file is damaged or truncated",
    )


FORMAT = FileFormat("qe-matdyn", "Quantum ESPRESSO matdyn.x a2F.dosN", "Ry", detects, parse)
