"""Real materials and spectra that come with HTC, for the demo and for trying things out."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

__all__ = ["Example", "examples"]


@dataclass(frozen=True, slots=True)
class Example:
    """One bundled input."""

    path: Path
    kind: str
    """``structure`` or ``spectrum``."""
    formula: str | None
    """What the material is; a structure says so itself."""
    pressure_gpa: float
    tc_measured_k: float | None
    """Measured critical temperature, K."""
    source: str
    """Where the measured value is from."""


@contextmanager
def examples() -> Iterator[list[Example]]:
    """The bundled inputs as files on disk, in the order of their manifests."""
    with as_file(files("htc.examples")) as folder:
        yield [*_read(folder / "structures", "structure"), *_read(folder / "spectra", "spectrum")]


def _read(folder: Path, kind: str) -> Iterator[Example]:
    manifest = tomllib.loads((folder / "manifest.toml").read_text("utf-8"))
    entries: list[dict[str, Any]] = manifest[kind]
    for entry in entries:
        yield Example(
            path=folder / entry["file"],
            kind=kind,
            formula=entry.get("formula"),
            pressure_gpa=float(entry.get("pressure_gpa", 0.0)),
            tc_measured_k=entry.get("tc_measured_k"),
            source=entry.get("source", ""),
        )
