"""What a reader hands over: the columns of a file as the file has them, in the file's unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htc.spectra.readers.source import SourceFile

__all__ = ["Column", "FileFormat", "Parsed"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Column:
    """One spectrum of a file.

    Args:
        alpha2f: values as in the file, shape ``(n,)``; may hold NaN.
        label: what tells it from the other columns.
        smearing: broadening it was computed with, if the file has several.
        reported: moments the code itself printed: ``lambda_ep``, ``omega_log_k``, ``omega_2_k`` and others.
    """

    alpha2f: FloatArray
    label: str
    smearing: float | None = None
    reported: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The content of a file.

    Args:
        omega: frequencies in ``unit``, shape ``(n,)``, zero and negative ones included.
        unit: canonical name of the unit, see `htc.spectra.energy`.
        columns: the spectra.
        smearing_unit: unit of the columns' smearing.
        notes: further provenance, added to that of every spectrum.
        findings: what is wrong with the run behind the file, in sentences.
        advice: what to do about it.
    """

    omega: FloatArray
    unit: str
    columns: list[Column]
    smearing_unit: str | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format of the registry.

    Args:
        name: stable name, in provenance and in JSON.
        title: in words.
        unit: the unit of its frequencies, None where the file or the caller must state it.
        detects: whether a file is of this format, judged from its content.
        parse: reads it; the second argument is the caller's unit or None.
    """

    name: str
    title: str
    unit: str | None
    detects: Callable[[SourceFile], bool]
    parse: Callable[[SourceFile, str | None], Parsed]
