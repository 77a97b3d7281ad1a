"""``htc export``: tables into files."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from htc.cli.console import out, print_json
from htc.cli.progress import steps
from htc.errors import InputError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="export")(export)


def export(
    file: Annotated[
        Path,
        typer.Argument(
            help="File to write: .parquet, .arrow, .feather, .csv, .jsonl, .csv.gz or .jsonl.gz; "
            "with --everything a new folder.",
            show_default=False,
        ),
    ],
    everything: Annotated[
        bool, typer.Option("--everything", help="All tables, a Parquet file each, as they are at one moment.")
    ] = False,
    table: Annotated[str, typer.Option("--table", help="Which table.")] = "htc_predictions",
    run: Annotated[str | None, typer.Option("--run", metavar="ID", help="Only rows of this run.")] = None,
    min_tc: Annotated[
        float | None, typer.Option("--min-tc", metavar="K", help="Only Tc at or above this, K.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="NAME,...", help="Only these columns, in this order."),
    ] = None,
    structures: Annotated[
        bool, typer.Option("--structures", help="One more column: each prediction's crystal as JSON.")
    ] = False,
    set_aside: Annotated[
        bool, typer.Option("--deleted", help="Rows that `htc delete` set aside, too.")
    ] = False,
    compression: Annotated[
        str | None,
        typer.Option(
            "--compression", help="Of Parquet: zstd, snappy, gzip, lz4, none. Of Arrow: lz4, zstd, none."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an entry per file.")] = False,
) -> None:
    """Write a table into a file that other programs read, and `htc import` takes back.

    Floats come back exactly. The file gets its name when it is complete; an old one is replaced then.

    Example: `htc export best.parquet --min-tc 20`
    """
    from htc.store import Database
    from htc.store.bulk import export as write
    from htc.store.bulk import export_everything

    if everything and (run or min_tc is not None or columns or structures or table != "htc_predictions"):
        raise InputError("--everything takes all rows of all tables", hint="leave the other choices out")
    with ExitStack() as stack:
        database = stack.enter_context(Database.open())
        tell = stack.enter_context(steps())
        if everything:
            reports = export_everything(database, file, compression=compression, progress=tell)
        else:
            reports = [
                write(
                    database,
                    file,
                    table=table,
                    run=run,
                    min_tc=min_tc,
                    columns=[name.strip() for name in columns.split(",")] if columns else None,
                    include_structures=structures,
                    include_set_aside=set_aside,
                    compression=compression,
                    progress=tell,
                )
            ]
    if as_json:
        print_json([report.as_dict() for report in reports])
        return
    from rich.filesize import decimal

    for report in reports:
        out.print(
            f"{report.path}: {report.rows} rows, {decimal(report.size_bytes)}", soft_wrap=True, markup=False
        )
