"""The figures of a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from htc.store.campaigns import TC_STEP_K, tc_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from htc.jobs.campaign.top import TopRow
    from htc.store import Database
    from htc.store.campaigns import StoredStage

__all__ = ["draw_front", "draw_funnel", "draw_tc", "draw_top"]

_BLUE: Final = "#2f6db3"
_PALE: Final = "#c9d8ea"
_RED: Final = "#b3392f"
_GREY: Final = "#8a8f98"
_BANDS: Final = 60
_LOGARITHMIC_FROM: Final = 30
_NAMED: Final = 12
"""Points of a front that get their name."""


def _axes(width: float, height: float) -> tuple[Any, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=160)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def name_of(stage: StoredStage) -> str:
    """``predict fast``, ``relax``."""
    tier = stage.spec.get("tier")
    return f"{stage.kind} {tier}" if tier else stage.kind


def draw_funnel(stages: Sequence[StoredStage], path: Path) -> None:
    """How many enter each stage and how many pass, on a logarithmic scale."""
    figure, axes = _axes(7.0, 0.9 + 0.62 * len(stages))
    rows = np.arange(len(stages))
    entered = [max(s.entries, 1) for s in stages]
    passed = [max(s.passed or 0, 0) for s in stages]
    axes.barh(rows, entered, height=0.62, color=_PALE, label="enter")
    axes.barh(rows, [max(n, 0.5) for n in passed], height=0.34, color=_BLUE, label="pass")
    for row, stage in enumerate(stages):
        more = [f"{stage.entries:,} enter, {stage.passed or 0:,} pass"]
        for n, word in ((stage.rejected, "rejected"), (stage.failed, "failed")):
            if n:
                more.append(f"{n:,} {word}")
        axes.annotate(
            ", ".join(more), (entered[row], row), (6, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_xscale("log")
    axes.set_xlim(0.5, max(entered) * 60)
    axes.set_yticks(rows, [f"{s.stage + 1}  {name_of(s)}" for s in stages])
    axes.invert_yaxis()
    axes.set_xlabel("candidates at a pressure")
    figure.savefig(path)


def draw_tc(database: Database, stages: Sequence[StoredStage], path: Path) -> bool:
    """Predicted Tc of all candidates of each stage that predicts; False where there are none."""
    told = [s for s in stages if s.done and s.kind in {"predict", "eliashberg", "relax"}]
    found = {s.id: np.array(tc_counts(database, s.id), dtype=int) for s in told}
    told = [s for s in told if found[s.id].size]
    if not told:
        return False
    bands = max(found[s.id].size for s in told)
    highest = bands * TC_STEP_K
    step = max(1, round((bands + 1) / _BANDS))
    # So many bands that the last merged one is whole.
    n = -(-bands // step) * step
    edges = np.arange(0, n + 1, step) * TC_STEP_K
    counts = {s.id: np.pad(found[s.id], (0, n - found[s.id].size)) for s in told}
    figure, axes = _axes(7.0, 4.2)
    for s, colour in zip(told, (_PALE, _BLUE, _RED, _GREY, "#d9a441", "#3c8d5a"), strict=False):
        merged = counts[s.id].reshape(-1, step).sum(axis=1)
        axes.stairs(merged, edges, fill=s is told[0], color=colour, label=name_of(s), lw=1.4)
    if max(int(counts[s.id].max()) for s in told) > _LOGARITHMIC_FROM:
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
    axes.set_xlim(0.0, highest * 1.05)
    axes.set_xlabel("predicted $T_c$ (K)")
    axes.set_ylabel("candidates")
    axes.legend(frameon=False)
    figure.savefig(path)
    return True


def draw_top(rows: Sequence[TopRow], path: Path) -> bool:
    """The ranked list with intervals, and measured values where there are some; False: nothing to draw."""
    drawn = [r for r in rows if r.tc_predicted is not None][:40]
    if not drawn:
        return False
    figure, axes = _axes(7.0, 1.1 + 0.24 * len(drawn))
    for at, row in enumerate(drawn):
        if row.tc_lower_95ci is not None and row.tc_upper_95ci is not None:
            axes.plot(
                [row.tc_lower_95ci, row.tc_upper_95ci], [at, at], color=_PALE, lw=6, solid_capstyle="butt"
            )
        if row.tc_predicted is not None:
            axes.plot(row.tc_predicted, at, "o", color=_BLUE, ms=4)
        for known in row.known:
            if known.tc_measured_k is not None:
                axes.plot(known.tc_measured_k, at, "x", color=_RED, ms=6, mew=1.6)
    axes.plot([], [], "o", color=_BLUE, ms=4, label="predicted, 95 % interval")
    axes.plot([], [], "x", color=_RED, ms=6, mew=1.6, label="measured, some crystal of this formula")
    labels = [f"{r.rank}  {r.formula}" + (" (!)" if r.extrapolation_warning else "") for r in drawn]
    axes.set_yticks(range(len(drawn)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(left=0.0)
    axes.set_xlabel("$T_c$ (K)")
    figure.legend(frameon=False, fontsize=8, loc="outside upper left", ncols=2)
    figure.savefig(path)
    return True


def draw_front(rows: Sequence[TopRow], path: Path) -> str | None:
    """Tc against what it costs, with what is not beaten marked; the name of the cost, None: nothing to draw.

    The cost is the energy above the hull where some candidates have one, else the pressure where candidates
    differ in it, else the uncertainty of Tc.
    """
    from htc.discovery.pareto import non_dominated

    chosen: tuple[str, list[tuple[TopRow, float, float]]] | None = None
    for label, values in (
        ("energy above the hull (eV/atom)", [r.hull_distance_eV for r in rows]),
        ("pressure (GPa)", [r.pressure_gpa for r in rows] if len({r.pressure_gpa for r in rows}) > 1 else []),
        ("width of the 95 % interval (K)", [_width(r) for r in rows]),
    ):
        told = [
            (r, float(r.tc_predicted), float(v))
            for r, v in zip(rows, values, strict=False)
            if v is not None and r.tc_predicted is not None
        ]
        if len(told) > 1:
            chosen = label, told
            break
    if chosen is None:
        return None
    label, told = chosen
    points = np.array([[tc, -cost] for _, tc, cost in told])
    front = set(non_dominated(points).tolist())
    figure, axes = _axes(7.0, 4.6)
    rest = [t for i, t in enumerate(told) if i not in front]
    axes.scatter([c for _, _, c in rest], [tc for _, tc, _ in rest], s=14, color=_GREY, label="beaten")
    best = sorted((told[i] for i in front), key=lambda t: t[2])
    axes.step(
        [c for _, _, c in best], [tc for _, tc, _ in best], where="post", color=_BLUE, lw=1.0, alpha=0.6
    )
    axes.scatter([c for _, _, c in best], [tc for _, tc, _ in best], s=26, color=_BLUE, label="not beaten")
    for row, tc, cost in sorted(best, key=lambda t: -t[1])[:_NAMED]:
        axes.annotate(row.formula, (cost, tc), (4, 4), textcoords="offset points", fontsize=8)
    axes.set_xlabel(label)
    axes.set_ylabel("predicted $T_c$ (K)")
    axes.legend(frameon=False)
    figure.savefig(path)
    return label


def _width(row: TopRow) -> float | None:
    if row.tc_lower_95ci is None or row.tc_upper_95ci is None:
        return None
    return row.tc_upper_95ci - row.tc_lower_95ci
