"""``htc tc``: from spectra to critical temperatures, by closed formulas and the Eliashberg equations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from htc.cli.console import err, out, print_json
from htc.cli.exit_codes import ExitCode, exit_code
from htc.cli.figures import check_figure_path
from htc.cli.reading import Negative, read_sources
from htc.errors import ConvergenceError, HTCError, InputError, SpectrumError

if TYPE_CHECKING:
    from htc.spectra import Spectrum

__all__ = ["register"]

DEFAULT_METHODS: Final[tuple[str, ...]] = ("exponential", "allen_dynes", "xie_2022", "eliashberg")
_HEADS: Final[dict[str, str]] = {
    "exponential": "exp.",
    "allen_dynes": "AD",
    "allen_dynes_f1": "AD f1",
    "xie_2022": "Xie",
    "eliashberg": "Eliashb.",
}


@dataclass(slots=True)
class Row:
    """A spectrum with its critical temperatures."""

    source: str
    spectrum: Spectrum
    mu_star: float
    convention: str
    tc_k: dict[str, float | None]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The entry of the JSON contract, ``docs/schemas/tc.schema.json``."""
        entry: dict[str, Any] = {
            "source": self.source,
            "format": self.spectrum.provenance.get("format", ""),
            "label": self.spectrum.label,
            "lambda_ep": self.spectrum.lambda_ep,
            "omega_log_k": _finite(self.spectrum.omega_log_k),
            "omega_2_k": _finite(self.spectrum.omega_2_k),
            "mu_star": self.mu_star,
            "convention": self.convention,
            "tc_k": self.tc_k,
            "flags": self.flags,
        }
        if self.intervals:
            entry["tc_95ci_k"] = {name: list(ends) for name, ends in self.intervals.items()}
        return entry


@dataclass(frozen=True, slots=True)
class Sigmas:
    """Standard deviations to carry to Tc."""

    lambda_ep: float
    omega_log_k: float
    mu_star: float

    def __bool__(self) -> bool:
        """Whether any is given."""
        return max(self.lambda_ep, self.omega_log_k, self.mu_star) > 0.0


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("tc")(tc)


def tc(
    spectra: Annotated[
        list[Path], typer.Argument(metavar="SPECTRUM...", help="Files with alpha2F, or folders of them.")
    ],
    mu_star: Annotated[
        float, typer.Option("--mu-star", min=0.0, max=1.0, help="Coulomb pseudopotential mu*.")
    ] = 0.10,
    unit: Annotated[
        str | None,
        typer.Option(
            metavar="UNIT",
            help="Energy unit of tables that state none: meV, eV, THz, cm-1, Ry, Ha, K. "
            "A file that states another one is refused.",
        ),
    ] = None,
    formula_set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What to show: exponential, allen_dynes, allen_dynes_f1, xie_2022, eliashberg or all. "
            "Repeat for several. [default: exponential, allen_dynes, xie_2022, eliashberg]",
        ),
    ] = None,
    convention: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What mu* means to the Eliashberg equations: asis, epw, ebmb, elk or isome. Formulas "
            "have their own meaning of it.",
        ),
    ] = "asis",
    negative: Annotated[
        Negative, typer.Option(help="What to do with alpha2F < 0: keep it and say so, clip it, or refuse.")
    ] = Negative.KEEP,
    sigma_lambda: Annotated[
        float, typer.Option(min=0.0, help="Standard deviation of lambda, carried to a 95 % interval of Tc.")
    ] = 0.0,
    sigma_omega_log: Annotated[
        float,
        typer.Option(min=0.0, help="Standard deviation of omega_log in K; omega_2 moves along with it."),
    ] = 0.0,
    sigma_mu_star: Annotated[float, typer.Option(min=0.0, help="Standard deviation of mu*.")] = 0.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list, an entry per spectrum, instead of tables.")
    ] = False,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="FORMULA",
            help="Store each file's Tc by the full Allen-Dynes formula as this material's; of several "
            "smearings the middle of the plateau speaks.",
        ),
    ] = None,
    pressure: Annotated[
        float, typer.Option(metavar="GPA", min=0.0, help="Pressure of the calculation, for --store.")
    ] = 0.0,
    chart: Annotated[
        bool, typer.Option("--chart", help="Draw the spectrum of each file in the terminal, too.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw alpha2F and running lambda (.png, .pdf or .svg)."),
    ] = None,
) -> None:
    """Critical temperatures of electron-phonon spectra by closed formulas and the Eliashberg equations.

    Reads Quantum ESPRESSO, EPW, Elk, ABINIT and other alpha2F files; the format is found from their content.
    Every smearing is a spectrum of its own. One bad file never stops the rest: exit code 3 says that some
    failed.

    Example: `htc tc alpha2F.dat --mu-star 0.12`

    Example: `htc tc run/MgB2.a2f other.dat --unit THz --formula-set allen_dynes --plot a2f.png`

    Example: `htc tc MgB2.a2f --mu-star 0.16 --store MgB2`
    """
    check_figure_path(plot)
    names = _method_names(formula_set)
    sigmas = Sigmas(sigma_lambda, sigma_omega_log, sigma_mu_star)
    errors: list[HTCError] = []
    rows = [
        _row(source, spectrum, mu_star, names, sigmas, convention)
        for source, spectrum in read_sources(spectra, unit, negative, errors)
    ]
    if as_json:
        print_json([row.as_dict() for row in rows])
    elif rows:
        _print_tables(rows, names, chart=chart)
    if store is not None:
        errors += _store(rows, store, mu_star, pressure)
    if plot is not None and rows:
        from htc.spectra.plot import plot_spectra

        plot_spectra([row.spectrum for row in rows], plot)
        err.print(f"drawn: {plot}", soft_wrap=True, markup=False)
    if errors:
        only = errors[0] if len(errors) == 1 else None
        failed = exit_code(only) if only is not None else ExitCode.FAILED
        raise typer.Exit(ExitCode.PARTIAL if rows else failed)


