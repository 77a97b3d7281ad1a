"""A figure of predictions: Tc with its interval, and the measured value where one is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from htc.errors import InputError, StorageError

if TYPE_CHECKING:
    from htc.prediction import Prediction

__all__ = ["plot_predictions"]

_MOST = 60


def plot_predictions(
    predictions: list[Prediction], path: Path, measured: dict[str, float | None] | None = None
) -> None:
    """Draw predictions in order of Tc.

    Args:
        predictions: applicable ones; the highest 60 are drawn.
        path: file to write, see ``htc.cli.figures``.
        measured: measured Tc, K, by source.

    Raises:
        InputError: nothing to draw.
        StorageError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    if not predictions:
        raise InputError("there is no Tc to draw", where=str(path))
    drawn = sorted(predictions, key=lambda p: p.tc_predicted or 0.0)[-_MOST:]
    figure = Figure(figsize=(7.0, 1.2 + 0.26 * len(drawn)), layout="constrained")
    axes = figure.add_subplot()
    rows = range(len(drawn))
    tc = [p.tc_predicted or 0.0 for p in drawn]
    below = [t - (p.tc_lower_95ci or 0.0) for t, p in zip(tc, drawn, strict=True)]
    above = [(p.tc_upper_95ci or t) - t for t, p in zip(tc, drawn, strict=True)]
    axes.errorbar(tc, rows, xerr=[below, above], fmt="none", ecolor="#9db8d2", elinewidth=3)
    for inside, face, label in (
        (True, "#1f4e79", "predicted, 95 % interval"),
        (False, "white", "outside the training data"),
    ):
        shown = [i for i, p in enumerate(drawn) if p.extrapolation_warning is not inside]
        if shown:
            x = [tc[i] for i in shown]
            axes.plot(x, shown, "o", color="#1f4e79", markerfacecolor=face, markersize=5, label=label)
    known = [(measured.get(p.source), row) for p, row in zip(drawn, rows, strict=True)] if measured else []
    points = [(value, row) for value, row in known if value is not None]
    if points:
        axes.plot(*zip(*points, strict=True), "D", color="#c0392b", markersize=5, label="measured")
    axes.set_yticks(list(rows), [_name(p) for p in drawn])
    axes.set_xscale("symlog", linthresh=1.0)
    ticks = [0, 1, 3, 10, 30, 100, 300]
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.set_xlim(left=0.0)
    axes.set_xlabel("critical temperature (K), linear below 1 K")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    try:
        figure.savefig(path, dpi=160)
    except OSError as error:
        raise StorageError(f"the figure cannot be written: {error.strerror}", where=str(path)) from error


def _name(prediction: Prediction) -> str:
    at = f" ({prediction.pressure_gpa:g} GPa)" if prediction.pressure_gpa else ""
    spectrum = prediction.spectrum
    how = "" if spectrum is None or spectrum.is_surrogate else " α²F"
    return f"{prediction.reduced_formula}{at}{how}"
