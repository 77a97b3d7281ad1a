"""``htc eliashberg``: what the Eliashberg equations say of a spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from htc.cli.console import err, print_json
from htc.cli.eliashberg_view import Entry, entry_as_dict, print_tables
from htc.cli.exit_codes import ExitCode, exit_code
from htc.cli.figures import check_figure_path
from htc.cli.reading import Negative, read_sources
from htc.errors import HTCError, InputError

if TYPE_CHECKING:
    from htc.spectra import Spectrum
    from htc.theory.eliashberg.account import Account

__all__ = ["register"]

MOST_TEMPERATURES: Final[int] = 1000


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("eliashberg")(eliashberg)


def eliashberg(
    spectra: Annotated[
        list[Path], typer.Argument(metavar="SPECTRUM...", help="Files with alpha2F, or folders of them.")
    ],
    mu_star: Annotated[
        float,
        typer.Option(
            "--mu-star", min=0.0, max=1.0, help="Coulomb pseudopotential, as the convention has it."
        ),
    ] = 0.10,
    mu_matrix: Annotated[
        str | None,
        typer.Option(
            metavar="A,B;C,D",
            help="mu* of several bands, row i what band i feels; the files hold alpha2F_ij in ebmb's layout.",
        ),
    ] = None,
    convention: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What mu* means and where the sums end: asis, epw, ebmb, elk, isome or all. Repeat "
            "for several side by side. [default: asis]",
        ),
    ] = None,
    cutoff: Annotated[
        float | None,
        typer.Option(
            metavar="MEV", help="Cutoff of the Matsubara sums instead of the convention's; EPW's wscut."
        ),
    ] = None,
    temperatures: Annotated[
        str | None,
        typer.Option(
            metavar="K,K,...|LOW:HIGH:COUNT",
            help="Temperatures of the gap, K. [default: 20 from 0.1 Tc to near Tc]",
        ),
    ] = None,
    real_axis: Annotated[
        bool,
        typer.Option(
            "--real-axis",
            help="Continue the gap to real energies at the lowest temperature, by Pade and exactly.",
        ),
    ] = False,
    dos: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Electronic density of states as dos.x of Quantum ESPRESSO writes it: Tc with N(E), too.",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only spectra with this in their label, e.g. 'degauss 0.02'."),
    ] = None,
    tc_only: Annotated[
        bool, typer.Option("--tc-only", help="Tc alone, on all cores: for thousands of spectra.")
    ] = False,
    unit: Annotated[
        str | None,
        typer.Option(
            metavar="UNIT", help="Energy unit of tables that state none: meV, eV, THz, cm-1, Ry, Ha, K."
        ),
    ] = None,
    negative: Annotated[
        Negative, typer.Option(help="What to do with alpha2F < 0: keep it and say so, clip it, or refuse.")
    ] = Negative.KEEP,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list, an entry per spectrum and convention.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Draw alpha2F with running lambda, the gap, the density of states and d Tc/d alpha2F.",
        ),
    ] = None,
) -> None:
    """Tc, gap and thermodynamics of electron-phonon spectra from the isotropic Eliashberg equations.

    Every code means something else by mu*: `--convention all` shows what Tc each of them would have given.
    Reads what `htc tc` reads.

    Example: `htc eliashberg MgB2.a2f --mu-star 0.16 --convention epw --cutoff 500`

    Example: `htc eliashberg alpha2F.dat --convention all --tc-only`

    Example: `htc eliashberg Nb.a2F --dos Nb.dos --convention isome --tc-only`

    Example: `htc eliashberg bands.dat --mu-matrix "0.21,0.095;0.069,0.172"`

    Example: `htc eliashberg alpha2F.dat --temperatures 1:8:15 --real-axis --plot gap.png`
    """
    check_figure_path(plot)
    names = _conventions(convention)
    kelvin = _temperatures(temperatures)
    if tc_only and (real_axis or plot is not None or kelvin is not None):
        raise InputError(
            "--tc-only leaves out the gap, and with it --temperatures, --real-axis and --plot",
            where="--tc-only",
        )
    errors: list[HTCError] = []
    if mu_matrix is not None:
        _bands(
            spectra,
            mu_matrix,
            names,
            unit,
            cutoff,
            kelvin,
            errors,
            as_json=as_json,
            one_band_only=real_axis or plot is not None or dos is not None or negative != Negative.KEEP,
            tc_only=tc_only,
        )
        return
    read = list(read_sources(spectra, unit, negative, errors))
    if label is not None:
        read = _labelled(read, label)
    entries = _solve(read, names, mu_star, cutoff, kelvin, errors, real_axis=real_axis, tc_only=tc_only)
    if dos is not None:
        entries = _with_dos(entries, dos, mu_star, cutoff, errors)
    if as_json:
        print_json([entry_as_dict(entry) for entry in entries])
    elif entries:
        print_tables(entries, side_by_side=len(names) > 1)
    if plot is not None and entries:
        from htc.theory.eliashberg.plot import plot_accounts

        plot_accounts([(entry.spectrum, entry.account) for entry in entries], plot)
        err.print(f"drawn: {plot}", soft_wrap=True, markup=False)
    _leave(errors, entries)


def _leave(errors: Sequence[HTCError], entries: Sequence[object]) -> None:
    if errors:
        only = errors[0] if len(errors) == 1 else None
        failed = exit_code(only) if only is not None else ExitCode.FAILED
        raise typer.Exit(ExitCode.PARTIAL if entries else failed)


def _bands(
    paths: Sequence[Path],
    mu_matrix: str,
    names: Sequence[str],
    unit: str | None,
    cutoff: float | None,
    kelvin: Sequence[float] | None,
    errors: list[HTCError],
    *,
    as_json: bool,
    one_band_only: bool,
    tc_only: bool,
) -> None:
    from htc.cli.bands import print_bands, solve_bands_of_files
    from htc.theory.eliashberg.multiband_file import parse_mu_matrix

    if one_band_only:
        raise InputError("--real-axis, --plot, --dos and --negative are for one band", where="--mu-matrix")
    entries = solve_bands_of_files(
        paths,
        parse_mu_matrix(mu_matrix),
        names,
        unit=unit,
        cutoff=cutoff,
        kelvin=[] if tc_only else kelvin,
        errors=errors,
    )
    if as_json:
        print_json([entry.as_dict() for entry in entries])
    else:
        print_bands(entries, curve=not tc_only)
    _leave(errors, entries)


def _conventions(given: Sequence[str] | None) -> list[str]:
    from htc.theory.eliashberg.conventions import CONVENTIONS, get_convention

    if not given:
        return ["asis"]
    named = [get_convention(name).name for name in dict.fromkeys(given) if name != "all"]
    return list(CONVENTIONS) if "all" in given else named


def _temperatures(given: str | None) -> list[float] | None:
    if given is None:
        return None
    try:
        if ":" not in given:
            return [float(part) for part in given.split(",")]
        low, high, count = (float(part) for part in given.split(":"))
        steps = int(count) - 1 if count == int(count) else 0
    except (ValueError, OverflowError):
        steps = 0
    if not 1 <= steps < MOST_TEMPERATURES:
        raise InputError(
            f"cannot read the temperatures {given!r}",
            where="--temperatures",
            hint="give kelvins as 2,5,10 or as LOW:HIGH:COUNT, e.g. 1:8:15",
        )
    return [low + (high - low) * i / steps for i in range(steps + 1)]


def _labelled(read: Sequence[tuple[str, Spectrum]], label: str) -> list[tuple[str, Spectrum]]:
    chosen = [(source, spectrum) for source, spectrum in read if label in spectrum.label]
    if read and not chosen:
        some = ", ".join(dict.fromkeys(spectrum.label for _, spectrum in read[:12]))
        raise InputError(
            f"no spectrum has {label!r} in its label", where="--label", hint=f"there are: {some}"
        )
    return chosen


def _with_dos(
    entries: Sequence[Entry], path: Path, mu_star: float, cutoff: float | None, errors: list[HTCError]
) -> list[Entry]:
    from htc.cli.app import report
    from htc.spectra import read_density_of_states
    from htc.theory.eliashberg.variable_dos import variable_dos_critical_temperature

    density = read_density_of_states(path)
    varied = []
    for entry in entries:
        account = entry.account
        try:
            found = variable_dos_critical_temperature(
                entry.spectrum, density, mu_star, account.transition.convention, cutoff_mev=cutoff
            )
        except HTCError as error:
            report(error.located(f"{entry.source} {entry.spectrum.label}".rstrip()))
            errors.append(error)
        else:
            account = replace(account, variable_dos=found)
        varied.append(replace(entry, account=account))
    return varied


def _solve(
    read: Sequence[tuple[str, Spectrum]],
    names: Sequence[str],
    mu_star: float,
    cutoff: float | None,
    kelvin: Sequence[float] | None,
    errors: list[HTCError],
    *,
    real_axis: bool,
    tc_only: bool,
) -> list[Entry]:
    from htc.cli.app import report
    from htc.theory.eliashberg.account import Account
    from htc.theory.eliashberg.batch import transitions

    only = [spectrum for _, spectrum in read]
    columns: list[list[Account | HTCError]] = []
    for name in names:
        if tc_only:
            found = transitions(only, mu_star, name, cutoff_mev=cutoff)
            columns.append([r if isinstance(r, HTCError) else Account(transition=r) for r in found])
        else:
            columns.append(
                [_account(spectrum, mu_star, name, cutoff, kelvin, real_axis) for spectrum in only]
            )
    entries = []
    for (source, spectrum), *results in zip(read, *columns, strict=True):
        for result in results:
            if isinstance(result, HTCError):
                where = f"{source} {spectrum.label}".rstrip()
                result.where = where if result.where is None else f"{where}, {result.where}"
                report(result)
                errors.append(result)
            else:
                entries.append(Entry(source, spectrum, result))
    return entries


def _account(
    spectrum: Spectrum,
    mu_star: float,
    convention: str,
    cutoff: float | None,
    kelvin: Sequence[float] | None,
    real_axis: bool,
) -> Account | HTCError:
    from htc.theory.eliashberg.account import account

    try:
        return account(
            spectrum, mu_star, convention, cutoff_mev=cutoff, temperatures_k=kelvin, real_axis=real_axis
        )
    except HTCError as error:
        return error