def _store(rows: Sequence[Row], formula: str, mu_star: float, pressure_gpa: float) -> list[HTCError]:
    """Store a prediction for every file; those that cannot be are reported and returned."""
    from htc.cli.app import report
    from htc.cli.storing import StoredBatch
    from htc.prediction import Failure, Prediction, predict_from_spectrum
    from htc.settings import get_settings
    from htc.store import Database

    by_source: dict[str, list[Spectrum]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row.spectrum)
    results: list[Prediction | Failure] = []
    for source, spectra in by_source.items():
        try:
            results.append(
                predict_from_spectrum(
                    spectra, formula, source=source, mu_star=mu_star, pressure_gpa=pressure_gpa
                )
            )
        except HTCError as error:
            report(error.located(source))
            results.append(Failure(source, error))
    settings = get_settings()
    with Database.open(settings) as database:
        batch = StoredBatch(database, settings.created_by, {"spectra": len(by_source), "mu_star": mu_star})
        for result, id_ in batch.store(results):
            if id_ is not None:
                err.print(f"stored: {result.source} as {id_}", soft_wrap=True, markup=False)
        batch.finish()
    return [result.error for result in results if isinstance(result, Failure)]


def _method_names(given: Sequence[str] | None) -> list[str]:
    from htc.theory import METHODS, get_formula

    if not given:
        return list(DEFAULT_METHODS)
    if "all" in given:
        return list(METHODS)
    return [name if name in METHODS else get_formula(name).name for name in dict.fromkeys(given)]


def _row(
    source: str,
    spectrum: Spectrum,
    mu_star: float,
    names: Sequence[str],
    sigmas: Sigmas,
    convention: str,
) -> Row:
    from htc.spectra import check
    from htc.theory import ELIASHBERG, critical_temperature

    row = Row(source, spectrum, mu_star, convention, {}, flags=[str(flag) for flag in check(spectrum)])
    for name in names:
        solved = name == ELIASHBERG
        try:
            result = critical_temperature(spectrum, mu_star, name, convention if solved else None)
        except SpectrumError as error:
            row.tc_k[name] = None
            row.flags.append(f"no-moments: {name}: {error.what}")
            continue
        except ConvergenceError as error:
            row.tc_k[name] = None
            row.flags.append(f"not-converged: {name}: {error.what}")
            continue
        row.tc_k[name] = result.tc_k
        if result.reason is not None:
            row.flags.append(f"tc-zero: {name}: {result.reason}")
        if sigmas and not solved and result.omega_log_k is not None:
            row.intervals[name] = _interval(name, spectrum, mu_star, sigmas)
    return row


def _interval(name: str, spectrum: Spectrum, mu_star: float, sigmas: Sigmas) -> tuple[float, float]:
    from htc.theory import FORMULAS, log_covariance, propagate

    values = [spectrum.lambda_ep, spectrum.omega_log_k]
    stds = [sigmas.lambda_ep, sigmas.omega_log_k]
    omega_2 = spectrum.omega_2_k if FORMULAS[name].needs_omega_2 else None
    if omega_2 is not None:
        values.append(omega_2)
        stds.append(sigmas.omega_log_k * omega_2 / spectrum.omega_log_k)
    tc = propagate(
        spectrum.lambda_ep,
        spectrum.omega_log_k,
        mu_star,
        covariance=log_covariance(values, stds),
        omega_2_k=omega_2,
        mu_star_std=sigmas.mu_star,
        formula=name,
    )
    return tc.lower_95, tc.upper_95


