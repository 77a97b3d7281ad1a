"""The bundled crystals with a measured Tc, those outside the theory included: they must be refused."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from htc.materials.inputs import InputItem
from htc.materials.library import LibraryEntry, library_entries
from htc.validation.cases import Case, Pair, Suite, doi_in
from htc.validation.suites.model_pairs import AGAINST_MEASURED, fingerprint_of, measured_pairs

if TYPE_CHECKING:
    from htc.prediction import Prediction

__all__ = ["make"]


def make(_data: Path | None = None) -> Suite:
    """The suite ``reference``."""
    return _made()


@lru_cache(maxsize=1)
def _made() -> Suite:
    entries = [entry for entry in library_entries() if entry.tc_measured_k is not None]
    return Suite(
        name="reference",
        title="Predictions of the bundled crystals against measured Tc",
        about="The crystals of the library whose Tc is known, cuprates and others outside electron-phonon "
        "theory among them: those must be refused.",
        cases=tuple(_case(entry) for entry in entries),
        views=tuple(replace(view, group="confidence") for view in AGAINST_MEASURED),
        cautions=(
            "Some of these compounds were among the calculations that the model was trained on; its files do "
            "not say which. The suite fold3 has what it says of compounds it has not seen.",
            "The interval of the calculated Tc is against a calculation: fewer than 95 % of measurements "
            "have to lie inside.",
            "The interval against experiment was learned from measured compounds, some of these among them.",
        ),
        fingerprint=fingerprint_of(
            f"{entry.name} {entry.pressure_gpa} {entry.tc_measured_k} {dict(entry.data)}" for entry in entries
        ),
        stores_predictions=True,
    )


def _case(entry: LibraryEntry) -> Case:
    facts = {"tc_measured": entry.tc_measured_k, "prototype": entry.prototype}
    return Case(
        label=entry.name,
        formula=entry.formula,
        pressure_gpa=entry.pressure_gpa,
        source=entry.sources[-1],
        doi=doi_in(entry.sources[-1]),
        item=partial(_crystal, entry),
        pairs_of=partial(_pairs, entry),
        facts={**facts, **({"note": entry.note} if entry.note else {})},
    )


def _crystal(entry: LibraryEntry) -> InputItem:
    return InputItem(entry.name, "structure", entry.structure)


def _pairs(entry: LibraryEntry, prediction: Prediction) -> list[Pair]:
    pressed = "under pressure" if entry.pressure_gpa > 0.0 else "ambient"
    return measured_pairs(prediction, float(entry.tc_measured_k or 0.0), {"pressure": pressed})
