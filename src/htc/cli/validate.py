"""``htc validate``: predictions, formulas and solver held against what is known."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from htc.cli.console import err, out, print_json
from htc.cli.exit_codes import ExitCode
from htc.errors import HTCError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from htc.settings import Settings
    from htc.store.jobs import RunSummary
    from htc.validation.report import SuiteReport

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="validate")(validate)


def validate(
    suites: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUITE]...",
            help="reference, formulas, eliashberg, fold3, experiment. None: all that have their data.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="PATH", help="The laboratory's data folder; for fold3 also one file."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FOLDER", help="Write report.html, report.md and report.json there."
        ),
    ] = None,
    tier: Annotated[
        str | None, typer.Option("--tier", metavar="TIER", help="Tier of the model: fast, default or best.")
    ] = None,
    mu_star: Annotated[
        float | None, typer.Option("--mu-star", help="Coulomb pseudopotential; fold3 has its own.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="A name for the runs.")] = None,
    store: Annotated[
        bool, typer.Option("--store/--no-store", help="Keep the runs, and compare each with the one before.")
    ] = True,
    fail_on_regression: Annotated[
        bool,
        typer.Option(
            "--fail-on-regression", help="Exit with 1 if something got worse than in the run before."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Hold predictions, formulas and the Eliashberg solver against what is known, and tell what changed.

    Every suite is a run of its own; Ctrl-C calls it off. The suites fold3 and experiment need the
    laboratory's data (HTC_DATA or --data), which the program does not bring along.

    Example: `htc validate reference eliashberg --report validation`
    """
    from htc.jobs.requests import ValidateRequest
    from htc.settings import get_settings
    from htc.store.filters import TIERS
    from htc.validation import NEEDS_DATA, SUITES

    settings = get_settings()
    if data is not None:
        if not data.exists():
            raise InputError("there is no such file or folder", where=f"--data {data}")
        settings = settings.model_copy(update={"data": data.absolute()})
    if tier is not None and tier not in TIERS:
        raise InputError(f"no tier is called {tier!r}", where="--tier", hint=", ".join(TIERS))
    for name in suites or ():
        if name not in SUITES:
            raise InputError(
                f"no suite is called {name!r}", where="SUITE", hint=f"there are: {', '.join(SUITES)}"
            )
        if name in NEEDS_DATA and settings.data is None:
            raise InputError(
                f"the suite {name} needs the laboratory's data",
                where="SUITE",
                hint="set HTC_DATA to the folder, or give --data",
            )
    if fail_on_regression and not store:
        raise InputError(
            "without stored runs there is nothing to compare with",
            where="--fail-on-regression",
            hint="leave out --no-store",
        )
    if report is not None and report.exists() and not report.is_dir():
        raise InputError("this is a file; a folder is needed", where=f"--report {report}")
    chosen = list(dict.fromkeys(suites or _with_data(settings)))
    given = {"tier": tier, "mu_star": mu_star, "label": label}
    requests = [_request(ValidateRequest, suite=name, **given) for name in chosen]
    done = _stored(settings, requests) if store else _unstored(settings, requests)
    if report is not None:
        from htc.validation.report import write_report

        for path in write_report(done, report):
            err.print(f"written: {path}", soft_wrap=True, markup=False)
    if as_json:
        from htc.validation.report import as_json as in_json

        print_json(in_json(done))
    else:
        _show(done)
        for name in SUITES:
            if name not in chosen and not suites:
                err.print(f"[dim]{name} needs the laboratory's data: set HTC_DATA, or give --data[/]")
    if fail_on_regression and any(one.regressions for one in done):
        raise typer.Exit(ExitCode.FAILED)


def _request(model: Any, **fields: Any) -> Any:
    from pydantic import ValidationError

    try:
        return model(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).replace("_", "-")
        raise InputError(f"{first['msg']}", where=f"--{name}") from error


def _with_data(settings: Settings) -> list[str]:
    from htc.validation import NEEDS_DATA, SUITES

    return [name for name in SUITES if name not in NEEDS_DATA or settings.data is not None]


def _stored(settings: Settings, requests: list[Any]) -> list[SuiteReport]:
    from htc.cli.progress import steps
    from htc.jobs import submit
    from htc.jobs.foreground import carry_out
    from htc.jobs.validating import report_of_run
    from htc.store import Database

    found = []
    with Database.open(settings) as database, steps() as tell:
        for request in requests:
            job, _ = submit(database, request, created_by=settings.created_by)
            name = request.suite
            run = carry_out(
                database,
                settings,
                job.run_id,
                told=partial(_told, tell, name),
            )
            if run.state != "finished":
                what = run.error or {"what": f"the run is {run.state}", "where": None, "hint": None}
                raise HTCError(
                    what["what"], where=what.get("where") or f"suite {name}", hint=what.get("hint")
                )
            found.append(report_of_run(database, run.run_id, settings.data))
    return found


def _unstored(settings: Settings, requests: list[Any]) -> list[SuiteReport]:
    from htc.cli.progress import steps
    from htc.jobs.validating import report_unstored

    with steps() as tell:
        return [report_unstored(settings, request, told=partial(tell, request.suite)) for request in requests]


def _told(tell: Callable[[str, int, int | None], None], name: str, run: RunSummary) -> None:
    tell(name, run.done, run.total)


def _show(reports: list[SuiteReport]) -> None:
    from rich.table import Table
    from rich.text import Text

    from htc.validation.report import headline_of, number, share, with_interval

    for one in reports:
        out.print(Text(one.title, "bold"))
        table = Table(box=None, header_style="bold", padding=(0, 1))
        table.add_column("")
        for name in ("pairs", "MAE", "RMSE", "bias", "R²", "MAPE", "rank corr.", "in 95 %", "agree"):
            table.add_column(name, justify="right", no_wrap=True)
        for view in one.views:
            m = headline_of(view)
            part = "" if view["headline_part"] == "all" else f", {view['headline_part'].partition(': ')[2]}"
            unit = f" ({view['unit']})" if view["unit"] else ""
            table.add_row(
                Text(view["title"] + part + unit),
                str(m["n"]),
                with_interval(m, "mae"),
                number(m["rmse"]),
                number(m["bias"]),
                number(m["r2"]),
                share(m["mape"]),
                number(m["spearman"]),
                share(m["coverage"]),
                share(m["within"]),
            )
        out.print(table)
        told = [f"{n} left out: {why}" for why, n in one.excluded.items()]
        told += [f"{one.failed} could not be judged"] if one.failed else []
        told += [f"refused, outside the theory: {', '.join(one.refused)}"] if one.refused else []
        for text in told:
            out.print(Text(f"  {text}", "dim"), soft_wrap=True)
        change = one.comparison
        if change is None:
            out.print(Text("  no run before it to compare with" if one.run_id else "  not stored", "dim"))
        else:
            said = f"  compared with run {change['run_id'][:8]}: {change['changed']} values changed, "
            out.print(said + f"{len(change['regressions'])} worse", markup=False)
            for text in change["regressions"][:20]:
                out.print(Text(f"    worse: {text}", "red"), soft_wrap=True)
        if one.run_id:
            out.print(Text(f"  run {one.run_id}", "dim"))
