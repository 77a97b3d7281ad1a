"""``htc show``: everything about one stored prediction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from htc.cli.console import err, out, print_json
from htc.cli.figures import check_figure_path
from htc.errors import InputError

if TYPE_CHECKING:
    from htc.prediction.record import Prediction
    from htc.store import StoredPrediction

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="show")(show)


def show(
    prediction_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a prediction, or its beginning.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw the spectrum into this file.")
    ] = None,
) -> None:
    """Show everything stored about one prediction.

    Example: `htc show 06dc4a52 --plot alpha2f.png`
    """
    check_figure_path(plot)
    from htc.store import Database, get

    with Database.open() as database:
        stored = get(database, prediction_id)
    if as_json:
        print_json(stored.as_dict())
    else:
        _print(stored)
    if plot is not None:
        _draw(stored, plot)


def _print(stored: StoredPrediction) -> None:
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    p = stored.prediction
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")

    def line(name: str, value: object) -> None:
        if value is not None and value != "" and value != ():
            facts.add_row(name, Text(str(value)))

    if p.tc_predicted is not None:
        line("Tc", f"{p.tc_predicted:.2f} K{_interval(p.tc_lower_95ci, p.tc_upper_95ci)}")
    else:
        line("Tc", f"none: {p.reason or 'no reason is stored'}")
    if p.tc_experiment is not None:
        interval = _interval(p.tc_experiment_lower_95ci, p.tc_experiment_upper_95ci)
        line("in experiment", f"{p.tc_experiment:.2f} K{interval}")
    line("standard deviation", _quantity(p.tc_uncertainty, None, " K", ".2f"))
    line("λ", _quantity(p.lambda_ep, p.lambda_ep_uncertainty, "", ".3f"))
    line("ω_log", _quantity(p.omega_log, p.omega_log_uncertainty, " K", ".1f"))
    line("ω_2", _quantity(p.omega_2, p.omega_2_uncertainty, " K", ".1f"))
    line("μ*", _quantity(p.mu_star, None, "", "g"))
    line("pressure", f"{p.pressure_gpa:g} GPa")
    line("method", p.prediction_method)
    line("confidence", p.confidence_level)
    line("extrapolates", "; ".join(p.extrapolation_reasons) or ("yes" if p.extrapolation_warning else None))
    line("cautions", "; ".join(p.cautions))
    line("family", p.family)
    line("composition", p.composition)
    line("structure", p.structure_origin)
    if stored.structure_info:
        line("sites", stored.structure_info.get("n_sites"))
    if p.spectrum is not None:
        low, high = p.spectrum.omega_mev[0], p.spectrum.omega_mev[-1]
        what = "surrogate, formed from moments: " if p.spectrum_origin == "surrogate" else ""
        label = f", {p.spectrum.label}" if p.spectrum.label else ""
        line("spectrum", f"{what}{p.spectrum.omega_mev.size} points, {low:.3g} – {high:.4g} meV{label}")
    line("phonons", p.phonon_verdict)
    if p.phonon_verdict is None:
        line("dynamically stable", _yes_or_no(p.phonon_stable))
    line("imaginary modes", p.imaginary_modes_count)
    line("lowest frequency", _quantity(p.lowest_frequency_thz, None, " THz", ".2f"))
    line("thermodynamically stable", _yes_or_no(p.thermo_stable))
    line("above the hull", _above_the_hull(p))
    line("stability by", p.stability_potential)
    line("model", p.model_id)
    line("tier", p.model_tier)
    line("source", p.source)
    line("run", stored.run_id)
    line(
        "stored",
        f"{stored.created_at:%Y-%m-%d %H:%M:%S} UTC by {stored.created_by}" if stored.created_at else None,
    )
    line("set aside", f"{stored.deleted_at:%Y-%m-%d %H:%M:%S} UTC" if stored.deleted_at else None)
    line("input hash", p.input_hash)
    line("notes", "; ".join(p.provenance.get("notes", ())))
    rest = {k: v for k, v in p.provenance.items() if k not in {"cautions", "notes"}}
    line("provenance", json.dumps(rest, ensure_ascii=False) if rest else None)
    line("breaks today's rules", ", ".join(stored.legacy_defects))
    out.print(Panel(facts, title=Text(f"{p.reduced_formula}  {stored.id}"), title_align="left", expand=False))


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f", 95 % interval {low:.2f} – {high:.2f} K"


def _yes_or_no(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def _above_the_hull(p: Prediction) -> str | None:
    distance = _quantity(p.hull_distance_ev, None, " eV/atom", ".3f")
    if distance is None or p.hull_competitors is None:
        return distance
    return f"{distance}, among {p.hull_competitors} known phases"


def _quantity(value: float | None, deviation: float | None, unit: str, form: str) -> str | None:
    if value is None:
        return None
    spread = "" if deviation is None else f" ± {deviation:{form}}"
    return f"{value:{form}}{spread}{unit}"


def _draw(stored: StoredPrediction, path: Path) -> None:
    spectrum = stored.prediction.spectrum
    if spectrum is None:
        raise InputError(
            "this prediction has no spectrum to draw",
            where=stored.id,
            hint="predictions made from an alpha2F file have one",
        )
    from htc.spectra.plot import plot_spectra

    plot_spectra([spectrum], path)
    err.print(f"drawn: {path}", soft_wrap=True, markup=False)
