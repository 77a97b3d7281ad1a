"""The ranked list that a campaign ends with, and what is already known of what is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htc.errors import FormulaError, HTCError
from htc.store.campaigns import Ranked, measured_spectra, rows_at, stages_of
from htc.store.campaigns.chunks import VALUE_COLUMNS
from htc.store.jobs import items_of
from htc.store.predictions import get_many

if TYPE_CHECKING:
    from htc.prediction import Prediction
    from htc.settings import Settings
    from htc.store import Database
    from htc.store.jobs import RunItem

__all__ = ["Known", "TopRow", "known_of", "top_rows"]


@dataclass(frozen=True, slots=True)
class Known:
    """One thing that is known of a composition, whatever its crystal."""

    where: str
    """``library``, ``store``, or the name of an imported table."""
    says: str
    """One sentence."""
    tc_measured_k: float | None = None
    """Measured critical temperature, K."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopRow:
    """One candidate that passed the last stage. Temperatures in K, pressure in GPa, energies in eV/atom."""

    rank: int
    """From 1."""
    label: str
    formula: str
    prediction_id: str | None
    pressure_gpa: float
    tc_predicted: float | None
    tc_lower_95ci: float | None
    tc_upper_95ci: float | None
    tc_experiment: float | None
    tc_experiment_lower_95ci: float | None
    tc_experiment_upper_95ci: float | None
    lambda_ep: float | None
    omega_log: float | None
    hull_distance_eV: float | None  # noqa: N815  # the column's name
    phonon_verdict: str | None
    confidence_level: str | None
    extrapolation_warning: bool
    model_tier: str | None
    family: str | None
    more: Mapping[str, Any]
    """Further values of the stages, e.g. ``tc_eliashberg``."""
    known: tuple[Known, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self) | {"more": dict(self.more), "known": [asdict(one) for one in self.known]}


def top_rows(database: Database, settings: Settings, run_id: str, n: int = 20) -> list[TopRow]:
    """The best of a campaign that is over, in the order of its last rule.

    Raises:
        StoreError: the database does not answer.
    """
    items = items_of(database, run_id, n).rows
    stored = get_many(database, [i.prediction_id for i in items if i.prediction_id is not None])
    bare = _without_prediction(database, run_id, items)
    formulas = [p.prediction.reduced_formula for p in stored.values()] + [
        r.formula or "" for r in bare.values()
    ]
    known = known_of(database, list(dict.fromkeys(filter(None, formulas))), settings.home / "stability")
    rows: list[TopRow] = []
    for item in items:
        if item.prediction_id in stored:
            p = stored[item.prediction_id].prediction
            of = known[p.reduced_formula]
            rows.append(_row(item.position + 1, item.label, item.prediction_id, p, item.values, of))
        elif item.position in bare:
            row = bare[item.position]
            rows.append(_bare_row(item.position + 1, item.label, row, known.get(row.formula or "", ())))
    return rows


def _without_prediction(database: Database, run_id: str, items: Sequence[RunItem]) -> dict[int, Ranked]:
    """By position of the item, the rows of those of which no stage predicted Tc."""
    numbers = {i.position: int(i.values["candidate"]) for i in items if i.prediction_id is None}
    if not numbers:
        return {}
    rows = rows_at(database, stages_of(database, run_id)[-1].id, list(numbers.values()))
    return {position: rows[number] for position, number in numbers.items() if number in rows}


def known_of(
    database: Database, formulas: Sequence[str], stability_folder: Path
) -> dict[str, tuple[Known, ...]]:
    """What the library, the store and imported tables say of compositions.

    Raises:
        StoreError: the database does not answer.
    """
    spectra = measured_spectra(database, formulas)
    return {
        formula: (
            *_library(formula),
            *_stored(spectra.get(formula)),
            *_tables(formula, stability_folder),
        )
        for formula in formulas
    }


def _library(formula: str) -> list[Known]:
    from htc.materials.library import entries_of

    try:
        entries = entries_of(formula)
    except FormulaError:
        return []
    out: list[Known] = []
    for one in entries:
        at = "" if one.pressure_gpa == 0.0 else f" at {one.pressure_gpa:g} GPa"
        tc = "no Tc listed" if one.tc_measured_k is None else f"measured Tc {one.tc_measured_k:g} K{at}"
        out.append(
            Known(
                "library",
                f"{one.name}, {one.prototype}, space group {one.spacegroup}: {tc} ({one.sources[-1]})",
                one.tc_measured_k,
            )
        )
    return out


def _stored(spectra: tuple[int, float] | None) -> list[Known]:
    if spectra is None:
        return []
    n, tc = spectra
    return [
        Known("store", f"{n} computed or measured spectr{'um' if n == 1 else 'a'}, highest Tc {tc:.4g} K")
    ]


def _tables(formula: str, folder: Path) -> list[Known]:
    from htc.stability.table import look_up, tables

    if not tables(folder):
        return []
    try:
        return [Known(one.table, one.says) for one in look_up(formula, folder)]
    except HTCError:
        # A composition that no table can hold.
        return []


def _row(
    rank: int,
    label: str,
    prediction_id: str | None,
    p: Prediction,
    values: Mapping[str, Any],
    known: tuple[Known, ...],
) -> TopRow:
    return TopRow(
        rank=rank,
        label=label,
        formula=p.reduced_formula,
        prediction_id=prediction_id,
        pressure_gpa=p.pressure_gpa,
        tc_predicted=p.tc_predicted,
        tc_lower_95ci=p.tc_lower_95ci,
        tc_upper_95ci=p.tc_upper_95ci,
        tc_experiment=p.tc_experiment,
        tc_experiment_lower_95ci=p.tc_experiment_lower_95ci,
        tc_experiment_upper_95ci=p.tc_experiment_upper_95ci,
        lambda_ep=p.lambda_ep,
        omega_log=p.omega_log,
        hull_distance_eV=p.hull_distance_ev,
        phonon_verdict=p.phonon_verdict,
        confidence_level=p.confidence_level,
        extrapolation_warning=p.extrapolation_warning,
        model_tier=p.model_tier,
        family=p.family,
        more={k: v for k, v in values.items() if k not in {"candidate", "formula"}},
        known=known,
    )


def _bare_row(rank: int, label: str, row: Ranked, known: tuple[Known, ...]) -> TopRow:
    columns: dict[str, Any] = {name: row.values.get(name) for name in VALUE_COLUMNS}
    del columns["tc_uncertainty"]
    columns["extrapolation_warning"] = bool(columns["extrapolation_warning"])
    return TopRow(
        rank=rank,
        label=label,
        formula=row.formula or "-",
        prediction_id=None,
        pressure_gpa=row.pressure_gpa,
        model_tier=None,
        more={name: value for name, value in row.values.items() if name not in VALUE_COLUMNS},
        known=known,
        **columns,
    )
