"""An optimisation on paper: tables as CSV, the front and its growth as figures."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from htc.discovery.fronts import front_of
from htc.errors import InputError, StorageError
from htc.jobs.fronts import front_dict, goal_of, judged_rows
from htc.jobs.optimising import history
from htc.store.jobs import item_formulas, run_summary

if TYPE_CHECKING:
    from htc.discovery.fronts import Row
    from htc.discovery.requests import Objective
    from htc.store import Database

__all__ = ["front_and_history", "write_report"]

_NAMES: Final = {
    "tc_predicted": "$T_c$ (K)",
    "tc_lower_95ci": "lower 95 % end of $T_c$ (K)",
    "tc_experiment": "$T_c$ in experiment (K)",
    "tc_uncertainty": "uncertainty of $T_c$ (K)",
    "lambda_ep": r"$\lambda$",
    "omega_log": r"$\omega_\mathrm{log}$ (K)",
    "pressure_required_gpa": "pressure (GPa)",
    "hull_distance_eV": "energy above hull (eV/atom)",
    "element_cost": "cost of the elements (USD/kg)",
    "hhi_production": "concentration of production (HHI)",
    "hhi_reserve": "concentration of reserves (HHI)",
    "dust_hazard": "hazard of the dust (decades)",
}
_INK: Final = "#1b4965"
_FAINT: Final = "#9db4c0"
_LABELS: Final = 12


def front_and_history(database: Database, run_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The front of an optimisation as it stands, and how it grew with each batch.

    Raises:
        NotFoundError: there is no such run.
        InputError: it is no optimisation.
        StoreError: the database does not answer.
    """
    goal = goal_of(run_summary(database, run_id).request)
    if goal is None:
        raise InputError("this run is no optimisation", where=run_id)
    rows = judged_rows(database, run_id, goal.objectives, goal.constraints)
    return front_dict(front_of(rows, goal.objectives)), history(database, run_id, goal)


def write_report(database: Database, run_id: str, folder: Path) -> list[Path]:
    """Write ``judged.csv``, ``front.csv``, ``hypervolume.csv``, ``hypervolume.png`` and ``front.png``.

    Without ``front.png`` where fewer than two objectives have values. Files of these names are replaced.

    Returns:
        What was written.

    Raises:
        NotFoundError: there is no such run.
        InputError: it is no optimisation, or nothing was judged.
        StorageError: the folder cannot be written to.
        StoreError: the database does not answer.
    """
    goal = goal_of(run_summary(database, run_id).request)
    if goal is None:
        raise InputError("this run is no optimisation", where=run_id)
    rows = judged_rows(database, run_id, goal.objectives, goal.constraints)
    if not rows:
        raise InputError("nothing was judged yet that keeps the constraints", where=run_id)
    front = front_dict(front_of(rows, goal.objectives))
    growth = history(database, run_id, goal)
    best = {point["position"] for point in front["points"]}
    columns = [one.column for one in goal.objectives]
    header = ["position", "label", *columns, "on_front"]
    table = [[row[0], row[2], *row[3], row[0] in best] for row in rows]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = [
            _csv(folder / "judged.csv", header, table),
            _csv(folder / "front.csv", header[:-1], [line[:-1] for line in table if line[-1]]),
            _csv(
                folder / "hypervolume.csv",
                ["batch", "judged", "front", "hypervolume"],
                [[one["batch"], one["judged"], one["front"], one["hypervolume"]] for one in growth],
            ),
            _growth_figure(folder / "hypervolume.png", growth),
        ]
        used = [one for one in goal.objectives if one.column not in front["unused"]]
        if len(used) >= 2:
            formulas = item_formulas(database, run_id)
            figure = folder / "front.png"
            written.append(_front_figure(figure, rows, goal.objectives, used[:2], best, formulas))
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=str(folder)) from error
    return written


def _csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def _growth_figure(path: Path, growth: Sequence[Mapping[str, Any]]) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.0, 3.2), layout="constrained")
    axes = figure.add_subplot()
    known = [one for one in growth if one["hypervolume"] is not None]
    axes.step(
        [one["judged"] for one in known], [one["hypervolume"] for one in known], where="post", color=_INK
    )
    axes.plot([one["judged"] for one in known], [one["hypervolume"] for one in known], "o", ms=4, color=_INK)
    axes.set(xlabel="judged", ylabel="dominated hypervolume", xlim=(0, None), ylim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=160)
    return path


def _front_figure(
    path: Path,
    rows: Sequence[Row],
    every: Sequence[Objective],
    two: Sequence[Objective],
    best: set[int],
    formulas: Mapping[int, str],
) -> Path:
    from matplotlib.figure import Figure

    place = [every.index(one) for one in two]
    figure = Figure(figsize=(5.6, 4.0), layout="constrained")
    axes = figure.add_subplot()
    shown = [
        (row[0], row[2], x, y)
        for row in rows
        if (x := row[3][place[1]]) is not None and (y := row[3][place[0]]) is not None
    ]
    rest = [one for one in shown if one[0] not in best]
    front = sorted((one for one in shown if one[0] in best), key=lambda one: one[2])
    axes.plot([one[2] for one in rest], [one[3] for one in rest], "o", ms=4, color=_FAINT, label="judged")
    axes.plot(
        [one[2] for one in front], [one[3] for one in front], "o-", ms=6, color=_INK, label="not beaten"
    )
    for position, label, x, y in sorted(front, key=lambda one: -one[3])[:_LABELS]:
        name = formulas.get(position, label)[:24]
        axes.annotate(name, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=7)
    if two[1].column == "element_cost":
        axes.set_xscale("log")
    axes.set(xlabel=_NAMES[two[1].column], ylabel=_NAMES[two[0].column])
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=160)
    return path
