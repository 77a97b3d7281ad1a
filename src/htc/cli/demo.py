"""``htc demo``: the main job on bundled real materials."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from htc.cli.console import err, out
from htc.cli.figures import check_figure_path

if TYPE_CHECKING:
    from htc.examples import Example
    from htc.prediction import Failure, Prediction, Predictor

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command(name="demo")(demo)


def demo(
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw predicted against measured Tc.")
    ] = None,
) -> None:
    """Predict, store and rank bundled real materials, beside their measured Tc.

    Crystals go through the model, two spectra (QE aluminium, EPW MgB2) through the Allen-Dynes formula, a
    cuprate is refused with the reason and a broken file is reported. It is what `htc predict` and `htc tc` do
    with your own files.

    Example: `htc demo --plot demo.png`
    """
    from htc.cli.prediction_view import prediction_table
    from htc.cli.storing import StoredBatch
    from htc.cli.top import freshness_in_words
    from htc.examples import examples
    from htc.models import load_model
    from htc.prediction import Failure, Predictor
    from htc.prediction.sources import known_sources
    from htc.settings import get_settings
    from htc.store import Database, freshness, top

    check_figure_path(plot)
    started = time.perf_counter()
    settings = get_settings()
    with ExitStack() as stack:
        err.print("opening the database ...")
        database = stack.enter_context(Database.open(settings))
        inputs = stack.enter_context(examples())
        model = load_model(settings.model, settings.tier)
        batch = StoredBatch(database, settings.created_by, {"demo": True, "mu_star": settings.mu_star})
        err.print(f"predicting {len(inputs)} inputs with {model.name} at mu* {settings.mu_star:g} ...")
        predictor = Predictor(model, known_sources(settings))
        results = list(batch.store(_predict(inputs, predictor, settings.mu_star)))
        batch.finish()
        measured = {str(example.path): example.tc_measured_k for example in inputs}
        shown = {_short(path): value for path, value in measured.items()}
        ranked = sorted(results, key=lambda r: _rank(r[0]), reverse=True)
        out.print(prediction_table([(_named(r), id_) for r, id_ in ranked], out.width, shown))
        failed = sum(isinstance(r, Failure) for r, _ in results)
        out.print(
            f"\nstored: {database.where} - {batch.n_new} new, {len(results) - batch.n_new - failed} known "
            f"before, {failed} not readable; ranking by formula {freshness_in_words(freshness(database))}",
            soft_wrap=True,
        )
        out.print(_deviation(results, measured), soft_wrap=True)
        best = top(database, 3).rows
        out.print(
            "highest in the store: " + ", ".join(f"{r.reduced_formula} {r.tc_predicted:.1f} K" for r in best)
        )
        if plot is not None:
            from htc.cli.prediction_plot import plot_predictions

            drawn = [r for r, _ in results if not isinstance(r, Failure) and r.applicable]
            plot_predictions(drawn, plot, measured)
            out.print(f"drawn: {plot}", soft_wrap=True, markup=False)
    _explain(time.perf_counter() - started)


def _predict(inputs: list[Example], predictor: Predictor, mu_star: float) -> Iterator[Prediction | Failure]:
    from htc.errors import HTCError
    from htc.materials.inputs import iter_inputs
    from htc.prediction import Failure, predict_from_spectrum
    from htc.spectra import read_spectra

    for example in inputs:
        source = str(example.path)
        if example.kind == "structure":
            yield from predictor.predict(
                iter_inputs([example.path]), pressure_gpa=example.pressure_gpa, mu_star=mu_star
            )
            continue
        try:
            yield predict_from_spectrum(
                read_spectra(example.path), example.formula or "", source=source, mu_star=mu_star
            )
        except HTCError as error:
            yield Failure(source, error.located(source))


def _deviation(
    results: list[tuple[Prediction | Failure, str | None]], measured: dict[str, float | None]
) -> str:
    """How far the model's crystals at ambient pressure are from their measured Tc, in a sentence."""
    from htc.prediction import Failure

    pairs = [
        (r, known)
        for r, _ in results
        if not isinstance(r, Failure)
        and r.model_id is not None
        and r.pressure_gpa == 0.0
        and (known := measured.get(r.source)) is not None
    ]
    mean = sum(abs((r.tc_predicted or 0.0) - known) for r, known in pairs) / max(len(pairs), 1)
    inside = sum((r.tc_lower_95ci or 0.0) <= known <= (r.tc_upper_95ci or 0.0) for r, known in pairs)
    return (
        f"crystals at ambient pressure: {mean:.1f} K from the measured Tc on average, {inside} of "
        f"{len(pairs)} measured values inside the interval"
    )


def _short(source: str) -> str:
    return Path(source).name


def _named(result: Prediction | Failure) -> Prediction | Failure:
    from dataclasses import replace

    return replace(result, source=_short(result.source))


def _rank(result: Prediction | Failure) -> float:
    from htc.prediction import Failure

    if isinstance(result, Failure):
        return -2.0
    return -1.0 if result.tc_predicted is None else result.tc_predicted


def _explain(seconds: float) -> None:
    out.print(
        "\nThe intervals say what a first-principles calculation would give at this mu*, not what a "
        "laboratory measures, and the confidence says how near the training data a material lies. What is "
        "marked (!) lies outside them.",
        soft_wrap=True,
    )
    out.print(f"done in {seconds:.1f} s. Next:")
    for command, what in (
        ("htc top", "the ranking"),
        ("htc show ID", "everything about one prediction"),
        ("htc predict Nb3Ge YOUR.cif FOLDER ARCHIVE.zip", "your own materials"),
        ("htc tc alpha2F.dat", "your own spectra"),
        ("htc serve", "the desk and the API on http://127.0.0.1:8000"),
    ):
        out.print(f"  {command:48} {what}", markup=False)