def _print_tables(rows: Sequence[Row], names: Sequence[str], *, chart: bool) -> None:
    by_source: dict[str, list[Row]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row)
    for source, members in by_source.items():
        _print_table(source, members, names)
        if chart:
            from htc.cli.chart import spectrum_chart

            middle = members[len(members) // 2].spectrum
            out.print(spectrum_chart(middle, middle.label), markup=False)


def _print_table(source: str, rows: Sequence[Row], names: Sequence[str]) -> None:
    from rich.markup import escape
    from rich.measure import Measurement
    from rich.table import Table

    from htc.spectra.plot import sparkline

    table = Table(
        title=f"{escape(source)}  [dim]{rows[0].spectrum.provenance.get('format', '')}[/]",
        title_justify="left",
        box=None,
        padding=(0, 1),
        pad_edge=False,
    )
    wide = out.width >= 110
    table.add_column("label", no_wrap=True)
    tc_heads = (f"Tc {_HEADS[name]}\n(K)" for name in names)
    for head in ("lambda", "omega_log\n(K)", "omega_2\n(K)", "mu*", *tc_heads):
        table.add_column(head, justify="right", overflow="fold")
    if wide:
        table.add_column("alpha2F", no_wrap=True)
    notes = _footnotes(rows)
    if notes:
        table.add_column("flags", no_wrap=True)
    for row in rows:
        cells = [escape(row.spectrum.label), f"{row.spectrum.lambda_ep:.4f}"]
        cells += [
            _number(row.spectrum.omega_log_k, 1),
            _number(row.spectrum.omega_2_k, 1),
            f"{row.mu_star:g}",
        ]
        for name in names:
            text = _number(row.tc_k[name], 3)
            if name in row.intervals:
                text += "\n{:.2f}-{:.2f}".format(*row.intervals[name])
            cells.append(text)
        if wide:
            cells.append(sparkline(row.spectrum))
        if notes:
            codes = {flag.split(":")[0] for flag in row.flags}
            cells.append(" ".join(str(i) for i, code in enumerate(notes, 1) if code in codes))
        table.add_row(*cells)
    if not out.is_terminal:
        # A file or a pipe has no width to fit into: let the table be as wide as it is.
        out.width = max(out.width, Measurement.get(out, out.options.update(max_width=1000), table).maximum)
    out.print(table)
    for i, (code, text) in enumerate(notes.items(), 1):
        out.print(f"  {i}  {code}: {text}", style="yellow", markup=False, soft_wrap=True)
    _print_plateau(rows)
    if "eliashberg" in names:
        from htc.theory.eliashberg.conventions import get_convention

        out.print(f"  Eliashberg: {get_convention(rows[0].convention).title}", style="dim", markup=False)
    out.print()


def _footnotes(rows: Sequence[Row]) -> dict[str, str]:
    """Each flag once, by code: in full for the first spectrum that has it, counted for the others."""
    seen: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        for flag in row.flags:
            code, _, text = flag.partition(": ")
            seen.setdefault(code, []).append((row.spectrum.label, text))
    notes = {}
    for code, found in seen.items():
        others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        notes[code] = f"{found[0][0]}: {found[0][1]}{others}"
    return notes


def _print_plateau(rows: Sequence[Row]) -> None:
    from htc.spectra import find_plateau

    spectra = [row.spectrum for row in rows]
    try:
        plateau = find_plateau(spectra)
    except InputError:
        return  # fewer smearings than a plateau needs
    if plateau.limits is None:
        out.print(f"  no plateau against smearing ({plateau.criterion})", style="yellow", soft_wrap=True)
        return
    low, high = plateau.limits
    lambdas, omegas = plateau.lambda_ep[plateau.flat], plateau.omega_log_k[plateau.flat]
    out.print(
        f"  plateau {low:g} to {high:g} {plateau.unit}: lambda {lambdas.min():.4f} to {lambdas.max():.4f}, "
        f"omega_log {omegas.min():.1f} to {omegas.max():.1f} K",
        markup=False,
        soft_wrap=True,
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None or _finite(value) is None else f"{value:.{digits}f}"


def _finite(value: float) -> float | None:
    return value if value == value and abs(value) != float("inf") else None
