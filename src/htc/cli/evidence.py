"""``htc evidence``: packs of everything behind a prediction, and whether one still holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from htc.cli.console import err, out, print_json
from htc.cli.exit_codes import ExitCode
from htc.errors import InputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from htc.evidence import Verification
    from htc.store import Database

__all__ = ["app"]


class _PackByDefault(TyperGroup):
    """A group whose first argument, where it is no command, is the id of a prediction."""

    default_command = "pack"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before arguments that name none."""
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_PackByDefault,
    no_args_is_help=True,
    help="Everything behind a prediction, in a zip that recomputes itself. Without a command's name: "
    "`pack`.\n\nExample: `htc evidence 06dc4a52`",
)


@app.command()
def pack(
    prediction_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", help="Id of a prediction or of an electron-phonon run, or its beginning."
        ),
    ] = None,
    formula: Annotated[
        str | None, typer.Option("--formula", help="The highest ranked prediction of this composition.")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="ID", help="All predictions of this run, a pack each.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.zip",
            help="File to write; of a run, the folder for the packs. Without it, a name is made of the "
            "formula and the id.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the evidence pack of a prediction: input, record, worksheet, spectrum, model card, checksums.

    The pack is an RO-Crate. The same prediction and the same program give the same bytes.

    Example: `htc evidence pack 06dc4a52 --out nb3sn.zip`
    """
    from htc.evidence import build_pack, gather
    from htc.settings import get_settings
    from htc.store import Database
    from htc.store.provenance import find_prediction

    if sum(x is not None for x in (prediction_id, formula, run)) != 1:
        raise InputError("give an id, --formula or --run, one of them", hint="`htc top` lists ids")
    settings = get_settings()
    written = []
    with Database.open(settings) as database:
        for each in _wanted(database, prediction_id, formula, run):
            made = build_pack(gather(database, find_prediction(database, each), settings))
            path = _path(file, made.name, folder=run is not None)
            content = made.to_zip()
            _write(path, content)
            written.append({"id": each, "path": str(path), "files": len(made.files), "bytes": len(content)})
            if not as_json:
                out.print(
                    f"{path}: {len(made.files)} files, {len(content) / 1e3:.0f} kB",
                    soft_wrap=True,
                    markup=False,
                )
    if as_json:
        print_json(written)
    elif run is None:
        err.print(f"check it with: htc evidence verify {written[0]['path']}", soft_wrap=True, markup=False)


def _wanted(
    database: Database, prediction_id: str | None, formula: str | None, run: str | None
) -> Iterator[str]:
    from htc.errors import NotFoundError
    from htc.store import Filters, top
    from htc.store.provenance import ids_of_run

    if prediction_id is not None:
        yield prediction_id
    elif formula is not None:
        rows = top(database, 1, filters=Filters(formula=formula)).rows
        if not rows:
            raise NotFoundError(
                "no ranked prediction has this composition",
                where=formula,
                hint=f"predict it first: htc predict {formula}",
            )
        yield rows[0].id
    elif run is not None:
        found = False
        for each in ids_of_run(database, run):
            found = True
            yield each
        if not found:
            raise NotFoundError("the run made no predictions", where=run)


def _path(file: Path | None, name: str, *, folder: bool) -> Path:
    if folder:
        return (file or Path()) / name
    return file if file is not None else Path(name)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror}", where=str(path), hint="choose another file with --out"
        ) from error


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An evidence pack.", show_default=False)],
    model: Annotated[
        bool,
        typer.Option(
            "--model/--no-model", help="Predict again from the crystal, where the same model is installed."
        ),
    ] = True,
    show_all: Annotated[
        bool, typer.Option("--all", help="Show every check, also where everything comes out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Recompute everything in a pack, number by number, and say whether it still comes out.

    Needs no database. Exit code 0: everything that could be checked comes out. 1: something does not.

    Example: `htc evidence verify nb3sn.zip`
    """
    from htc.evidence import verify_pack
    from htc.settings import get_settings

    found = verify_pack(file, with_model=model, model_folder=get_settings().model)
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found, show_all=show_all)
    if not found.holds:
        raise typer.Exit(ExitCode.FAILED)


def _print(found: Verification, *, show_all: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    marks = {
        "ok": ("comes out", "green"),
        "differs": ("DIFFERS", "bold red"),
        "unchecked": ("not checked", "yellow"),
    }
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for head in ("", "what", "in the pack", "again", "tolerance", "where"):
        table.add_column(head, overflow="fold")
    for group in found.groups():
        rows = [check for check in group.checks if show_all or check.status != "ok"]
        done = sum(check.status == "ok" for check in group.checks)
        word, style = marks[group.status]
        table.add_row(
            Text(word, style=style),
            Text(group.title, style="bold"),
            "",
            f"{done} of {len(group.checks)}",
            "",
            "",
        )
        for check in rows:
            word, style = marks[check.status]
            table.add_row(
                Text(word, style=style),
                Text(f"  {check.what}"),
                Text(check.stated_text),
                Text(check.again_text),
                Text(check.tolerance_text),
                Text(check.where or ""),
            )
            if check.note:
                table.add_row("", Text(f"    {check.note}", style="dim"), "", "", "", "")
    out.print(table)
    out.print(Text(found.summary, style="green" if found.holds else "bold red"))
