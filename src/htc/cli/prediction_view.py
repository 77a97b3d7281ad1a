"""How predictions look: the JSON contract and the table."""

from __future__ import annotations

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

_MORE_FIELDS = ("family", "pressure_gpa", "structure_origin", "model_id", "extrapolation_reasons", "cautions")


def as_entry(result: Prediction | Failure, id_: str | None) -> dict[str, Any]:
    """One entry of ``htc predict --json``."""
    from htc.prediction import Failure

    if isinstance(result, Failure):
        entry: dict[str, Any] = dict.fromkeys((*PREDICT_FIELDS, *_MORE_FIELDS))
        return entry | {"source": result.source, "error": str(result.error)}
    fields = result.as_dict() | {"id": id_, "error": None}
    return {name: fields[name] for name in (*PREDICT_FIELDS, *_MORE_FIELDS)}


def _said(result: Prediction) -> str:
    words = [*result.extrapolation_reasons, *result.cautions]
    return words[0] + (f" (+{len(words) - 1})" if len(words) > 1 else "") if words else ""


def prediction_table(
    results: list[tuple[Prediction | Failure, str | None]], measured: dict[str, float | None] | None = None
) -> Table:
    """Rich table of predictions; with ``measured`` (K by source) beside them."""
    from htc.prediction import Failure

    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("material", no_wrap=True)
    table.add_column("Tc (K)", justify="right", no_wrap=True)
    table.add_column("95 % (K)", justify="right", no_wrap=True)
    if measured is not None:
        table.add_column("measured (K)", justify="right", no_wrap=True)
    for name in ("λ", "ω_log (K)", "p (GPa)"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("confidence", no_wrap=True)
    table.add_column("id", no_wrap=True)
    table.add_column("remark", overflow="fold")
    for result, id_ in results:
        known = [] if measured is None else [_number(measured.get(result.source), ".1f")]
        if isinstance(result, Failure):
            table.add_row(
                Text(result.source, style="red"), "-", "-", *known, "-", "-", "-", "-", "-",
                Text(f"not read: {result.error.what}", style="red"),
            )  # fmt: skip
            continue
        if not result.applicable:
            table.add_row(
                Text(result.reduced_formula), "none", "-", *known, "-", "-", f"{result.pressure_gpa:g}", "-",
                (id_ or "-")[:8], Text(f"{result.family}: {result.reason}", style="yellow"),
            )  # fmt: skip
            continue
        mark = " (!)" if result.extrapolation_warning else ""
        table.add_row(
            Text(result.reduced_formula),
            _number(result.tc_predicted, ".2f"),
            f"{_number(result.tc_lower_95ci, '.2f')} – {_number(result.tc_upper_95ci, '.2f')}",
            *known,
            _number(result.lambda_ep, ".3f"),
            _number(result.omega_log, ".0f"),
            f"{result.pressure_gpa:g}",
            (result.confidence_level or "-") + mark,
            (id_ or "-")[:8],
            Text(_said(result), style="dim"),
        )
    return table


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
