"""The figures of docs/accuracy.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from htc.models.training.report import PredictionTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"high": "C0", "medium": "C1", "low": "C3"}


def draw_parity(figure: Figure, table: PredictionTable) -> None:
    """Predicted against calculated lambda, omega_log and Tc of the held-out materials."""
    panels = (
        ("λ", table.lambda_true, table.lambda_ep, "log"),
        ("ω_log (K)", table.omega_log_true, table.omega_log, "log"),
        ("Tc (K), μ* 0.10", table.tc_true(), table.tc(), "linear"),
    )
    for axes, (name, true, predicted, scale) in zip(figure.subplots(1, 3), panels, strict=True):
        for level, colour in COLOURS.items():
            own = table.level == level
            axes.scatter(true[own], predicted[own], s=4, lw=0, alpha=0.55, color=colour, label=level)
        axes.set(xscale=scale, yscale=scale, xlabel=f"calculated {name}", ylabel=f"predicted {name}")
        axes.axline((1.0, 1.0), (2.0, 2.0), color="0.4", lw=0.7)
        top, bottom = max(true.max(), predicted.max()), min(true.min(), predicted.min())
        limits = (0.9 * bottom, 1.1 * top) if scale == "log" else (-0.02 * top, 1.03 * top)
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        axes.grid(alpha=0.25, lw=0.5)
    figure.axes[0].legend(loc="upper left", title="confidence", title_fontsize=7, markerscale=2)


def draw_calibration(figure: Figure, reports: Mapping[str, Any]) -> None:
    """Measured against nominal coverage of the central interval, and coverage of the 95 % one by mu*."""
    left, right = figure.subplots(1, 2)
    left.plot([0.48, 1.0], [0.48, 1.0], color="0.4", lw=0.7)
    right.axhline(0.95, color="0.4", lw=0.7)
    for k, (tier, report) in enumerate(reports.items()):
        for split, style in (("held_out", "o-"), ("out_of_fold", "s--")):
            if split not in report:
                continue
            name = f"{tier}, {split.replace('_', ' ')}"
            calibration = report[split]["calibration"]
            for axes, found in ((left, calibration["curve"]), (right, calibration["by"]["all"]["all"])):
                _with_errors(axes, found, style, f"C{k}", name)
    left.set(xlabel="stated coverage", ylabel="measured coverage", title="central intervals, μ* 0.10")
    right.set(xlabel="μ*", ylabel="measured coverage", title="the 95 % interval", ylim=(0.88, 1.0))
    left.legend(loc="upper left")
    for axes in (left, right):
        axes.grid(alpha=0.25, lw=0.5)


def _with_errors(
    axes: Axes, found: Mapping[str, Mapping[str, float]], style: str, colour: str, name: str
) -> None:
    x = np.array([float(key) for key in found])
    value, low, high = (np.array([f[k] for f in found.values()]) for k in ("value", "lower_95", "upper_95"))
    errors = np.clip([value - low, high - value], 0.0, None)
    axes.errorbar(x, value, yerr=errors, fmt=style, color=colour, ms=3, lw=1.0, capsize=2, label=name)


def draw_learning(figure: Figure, points: list[dict[str, Any]]) -> None:
    """Errors against the number of training materials."""
    panels = (
        ("lambda_mae", "MAE of λ"),
        ("omega_log_mae_k", "MAE of ω_log (K)"),
        ("tc_mae_k", "MAE of Tc (K)"),
    )
    rows = np.array([point["rows"] for point in points])
    for axes, (key, label) in zip(figure.subplots(1, 3), panels, strict=True):
        value, low, high = (
            np.array([point[key][k] for point in points]) for k in ("value", "lower_95", "upper_95")
        )
        axes.errorbar(rows, value, yerr=[value - low, high - value], fmt="o-", ms=3, lw=1.0, capsize=2)
        axes.set(xscale="log", yscale="log", xlabel="training materials", ylabel=label)
        axes.set_xticks(rows, [str(n) for n in rows], minor=False)
        axes.minorticks_off()
        ticks = np.round(np.geomspace(low.min(), high.max(), 4), 3 if value.max() < 1.0 else 2)
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.grid(alpha=0.25, lw=0.5)


def draw_groups(figure: Figure, groups: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Tc error of each chemistry, and its share of the whole error."""
    names = list(groups)[::-1]
    left, right = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(names))
    mae = [groups[name]["tc_mae_k"] for name in names]
    value = np.array([m["value"] for m in mae])
    errors = [value - [m["lower_95"] for m in mae], [m["upper_95"] for m in mae] - value]
    left.errorbar(value, y, xerr=errors, fmt="o", ms=3, lw=1.0, capsize=2)
    left.set(xlabel="MAE of Tc (K)", xlim=(0.0, None))
    left.set_yticks(y, names)
    for offset, key, label in (
        (0.18, "share", "of the materials"),
        (-0.18, "share_of_tc_error", "of the error"),
    ):
        right.barh(y + offset, [100 * groups[n][key]["value"] for n in names], height=0.34, label=label)
    right.set(xlabel="share (%)")
    right.legend(loc="lower right")
    for axes in (left, right):
        axes.grid(alpha=0.25, lw=0.5, axis="x")
