"""Everything known of one formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from htc.errors import NotFoundError
from htc.materials.formulas import parse_formula
from htc.store.records import Record, records_of_formula

if TYPE_CHECKING:
    from htc.service.state import Service

__all__ = ["material"]

_MOST: Final = 200
_TIERS: Final = ("fast", "default", "best")


def material(service: Service, formula: str) -> Record:
    """A ``MaterialAnswer``.

    Raises:
        FormulaError: it is no formula.
        NotFoundError: nothing is stored of it, and the library does not know it.
        StoreError: the database does not answer.
    """
    from htc.materials.library import entries_of

    composition = parse_formula(formula)
    reduced = composition.reduced_formula
    references = [
        {
            "name": entry.name,
            "prototype": entry.prototype,
            "spacegroup_number": entry.spacegroup,
            "pressure_gpa": entry.pressure_gpa,
            "tc_measured": entry.tc_measured_k,
            "sources": entry.sources,
            "note": entry.note,
        }
        for entry in entries_of(formula)
    ]
    records, count = records_of_formula(service.database, reduced, _MOST)
    if not records and not references:
        raise NotFoundError(
            f"nothing is known of {reduced}", where="formula", hint="POST /api/htc/predict predicts it"
        )
    crystals = _crystals(records)
    spectra = [
        {
            "id": record["bete_run_id"],
            "prediction_id": record["id"],
            "spectrum_origin": record["spectrum_origin"],
            "created_at": record["created_at"],
        }
        for record in records
        if record["spectrum_origin"] is not None
    ]
    for record in records:
        for name in ("spacegroup_number", "nsites", "volume"):
            del record[name]
    best = min(records, key=_rank) if records else None
    return {
        "formula": reduced,
        "elements": sorted({element.symbol for element in composition.elements}),
        "best": best,
        "best_structure_hash": best and best["structure_hash"],
        "predictions": records,
        "prediction_count": count,
        "structures": crystals,
        "spectra": spectra,
        "references": references,
    }


def _rank(record: Record) -> tuple[Any, ...]:
    """Sort key, best first; of equals the newest comes first, as it does among the records."""
    hull = record["hull_distance_eV"]
    return (
        record["tc_predicted"] is None and record["applicable"],
        record["pressure_required_gpa"] or 0.0,
        record["spectrum_origin"] != "measured",
        -_TIERS.index(record["model_tier"]) if record["model_tier"] in _TIERS else 1,
        record["structure_hash"] is None,
        float("inf") if hull is None else hull,
    )


def _crystals(records: list[Record]) -> list[Record]:
    """The crystals of predictions that come newest first."""
    found: dict[str, Record] = {}
    for record in records:
        name = record["structure_hash"]
        if name is None:
            continue
        crystal = found.setdefault(
            name,
            {
                "structure_hash": name,
                "structure_origin": record["structure_origin"],
                "spacegroup_number": record["spacegroup_number"],
                "nsites": record["nsites"],
                "volume": record["volume"],
                "hull_distance_eV": None,
                "phonon_verdict": None,
                "prediction_ids": [],
            },
        )
        crystal["prediction_ids"].append(record["id"])
        crystal["phonon_verdict"] = crystal["phonon_verdict"] or record["phonon_verdict"]
        hull, known = record["hull_distance_eV"], crystal["hull_distance_eV"]
        if hull is not None:
            crystal["hull_distance_eV"] = hull if known is None else min(hull, known)
    return list(found.values())
