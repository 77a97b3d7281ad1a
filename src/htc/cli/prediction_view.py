"""How predictions look: the JSON contract and the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from htc.prediction import Failure, Prediction

__all__ = ["PREDICT_FIELDS", "as_entry", "prediction_table"]

PREDICT_FIELDS = (
    "source",
    "reduced_formula",
    "tc_predicted",
    "tc_lower_95ci",
    "tc_upper_95ci",
    "tc_uncertainty",
    "lambda_ep",
    "omega_log",
    "mu_star",
    "xi_parameter",
    "prediction_method",
    "confidence_level",
    "extrapolation_warning",
    "applicable",
    "reason",
    "id",
    "error",
)
"""Fields that every entry of ``htc predict --json`` has; see docs/schemas/predict.schema.json."""

_MORE_FIELDS = (
    "tc_experiment",
    "tc_experiment_lower_95ci",
    "tc_experiment_upper_95ci",
    "lambda_ep_uncertainty",
    "omega_log_uncertainty",
    "omega_2",
    "omega_2_uncertainty",
    "model_tier",
    "family",
    "pressure_required_gpa",
    "structure_origin",
    "spectrum_origin",
    "model_id",
    "extrapolation_reasons",
    "cautions",
    "notes",
    "phonon_stable",
    "phonon_verdict",
    "imaginary_modes_count",
    "lowest_frequency_thz",
    "thermo_stable",
    "hull_distance_eV",
    "hull_competitors",
    "stability_potential",
    "calculated",
)


_FROM_WIDTH = {"confidence": 0, "p (GPa)": 96, "id": 106, "λ": 114, "ω_log (K)": 126, "from": 138}
"""Columns that a table has from this terminal width on."""
_WORDS = frozenset({"confidence", "from", "id"})
_SOURCE_WIDTH = 32
_REMARK_WIDTH = 24


def as_entry(
    result: Prediction | Failure,
    id_: str | None,
    calculated: Mapping[tuple[str, float], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """One entry of ``htc predict --json``; ``calculated`` by reduced formula and pressure, GPa."""
    from htc.prediction import Failure

    if isinstance(result, Failure):
        entry: dict[str, Any] = dict.fromkeys((*PREDICT_FIELDS, *_MORE_FIELDS))
        return entry | {"source": result.source, "error": str(result.error)}
    known = (calculated or {}).get((result.reduced_formula, result.pressure_gpa))
    fields = result.as_dict() | {"id": id_, "error": None, "calculated": known}
    return {name: fields[name] for name in (*PREDICT_FIELDS, *_MORE_FIELDS)}


def _said(result: Prediction) -> str:
    # A measured spectrum's note, which smearing was taken, is no caution.
    notes = () if result.spectrum is not None and not result.spectrum.is_surrogate else result.notes
    words = [*result.extrapolation_reasons, *result.cautions, *notes]
    if result.spectrum is not None and result.spectrum.first_principles is not None:
        words.insert(0, f"first principles: {result.spectrum.first_principles}, μ* {result.mu_star:g}")
    return words[0] + (f" (+{len(words) - 1})" if len(words) > 1 else "") if words else ""


def prediction_table(
    results: list[tuple[Prediction | Failure, str | None]],
    width: int,
    measured: dict[str, float | None] | None = None,
) -> Table:
    """Rich table of predictions.

    Args:
        results: predictions and failures with their ids.
        width: columns of the terminal; what has no room is left out, `htc show` tells it.
        measured: measured Tc, K, by source, shown beside the predicted one.
    """
    from htc.prediction import Failure

    columns = ["Tc (K)", "95 % (K)"] + ([] if measured is None else ["measured (K)"])
    columns += [name for name, least in _FROM_WIDTH.items() if width >= least]
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("material", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="left" if name in _WORDS else "right", no_wrap=True)
    table.add_column("remark", overflow="fold", min_width=_REMARK_WIDTH)
    for result, id_ in results:
        known = None if measured is None else measured.get(result.source)
        told = {"measured (K)": _number(known, ".1f"), "id": (id_ or "-")[:8]}
        if isinstance(result, Failure):
            material, remark = Text(_short(result.source), style="red"), Text(result.error.what, style="red")
        elif not result.applicable:
            material, remark = Text(result.reduced_formula), Text(f"no Tc: {result.reason}", style="yellow")
        else:
            material, remark = Text(result.reduced_formula), Text(_said(result), style="dim")
            low, high = result.tc_lower_95ci, result.tc_upper_95ci
            mark = " (!)" if result.extrapolation_warning else ""
            told |= {
                "Tc (K)": _number(result.tc_predicted, ".2f"),
                "95 % (K)": f"{_number(low, '.2f')} – {_number(high, '.2f')}",
                "λ": _number(result.lambda_ep, ".3f"),
                "ω_log (K)": _number(result.omega_log, ".0f"),
                "p (GPa)": f"{result.pressure_gpa:g}",
                "from": _origin(result),
                "confidence": (result.confidence_level or "-") + mark,
            }
        table.add_row(material, *(Text(told.get(column, "-")) for column in columns), remark)
    return table


def _origin(result: Prediction) -> str:
    """Where the coupling came from, in a word."""
    if result.spectrum is not None and not result.spectrum.is_surrogate:
        return "alpha2F"
    return "composition" if result.structure_origin is None else result.structure_origin.split(":", 1)[0]


def _short(source: str) -> str:
    """The end of a long source: the file's name is there."""
    return source if len(source) <= _SOURCE_WIDTH else "…" + source[1 - _SOURCE_WIDTH :]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
