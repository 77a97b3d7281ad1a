"""A suite's results beside those of the run before: what changed, and what got worse by more than it may.

Figures are compared on the cases that both runs have, so that a case more or less is no change of a figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from htc.validation.cases import Suite, View
from htc.validation.metrics import metrics_of
from htc.validation.summary import Point

__all__ = ["ERROR_TOLERANCE", "SHARE_TOLERANCE", "compare"]

ERROR_TOLERANCE: Final = 0.02
"""By which share an error (MAE, RMSE, MAPE) may grow."""
SHARE_TOLERANCE: Final = 0.01
"""By how much a share or correlation (R2, rank correlation, coverage, agreement) may fall."""
_ERRORS: Final = ("mae", "rmse", "mape")
_SHARES: Final = ("r2", "spearman", "coverage", "within")
_NOTHING: Final = 1e-9
_MOST_CASES: Final = 200


def compare(
    suite: Suite,
    now: Sequence[Point],
    before: Sequence[Point],
    *,
    without_pair: Iterable[str] = (),
) -> dict[str, Any]:
    """What changed between two runs, JSON-ready.

    Args:
        suite: the suite.
        now: points of this run.
        before: points of the run before.
        without_pair: labels of cases that gave no pair this time, because they failed or were refused.

    Returns:
        ``figures`` (view, figure, before, now, worse), ``cases`` whose judged value moved, those
        that got worse first, ``lost`` (cases with a pair before and none now), ``new``, ``changed`` (how many
        moved) and ``regressions``, one sentence each.
    """
    old = {(p.view, p.label): p for p in before}
    fresh = {(p.view, p.label): p for p in now}
    views = {view.name: view for view in suite.views}
    figures: list[dict[str, Any]] = []
    cases: list[dict[str, Any]] = []
    for view in suite.views:
        common = [key for key in fresh if key[0] == view.name and key in old]
        if common:
            figures += _figures(view, [old[key] for key in common], [fresh[key] for key in common])
        cases += [case for key in common if (case := _case(view, old[key], fresh[key])) is not None]
    lost = sorted({label for view, label in old if view in views and (view, label) not in fresh})
    silent = set(without_pair)
    gone = [label for label in lost if label in silent]
    cases.sort(key=lambda case: (not case["worse"], -abs(case["now"] - case["before"])))
    regressions = [
        f"{views[f['view']].title}: {f['figure']} from {f['before']:.4g} to {f['now']:.4g}"
        for f in figures
        if f["worse"]
    ]
    regressions += [
        f"{c['label']} ({views[c['view']].title}): from {c['before']:.4g} to {c['now']:.4g}, "
        f"known {c['known']:.4g}"
        for c in cases
        if c["worse"]
    ]
    regressions += [f"{label} gave a result before, and none now" for label in gone]
    return {
        "figures": figures,
        "cases": cases[:_MOST_CASES],
        "changed": len(cases),
        "lost": lost,
        "new": sorted({label for view, label in fresh if (view, label) not in old}),
        "regressions": regressions,
    }


def _figures(view: View, before: Sequence[Point], now: Sequence[Point]) -> list[dict[str, Any]]:
    was, this = _all(view, before), _all(view, now)
    found = []
    for name in (*_ERRORS, *_SHARES):
        a, b = was[name], this[name]
        if a is None or b is None:
            continue
        limit = a + max(ERROR_TOLERANCE * a, view.least_change) if name in _ERRORS else a - SHARE_TOLERANCE
        worse = b > limit + _NOTHING if name in _ERRORS else b < limit - _NOTHING
        found.append({"view": view.name, "figure": name, "before": a, "now": b, "worse": worse})
    return found


def _all(view: View, points: Sequence[Point]) -> Mapping[str, float | None]:
    found = metrics_of(
        [p.known for p in points],
        [p.predicted for p in points],
        [None if p.lower_95 is None or p.upper_95 is None else (p.lower_95, p.upper_95) for p in points],
        within=[p.within for p in points],
        mape_from=view.mape_from,
        n_resamples=0,
    )
    return {name: getattr(found, name) for name in (*_ERRORS, *_SHARES)}


def _case(view: View, before: Point, now: Point) -> dict[str, Any] | None:
    """What changed in a case; None where nothing did."""
    moved = abs(now.predicted - before.predicted)
    known_moved = abs(now.known - before.known) > _NOTHING * max(1.0, abs(now.known))
    if moved <= view.same_within * max(abs(before.predicted), view.least_change) and not known_moved:
        return None
    error_before, error_now = abs(before.predicted - before.known), abs(now.predicted - now.known)
    worse = error_now - error_before > view.case_tolerance + view.case_tolerance_share * abs(now.known)
    if before.within and now.within is False:
        worse = True
    return {
        "label": now.label,
        "view": view.name,
        "known": now.known,
        "before": before.predicted,
        "now": now.predicted,
        "worse": worse and not known_moved,
        "known_changed": known_moved,
    }
