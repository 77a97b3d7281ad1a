"""Everything the report says, in one document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np

from htc.models.training.report.budget import WORST_SHARE, error_budget, worst_share
from htc.models.training.report.calibration import calibration_curve, coverage_by, misses
from htc.models.training.report.failures import worst_failures
from htc.models.training.report.groups import DIVISIONS, chemistry_class, divided
from htc.models.training.report.measures import Figure, headline
from htc.models.training.report.ranking import (
    GOALS,
    WIDE_GOALS,
    Goal,
    compare_on_pools,
    possible_gain,
    recall,
)
from htc.models.training.report.table import SOURCES, SPLITS, PredictionTable
from htc.models.training.report.transfer import MAIN_SOURCE, between_sources, transfer

__all__ = ["plain", "summarise"]

_N_FAILURES: Final = 20
_SEARCH_GOALS: Final = GOALS[:1]
"""Goals for which searches in batches are tried as well; each takes minutes."""
_MIN_SPLIT: Final = 2

Told = Callable[[str, int, int], None]


def summarise(table: PredictionTable, *, progress: Told | None = None) -> dict[str, Any]:
    """The report of one model, JSON-ready.

    Args:
        table: its predictions, see :func:`htc.models.training.report.read_predictions`.
        progress: told how far it is.

    Returns:
        ``out_of_fold`` and ``held_out``, each for the main data set: ``rows``, ``figures``, ``groups`` (by
        division), ``budget``, ``worst`` (share of error, and of which chemistry), ``calibration`` (curve,
        coverage by group and mu*, misses); of ``held_out`` also ``failures`` and ``recall`` (by goal).
        ``pools``: ways to choose on the folds of ``out_of_fold``, by goal, and ``possible_gain``, what the
        best of them could gain for the first goal if the distributions were right. ``transfer``: by data set.
        ``labels_apart``: how far the labels of the data sets are from each other.
        A figure is ``{"value", "lower_95", "upper_95"}``.
    """
    main = {split: table.of(MAIN_SOURCE, split) for split in SPLITS}
    others = [source for source in SOURCES if source != MAIN_SOURCE and (table.source == source).any()]
    steps: list[tuple[str, Callable[[], Any]]] = []
    for split, rows in main.items():
        if len(rows) >= _MIN_SPLIT:
            steps.append((split, partial(_of_split, rows)))
    if len(main["held_out"]) >= _MIN_SPLIT:
        held_out = main["held_out"]
        steps.append(("failures", lambda: _failures(held_out, table)))
        steps.append(("recall", lambda: _recalls(held_out, GOALS)))
    if len(main["out_of_fold"]) >= _MIN_SPLIT:
        outside = main["out_of_fold"]
        steps += [
            ("pools", lambda: _pools(outside)),
            ("possible_gain", lambda: possible_gain(outside)),
            ("wide_recall", lambda: _recalls(outside, WIDE_GOALS)),
        ]
    steps.append(("transfer", lambda: {source: transfer(table, source) for source in others}))
    steps.append(
        ("labels_apart", lambda: {source: between_sources(table, MAIN_SOURCE, source) for source in others})
    )
    out: dict[str, Any] = {}
    for i, (name, make) in enumerate(steps):
        if progress is not None:
            progress("report", i, len(steps))
        out[name] = plain(make())
    if progress is not None:
        progress("report", len(steps), len(steps))
    return out


def _of_split(rows: PredictionTable) -> dict[str, Any]:
    share, worst = worst_share(rows)
    names, counts = np.unique(
        [chemistry_class(formula) for formula in rows.formula[worst].tolist()], return_counts=True
    )
    return {
        "rows": len(rows),
        "figures": headline(rows),
        "groups": {name: divided(rows, name) for name in DIVISIONS},
        "budget": error_budget(rows),
        "worst": {
            "share_of_rows": WORST_SHARE,
            "share_of_tc_error": share,
            "chemistry": {str(names[i]): int(counts[i]) for i in np.argsort(-counts, kind="stable")},
        },
        "calibration": {
            "curve": {f"{nominal:.2f}": figure for nominal, figure in calibration_curve(rows).items()},
            "by": coverage_by(rows),
            "misses": misses(rows),
        },
    }


def _failures(rows: PredictionTable, everything: PredictionTable) -> list[dict[str, Any]]:
    return [failure.as_dict() for failure in worst_failures(rows, everything, _N_FAILURES)]


def _recalls(rows: PredictionTable, goals: tuple[Goal, ...]) -> dict[str, Any]:
    return {goal.name: recall(rows, goal, n_resamples=400) for goal in goals if len(rows) > goal.budget}


def _pools(rows: PredictionTable) -> dict[str, Any]:
    return {
        goal.name: {
            name: comparison.as_dict()
            for name, comparison in compare_on_pools(
                rows, goal, **({} if goal in _SEARCH_GOALS else {"batches": ()})
            ).items()
        }
        for goal in GOALS
    }


def plain(value: Any) -> Any:
    """The same with figures as dictionaries and numbers of numpy as Python's."""
    if isinstance(value, Figure):
        return value.as_dict()
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value.item() if isinstance(value, np.generic) else value
