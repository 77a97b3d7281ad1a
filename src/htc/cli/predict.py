"""``htc predict``: materials to stored critical temperatures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from htc.cli.console import err, out, print_json
from htc.cli.exit_codes import ExitCode
from htc.cli.figures import check_figure_path
from htc.cli.options import TierChoice
from htc.cli.progress import counter
from htc.errors import HTCError, InputError, StorageError

if TYPE_CHECKING:
    from htc.prediction import Failure, Prediction

__all__ = ["outcome", "register"]

_TABLE_ROWS = 60


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="predict")(predict)


def predict(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Formulas, structure files (CIF, POSCAR, pymatgen JSON), folders or zip archives of them.",
        ),
    ],
    pressure: Annotated[
        float,
        typer.Option(
            "--pressure",
            metavar="GPA",
            help="Pressure of all inputs, GPa. The crystal of a file is taken as its cell at this pressure: "
            "nothing is compressed.",
        ),
    ] = 0.0,
    mu_star: Annotated[
        float | None,
        typer.Option("--mu-star", help="Coulomb pseudopotential mu*. [default: setting HTC_MU_STAR, 0.13]"),
    ] = None,
    tier: Annotated[
        TierChoice | None,
        typer.Option(
            "--tier",
            help="fast (a first cut), default, or best (needs the extra [mlip]). [default: setting HTC_TIER]",
        ),
    ] = None,
    stability: Annotated[
        bool,
        typer.Option(
            "--with-stability",
            help="Also say whether the crystal would exist, as `htc stability` does (extra [mlip], or an "
            "imported table); minutes a crystal.",
        ),
    ] = False,
    potential: Annotated[
        str, typer.Option("--potential", help="With --with-stability: the interatomic potential.")
    ] = "sevennet-l3i5",
    store: Annotated[
        bool, typer.Option("--store/--no-store", help="Keep the predictions in the database.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list, an entry per input.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE.png", help="Draw the predictions with their intervals."),
    ] = None,
    spectrum: Annotated[
        bool,
        typer.Option(
            "--spectrum", help="Form a surrogate alpha2F from the predicted moments and store it with them."
        ),
    ] = False,
    spectrum_file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="With --spectrum and one material: write the surrogate, for `htc eliashberg`.",
        ),
    ] = None,
) -> None:
    """Predict critical temperatures with 95 % intervals, and store them.

    An input is a formula unless it is the path of a file. One bad file never stops the rest: exit code 0 says
    that all were predicted (a refusal with a reason is an answer), 3 that some failed, 1 that all failed.

    The interval is for what a first-principles calculation at this mu* would give, not for experiment.

    Where a first-principles calculation of the same formula and pressure is stored (`htc dft parse --store`),
    it is shown first; in JSON it is the entry's `calculated`.

    Example: `htc predict MgB2 Nb3Sn.cif candidates.zip --mu-star 0.10`

    Example: `htc predict H3S --pressure 155 --json`

    Example: `htc predict MgB2 --spectrum --out MgB2.a2f`

    Example: `htc predict MgB2 --with-stability --potential sevennet-0`
    """
    from htc.materials.inputs import iter_inputs
    from htc.models import load_model
    from htc.prediction import Failure, Predictor
    from htc.prediction.predictor import check_conditions
    from htc.prediction.sources import known_sources, with_store
    from htc.settings import get_settings

    settings = get_settings()
    mu = settings.mu_star if mu_star is None else mu_star
    check_conditions(pressure, mu)
    check_figure_path(plot)
    _check_spectrum_file(spectrum_file, inputs, spectrum=spectrum)
    model = load_model(settings.model, tier.value if tier else settings.tier)
    results: list[tuple[Prediction | Failure, str | None]] = []
    n_new = 0
    with ExitStack() as stack:
        sources = known_sources(settings)
        batch = database = None
        if store:
            from htc.cli.storing import StoredBatch
            from htc.store import Database, StoredStructures

            database = stack.enter_context(Database.open(settings))
            sources = with_store(sources, StoredStructures(database))
            batch = StoredBatch(database, settings.created_by, {"inputs": len(inputs), "mu_star": mu})
        predictor = Predictor(model, sources)
        stream = predictor.predict(iter_inputs(inputs), pressure_gpa=pressure, mu_star=mu)
        if stability:
            from htc.cli.stability_run import stability_adder

            add = stack.enter_context(stability_adder(settings, potential, pressure, database))
            stream = (result if isinstance(result, Failure) else add(result) for result in stream)
            advance: Callable[[], None] = lambda: None  # noqa: E731  # the bars of the stages are shown instead
        else:
            advance = stack.enter_context(counter("predicting"))
        if spectrum:
            stream = map(_with_spectrum, stream)
        try:
            for result, id_ in batch.store(stream) if batch else ((r, None) for r in stream):
                results.append((_light(result, spectrum=spectrum_file is not None), id_))
                advance()
        except (HTCError, KeyboardInterrupt):
            stored = sum(id_ is not None for _, id_ in results)
            err.print(f"stopped after {len(results)} inputs; {stored} predictions are stored", soft_wrap=True)
            raise
        shown, calculated = results, {}
        if batch and database is not None:
            from htc.cli.calculated import calculated_for, with_calculated

            batch.finish()
            n_new = batch.n_new
            calculated = calculated_for(database, [result for result, _ in results])
            # A long list is shown by its highest Tc; in a short one the calculation stands first.
            shown = with_calculated(database, results, calculated) if len(results) <= _TABLE_ROWS else results
    if as_json:
        from htc.cli.prediction_view import as_entry

        print_json([as_entry(result, id_, calculated) for result, id_ in results])
    else:
        _print_table(results, shown, stored=store, n_new=n_new)
        if calculated:
            err.print(
                "materials that first principles were asked about have their answer first; it outranks the "
                "model's",
                soft_wrap=True,
            )
    if plot is not None:
        from htc.cli.prediction_plot import plot_predictions

        plot_predictions([r for r, _ in results if not isinstance(r, Failure) and r.applicable], plot)
        err.print(f"drawn: {plot}", soft_wrap=True, markup=False)
    if spectrum_file is not None:
        _write_spectrum(spectrum_file, [result for result, _ in results])
    code = outcome([result for result, _ in results])
    if code is not ExitCode.OK:
        raise typer.Exit(code)


def _light(result: Prediction | Failure, *, spectrum: bool) -> Prediction | Failure:
    """Without the structure and the spectrum: thousands of results need not hold them."""
    from dataclasses import replace

    from htc.prediction import Prediction

    if not isinstance(result, Prediction):
        return result
    return replace(result, structure=None, spectrum=result.spectrum if spectrum else None)


def _with_spectrum(result: Prediction | Failure) -> Prediction | Failure:
    from htc.prediction import Prediction
    from htc.prediction.surrogate import with_surrogate_spectrum

    return with_surrogate_spectrum(result) if isinstance(result, Prediction) else result


def _check_spectrum_file(path: Path | None, inputs: list[str], *, spectrum: bool) -> None:
    if path is not None and not spectrum:
        raise InputError("a file for the spectrum, but none is formed", where="--out", hint="add --spectrum")
    if path is not None and len(inputs) != 1:
        raise InputError(
            f"one file for the spectra of {len(inputs)} inputs",
            where="--out",
            hint="give one material at a time",
        )
    if path is not None and not path.absolute().parent.is_dir():
        raise StorageError("the folder for the spectrum does not exist", where=str(path.parent))


def _write_spectrum(path: Path, results: list[Prediction | Failure]) -> None:
    from htc.prediction import Failure
    from htc.spectra.writing import write_spectrum

    found = [(r, r.spectrum) for r in results if not isinstance(r, Failure) and r.spectrum is not None]
    if len(found) != 1:
        raise InputError(
            f"{len(found)} spectra for one file",
            where="--out",
            hint="give one material that has a prediction",
        )
    prediction, spectrum = found[0]
    title = f"{prediction.reduced_formula}, {prediction.model_id}, {prediction.pressure_gpa:g} GPa"
    write_spectrum(spectrum, path, title=title)
    err.print(f"written: {path}, a surrogate", soft_wrap=True, markup=False)


def _print_table(
    results: list[tuple[Prediction | Failure, str | None]],
    shown: list[tuple[Prediction | Failure, str | None]],
    *,
    stored: bool,
    n_new: int,
) -> None:
    from htc.cli.prediction_view import prediction_table
    from htc.prediction import Failure

    if len(results) > _TABLE_ROWS:
        best = sorted(
            results,
            key=lambda r: -1.0 if isinstance(r[0], Failure) else (r[0].tc_predicted or 0.0),
            reverse=True,
        )
        failures = [r for r in results if isinstance(r[0], Failure)]
        shown = [*best[: _TABLE_ROWS - 10], *failures[:10]]
        err.print(f"the highest of {len(results)}; `htc top` pages through all", soft_wrap=True)
    out.print(prediction_table(shown, out.width))
    failed = sum(isinstance(r, Failure) for r, _ in results)
    refused = sum(not isinstance(r, Failure) and not r.applicable for r, _ in results)
    kept = f", {n_new} stored as new" if stored else ", nothing stored"
    err.print(
        f"{len(results)} inputs: {len(results) - failed - refused} predicted, {refused} outside the theory, "
        f"{failed} not readable{kept}",
        soft_wrap=True,
    )


def outcome(results: list[Prediction | Failure]) -> ExitCode:
    """Exit code for a list of outcomes."""
    from htc.prediction import Failure

    failed = sum(isinstance(result, Failure) for result in results)
    if failed == 0 and results:
        return ExitCode.OK
    return ExitCode.FAILED if failed == len(results) else ExitCode.PARTIAL
