"""``htc optimize``: what to judge next, by the model or by a laboratory that is asked and tells."""

from __future__ import annotations

import csv
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from htc.cli.console import err, out, print_json
from htc.cli.exit_codes import ExitCode
from htc.cli.progress import steps
from htc.errors import InputError, StorageError

if TYPE_CHECKING:
    from htc.jobs.search import SearchRequest
    from htc.settings import Settings
    from htc.store import Database
    from htc.store.jobs import RunSummary
    from htc.store.optimisation import PoolRow

__all__ = ["app"]

app = typer.Typer(
    name="optimize",
    help="Choose which candidates of a campaign to judge, for one or several objectives.",
    no_args_is_help=True,
)


class StrategyChoice(StrEnum):
    """Strategies, as an option of the command line."""

    hypervolume = "hypervolume"
    botorch = "botorch"
    greedy = "greedy"
    random = "random"


class LooksChoice(StrEnum):
    """Which of a large space are looked at, as an option of the command line."""

    evolution = "evolution"
    random = "random"


_Campaign = Annotated[Path, typer.Argument(metavar="CAMPAIGN.toml", help="The campaign's file.")]
_Run = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or its beginning.")]
_Budget = Annotated[int | None, typer.Option("--budget", min=1, help="How many are judged.")]
_Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Equal seed, equal choices.")]
_Strategy = Annotated[
    StrategyChoice | None,
    typer.Option("--strategy", help="How candidates are chosen; botorch needs the extra [bo]."),
]
_Looks = Annotated[
    LooksChoice | None,
    typer.Option("--looks", help="Which of a space larger than the pool are looked at."),
]
_Label = Annotated[str | None, typer.Option("--label", help="A name for the run.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def run(
    campaign: _Campaign,
    budget: _Budget = None,
    strategy: _Strategy = None,
    looks: _Looks = None,
    seed: _Seed = None,
    label: _Label = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave it to `htc worker` and come back at once.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FOLDER", help="Write CSV files and figures there.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Let the model judge: batch after batch of what its cheap tier and the answers so far speak for.

    Example: `htc optimize run a15.toml --budget 200 --report a15`
    """
    if detach and report is not None:
        raise InputError("a run that is left to workers has no report yet", where="--report")
    from htc.jobs.search import submit_search
    from htc.settings import get_settings
    from htc.store import Database

    settings = get_settings()
    request = _request(campaign, "model", label, budget=budget, strategy=strategy, looks=looks, seed=seed)
    with Database.open(settings) as database:
        job = submit_search(database, settings, request, created_by=settings.created_by, base=campaign.parent)
        if detach:
            if as_json:
                print_json({"run_id": job.run_id, "state": job.state})
            else:
                out.print(f"run {job.run_id} waits for a worker", highlight=False)
            return
        summary = _carried_out(database, settings, job.run_id)
        if report is not None and summary.state == "finished":
            _write_report(database, job.run_id, report)
        _show(database, job.run_id, as_json=as_json)
    if summary.state != "finished":
        what = (summary.error or {}).get("what", summary.message or "")
        err.print(f"the run {summary.state}: {what}", markup=False)
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def start(
    campaign: _Campaign,
    budget: _Budget = None,
    strategy: _Strategy = None,
    looks: _Looks = None,
    seed: _Seed = None,
    label: _Label = None,
    as_json: _Json = False,
) -> None:
    """Begin a run that a laboratory or another code judges: `ask` what to judge, `tell` what came of it.

    The cheap tier of the model looks at the pool now. If that is interrupted, the next `ask` goes on.

    Example: `htc optimize start a15.toml`
    """
    from htc.jobs.search import search_state
    from htc.jobs.search import start as begin
    from htc.settings import get_settings
    from htc.store import Database

    settings = get_settings()
    request = _request(campaign, "outside", label, budget=budget, strategy=strategy, looks=looks, seed=seed)
    with Database.open(settings) as database:
        run_id = begin(database, settings, request, created_by=settings.created_by, base=campaign.parent)
        err.print(f"run {run_id}", highlight=False)
        _fill(database, settings, run_id, request)
        counts = search_state(database, run_id)["pool"]
    if as_json:
        print_json({"run_id": run_id, "pool": counts})
        return
    out.print(
        f"{run_id}: {counts['free']:,} candidates to choose from, {counts['left_out']:,} left out",
        highlight=False,
    )
    err.print(f"[dim]next: htc optimize ask {run_id[:8]} -n {request.batch_size}[/]", soft_wrap=True)


@app.command()
def ask(
    given: _Run,
    n: Annotated[int, typer.Option("-n", "--number", min=1, max=1000, help="How many.")] = 8,
    pending: Annotated[
        bool, typer.Option("--pending", help="Only those asked for before and not told of yet.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Write their crystals as CIF and a table to fill in."),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Ask which candidates to judge next; each is asked for once.

    Example: `htc optimize ask 06dc4a52 -n 8 --out batch-1`
    """
    from htc.jobs.search import ask as asked_for
    from htc.jobs.search import search_state
    from htc.jobs.search.asking import request_of
    from htc.settings import get_settings
    from htc.store import Database

    settings = get_settings()
    with Database.open(settings) as database:
        run_id = _id(database, given)
        request = request_of(database, run_id)
        if pending:
            rows = search_state(database, run_id)["waiting"]
        else:
            _fill(database, settings, run_id, request)
            rows = asked_for(database, run_id, n)
        if folder is not None:
            _write_batch(database, run_id, rows, folder)
        counts = search_state(database, run_id)["pool"]
    if as_json:
        print_json([_plain(row) for row in rows])
    elif rows:
        _print_rows(rows)
    else:
        err.print("nothing is waiting" if pending else "no candidate is left to ask for")
    used = counts["asked"] + counts["done"] + counts["failed"]
    if used >= request.budget and not pending:
        err.print(f"the budget of {request.budget:,} is used up: {used:,} were asked for or told")


@app.command()
def tell(
    given: _Run,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Answers: CSV with a header, or JSON lines.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Let an answer take the place of another one told before.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Tell what was measured or calculated: all of the file or, where something is wrong, nothing.

    Columns: `candidate`, `tc_k`, or `error` where it failed; further values as wished. Rows without either
    are passed over. Telling the same again changes nothing.

    Example: `htc optimize tell 06dc4a52 batch-1/answers.csv`
    """
    from htc.jobs.search import read_answers
    from htc.jobs.search import tell as told_of
    from htc.settings import get_settings
    from htc.store import Database

    settings = get_settings()
    answers, open_rows = read_answers(file)
    with Database.open(settings) as database:
        run_id = _id(database, given)
        told = told_of(database, run_id, answers, told_by=settings.created_by, replace=replace)
    if as_json:
        print_json(
            {
                "new": told.new,
                "same": told.same,
                "replaced": told.replaced,
                "unasked": told.unasked,
                "open_rows": open_rows,
            }
        )
        return
    parts = [f"{len(told.new)} new"]
    parts += [f"{len(told.same)} told before"] if told.same else []
    parts += [f"{len(told.replaced)} replaced"] if told.replaced else []
    parts += [f"{open_rows} rows without an answer yet"] if open_rows else []
    out.print(", ".join(parts), highlight=False)
    if told.unasked:
        err.print(f"not asked for, taken all the same: {', '.join(map(str, told.unasked))}", soft_wrap=True)


@app.command()
def show(
    given: _Run,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FOLDER", help="Write CSV files and figures there.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Show the front so far and how the hypervolume grew.

    Example: `htc optimize show 06dc4a52 --report a15`
    """
    from htc.store import Database

    with Database.open() as database:
        run_id = _id(database, given)
        if report is not None:
            _write_report(database, run_id, report)
        _show(database, run_id, as_json=as_json)


@app.command()
def finish(given: _Run) -> None:
    """Close a run that asks and tells; what was told stays.

    Example: `htc optimize finish 06dc4a52`
    """
    from htc.jobs.search import finish as close
    from htc.store import Database

    with Database.open() as database:
        close(database, _id(database, given))
    out.print("finished")


def _id(database: Database, given: str) -> str:
    from htc.cli.runs import _whole_id

    return _whole_id(database, given)


def _request(file: Path, evaluator: Any, label: str | None, **changes: Any) -> SearchRequest:
    from pydantic import ValidationError

    from htc.discovery.campaign import load_campaign
    from htc.jobs.search import search_request

    campaign = load_campaign(file)
    seed = changes.pop("seed")
    if seed is not None:
        campaign = campaign.model_copy(update={"seed": seed})
    try:
        request = search_request(campaign, evaluator, label=label, **changes)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(str(first["msg"]), where=f"--{where}" if where else None) from error
    return request


def _fill(database: Database, settings: Settings, run_id: str, request: SearchRequest) -> None:
    from htc.jobs.search import fill

    with steps() as step:
        fill(
            database,
            settings,
            run_id,
            request,
            told=lambda done, total: step("looking at the candidates", done, total),
        )


def _carried_out(database: Database, settings: Settings, run_id: str) -> RunSummary:
    from htc.jobs.foreground import carry_out

    with steps() as step:

        def told(summary: RunSummary) -> None:
            step(f"run {run_id[:8]}", summary.done, summary.total)

        return carry_out(database, settings, run_id, told=told)


def _show(database: Database, run_id: str, *, as_json: bool) -> None:
    from htc.jobs.search.report import front_and_history

    front, growth = front_and_history(database, run_id)
    if as_json:
        print_json({"run_id": run_id, "pareto": front, "history": growth})
        return
    columns = ", ".join(f"{one['column']} {one['direction']}" for one in front["objectives"])
    out.print(
        f"run {run_id}: {front['compared']} compared ({columns or 'nothing judged yet'})", highlight=False
    )
    for point in front["points"][:20]:
        values = ", ".join(f"{value:.4g}" for value in point["values"].values())
        out.print(f"  {point['position']:>6}  {point['label']}: {values}", markup=False, highlight=False)
    if len(front["points"]) > 20:
        out.print(f"  and {len(front['points']) - 20} more")
    if growth and growth[-1]["hypervolume"] is not None:
        out.print(
            f"hypervolume {growth[-1]['hypervolume']:.5g} after {growth[-1]['judged']} judged",
            highlight=False,
        )


def _write_report(database: Database, run_id: str, folder: Path) -> None:
    from htc.jobs.search.report import write_report

    for path in write_report(database, run_id, folder):
        err.print(f"wrote {path}", soft_wrap=True, highlight=False)


def _plain(row: PoolRow) -> dict[str, Any]:
    return {
        "candidate": row.number,
        "label": row.label,
        "formula": row.formula,
        "pressure_gpa": row.pressure_gpa,
        "batch": row.batch,
        "predicted": dict(row.prior or {}),
    }


def _print_rows(rows: list[PoolRow]) -> None:
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("candidate", justify="right", no_wrap=True)
    table.add_column("formula", no_wrap=True)
    table.add_column("predicted Tc (K)", justify="right", no_wrap=True)
    table.add_column("p (GPa)", justify="right", no_wrap=True)
    table.add_column("label", no_wrap=True, overflow="ellipsis")
    for row in rows:
        table.add_row(str(row.number), row.formula or "-", _interval(row), f"{row.pressure_gpa:g}", row.label)
    out.print(table)


def _interval(row: PoolRow) -> str:
    prior = row.prior or {}
    tc, low, high = (prior.get(name) for name in ("tc_predicted", "tc_lower_95ci", "tc_upper_95ci"))
    if tc is None:
        return "-"
    return f"{tc:.2f}" if low is None or high is None else f"{tc:.2f} ({low:.2f} – {high:.2f})"


def _write_batch(database: Database, run_id: str, rows: list[PoolRow], folder: Path) -> None:
    """A CIF a candidate of which the crystal is known, and ``answers.csv`` to be filled in."""
    from pymatgen.io.cif import CifWriter

    from htc.materials.reading import as_structure
    from htc.store.optimisation import structure_of

    table = folder / "answers.csv"
    if table.exists():
        raise InputError("there is a table of answers already", where=str(table), hint="name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lines: list[list[Any]] = []
        for row in rows:
            structure = structure_of(database, run_id, row.number)
            name = ""
            if structure is not None:
                name = f"{row.number}-{re.sub(r'[^A-Za-z0-9]+', '', row.formula or 'crystal')}.cif"
                CifWriter(as_structure(structure, source=row.label)).write_file(str(folder / name))
            tc = (row.prior or {}).get("tc_predicted")
            predicted = "" if tc is None else f"{tc:.3f}"
            lines.append(
                [row.number, row.formula, f"{row.pressure_gpa:g}", predicted, name, row.label, "", ""]
            )
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(
                ["candidate", "formula", "pressure_gpa", "predicted_tc_k", "file", "label", "tc_k", "error"]
            )
            writer.writerows(lines)
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=str(folder)) from error
    err.print(f"wrote {table} and {sum(bool(line[4]) for line in lines)} CIF files", highlight=False)
