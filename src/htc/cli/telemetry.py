"""``htc telemetry``: what the recorded test runs say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from htc.cli.console import err, out, print_json
from htc.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from htc.telemetry.reports import FlakyTest, SlowTest
    from htc.telemetry.selection import Choice

__all__ = ["app"]

app = typer.Typer(
    help="Slow tests, flaky tests, and tests worth running first.\n\n"
    "They read what `pytest -p htc.telemetry` recorded, of any project.",
    no_args_is_help=True,
)

_NOTHING = "no test runs are recorded: `pytest -p htc.telemetry` does, in any project"

_Number = Annotated[int, typer.Option("-n", "--number", min=1, max=10_000, help="Tests to show.")]
_Json = Annotated[bool, typer.Option("--json", help="Print a list in JSON.")]


@app.command()
def slowest(
    n: _Number = 20,
    since: Annotated[float, typer.Option("--since", metavar="DAYS", help="Days to look back.")] = 30.0,
    as_json: _Json = False,
) -> None:
    """Show the tests that take longest, by the median of their executions.

    Example: `htc telemetry slowest -n 10`
    """
    from htc.store.database import Database
    from htc.telemetry.reports import has_executions
    from htc.telemetry.reports import slowest as find

    with Database.open() as database:
        rows = find(database, n, since)
        recorded = bool(rows) or has_executions(database, since)
    if as_json:
        print_json([_plain(row) for row in rows])
    elif rows:
        _print_slowest(rows)
    elif recorded:
        err.print(f"tests are recorded in the last {since:g} days, but none with outcome and duration")
    else:
        err.print(_NOTHING)


@app.command()
def flaky(
    n: _Number = 20,
    since: Annotated[float, typer.Option("--since", metavar="DAYS", help="Days to look back.")] = 90.0,
    as_json: _Json = False,
) -> None:
    """Show the tests that both failed and passed on the same code.

    The rate is of failures on code on which the test passed at least once, with its 95 % interval. Flips are
    changes of the outcome from one execution to the next.

    Example: `htc telemetry flaky --since 14`
    """
    from htc.store.database import Database
    from htc.telemetry.reports import flaky as find

    with Database.open() as database:
        rows = find(database, n, since)
    if as_json:
        print_json([_plain(row) for row in rows])
    elif rows:
        _print_flaky(rows)
    else:
        err.print("no test is known to have both failed and passed on the same code")


@app.command()
def select(
    changed: Annotated[
        list[str] | None,
        typer.Option("--changed", metavar="FILE", help="A changed file; can be given several times."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="REV", help="Changed since the common ancestor with this revision."),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option("-n", "--number", min=1, max=100_000, help="Tests at most; 20 without --budget."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option("--budget", metavar="SECONDS", help="Only as many as take this long together."),
    ] = None,
    since: Annotated[float, typer.Option("--since", metavar="DAYS", help="Days to look back.")] = 180.0,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Print node ids only: `pytest $(htc telemetry select --plain)`."),
    ] = False,
    as_json: _Json = False,
) -> None:
    """Rank the tests worth running first for what is changed, and say why.

    Run it in the project's root folder, pytest's rootdir. Without `--changed` or `--base`, changed is what
    differs from the default branch, uncommitted files included.

    Example: `htc telemetry select --changed src/model.py -n 10`
    """
    if changed and base:
        raise InputError("--changed and --base exclude each other")
    if plain and as_json:
        raise InputError("--plain and --json exclude each other")
    from htc.store.database import Database
    from htc.telemetry.selection import select as find

    root = Path.cwd()
    files = [_relative(file, root) for file in changed] if changed else _changed_files(root, base)
    if n is None and budget is None:
        n = 20
    with Database.open() as database:
        choices = find(database, files, root=root, n=n, budget_s=budget, since_days=since)
    if as_json:
        print_json([_plain(choice) for choice in choices])
    elif plain:
        for choice in choices:
            typer.echo(choice.node_id)
    elif choices:
        _print_choices(choices)
    if not choices and not as_json:
        about = ", ".join(files[:5]) or "no change"
        err.print(f"no test recorded for this folder speaks to {about}: run them all", markup=False)


def _relative(file: str, root: Path) -> str:
    import os

    return os.path.relpath(root / file, root).replace(os.sep, "/")


def _changed_files(root: Path, base: str | None) -> list[str]:
    from htc.telemetry.git import code_state

    state = code_state(root, base)
    if state.changed_files is None:
        raise InputError(
            f"what is changed is not known: {state.note}",
            where=str(root),
            hint="name the files with --changed, or a revision with --base",
        )
    return list(state.changed_files)


def _plain(row: SlowTest | FlakyTest | Choice) -> dict[str, Any]:
    from dataclasses import asdict

    return {k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in asdict(row).items()}


def _print_slowest(rows: Sequence[SlowTest]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("test", box=None, header_style="bold", padding=(0, 1))
    for name in ("median (s)", "mean (s)", "longest (s)", "runs", "share of all time"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        times = (f"{ms / 1e3:.3f}" for ms in (row.median_ms, row.mean_ms, row.max_ms))
        table.add_row(Text(row.test_name), *times, str(row.runs), f"{row.share:.1%}")
    out.print(table)


def _print_flaky(rows: Sequence[FlakyTest]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("test", box=None, header_style="bold", padding=(0, 1))
    for name in ("failures", "rate", "95 %", "flips"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("last error", overflow="ellipsis", no_wrap=True, max_width=60)
    for row in rows:
        table.add_row(
            Text(row.test_name),
            f"{row.failures} of {row.runs}",
            f"{row.failure_rate:.2f}",
            f"{row.rate_lower_95ci:.2f} – {row.rate_upper_95ci:.2f}",
            str(row.flips),
            Text(row.last_error or "-"),
        )
    out.print(table)


def _print_choices(choices: Sequence[Choice]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("test", box=None, header_style="bold", padding=(0, 1))
    for name in ("score", "time (s)"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for choice in choices:
        table.add_row(
            Text(choice.node_id),
            f"{choice.score:.3f}",
            "-" if choice.duration_s is None else f"{choice.duration_s:.2f}",
            Text("; ".join(choice.why)),
        )
    out.print(table)
    total = sum(choice.duration_s or 0.0 for choice in choices)
    count = f"{len(choices)} test{'' if len(choices) == 1 else 's'}"
    err.print(f"[dim]{count}, {total:.1f} s by the recorded durations[/]", soft_wrap=True)
