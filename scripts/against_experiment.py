"""Learn the interval against experiment from a model's predictions; draw its figure and fill its page.

    HTC_DATA=... python scripts/against_experiment.py PREDICTIONS [--save FOLDER]

PREDICTIONS is the ``predictions.parquet`` that ``htc model train`` writes beside a model. Writes
docs/images/against-experiment.png and the tables of docs/explanation/against-experiment.md; with ``--save``
also ``experiment.json`` into the folder of the model. The figure and the page name no compound.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from htc.errors import HTCError, InputError
from htc.models.experiment import (
    EXPERIMENT_MU_STAR,
    ExperimentCalibration,
    ExperimentPairs,
    Measured,
    experiment_pairs,
    fit_experiment,
    read_measured,
    scored,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOCS = Path(__file__).resolve().parent.parent / "docs"
FIGURE = DOCS / "images" / "against-experiment.png"
PAGE = DOCS / "explanation" / "against-experiment.md"
TICKS = (0, 1, 2, 5, 10, 20, 40)
SHOWN_K = (0.0, 1.0, 2.0, 5.0, 8.0, 12.0, 16.0)
BINS = {
    "predicted_below_1k": "predicted below 1 K",
    "predicted_1_to_5k": "1 to 5 K",
    "predicted_5_to_10k": "5 to 10 K",
    "predicted_above_10k": "above 10 K",
}
GROUPS = {"refractory": "refractory families", "other": "other families"}


def pairs_of(
    table: dict[str, np.ndarray], split: str, kind: str, measured: dict[str, Measured]
) -> ExperimentPairs:
    """Pairs of one split, from the columns ``kind`` (predicted) or ``true`` (calculated)."""
    rows = table["split"] == split
    names = ("lambda_true", "omega_log_true") if kind == "true" else ("lambda_ep", "omega_log")
    return experiment_pairs(measured, table["formula"][rows], *(table[name][rows] for name in names))


def draw(axes: Axes, pairs: ExperimentPairs, calibration: ExperimentCalibration, label: str) -> None:
    """Measured against predicted Tc on axes of ln(1 + Tc), with the median and the interval of each group."""
    tc, true = pairs.tc_predicted_k, pairs.tc_measured_k
    for name, colour, family in (("other", "C0", "intermetallic"), ("refractory", "C3", "carbide")):
        own = np.isin(pairs.families, [f for f in np.unique(pairs.families) if _is(name, f)])
        axes.scatter(np.log1p(tc[own]), np.log1p(true[own]), s=7, color=colour, alpha=0.45, lw=0)
        grid = np.linspace(0.0, tc.max(), 200)
        found = [calibration.interval(t, mu_star=pairs.mu_star, family=family) for t in grid.tolist()]
        ends = np.log1p([[e.lower_95_k, e.median_k, e.upper_95_k] for e in found]).T
        axes.plot(np.log1p(grid), ends[1], color=colour, lw=1.4, label=f"{GROUPS[name]}: median, 95 %")
        axes.plot(np.log1p(grid), ends[0], color=colour, lw=0.8, ls="--")
        axes.plot(np.log1p(grid), ends[2], color=colour, lw=0.8, ls="--")
    axes.plot([0, np.log1p(45.0)], [0, np.log1p(45.0)], color="0.6", lw=0.7)
    axes.set(xlabel=f"{label} Tc at μ* {pairs.mu_star:.2f} (K)", ylabel="measured Tc (K); 0: none listed")
    axes.set(xticks=np.log1p(TICKS), yticks=np.log1p(TICKS), xticklabels=TICKS, yticklabels=TICKS)
    axes.set(xlim=(-0.05, np.log1p(30.0)), ylim=(-0.08, np.log1p(48.0)))


def _is(group: str, family: str) -> bool:
    from htc.models.experiment.calibration import group_of_family

    return group_of_family(family) == group


def tables(calibration: ExperimentCalibration, held_out: dict[str, Any], model: str) -> str:
    """The generated part of the page."""
    predicted, calculated = calibration.report["predicted"], calibration.report["calculated"]
    everything = predicted["all"]
    lines = [
        f"Learned from {everything['compositions']} compositions, "
        f"{everything['compositions'] - predicted['with_tc']['compositions']} of them listed without a Tc; "
        f"predictions of {model} for compositions it had not seen. All figures are for compositions that "
        "the interval was not fitted to.",
        "",
        "| compounds with a Tc | Tc MAE, K | MAE of ln(Tc + 0.5 K) | mean error, K |",
        "|---|---|---|---|",
    ]
    for name, part in (("predicted Tc", predicted), ("calculated Tc", calculated)):
        r = part["with_tc"]
        lines.append(f"| {name} | {r['tc_mae_k']:.2f} | {r['log_mae']:.2f} | {r['bias_k']:+.2f} |")
    lines += [
        "",
        "| compositions | number | without a Tc | inside the 95 % interval | above it | mean width, K |",
        "|---|---|---|---|---|---|",
    ]
    rows = [("all", everything), ("those with a Tc", predicted["with_tc"])]
    rows += [
        (label, predicted["by_predicted_tc"][k])
        for k, label in BINS.items()
        if k in predicted["by_predicted_tc"]
    ]
    rows += [(label, predicted["by_group"][k]) for k, label in GROUPS.items() if k in predicted["by_group"]]
    rows += [("held-out fold", held_out["all"]), ("all, from the calculated Tc", calculated["all"])]
    lines += [
        f"| {label} | {r['compositions']} | {r['without_tc']:.0%} | {r['coverage_95']:.1%} "
        f"| {r['above']:.1%} | {r['width_95_mean_k']:.1f} |"
        for label, r in rows
    ]
    lines += [
        "",
        "| predicted Tc, K | refractory families: median (95 %), K | without a Tc "
        "| other families: median (95 %), K | without a Tc |",
        "|---|---|---|---|---|",
    ]
    for tc in SHOWN_K:
        cells = []
        for family in ("carbide", "intermetallic"):
            e = calibration.interval(tc, mu_star=EXPERIMENT_MU_STAR, family=family)
            cells += [
                f"{e.median_k:.1f} ({e.lower_95_k:.1f} to {e.upper_95_k:.1f})",
                f"{e.share_without_tc:.0%}",
            ]
        lines.append(f"| {tc:g} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Read, learn, draw, write."""
    import pyarrow.parquet as pq
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from htc.settings import get_settings

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--save", type=Path, metavar="FOLDER")
    parser.add_argument("--name", default="the default tier", help="how the page calls the model")
    asked = parser.parse_args()
    data = get_settings().data
    if data is None:
        raise InputError("the tables of measured Tc are not named", where="HTC_DATA", hint="set HTC_DATA")
    measured = read_measured(data / "experimental")
    read = pq.read_table(asked.predictions)
    table = {name: np.asarray(read[name].to_numpy()) for name in read.column_names}
    pairs, calculated = (pairs_of(table, "out_of_fold", kind, measured) for kind in ("predicted", "true"))
    calibration = fit_experiment(pairs, calculated=calculated)
    held_out = scored(calibration, pairs_of(table, "held_out", "predicted", measured))

    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    draw(left, pairs, calibration, "predicted")
    draw(right, calculated, fit_experiment(calculated), "calculated")
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False, fontsize=8
    )
    figure.savefig(FIGURE, dpi=130, metadata={"Software": None})

    text = tables(calibration, held_out, asked.name)
    page = PAGE.read_text("utf-8")
    PAGE.write_text(
        re.sub(
            r"(<!-- figures -->\n).*?(<!-- end -->)",
            lambda m: f"{m[1]}\n{text}\n\n{m[2]}",
            page,
            flags=re.DOTALL,
        ),
        "utf-8",
    )
    if asked.save is not None:
        calibration.save(asked.save)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    try:
        main()
    except HTCError as error:
        sys.exit(str(error))
