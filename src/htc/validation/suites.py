"""The suites: which cases there are, and what is known of each."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from htc.errors import InputError
from htc.materials.inputs import InputItem
from htc.materials.library import LibraryEntry, library_entries

if TYPE_CHECKING:
    from htc.spectra import Spectrum

__all__ = ["SUITES", "Case", "Suite", "SuiteName", "suite"]

SuiteName = Literal["reference", "formulas"]
SUITES: Final[tuple[SuiteName, ...]] = get_args(SuiteName)

_DOI: Final = re.compile(r"doi:(10\.\S+?)[.,;)]?(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that is known."""

    label: str
    formula: str
    tc_measured_k: float
    pressure_gpa: float
    source: str
    """Where the measured value comes from."""
    doi: str | None
    item: Callable[[], InputItem] | None = None
    """Makes what is predicted; None where a spectrum is given."""
    spectrum: Callable[[], Spectrum] | None = None
    """Reads the spectrum the formulas are put on; None where a material is predicted."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What else is known."""

    def as_values(self) -> dict[str, Any]:
        """What is known, JSON-ready."""
        return {
            "formula": self.formula,
            "tc_measured": self.tc_measured_k,
            "pressure_gpa": self.pressure_gpa,
            "source": self.source,
            "doi": self.doi,
            **self.facts,
        }


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases that belong together."""

    name: SuiteName
    title: str
    cases: tuple[Case, ...]


def suite(name: str) -> Suite:
    """A suite by name.

    Raises:
        InputError: there is none of this name.
    """
    if name == "reference":
        return _reference()
    if name == "formulas":
        return _formulas()
    raise InputError(f"no suite is called {name!r}", where="suite", hint=f"there are: {', '.join(SUITES)}")


@lru_cache(maxsize=1)
def _reference() -> Suite:
    """The bundled crystals with a measured Tc, those outside the theory included: they must be refused."""
    cases = [
        Case(
            label=entry.name,
            formula=entry.formula,
            tc_measured_k=entry.tc_measured_k,
            pressure_gpa=entry.pressure_gpa,
            source=entry.sources[-1],
            doi=doi_in(entry.sources[-1]),
            item=partial(_crystal, entry),
            facts={"prototype": entry.prototype, **({"note": entry.note} if entry.note else {})},
        )
        for entry in library_entries()
        if entry.tc_measured_k is not None
    ]
    return Suite("reference", "Predictions of the bundled crystals against measured Tc", tuple(cases))


@lru_cache(maxsize=1)
def _formulas() -> Suite:
    """The bundled computed spectra, whose material has a measured Tc."""
    folder = resources.files("htc.examples") / "spectra"
    manifest = tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))
    cases = []
    for row in manifest["spectrum"]:
        path = Path(str(folder / row["file"]))
        cases.append(
            Case(
                label=f"{row['formula']} ({row['file']})",
                formula=row["formula"],
                tc_measured_k=float(row["tc_measured_k"]),
                pressure_gpa=0.0,
                source=row["source"],
                doi=doi_in(row["source"]),
                spectrum=partial(_spectrum, path),
                facts={"file": row["file"]},
            )
        )
    return Suite("formulas", "Closed formulas on computed spectra against measured Tc", tuple(cases))


def _crystal(entry: LibraryEntry) -> InputItem:
    return InputItem(entry.name, "structure", entry.structure)


def _spectrum(path: Path) -> Spectrum:
    from htc.prediction import choose_spectrum
    from htc.spectra.readers import read_spectra

    return choose_spectrum(read_spectra(path))[0]


def doi_in(reference: str) -> str | None:
    """The DOI that a reference names."""
    found = _DOI.search(reference)
    return found[1] if found else None
