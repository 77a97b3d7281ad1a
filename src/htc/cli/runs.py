"""``htc runs``: what is under way, what came of it and of single candidates, calling off, dropping rows."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from htc.cli.console import err, out, print_json
from htc.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from htc.jobs.campaign.fates import Told
    from htc.store import Database
    from htc.store.jobs import RunItem, RunSummary

__all__ = ["app"]

app = typer.Typer(
    name="runs",
    help="Screenings, optimisations, validations and batches: list, show, candidates, cancel, prune.",
    no_args_is_help=True,
)

_STATES = ("queued", "running", "finished", "failed", "cancelled")


@app.command(name="list")
def list_(
    n: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many.")] = 20,
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="Only these: campaign, screen, optimize, validate, batch."),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option("--state", help="Only in this state: queued, running, finished, failed, cancelled."),
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="PLACE", help="Go on where a page ended.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List runs with their progress, newest first.

    Example: `htc runs list --state running`
    """
    if state is not None and state not in _STATES:
        raise InputError(f"no state is called {state!r}", where="--state", hint=", ".join(_STATES))
    from htc.store import Database
    from htc.store.jobs import list_progress

    with Database.open() as database:
        page = list_progress(database, n, kind=kind, state=state, after=after)  # type: ignore[arg-type]  # one of _STATES
    if as_json:
        print_json({"rows": [_plain(row) for row in page.rows], "next_cursor": page.next_cursor})
        return
    if not page.rows:
        err.print("there are no such runs")
        return
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 1))
    # On a small terminal the label gives way, then the time; an id that is cut off helps nobody.
    for name, least in (("id", 8), ("kind", 8), ("state", 8)):
        table.add_column(name, no_wrap=True, min_width=least)
    table.add_column("done", justify="right", no_wrap=True, min_width=4)
    for name in ("started (UTC)", "by", "label"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for row in page.rows:
        table.add_row(
            row.run_id[:8],
            row.kind,
            row.state,
            _progress(row),
            f"{row.created_at:%Y-%m-%d %H:%M}",
            row.created_by,
            row.label or "",
        )
    out.print(table)
    if page.next_cursor is not None:
        err.print(f"[dim]next page: htc runs list -n {n} --after {page.next_cursor}[/]", soft_wrap=True)


@app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="ID", help="Id of the run, or its beginning.")],
    n: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many items.")] = 20,
    after: Annotated[int, typer.Option("--after", min=-1, help="Position of the last item seen.")] = -1,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only items that failed, with the reason.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how far a run is, what no other of its candidates beats, and its items.

    Example: `htc runs show 06dc4a52`
    """
    from htc.jobs.campaign.pruning import pruned_in_words
    from htc.jobs.fronts import front_as_json, goal_of
    from htc.store import Database
    from htc.store.campaigns import pruned_of
    from htc.store.jobs import items_of, run_summary

    with Database.open() as database:
        summary = run_summary(database, _whole_id(database, run))
        page = items_of(database, summary.run_id, n, after=after, state="failed" if failed else None)
        goal = goal_of(summary.request)
        wanted = () if goal is None else (goal.objectives, goal.constraints)
        pareto = (summary.result or {}).get("pareto") or front_as_json(database, summary.run_id, *wanted)
        pruned = pruned_of(database, summary.run_id) if summary.kind == "campaign" else None
    if as_json:
        print_json(
            {
                "run": _plain(summary),
                "items": [_plain(row) for row in page.rows],
                "next_cursor": page.next_cursor,
                "pareto": pareto,
                "pruned": None if pruned is None else pruned.as_dict(),
            }
        )
        return
    out.print(f"{summary.kind} {summary.run_id}: {summary.state}, {_progress(summary)}", markup=False)
    for text in (summary.label, summary.message, (summary.error or {}).get("what")):
        if text:
            out.print(f"  {text}", markup=False)
    if pruned is not None:
        out.print(f"  {pruned_in_words(pruned)}", markup=False, soft_wrap=True)
    if pareto["points"]:
        columns = ", ".join(f"{o['column']} {o['direction']}" for o in pareto["objectives"])
        out.print(f"not beaten ({columns}):")
        for point in pareto["points"][:20]:
            values = ", ".join(f"{value:.4g}" for value in point["values"].values())
            out.print(f"  {point['position']:>6}  {point['label']}: {values}", markup=False)
    out.print("items:")
    for item in page.rows:
        out.print(f"  {item.position:>6}  {item.label}: {_outcome(item)}", markup=False)
    if page.next_cursor is not None:
        err.print(f"[dim]more: htc runs show {summary.run_id[:8]} --after {page.next_cursor}[/]")


@app.command()
def candidates(
    run: Annotated[str, typer.Argument(metavar="ID", help="Id of the run, or its beginning.")],
    formula: Annotated[
        str | None, typer.Option("--formula", help="Only of this composition, through all stages.")
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only those that failed or could not be read.")
    ] = False,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="Only those that the theory says nothing about.")
    ] = False,
    n: Annotated[int, typer.Option("-n", min=1, max=1_000_000, help="How many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what became of single candidates of a campaign: how far they came, and what they fell by.

    What the rules of plausibility reject is counted, not kept; `htc screen --estimate` shows examples of it.

    Example: `htc runs candidates 06dc4a52 --formula NbN`
    """
    if failed and rejected:
        raise InputError("--failed and --rejected exclude each other")
    from htc.jobs.campaign.fates import told, unreadable
    from htc.materials.formulas import parse_formula
    from htc.store import Database

    of = None if formula is None else parse_formula(formula).reduced_formula
    with Database.open() as database:
        run_id = _whole_id(database, run)
        state: Any = "failed" if failed else "rejected" if rejected else None
        found = told(database, run_id, n, formula=of, state=state)
        if of is None and not rejected:
            found += unreadable(database, run_id, n)
    if as_json:
        print_json({"run_id": run_id, "candidates": [one.as_dict() for one in found]})
        return
    if not found:
        err.print("there are no such candidates", soft_wrap=True)
        return
    last = None
    for one in found:
        if (one.label, one.pressure_gpa) != last:
            last = (one.label, one.pressure_gpa)
            at = "" if one.pressure_gpa is None else f" at {one.pressure_gpa:g} GPa"
            of = f" ({one.formula})" if one.formula and one.formula != one.label else ""
            out.print(f"{one.label}{of}{at}", markup=False, soft_wrap=True)
        place = "" if one.stage is None else f"{one.stage} {one.kind}: "
        out.print(f"  {place}{_fate(one)}", markup=False, soft_wrap=True)


