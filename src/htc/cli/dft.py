"""``htc dft``: chosen crystals to a first-principles code, and its finished runs back into the ranking."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from htc.cli.console import err, out, print_json
from htc.cli.exit_codes import ExitCode, exit_code
from htc.errors import HTCError, InputError, NotFoundError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from htc.dft import Calculation, Prepared
    from htc.settings import Settings


__all__ = ["app"]

app = typer.Typer(
    name="dft",
    help="First principles: write Quantum ESPRESSO inputs for chosen crystals, and read finished runs back "
    "as spectra that outrank the model's.",
    no_args_is_help=True,
)

_ID = re.compile(r"[0-9a-f][0-9a-f-]{3,35}")


class Code(StrEnum):
    """Codes that inputs are written for."""

    qe = "qe"


class RouteChoice(StrEnum):
    """Whose spectrum is read, as an option of the command line."""

    matdyn = "matdyn"
    lambda_x = "lambda"
    epw = "epw"


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A crystal to be calculated."""

    name: str
    """Of its folder, where there are several."""
    structure: Structure
    source: str
    pressure_gpa: float | None = None
    prediction_id: str | None = None
    run_id: str | None = None


@app.command()
def prepare(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="WHAT...",
            help="A structure file (CIF, POSCAR, pymatgen JSON), a formula whose crystal is known, the id of "
            "a stored prediction, or the id of a run: then its best predictions.",
        ),
    ],
    folder: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Where to write; of several crystals a folder each."),
    ],
    n: Annotated[
        int, typer.Option("-n", "--number", min=1, max=1000, help="Of a run: its best so many.")
    ] = 5,
    code: Annotated[Code, typer.Option("--code", help="Which code: qe, Quantum ESPRESSO.")] = Code.qe,
    pseudo_dir: Annotated[
        Path | None,
        typer.Option(
            "--pseudo-dir", metavar="FOLDER", help="UPF pseudopotentials. [default: ESPRESSO_PSEUDO]"
        ),
    ] = None,
    pseudo: Annotated[
        list[str] | None,
        typer.Option(
            "--pseudo", metavar="EL=FILE", help="A certain file for an element; repeat for several."
        ),
    ] = None,
    functional: Annotated[
        str | None,
        typer.Option(
            "--functional", help="PBE, PBEsol, LDA-PW or LDA. [default: the first all elements have]"
        ),
    ] = None,
    qmesh: Annotated[
        str | None, typer.Option("--qmesh", metavar="4x4x4", help="Phonons. [default: from --qspacing]")
    ] = None,
    kmesh: Annotated[
        str | None,
        typer.Option("--kmesh", metavar="12x12x12", help="Electrons, a multiple. [default: from --kspacing]"),
    ] = None,
    dense: Annotated[
        str | None,
        typer.Option(
            "--dense-mesh", metavar="24x24x24", help="Electrons of the double delta. [default: twice --kmesh]"
        ),
    ] = None,
    qspacing: Annotated[
        float, typer.Option("--qspacing", help="Greatest distance of q points, 1/Å with the factor 2 pi.")
    ] = 0.7,
    kspacing: Annotated[float, typer.Option("--kspacing", help="Likewise of k points.")] = 0.25,
    ecutwfc: Annotated[
        float | None,
        typer.Option("--ecutwfc", metavar="RY", help="Cutoff. [default: what the pseudopotentials suggest]"),
    ] = None,
    ecutrho: Annotated[
        float | None,
        typer.Option("--ecutrho", metavar="RY", help="Cutoff of the density. [default: likewise]"),
    ] = None,
    degauss: Annotated[
        float, typer.Option("--degauss", metavar="RY", help="Marzari-Vanderbilt smearing of the occupations.")
    ] = 0.02,
    smearings: Annotated[
        int, typer.Option("--smearings", help="How many smearings of the double delta, at most 10.")
    ] = 10,
    sigma: Annotated[float, typer.Option("--sigma", metavar="RY", help="Their step.")] = 0.005,
    pressure: Annotated[
        float | None,
        typer.Option("--pressure", metavar="GPA", help="Pressure. [default: the prediction's, else 0]"),
    ] = None,
    mu_star: Annotated[
        float | None, typer.Option("--mu-star", help="Coulomb pseudopotential. [default: HTC_MU_STAR, 0.13]")
    ] = None,
    relax: Annotated[
        bool, typer.Option("--relax/--no-relax", help="Relax the cell at the pressure first (vc-relax).")
    ] = True,
    epw: Annotated[
        bool, typer.Option("--epw", help="Also write inputs for EPW; look them through before you run them.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write ready inputs of an electron-phonon calculation, with a script that runs them.

    The folder holds inputs of pw.x, ph.x, q2r.x and matdyn.x, the pseudopotentials, `run.sh` (started again,
    it goes on where it stopped), `run.slurm`, and `htc.json` with where all of it comes from. What makes the
    calculation doubtful (moments, f electrons, spin-orbit coupling) is said.

    Example: `htc dft prepare Nb3Sn.cif --out nb3sn --pseudo-dir pseudo`

    Example: `htc dft prepare 06dc4a52 --out candidates -n 3 --qmesh 3x3x3`
    """
    from htc.dft import DftSettings
    from htc.dft import prepare as write
    from htc.dft.meshes import parse_mesh
    from htc.settings import get_settings

    settings = get_settings()
    given = pseudo_dir or (Path(os.environ["ESPRESSO_PSEUDO"]) if os.environ.get("ESPRESSO_PSEUDO") else None)
    if given is None:
        raise InputError(
            "where the pseudopotentials are is not known",
            where="--pseudo-dir",
            hint="name a folder of UPF files, here or in ESPRESSO_PSEUDO",
        )
    q, k, d = (
        None if text is None else parse_mesh(text, name)
        for text, name in ((qmesh, "--qmesh"), (kmesh, "--kmesh"), (dense, "--dense-mesh"))
    )
    files = _pairs(pseudo or [])
    if pressure is not None and not pressure >= 0.0:
        raise InputError(f"a pressure of {pressure:g} GPa is less than none", where="--pressure")
    chosen = list(_chosen(what, n, settings, pressure or 0.0, relax=relax))
    errors: list[HTCError] = []
    done: list[Prepared] = []
    for one in chosen:
        place = folder if len(chosen) == 1 else folder / one.name
        try:
            done.append(
                write(
                    one.structure,
                    place,
                    pseudo_dir=given,
                    pseudo_files=files,
                    source=one.source,
                    prediction_id=one.prediction_id,
                    run_id=one.run_id,
                    code=code.value,
                    settings=DftSettings(
                        q_mesh=q,
                        k_mesh=k,
                        dense_mesh=d,
                        q_spacing=qspacing,
                        k_spacing=kspacing,
                        ecutwfc_ry=ecutwfc,
                        ecutrho_ry=ecutrho,
                        degauss_ry=degauss,
                        sigma_ry=sigma,
                        n_sigma=smearings,
                        functional=functional,
                        mu_star=settings.mu_star if mu_star is None else mu_star,
                        pressure_gpa=pressure if pressure is not None else one.pressure_gpa or 0.0,
                        relax=relax,
                        epw=epw,
                    ),
                )
            )
        except HTCError as error:
            if len(chosen) == 1:
                raise
            _report(error.located(one.source))
            errors.append(error)
    if as_json:
        print_json([prepared.as_dict() for prepared in done])
    else:
        _show_prepared(done)
    if errors:
        raise typer.Exit(ExitCode.PARTIAL if done else exit_code(errors[0]))


@app.command()
def parse(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Folders that Quantum ESPRESSO or EPW ran in.")
    ],
    store: Annotated[
        bool,
        typer.Option("--store/--no-store", help="Keep the spectrum and its Tc: they outrank the model's."),
    ] = False,
    formula: Annotated[
        str | None, typer.Option("--formula", help="Of the material, where the files do not tell: EPW's.")
    ] = None,
    structure: Annotated[
        Path | None, typer.Option("--structure", metavar="FILE", help="Its crystal, likewise.")
    ] = None,
    mu_star: Annotated[
        float | None,
        typer.Option("--mu-star", help="Coulomb pseudopotential. [default: that of htc.json, else 0.10]"),
    ] = None,
    pressure: Annotated[
        float | None,
        typer.Option(
            "--pressure", metavar="GPA", help="Of the calculation. [default: that of htc.json, else 0]"
        ),
    ] = None,
    route: Annotated[
        RouteChoice | None,
        typer.Option(
            "--route",
            help="Whose spectrum: matdyn (interpolated between q points), lambda (summed over them) or epw. "
            "[default: the first that is there]",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Read finished runs: refused where something is wrong with them, else lambda, Tc and their intervals.

    A run that was aborted, did not converge, lacks q points, or has imaginary modes or unsound linewidths is
    refused with the reason. Smearings that disagree widen the interval and lower the confidence.

    Example: `htc dft parse nb3sn --store`

    Example: `htc dft parse epw_mgb2 --formula MgB2 --mu-star 0.16`
    """
    from htc.dft import parse as read
    from htc.materials.reading import load_structure

    if len(folders) > 1 and (formula is not None or structure is not None):
        raise InputError("one material for several folders", where="--formula, --structure")
    crystal = None if structure is None else load_structure(structure).structure
    errors: list[HTCError] = []
    found: list[Calculation] = []
    for folder in folders:
        try:
            found.append(
                read(
                    folder,
                    formula=formula,
                    structure=crystal,
                    mu_star=mu_star,
                    pressure_gpa=pressure,
                    route=None if route is None else route.value,
                )
            )
        except HTCError as error:
            if len(folders) == 1:
                raise
            _report(error.located(str(folder)))
            errors.append(error)
    ids = _store(found) if store else [None] * len(found)
    if as_json:
        print_json([c.as_dict() | {"id": id_} for c, id_ in zip(found, ids, strict=True)])
    else:
        for calculation, id_ in zip(found, ids, strict=True):
            _show(calculation, id_)
    if errors:
        raise typer.Exit(ExitCode.PARTIAL if found else exit_code(errors[0]))


def _report(error: HTCError) -> None:
    from htc.cli.app import report

    report(error)


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = {}
    for text in given:
        symbol, sign, file = text.partition("=")
        if not (sign and symbol and file):
            raise InputError(f"{text!r} is no pair", where="--pseudo", hint="write Nb=Nb.pbe-spn.UPF")
        pairs[symbol] = file
    return pairs


def _chosen(
    what: list[str], n: int, settings: Settings, pressure_gpa: float, *, relax: bool
) -> Iterator[_Chosen]:
    from htc.materials.inputs import iter_inputs

    for text in what:
        if _ID.fullmatch(text) and not Path(text).exists():
            yield from _stored(text, n, settings)
            continue
        for item in iter_inputs([text]):
            if item.error is not None:
                raise item.error
            if item.structure is not None:
                name = f"{item.structure.composition.reduced_formula}-{Path(item.source).stem}"
                yield _Chosen(name, item.structure, item.source)
            else:
                yield _of_formula(text, settings, pressure_gpa, relax=relax)


def _of_formula(text: str, settings: Settings, pressure_gpa: float, *, relax: bool) -> _Chosen:
    from htc.materials.formulas import parse_formula
    from htc.prediction.sources import known_sources

    reduced = parse_formula(text).reduced_formula
    # A relaxation at the pressure may begin with the crystal that is known without it.
    for at in dict.fromkeys((pressure_gpa, 0.0) if relax else (pressure_gpa,)):
        for source in known_sources(settings):
            if not (found := source.find(reduced, at)):
                continue
            if at != pressure_gpa:
                err.print(
                    f"{text}: no crystal is known at {pressure_gpa:g} GPa; the relaxation there begins with "
                    f"that of {found[0].pressure_gpa:g} GPa, and another phase may be the stable one",
                    markup=False,
                    soft_wrap=True,
                )
            return _Chosen(reduced, found[0].structure, f"{text} ({found[0].origin})")
    under = f" at {pressure_gpa:g} GPa" if pressure_gpa else ""
    raise NotFoundError(
        f"no crystal of {reduced}{under} is known",
        where=text,
        hint="give a structure file, or a stored prediction",
    )


def _stored(text: str, n: int, settings: Settings) -> Iterator[_Chosen]:
    """A stored prediction, or the best ones of a run."""
    from pymatgen.core.structure import Structure

    from htc.store import Database, Filters, get, top
    from htc.store.rankings import MAX_PAGE
    from htc.store.runs import runs_that_begin

    with Database.open(settings) as database:
        try:
            ids, run_id = [get(database, text).id], None
        except NotFoundError:
            runs = runs_that_begin(database, text)
            if len(runs) != 1:
                raise NotFoundError(
                    f"no prediction and no run has an id beginning with {text!r}"
                    if not runs
                    else f"several runs begin with {text!r}",
                    hint="`htc top` lists predictions, `htc runs list` runs",
                ) from None
            run_id = runs[0]
            ids = [row.id for row in top(database, min(20 * n, MAX_PAGE), Filters(experiment_id=run_id)).rows]
        seen: set[str] = set()
        for id_ in ids:
            stored = get(database, id_)
            document = stored.prediction.structure
            if document is None:
                if run_id is None:
                    raise InputError(
                        "this prediction has no crystal", where=id_, hint="it was made of a formula alone"
                    )
                continue
            structure = Structure.from_dict(dict(document))
            key = _key(structure)
            if key in seen:
                continue
            seen.add(key)
            p = stored.prediction
            yield _Chosen(
                f"{p.reduced_formula}-{id_[:8]}", structure, p.source, p.pressure_gpa, id_, stored.run_id
            )
            if len(seen) == n:
                return
        if not seen:
            raise InputError("no prediction of this run has a crystal", where=text)


def _key(structure: Structure) -> str:
    from htc.materials.symmetry import structure_hash

    return structure_hash(structure)


def _store(calculations: list[Calculation]) -> list[str | None]:
    from htc.settings import get_settings
    from htc.store import Database, refresh_rankings, save
    from htc.store.runs import run_is_known

    settings = get_settings()
    ids: list[str | None] = []
    with Database.open(settings) as database:
        for calculation in calculations:
            manifest = calculation.manifest
            run = manifest.run_id if manifest and manifest.run_id else None
            # Prepared from another database, or its run is gone: the calculation stands without it.
            known = run if run is not None and run_is_known(database, run) else None
            (saved,) = save(database, [calculation.prediction], run=known, created_by=settings.created_by)
            ids.append(saved.id)
        if calculations:
            refresh_rankings(database)
    return ids


def _show_prepared(done: list[Prepared]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", padding=(0, 1))
    for name in ("folder", "formula"):
        table.add_column(name, no_wrap=True)
    for name in ("atoms", "p (GPa)", "q mesh", "q points", "k mesh", "dense", "ecutwfc (Ry)"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in done:
        m = one.manifest
        table.add_row(
            Text(str(one.folder)),
            m.reduced_formula,
            str(len(m.structure["sites"])),
            f"{m.pressure_gpa:g}",
            _mesh(one.meshes.q),
            str(one.n_q),
            _mesh(one.meshes.k),
            _mesh(one.meshes.dense),
            f"{one.cutoffs.wavefunction_ry:g}",
        )
    out.print(table)
    for one in done:
        for warning in one.warnings:
            err.print(
                f"{one.manifest.reduced_formula}: {warning}", style="yellow", soft_wrap=True, markup=False
            )
    if done:
        first = done[0].folder
        err.print(f"run it: {first}/run.sh, or sbatch {first}/run.slurm", soft_wrap=True, markup=False)
        err.print(f"then: htc dft parse {first} --store", soft_wrap=True, markup=False)


def _show(calculation: Calculation, id_: str | None) -> None:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    p, c = calculation.prediction, calculation
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")

    def line(name: str, value: object) -> None:
        if value is not None and value != "":
            facts.add_row(name, Text(str(value)))

    if p.applicable:
        line("Tc", f"{p.tc_predicted:.2f} K, 95 % interval {p.tc_lower_95ci:.2f} – {p.tc_upper_95ci:.2f} K")
    else:
        line("Tc", f"none: {p.reason}")
    line("μ*", f"{p.mu_star:g}" if p.mu_star is not None else None)
    line("by other ways", "; ".join(f"{name} {_kelvin(tc)}" for name, tc in c.tc_k.items()))
    line("λ", f"{c.spectrum.lambda_ep:.4f}")
    line("ω_log", f"{c.spectrum.omega_log_k:.1f} K")
    line("smearing", f"{c.spectrum.label}, of {len(c.spectra)}")
    line("λ by smearing", ", ".join(f"{s.lambda_ep:.3f}" for s in c.spectra))
    line("pressure", f"{p.pressure_gpa:g} GPa")
    line("code", c.run.code)
    if c.run.q_mesh is not None:
        line("q mesh", f"{_mesh(c.run.q_mesh.mesh)}, {len(c.run.q_mesh.points)} points")
    if p.lowest_frequency_thz is not None:
        line("lowest frequency", f"{p.lowest_frequency_thz:.2f} THz")
    line("confidence", p.confidence_level)
    line("cautions", "; ".join(p.cautions))
    line("notes", "; ".join(c.notes))
    line("stored as", id_)
    out.print(Panel(facts, title=Text(f"{p.reduced_formula}  {c.folder}"), title_align="left", expand=False))


def _kelvin(tc: float | None) -> str:
    return "-" if tc is None else f"{tc:.2f} K"


def _mesh(mesh: tuple[int, int, int]) -> str:
    return "x".join(map(str, mesh))
