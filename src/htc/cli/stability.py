"""``htc stability``: would this crystal exist?"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from htc.cli.console import err, out, print_json
from htc.cli.exit_codes import ExitCode
from htc.cli.progress import steps
from htc.errors import HTCError, InputError, SourceUnavailableError

if TYPE_CHECKING:
    from rich.table import Table

    from htc.cli.stability_run import Assessor
    from htc.materials.inputs import InputItem
    from htc.materials.sources import StructureSource
    from htc.settings import Settings
    from htc.stability import Stability
    from htc.stability.relaxation import Progress
    from htc.stability.table import TableAnswer
    from htc.store import Database

__all__ = ["app"]

_DEFAULT = "assess"


class _AssessByDefault(TyperGroup):
    """A group whose first argument, where it is no command, is something to assess."""

    default_command = _DEFAULT

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before arguments that name none."""
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help"}:
            args = [self.default_command, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_AssessByDefault,
    no_args_is_help=True,
    help="Would this crystal exist? Relaxation, phonons and hull distance by an interatomic potential, or by "
    "an imported table. Without a command's name: `assess`.\n\n"
    "Example: `htc stability MgB2.cif`",
)


@dataclass(slots=True)
class _Outcome:
    """What is known of one input."""

    source: str
    stability: Stability | None = None
    table: list[TableAnswer] = field(default_factory=list)
    error: HTCError | None = None


@app.command(_DEFAULT)
def assess(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="STRUCTURE...",
            help="Structure files (CIF, POSCAR, pymatgen JSON), folders or zip archives of them, or formulas "
            "whose crystal is known.",
        ),
    ],
    pressure: Annotated[
        float, typer.Option("--pressure", metavar="GPA", help="Pressure of all inputs, GPa.")
    ] = 0.0,
    potential: Annotated[
        str,
        typer.Option(
            "--potential", help="Interatomic potential: sevennet-l3i5, sevennet-0 (faster), sevennet-mf-0."
        ),
    ] = "sevennet-l3i5",
    phonons: Annotated[bool, typer.Option("--phonons/--no-phonons", help="Compute phonons.")] = True,
    hull: Annotated[bool, typer.Option("--hull/--no-hull", help="Compute the distance to the hull.")] = True,
    competitors: Annotated[
        list[Path] | None,
        typer.Option(
            "--competitors",
            metavar="PATH",
            help="Competing phases of your own: files, folders, zip archives. May be given several times.",
        ),
    ] = None,
    made_up: Annotated[
        bool,
        typer.Option(
            "--made-up/--no-made-up",
            help="Also compete with the elements put on the sites of common structure types.",
        ),
    ] = True,
    store: Annotated[
        bool, typer.Option("--store/--no-store", help="Also compete with the crystals in the database.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, an entry per input.")] = False,
) -> None:
    """Relax crystals, compute their phonons, and measure their distance to the hull of the phases known.

    The distance is a lower bound of the true one: it says of how many phases. Every finished part is kept
    under HTC_HOME/stability, so that a killed run goes on where it stopped, and a second one is quick.
    Without the extra [mlip], imported tables are asked by composition.

    Exit code 0 says that all were assessed (a refusal with a reason is an answer), 3 that some failed, 1 that
    all failed.

    Example: `htc stability MgB2.cif --potential sevennet-0`

    Example: `htc stability assess candidates.zip --no-phonons --competitors my_phases/ --json`
    """
    from htc.cli.stability_run import assessor_or_tables, stages
    from htc.materials.inputs import iter_inputs
    from htc.prediction.predictor import check_conditions
    from htc.prediction.sources import known_sources
    from htc.settings import get_settings

    settings = get_settings()
    check_conditions(pressure, settings.mu_star)
    outcomes: list[_Outcome] = []
    with ExitStack() as stack:
        assessor = assessor_or_tables(
            settings,
            potential,
            pressure_gpa=pressure,
            paths=competitors or (),
            with_phonons=phonons,
            with_hull=hull,
            made_up=made_up,
            database=lambda: stack.enter_context(_database(settings)) if store else None,
        )
        tell = stack.enter_context(steps())
        for item in iter_inputs(inputs):
            progress = stages(tell, item.source)
            outcomes.append(_one(item, settings, assessor, known_sources(settings), pressure, progress))
    if as_json:
        print_json([_entry(outcome) for outcome in outcomes])
    else:
        _show(outcomes)
    failed = sum(outcome.error is not None for outcome in outcomes)
    if failed:
        raise typer.Exit(ExitCode.FAILED if failed == len(outcomes) else ExitCode.PARTIAL)


