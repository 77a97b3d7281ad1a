"""``htc top``: the ranking."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from htc.cli.console import err, out, print_json
from htc.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from htc.store import Formula, Freshness, Ranked

__all__ = ["freshness_in_words", "register"]

_WORDS_FROM_WIDTH = {"confidence": 90, "method": 130, "model": 160}
_WORDS_WIDTH = 36


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="top")(top)


def top(
    n: Annotated[int, typer.Option("-n", "--number", min=1, max=10_000, help="Rows to show.")] = 20,
    min_tc: Annotated[float | None, typer.Option("--min-tc", help="Only Tc at or above this, in K.")] = None,
    formulas: Annotated[
        bool, typer.Option("--formulas", help="Average over all predictions for structures of a formula.")
    ] = False,
    after: Annotated[
        str | None, typer.Option("--after", metavar="ID", help="Go on below the prediction of this id.")
    ] = None,
    chart: Annotated[bool, typer.Option("--chart", help="Draw the ranking as bars in the terminal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list in JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
) -> None:
    """Rank the stored predictions by critical temperature.

    Example: `htc top -n 10 --min-tc 20`
    """
    if as_json and as_csv:
        raise InputError("--json and --csv exclude each other")
    if formulas and after is not None:
        raise InputError("--after pages through predictions, not through --formulas")
    from htc.store import Database, freshness, top_formulas
    from htc.store import top as top_predictions

    rows: Sequence[Ranked] | Sequence[Formula]
    with Database.open() as database:
        cursor = None
        if formulas:
            rows, fresh = top_formulas(database, n, min_tc)
        else:
            page = top_predictions(database, n, min_tc, after)
            rows, cursor, fresh = page.rows, page.next_cursor, freshness(database)
    if as_json:
        print_json([_plain(row) for row in rows])
    elif as_csv:
        _print_csv([_plain(row) for row in rows], _columns(formulas))
    elif not rows:
        err.print("nothing is ranked here yet: `htc predict MgB2` stores a first prediction, `htc demo` many")
    else:
        table = _formula_table(rows) if formulas else _prediction_table(rows, out.width)  # type: ignore[arg-type]  # by flag
        out.print(table)
        if chart:
            from htc.cli.chart import bar_chart

            out.print(bar_chart(*_bars(rows)), markup=False)
    if formulas:
        err.print(f"[dim]ranking by formula: {freshness_in_words(fresh)}[/]", soft_wrap=True)
    if not formulas and not (as_json or as_csv) and any(r.extrapolation_warning for r in rows):  # type: ignore[union-attr]  # by flag
        err.print("[dim](!) outside what the model has seen; `htc show ID` says in what[/]", soft_wrap=True)
    if cursor is not None and not (as_json or as_csv):
        err.print(f"[dim]next page: htc top -n {n} --after {cursor}[/]", soft_wrap=True)


def freshness_in_words(fresh: Freshness) -> str:
    """How old the ranking by formula is."""
    if fresh.refreshed_at is None:
        return f"never computed; {fresh.newer_rows} rows wait"
    newer = "nothing newer stored" if fresh.newer_rows == 0 else f"{fresh.newer_rows} newer rows not in it"
    return f"as of {fresh.refreshed_at:%Y-%m-%d %H:%M:%S} UTC, {newer}"


def _bars(rows: Sequence[Ranked] | Sequence[Formula]) -> tuple[list[str], list[float]]:
    plain = [_plain(row) for row in rows]
    names = [str(row.get("reduced_formula") or row.get("structure_formula") or "-") for row in plain]
    return names, [float(row["tc_predicted"] if "tc_predicted" in row else row["avg_tc"]) for row in plain]


def _columns(formulas: bool) -> list[str]:
    from htc.store import Formula, Ranked

    return list((Formula if formulas else Ranked).__dataclass_fields__)


def _plain(row: Ranked | Formula) -> dict[str, Any]:
    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in asdict(row).items()}


def _print_csv(rows: list[dict[str, Any]], columns: list[str]) -> None:
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _prediction_table(rows: Sequence[Ranked], width: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 1))
    for name in ("id", "formula"):
        table.add_column(name, no_wrap=True)
    for name in ("Tc (K)", "95 % (K)", "λ", "ω_log (K)", "μ*", "p (GPa)"):
        table.add_column(name, justify="right", no_wrap=True)
    # What a narrow terminal has no room for, `htc show` tells.
    words = [name for name, least in _WORDS_FROM_WIDTH.items() if width >= least]
    for name in words:
        table.add_column(name, overflow="ellipsis", no_wrap=True, max_width=_WORDS_WIDTH)
    for row in rows:
        low, high = row.tc_lower_95ci, row.tc_upper_95ci
        told = {
            "confidence": (row.confidence_level or "-") + (" (!)" if row.extrapolation_warning else ""),
            "method": row.prediction_method,
            "model": row.model_id or row.structure_origin,
        }
        table.add_row(
            row.id[:8],
            Text(row.reduced_formula or "-"),
            f"{row.tc_predicted:.2f}",
            "-" if low is None or high is None else f"{low:.2f} – {high:.2f}",
            _number(row.lambda_ep, ".3f"),
            _number(row.omega_log, ".0f"),
            _number(row.mu_star, ".3g"),
            _number(row.pressure_required_gpa, "g"),
            *(Text(told[name] or "-") for name in words),
        )
    return table


def _formula_table(rows: Sequence[Formula]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("formula")
    for name in ("average Tc (K)", "predictions", "last (UTC)"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        last = f"{row.last_prediction:%Y-%m-%d %H:%M}" if row.last_prediction else "-"
        table.add_row(
            Text(row.structure_formula or "-"), f"{row.avg_tc:.2f}", str(row.prediction_count), last
        )
    return table


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
