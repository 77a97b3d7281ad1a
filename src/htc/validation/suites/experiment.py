"""Predictions against the measured Tc of conventional compounds, by family and by year of the report.

Tables of measured Tc name no crystal. A composition takes that of the library, or else the first one that was
computed for it; how many there were is kept with the case.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from htc.errors import FormulaError, InputError
from htc.materials.inputs import InputItem
from htc.materials.library import LibraryEntry, structures_for
from htc.validation.cases import Case, Pair, Suite, View
from htc.validation.suites.fold3 import FOLD, crystal_of, labelled_rows
from htc.validation.suites.model_pairs import AGAINST_MEASURED, fingerprint_of, measured_pairs

if TYPE_CHECKING:
    from htc.models.experiment import Measured
    from htc.prediction import Prediction

__all__ = ["TRAINED_UNTIL", "make"]

TRAINED_UNTIL: Final = 2024
"""Year of the latest source of the training data, Alexandria. Nobody who made it knew what came later."""
_SOURCES: Final = ("alexandria", "jarvis", "betenet")
_TABLE: Final = "superband.csv"

_WITHOUT: Final = View(
    name="without_tc",
    title="Compounds listed without a Tc, taken for 0 K",
    unit="K",
    known="measured Tc (K): none listed",
    predicted="Tc expected in the laboratory (K)",
    group="family",
)


@dataclass(frozen=True, slots=True)
class _Crystal:
    origin: str
    count: int
    entry: LibraryEntry | None = None
    key: str = ""
    poscar: str = ""

    @property
    def kind(self) -> str:
        if self.entry is not None:
            return "of the library"
        return "the only one computed" if self.count == 1 else "one of several computed"

    def item(self) -> InputItem:
        if self.entry is not None:
            return InputItem(self.entry.name, "structure", self.entry.structure)
        return crystal_of(self.key, self.poscar)


@dataclass(frozen=True, slots=True)
class _Report:
    year: int | None
    """Of the first report with a Tc."""
    doi: str | None
    """Of that report."""


def make(data: Path | None) -> Suite:
    """The suite ``experiment``.

    Raises:
        InputError: the folder has no tables of measured Tc, or they cannot be read.
    """
    from htc.models.experiment import read_measured

    if data is None or data.is_file():
        raise InputError(
            "the suite experiment needs the data folder, not one file of it",
            where=str(data or "HTC_DATA"),
            hint="the folder that has experimental/*.csv and epc/*.jsonl",
        )
    left_out: Counter[str] = Counter()
    measured = read_measured(data / "experimental", left_out)
    reports = _reports(data / "experimental" / _TABLE, measured)
    crystals, computed = _crystals(data / "epc", measured)
    left_out["no crystal of this composition in the library or among the computed ones"] = len(
        measured
    ) - len(crystals)
    cases = tuple(
        _case(measured[formula], crystals[formula], reports.get(formula, _Report(None, None)), computed)
        for formula in sorted(crystals)
    )
    late = sum((reports[f].year or 0) > TRAINED_UNTIL for f in crystals if f in reports)
    return Suite(
        name="experiment",
        title="Predictions against the measured Tc of conventional compounds",
        about="Stoichiometric compounds of conventional families from two tables of the NIMS SuperCon "
        "lineage, matched to crystals by composition; doped and unconventional ones are left out and "
        "counted.",
        cases=cases,
        views=(*AGAINST_MEASURED, _WITHOUT),
        cautions=(
            "The interval against experiment was learned from the same tables: its coverage here is no "
            "independent test. docs/explanation/against-experiment.md has that of compositions left out.",
            "Tables name no crystal: where several were computed, another may be the one that was measured.",
            f"Reported later than the training data ({TRAINED_UNTIL}): {late} of {len(cases)} compounds.",
        ),
        excluded=dict(left_out),
        fingerprint=fingerprint_of(
            f"{f} {measured[f].tc_k} {crystals[f].origin} {crystals[f].poscar}" for f in sorted(crystals)
        ),
    )


def _case(measured: Measured, crystal: _Crystal, report: _Report, computed: frozenset[str]) -> Case:
    formula = measured.reduced_formula
    groups = {
        "training": _training(formula, computed),
        "crystal": crystal.kind,
        "first reported": "year not stated"
        if report.year is None
        else f"{report.year // 10 * 10}s"
        if report.year <= TRAINED_UNTIL
        else f"later than {TRAINED_UNTIL}",
    }
    note = f"crystal: {crystal.origin}"
    if crystal.count > 1 and crystal.entry is None:
        note += f", one of {crystal.count} computed ones"
    return Case(
        label=formula,
        formula=formula,
        pressure_gpa=0.0,
        source="Tables of measured Tc of the NIMS SuperCon lineage"
        if measured.n_elements > 1
        else "Roberts, J. Phys. Chem. Ref. Data 5, 581 (1976), doi:10.1063/1.555540",
        doi=report.doi if measured.n_elements > 1 else "10.1063/1.555540",
        item=crystal.item,
        pairs_of=partial(_pairs, measured.tc_k, groups),
        facts={
            "tc_measured": measured.tc_k,
            "spread_k": measured.spread_k,
            "entries": measured.n_entries,
            "year": report.year,
            "note": note,
        },
    )


def _pairs(tc_measured_k: float, groups: Mapping[str, str], prediction: Prediction) -> list[Pair]:
    pairs = measured_pairs(prediction, tc_measured_k, groups)
    if tc_measured_k > 0.0:
        return pairs
    return [
        Pair(
            view=_WITHOUT.name,
            known=0.0,
            predicted=pair.predicted,
            lower_95=pair.lower_95,
            upper_95=pair.upper_95,
            groups=pair.groups,
        )
        for pair in pairs
        if pair.view == "laboratory"
    ]


def _training(formula: str, computed: frozenset[str]) -> str:
    from htc.models.training.data import fold_of

    if formula not in computed:
        return "no row of this composition"
    return "composition held out" if fold_of(formula) == FOLD else "composition trained on"


def _crystals(folder: Path, measured: Mapping[str, Measured]) -> tuple[dict[str, _Crystal], frozenset[str]]:
    """A crystal of each measured composition that has one, and the compositions that were computed."""
    from htc.materials.formulas import parse_formula

    rows: dict[str, list[tuple[str, str, str]]] = {}
    reduced: dict[str, str] = {}
    for source in _SOURCES:
        path = folder / f"{source}.jsonl"
        if not path.is_file():
            continue
        for number, row in labelled_rows(path):
            given = str(row["formula"])
            if given not in reduced:
                reduced[given] = parse_formula(given).reduced_formula
            formula = reduced[given]
            if formula in measured:
                key = str(row.get("mat_id") or row.get("jid") or row.get("betenet_id") or number)
                rows.setdefault(formula, []).append((source, key, str(row["poscar"])))
    found: dict[str, _Crystal] = {}
    for formula in measured:
        computed = rows.get(formula, [])
        entries = structures_for(formula)
        if entries:
            found[formula] = _Crystal(f"library, {entries[0].name}", len(computed), entry=entries[0])
        elif computed:
            source, key, poscar = computed[0]
            found[formula] = _Crystal(f"{source} {key}", len(computed), key=key, poscar=poscar)
    return found, frozenset(rows)


def _reports(path: Path, measured: Mapping[str, Measured]) -> dict[str, _Report]:
    """Year and DOI of the first report of each composition, where the table states them.

    Raises:
        InputError: the table cannot be read, or lacks a column.
    """
    if not path.is_file():
        return {}
    from htc.materials.formulas import parse_formula

    first: dict[str, _Report] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            # The header names fewer columns than there are, so by position and not by csv.DictReader.
            reader = csv.reader(file)
            header = next(reader, [])
            at = {name: header.index(name) for name in ("formula", "Tc", "Time", "doi")}
            for row in reader:
                if len(row) <= max(at.values()):
                    continue
                year = _year(row[at["Time"]])
                if year is None or not _positive(row[at["Tc"]]):
                    continue
                try:
                    formula = parse_formula(row[at["formula"]].strip()).reduced_formula
                except FormulaError:
                    continue
                known = first.get(formula)
                if formula in measured and (known is None or known.year is None or year < known.year):
                    doi = row[at["doi"]].strip()
                    first[formula] = _Report(year, doi if doi.startswith("10.") else None)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise InputError(f"the table cannot be read: {error}", where=str(path)) from error
    return first


def _year(text: str) -> int | None:
    try:
        year = int(text)
    except ValueError:
        return None
    return year if 1900 < year < 2100 else None


def _positive(text: str) -> bool:
    try:
        return float(text) > 0.0
    except ValueError:
        return False