@app.command("import-table")
def import_table(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, also compressed with gzip.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name to keep it under. [default: by the columns]")
    ] = None,
    functional: Annotated[
        str | None,
        typer.Option("--functional", help="Functional of its energies, where the columns do not tell."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Keep a table of hull distances, to look compositions up without a potential.

    Columns: JARVIS-DFT's `jid, formula, formation_energy_per_atom, ehull` (OptB88vdW), or `id, formula,
    formation_energy_ev, hull_distance_ev` (eV/atom) with `--functional`.

    Example: `htc stability import-table jarvis_dft_3d.csv.gz`
    """
    from htc.cli.stability_run import stability_folder
    from htc.settings import get_settings
    from htc.stability.table import import_table as keep

    info = keep(file, stability_folder(get_settings()), name=name, functional=functional)
    if as_json:
        print_json(info.as_dict())
        return
    rejected = f", {info.rejected} lines without usable numbers left out" if info.rejected else ""
    out.print(f"{info.name}: {info.rows} crystals, {info.functional}{rejected}", soft_wrap=True, markup=False)


@app.command("lookup")
def lookup(
    formulas: Annotated[list[str], typer.Argument(metavar="FORMULA...", help="Chemical formulas.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list, an entry per formula and table.")
    ] = False,
) -> None:
    """Hull distances of compositions in the imported tables, with the functional of each.

    Example: `htc stability lookup MgB2 Nb3Sn`
    """
    from htc.cli.stability_run import stability_folder
    from htc.settings import get_settings
    from htc.stability.table import look_up

    folder = stability_folder(get_settings())
    found = {formula: look_up(formula, folder) for formula in formulas}
    if as_json:
        print_json([{"asked": f} | _named(a.as_dict()) for f, answers in found.items() for a in answers])
        return
    for formula, answers in found.items():
        lines = [answer.says for answer in answers] or ["in none of the imported tables"]
        for line in lines:
            out.print(f"{formula}: {line}", soft_wrap=True, markup=False)


def _database(settings: Settings) -> AbstractContextManager[Database]:
    from htc.store import Database

    return Database.open(settings)


def _one(
    item: InputItem,
    settings: Settings,
    assessor: Assessor | None,
    sources: list[StructureSource],
    pressure: float,
    progress: Progress,
) -> _Outcome:
    """Whatever can be said of one input, or the error."""
    outcome = _Outcome(item.source, error=item.error)
    if outcome.error is not None:
        return outcome
    try:
        # The tables are of zero pressure.
        outcome.table = [] if pressure > 0.0 else _in_tables(item, settings)
        structure = item.structure
        if structure is None and item.composition is not None:
            for source in sources:
                try:
                    found = source.find(item.composition.reduced_formula, pressure)
                except SourceUnavailableError as error:
                    err.print(f"{source.name} could not be asked: {error}", soft_wrap=True, markup=False)
                    continue
                if found:
                    structure = found[0].structure
                    break
        if structure is not None and assessor is not None:
            outcome.stability = assessor(structure, item.source, progress)
        elif not outcome.table:
            unknown = "in none of the tables" if pressure == 0.0 else "the tables are of zero pressure"
            raise InputError(
                "no crystal of this formula is known" if structure is None else unknown,
                where=item.source,
                hint="give the structure as a file" if structure is None else "pip install 'htc[mlip]'",
            )
    except HTCError as error:
        outcome.error = error.located(item.source)
    return outcome


def _in_tables(item: InputItem, settings: Settings) -> list[TableAnswer]:
    from htc.cli.stability_run import stability_folder
    from htc.stability.table import look_up, tables

    folder = stability_folder(settings)
    if item.composition is None or not tables(folder):
        return []
    return look_up(item.composition.reduced_formula, folder)


def _entry(outcome: _Outcome) -> dict[str, Any]:
    fields = {} if outcome.stability is None else outcome.stability.as_dict()
    return {
        **_named(fields),
        "source": outcome.source,
        "table": [_named(answer.as_dict()) for answer in outcome.table],
        "error": None if outcome.error is None else str(outcome.error),
    }


def _named(fields: dict[str, Any]) -> dict[str, Any]:
    """Under the name of the stored column. The own name of an assessment is in hashes of predictions."""
    return {"hull_distance_eV" if k == "hull_distance_ev" else k: v for k, v in fields.items()}


def _show(outcomes: list[_Outcome]) -> None:
    from htc.cli.app import report

    assessed = [outcome.stability for outcome in outcomes if outcome.stability is not None]
    if assessed:
        out.print(_table(assessed))
    for outcome in outcomes:
        if outcome.stability is not None:
            _remarks(outcome.stability)
        for answer in outcome.table:
            out.print(f"{outcome.source}: {answer.says}", soft_wrap=True, markup=False)
        if outcome.error is not None:
            report(outcome.error)
    if assessed:
        err.print(f"potential: {assessed[0].potential_id}", soft_wrap=True, markup=False)


def _table(assessed: list[Stability]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 1))
    for name in ("material", "phonons"):
        table.add_column(name, no_wrap=True)
    for name in ("lowest (THz)", "above hull (eV/atom)", "known phases", "made up", "p (GPa)"):
        table.add_column(name, justify="right", no_wrap=True)
    for stability in assessed:
        phonons, hull = stability.phonons, stability.hull
        distance = stability.hull_distance_ev
        cells = (
            stability.reduced_formula,
            "-" if phonons is None else phonons.verdict,
            "-" if phonons is None else f"{phonons.lowest_frequency_thz:.2f}",
            "-" if distance is None else f"{distance:.3f}",
            "-" if hull is None else str(hull.n_competitors - hull.n_made_up),
            "-" if hull is None else str(hull.n_made_up),
            f"{stability.pressure_gpa:g}",
        )
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _remarks(stability: Stability) -> None:
    lines = [f"no numbers: {reason}" for reason in stability.refusals]
    if stability.hull is not None:
        hull = stability.hull
        lines.append(hull.says)
        lines += [f"left out: {x.name} ({x.origin}): {x.reason}" for x in hull.left_out]
        lines += hull.notes
    if stability.phonons is not None:
        lines += [f"phonons: {stability.phonons.reason}", stability.phonons.softness]
    lines += [*stability.cautions, *stability.notes]
    for line in lines:
        out.print(f"  {stability.reduced_formula}: {line}", soft_wrap=True, markup=False)