@app.command()
def cancel(
    run: Annotated[str, typer.Argument(metavar="ID", help="Id of the run, or its beginning.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Call a run off: at once where it waits, else after the few candidates in hand. What it found stays.

    Example: `htc runs cancel 06dc4a52`
    """
    from htc.store import Database
    from htc.store.jobs import cancel as call_off
    from htc.store.jobs import run_summary

    with Database.open() as database:
        run_id = _whole_id(database, run)
        call_off(database, run_id)
        summary = run_summary(database, run_id)
    if as_json:
        print_json(_plain(summary))
    elif summary.state == "running":
        out.print("it will stop after what it has in hand")
    else:
        out.print(f"it is {summary.state}")


@app.command()
def prune(
    run: Annotated[str, typer.Argument(metavar="ID", help="Id of the run, or its beginning.")],
    keep_best: Annotated[
        int,
        typer.Option(
            "--keep-best",
            min=0,
            max=1_000_000,
            help="Keep so many of those that did not pass, the best of each stage by its rule.",
        ),
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many rows would go, and their size.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Drop the rows of a finished campaign that did not pass. They do not come back.

    Funnel, ranked list and report say the same as before. What came of a single candidate that did not pass
    is no longer known. Ended half-way, the next call drops the rest.

    Example: `htc runs prune 06dc4a52 --keep-best 1000 --dry-run`
    """
    from htc.cli.progress import steps
    from htc.jobs.campaign.pruning import NO_LONGER, prune_run, superfluous_rows
    from htc.settings import get_settings
    from htc.store import Database

    settings = get_settings()
    with Database.open(settings) as database:
        run_id = _whole_id(database, run)
        if dry_run:
            found = superfluous_rows(database, run_id, keep_best)
        else:
            with steps() as tell:
                found = prune_run(
                    database,
                    run_id,
                    keep_best,
                    by=settings.created_by,
                    told=lambda gone, of: tell("dropping rows", gone, of),
                )
    if as_json:
        print_json(
            {
                "run_id": run_id,
                "rows": found.rows,
                "bytes": found.bytes,
                "by_stage": {str(stage): n for stage, n in found.by_stage.items()},
                "keep_best": keep_best,
                "dropped": not dry_run,
            }
        )
        return
    from rich.filesize import decimal

    if not found.rows:
        out.print("nothing to drop")
        return
    would = "would be" if dry_run else "were"
    out.print(f"{found.rows:,} rows, about {decimal(found.bytes)}, {would} dropped")
    for stage, n in found.by_stage.items():
        out.print(f"  stage {stage + 1}: {n:,}")
    err.print(f"[dim]{NO_LONGER}[/]" if not dry_run else f"[dim]then {NO_LONGER}[/]", soft_wrap=True)


def _whole_id(database: Database, given: str) -> str:
    from htc.store.runs import runs_that_begin

    found = runs_that_begin(database, given)
    if not found:
        raise NotFoundError(f"no run has an id that begins with {given!r}", hint="`htc runs list` shows them")
    if len(found) > 1 and given not in found:
        raise InputError(
            f"several runs begin with {given!r}", hint=f"give more characters: {', '.join(found)}"
        )
    return given if given in found else found[0]


def _progress(row: RunSummary) -> str:
    of = "" if row.total is None else f" of {row.total:,}"
    failed = f" ({row.failed:,} failed)" if row.failed else ""
    return f"{row.done:,}{of}{failed}"


def _outcome(item: RunItem) -> str:
    if item.error is not None:
        return f"failed: {item.error.get('what')}"
    measured = item.values.get("measured")
    if measured is not None:
        return "told: " + ", ".join(f"{column} {value:g}" for column, value in measured.items())
    p = item.prediction
    if p is None:
        return "done"
    if p["tc_predicted"] is None:
        return str(p["reason"])
    low, high = p["tc_lower_95ci"], p["tc_upper_95ci"]
    interval = "" if low is None or high is None else f" ({low:.2f} – {high:.2f})"
    return f"Tc {p['tc_predicted']:.2f} K{interval} at {p['pressure_required_gpa'] or 0:g} GPa"


def _fate(one: Told) -> str:
    tc = ""
    if one.tc_predicted is not None and one.tc_lower_95ci is not None and one.tc_upper_95ci is not None:
        tc = f"; Tc {one.tc_predicted:.2f} K ({one.tc_lower_95ci:.2f} – {one.tc_upper_95ci:.2f})"
    says = f", {one.says}" if one.says else ""
    return f"{one.outcome}{says}{tc}"


def _plain(row: RunSummary | RunItem) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(row).items()}
