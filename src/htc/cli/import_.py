"""``htc import``: rows by the million into the database."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from htc.cli.console import err, out, print_json
from htc.cli.exit_codes import ExitCode
from htc.cli.progress import steps

if TYPE_CHECKING:
    from htc.store import Database
    from htc.store.bulk import LoadReport
    from htc.store.bulk.load import Progress

__all__ = ["register"]

_PARENTS_MISSING = ("is not in bete_runs", "is not in structures")
_REASONS = 10


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="import")(import_)


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Parquet, Arrow, Feather, CSV or JSONL files (the last two also .gz), or folders that "
            "`htc export --everything` wrote.",
        ),
    ],
    table: Annotated[str, typer.Option("--table", help="Which table the files' rows belong to.")] = (
        "htc_predictions"
    ),
    run: Annotated[
        str | None,
        typer.Option("--run", metavar="LABEL", help="Start a run of this name for rows that name no run."),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Give stored rows the files' values. Default: leave them.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(
            "--rejects",
            metavar="FILE",
            help="Where rows that cannot be stored go, with reasons; a folder when there are several "
            "sources. Default: NAME.rejects.jsonl here.",
        ),
    ] = None,
    defer_indexes: Annotated[
        bool | None,
        typer.Option(
            "--defer-indexes/--no-defer-indexes",
            help="Build the indexes of an empty table after the rows are in. Default: for large files.",
            show_default=False,
        ),
    ] = None,
    create_missing: Annotated[
        bool,
        typer.Option(
            "--create-missing/--no-create-missing",
            help="Make runs and models that rows name and nobody knows.",
        ),
    ] = True,
    ignore_unknown: Annotated[
        bool, typer.Option("--ignore-unknown", help="Leave out columns the table does not have.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Find out everything, keep nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, an entry per table loaded.")] = False,
) -> None:
    """Store the rows of files, each once. Running it again, also after a kill, stores what is left.

    One bad row never stops the rest: it goes to the rejects file with its reasons. Mended lines of that file
    can be imported as they are. Exit code 0 says that every row is stored, 3 that some were refused, 1 that
    all were.

    Example: `htc import predictions.parquet --run "summer screening"`
    """
    from htc.settings import get_settings
    from htc.store import Database

    settings = get_settings()
    reports: list[LoadReport] = []
    with ExitStack() as stack:
        database = stack.enter_context(Database.open(settings))
        run_id = _start(database, run, files, settings.created_by) if run and not dry_run else None
        tell = stack.enter_context(steps())
        for file in files:
            reports += _load(
                database,
                file,
                rejects=_rejects_of(file, rejects, several=len(files) > 1),
                table=table,
                run=run_id,
                update=update,
                defer_indexes=defer_indexes,
                create_missing=create_missing,
                ignore_unknown=ignore_unknown,
                dry_run=dry_run,
                created_by=settings.created_by,
                tell=tell,
            )
        if run_id is not None:
            from htc.store import finish_run

            finish_run(database, run_id)
    if as_json:
        print_json([report.as_dict() for report in reports])
    else:
        for report in reports:
            _print(report)
    rejected = sum(report.rejected for report in reports)
    if rejected:
        stored = sum(report.rows for report in reports) - rejected
        raise typer.Exit(ExitCode.PARTIAL if stored else ExitCode.FAILED)


def _start(database: Database, label: str, files: list[Path], created_by: str) -> str:
    from htc.store import start_run

    names = [file.name for file in files]
    return start_run(database, "import", created_by=created_by, label=label, settings={"files": names})


def _rejects_of(file: Path, asked: Path | None, *, several: bool) -> Path:
    name = f"{file.name}.rejects" if file.is_dir() else f"{file.name}.rejects.jsonl"
    if asked is None:
        return Path(name)
    if several:
        asked.mkdir(parents=True, exist_ok=True)
        return asked / name
    return asked


def _load(
    database: Database,
    file: Path,
    *,
    rejects: Path,
    table: str,
    run: str | None,
    update: bool,
    defer_indexes: bool | None,
    create_missing: bool,
    ignore_unknown: bool,
    dry_run: bool,
    created_by: str,
    tell: Progress,
) -> list[LoadReport]:
    from htc.store.bulk import load, load_everything

    if file.is_dir():
        return load_everything(
            database,
            file,
            on_conflict="update" if update else "skip",
            rejects=rejects,
            created_by=created_by,
            dry_run=dry_run,
            progress=tell,
        )
    return [
        load(
            database,
            file,
            table=table,
            run=run,
            created_by=created_by,
            on_conflict="update" if update else "skip",
            rejects=rejects,
            defer_indexes=defer_indexes,
            create_missing=create_missing,
            ignore_unknown=ignore_unknown,
            dry_run=dry_run,
            progress=lambda what, done, total: tell(f"{file.name}: {what}", done, total),
        )
    ]


def _print(report: LoadReport) -> None:
    kept = "would be " if report.dry_run else ""
    out.print(
        f"{report.table}: {report.rows} rows in {report.seconds:.1f} s; {kept}{report.inserted} new, "
        f"{report.updated} updated, {report.unchanged} there before, {report.rejected} refused",
        soft_wrap=True,
    )
    if report.differing:
        err.print(
            f"  {report.differing} of those there before say something else in the file: see --update",
            soft_wrap=True,
        )
    for table, ids in report.created.items():
        more = ", ..." if len(ids) > 5 else ""
        err.print(
            f"  made in {table} because rows name them: {', '.join(ids[:5])}{more}",
            soft_wrap=True,
            markup=False,
        )
    for reason, count in report.reasons.most_common(_REASONS):
        err.print(f"  refused {count}: {reason}", soft_wrap=True, markup=False)
    if len(report.reasons) > _REASONS:
        err.print(f"  and {len(report.reasons) - _REASONS} other reasons", soft_wrap=True)
    if any(reason.endswith(_PARENTS_MISSING) for reason in report.reasons):
        err.print(
            "  their crystals and spectra are not in this database: where the file comes from, "
            "`htc export FOLDER --everything` brings them along",
            soft_wrap=True,
            markup=False,
        )
    if report.rejects is not None:
        err.print(f"  the refused rows are in {report.rejects}", soft_wrap=True, markup=False)
