"""``htc top``: the ranking."""

from __future__ import annotations

import csv
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from htc.cli.console import err, out, print_json
from htc.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from htc.store import Database, Filters, Formula, Freshness, Ranked

__all__ = ["freshness_in_words", "register"]

_WORDS_FROM_WIDTH = {"confidence": 90, "tier": 100, "method": 130, "model": 160}
_WORDS_WIDTH = 36
_OUTRANKED = "†"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="top")(top)


def top(
    n: Annotated[int, typer.Option("-n", "--number", min=1, max=10_000, help="Rows to show.")] = 20,
    elements: Annotated[
        str | None,
        typer.Option("--elements", metavar="B,Mg", help="Only materials with all of these elements."),
    ] = None,
    without: Annotated[
        str | None, typer.Option("--without", metavar="O,F", help="Only materials with none of these.")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="B,Mg,C", help="Only materials of these elements and no others."),
    ] = None,
    min_tc: Annotated[float | None, typer.Option("--min-tc", help="Only Tc at or above this, in K.")] = None,
    max_tc: Annotated[float | None, typer.Option("--max-tc", help="Only Tc at or below this, in K.")] = None,
    min_pressure: Annotated[
        float | None, typer.Option("--min-pressure", help="Only at this pressure or above, in GPa.")
    ] = None,
    max_pressure: Annotated[
        float | None, typer.Option("--max-pressure", help="Only at this pressure or below, in GPa.")
    ] = None,
    stable: Annotated[
        bool,
        typer.Option(
            "--stable", help="Only where phonons and thermodynamics were examined and both found stable."
        ),
    ] = False,
    max_hull: Annotated[
        float | None,
        typer.Option("--max-hull", help="Only at most this far above the convex hull, in eV/atom."),
    ] = None,
    confidence: Annotated[
        str | None,
        typer.Option(
            "--confidence",
            metavar="LEVEL",
            help="Only this confidence or a higher one: low, medium, high. Several, with commas: only those.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="ID", help="Only predictions by the model of this id.")
    ] = None,
    tier: Annotated[
        str | None,
        typer.Option("--tier", metavar="TIER", help="Only this tier of the model: fast, default or best."),
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="Only predictions of the run of this id.")
    ] = None,
    formula: Annotated[
        str | None, typer.Option("--formula", help="Only this composition, written in any order.")
    ] = None,
    best_known: Annotated[
        bool,
        typer.Option(
            "--best-known",
            help="Without predictions of models where first principles were asked about the same formula "
            "and pressure.",
        ),
    ] = False,
    formulas: Annotated[
        bool, typer.Option("--formulas", help="Average over all predictions for structures of a formula.")
    ] = False,
    after: Annotated[
        str | None,
        typer.Option(
            "--after",
            metavar="PLACE",
            help="Go on where a page ended: its last line says how, or a whole id.",
        ),
    ] = None,
    chart: Annotated[bool, typer.Option("--chart", help="Draw the ranking as bars in the terminal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list in JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
) -> None:
    """Rank the stored predictions by critical temperature.

    A prediction that lacks a value asked for is left out.

    Example: `htc top -n 10 --elements B,Mg --max-pressure 10 --confidence medium`
    """
    if as_json and as_csv:
        raise InputError("--json and --csv exclude each other")
    wishes: dict[str, Any] = {
        "--elements": elements,
        "--without": without,
        "--only": only,
        "--min-tc": min_tc,
        "--max-tc": max_tc,
        "--min-pressure": min_pressure,
        "--max-pressure": max_pressure,
        "--stable": stable or None,
        "--max-hull": max_hull,
        "--confidence": confidence,
        "--model": model,
        "--tier": tier,
        "--run": run,
        "--formula": formula,
        "--best-known": best_known or None,
    }
    wishes = {option: value for option, value in wishes.items() if value is not None}
    if formulas and (beyond := [option for option in wishes if option != "--min-tc"]):
        raise InputError(f"{beyond[0]} filters predictions, not the averages of --formulas")
    from htc.store import Database, top_formulas
    from htc.store import top as top_predictions

    filters = _filters(wishes)
    rows: Sequence[Ranked] | Sequence[Formula]
    with Database.open() as database:
        if formulas:
            averages = top_formulas(database, n, min_tc, after)
            rows, cursor, fresh = averages.rows, averages.next_cursor, averages.freshness
        else:
            page = top_predictions(database, n, filters, after)
            rows, cursor, fresh = page.rows, page.next_cursor, None
        unknown = _unknown(database, model, run) if not rows else []
        outranked = {} if formulas or as_json or as_csv else _outranked(database, rows)  # type: ignore[arg-type]  # by flag
    if as_json:
        print_json([_plain(row) for row in rows])
    elif as_csv:
        _print_csv([_plain(row) for row in rows], _columns(formulas))
    elif rows:
        table = _formula_table(rows) if formulas else _prediction_table(rows, out.width, outranked)  # type: ignore[arg-type]  # by flag
        out.print(table)
        if chart:
            from htc.cli.chart import bar_chart

            out.print(bar_chart(*_bars(rows)), markup=False)
    elif cursor is None and (wishes or after) and not unknown:
        err.print("nothing more is ranked" if after else "no stored prediction fulfils all of this")
    elif cursor is None and not unknown:
        err.print("nothing is ranked here yet: `htc predict MgB2` stores a first prediction, `htc demo` many")
    for what in unknown:
        err.print(f"no {what} is known", soft_wrap=True, markup=False)
    if fresh is not None:
        err.print(f"[dim]ranking by formula: {freshness_in_words(fresh)}[/]", soft_wrap=True)
    if not formulas and not (as_json or as_csv) and any(r.extrapolation_warning for r in rows):  # type: ignore[union-attr]  # by flag
        err.print("[dim](!) outside what the model has seen; `htc show ID` says in what[/]", soft_wrap=True)
    for said in dict.fromkeys(outranked.values()):
        err.print(f"[dim]{escape(said)}[/]", soft_wrap=True)
    if cursor is not None:
        if len(rows) < n:
            err.print("[dim]many predictions that do not fit were passed over; the next page goes on[/]")
        if len(rows) < n or not (as_json or as_csv):
            shown = " --formulas" if formulas else ""
            again = f"htc top -n {n}{shown}{_as_options(wishes)} --after {cursor}"
            err.print(f"[dim]next page: {escape(again)}[/]", soft_wrap=True)


def _outranked(database: Database, rows: Sequence[Ranked]) -> dict[str, str]:
    """Id of each model's prediction that a calculation outranks, and the sentence that says so."""
    from htc.store.calculated import SAME_PRESSURE, calculated_records

    formulas = {row.reduced_formula for row in rows if row.model_id is not None and row.reduced_formula}
    said = {}
    for formula, records in calculated_records(database, sorted(formulas)).items():
        for row in rows:
            if row.model_id is None or row.reduced_formula != formula:
                continue
            pressure = row.pressure_required_gpa or 0.0
            for record in records:
                if abs((record["pressure_required_gpa"] or 0.0) - pressure) <= SAME_PRESSURE * pressure:
                    said[row.id] = (
                        f"{_OUTRANKED} the model of {formula} at {pressure:g} GPa is outranked by first "
                        f"principles: {record['tc_predicted']:.2f} K ({record['id'][:8]}); "
                        "--best-known leaves it out"
                    )
                    break
    return said


def _unknown(database: Database, model: str | None, run: str | None) -> list[str]:
    from htc.store.models import model_is_known
    from htc.store.runs import run_is_known

    return [
        f"{kind} of the id {name!r}"
        for kind, name, is_known in (("model", model, model_is_known), ("run", run, run_is_known))
        if name is not None and not is_known(database, name)
    ]


def _filters(wishes: dict[str, Any]) -> Filters:
    from htc.store import Filters

    levels = [level.strip() for level in wishes.get("--confidence", "").split(",") if level.strip()]
    if "--confidence" in wishes and not levels:
        raise InputError("no level of confidence is named", where="--confidence", hint="low, medium, high")
    stable = True if "--stable" in wishes else None
    try:
        return Filters(
            elements=_list(wishes, "--elements"),
            without=_list(wishes, "--without"),
            only=_list(wishes, "--only"),
            min_tc_predicted=wishes.get("--min-tc"),
            max_tc_predicted=wishes.get("--max-tc"),
            min_pressure_required_gpa=wishes.get("--min-pressure"),
            max_pressure_required_gpa=wishes.get("--max-pressure"),
            phonon_stable=stable,
            thermo_stable=stable,
            max_hull_distance_eV=wishes.get("--max-hull"),
            min_confidence_level=levels[0] if len(levels) == 1 else None,
            confidence_level=tuple(levels) if len(levels) > 1 else (),
            model_id=wishes.get("--model"),
            model_tier=wishes.get("--tier"),
            experiment_id=wishes.get("--run"),
            formula=_reduced(wishes["--formula"]) if "--formula" in wishes else None,
            best_known="--best-known" in wishes,
        )
    except InputError as error:
        if error.where is not None:
            error.where = ", ".join(_OPTION.get(name, name) for name in error.where.split(", "))
        raise


_OPTION = {
    "elements": "--elements",
    "without": "--without",
    "only": "--only",
    "min_tc_predicted": "--min-tc",
    "max_tc_predicted": "--max-tc",
    "min_pressure_required_gpa": "--min-pressure",
    "max_pressure_required_gpa": "--max-pressure",
    "max_hull_distance_eV": "--max-hull",
    "confidence_level": "--confidence",
    "model_id": "--model",
    "model_tier": "--tier",
    "experiment_id": "--run",
}


def _list(wishes: dict[str, Any], option: str) -> tuple[str, ...]:
    return tuple(wishes[option].split(",")) if option in wishes else ()


def _reduced(text: str) -> str:
    from htc.materials.formulas import parse_formula

    return str(parse_formula(text).reduced_formula)


def _as_options(wishes: dict[str, Any]) -> str:
    given = (
        option if value is True else f"{option} {shlex.quote(str(value))}" for option, value in wishes.items()
    )
    return "".join(f" {text}" for text in given)


def freshness_in_words(fresh: Freshness) -> str:
    """How old the ranking by formula is."""
    from htc.store.refreshing import NEWER_COUNTED

    rows = f"{fresh.newer_rows}" if fresh.newer_rows < NEWER_COUNTED else f"{NEWER_COUNTED:,} or more"
    if fresh.refreshed_at is None:
        return f"never computed; {rows} rows wait"
    newer = "nothing newer stored" if fresh.newer_rows == 0 else f"{rows} newer rows not in it"
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


def _prediction_table(rows: Sequence[Ranked], width: int, outranked: Mapping[str, str]) -> Table:
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
            "tier": row.model_tier,
            "method": row.prediction_method,
            "model": row.model_id or row.structure_origin,
        }
        table.add_row(
            row.id[:8],
            Text((row.reduced_formula or "-") + (f" {_OUTRANKED}" if row.id in outranked else "")),
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
