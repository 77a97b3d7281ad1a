"""Ways to divide materials so that an average cannot hide where the errors are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.materials.chemistry import CHALCOGENS, HALOGENS, PNICTOGENS
from htc.materials.families import recognise
from htc.materials.formulas import parse_formula
from htc.models.training.report.measures import (
    Figures,
    average,
    bootstrap,
    coverage,
    mean_absolute_error,
    resamples,
)
from htc.models.training.report.table import LEVELS, PredictionTable

__all__ = ["DIVISIONS", "MIN_GROUP", "chemistry_class", "divided", "family"]

BoolArray = NDArray[np.bool_]

MIN_GROUP: Final = 10
"""Smaller groups are counted together as ``fewer than 10 each``: their averages say nothing."""

_BY_ELEMENT: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("hydride", frozenset({"H"})),
    ("oxide", frozenset({"O"})),
    ("halide", HALOGENS),
    ("nitride", frozenset({"N"})),
    ("carbide", frozenset({"C"})),
    ("boride", frozenset({"B"})),
    ("chalcogenide", CHALCOGENS),
    ("pnictide", PNICTOGENS - {"N"}),
    ("silicide", frozenset({"Si", "Ge"})),
)

_TC_EDGES_K: Final = (0.0, 0.1, 1.0, 5.0, 10.0, 20.0, np.inf)
_SITE_EDGES: Final = (0, 2, 4, 6, 8, 10_000)


@lru_cache(maxsize=65536)
def chemistry_class(formula: str) -> str:
    """Class by the first that it contains at all: H, O, halogen, N, C, B, chalcogen, pnictogen, Si/Ge.

    What has none of them is an ``element`` or ``intermetallic``. Coarser than :func:`family`, which
    asks how much of it there is.

    Raises:
        FormulaError: the formula cannot be read.
    """
    elements = {element.symbol for element in parse_formula(formula).elements}
    if len(elements) == 1:
        return "element"
    return next((name for name, members in _BY_ELEMENT if elements & members), "intermetallic")


@lru_cache(maxsize=65536)
def family(formula: str) -> str:
    """Family of the composition, see ``htc.materials.families``.

    Raises:
        FormulaError: the formula cannot be read.
    """
    return recognise(parse_formula(formula)).name


def _named(names: Iterable[str], order: Iterable[str] = ()) -> dict[str, BoolArray]:
    labels = np.array(list(names))
    present = set(labels.tolist())
    ordered = [n for n in order if n in present] or sorted(present, key=lambda n: -(labels == n).sum())
    return {name: labels == name for name in ordered}


def _by_true_tc(table: PredictionTable) -> dict[str, BoolArray]:
    tc = table.tc_true()
    groups = {}
    for low, high in itertools.pairwise(_TC_EDGES_K):
        inside = (tc > low) & (tc <= high) if low > 0.0 else tc <= high
        groups[f"above {low:g} K" if np.isinf(high) else f"{low:g} to {high:g} K"] = inside
    return groups


def _by_sites(table: PredictionTable) -> dict[str, BoolArray]:
    groups = {}
    for low, high in itertools.pairwise(_SITE_EDGES):
        inside = (table.n_sites > low) & (table.n_sites <= high)
        groups[f"more than {low}" if high == _SITE_EDGES[-1] else f"{low + 1} to {high}"] = inside
    return groups


Division = Callable[[PredictionTable], dict[str, BoolArray]]

DIVISIONS: Final[Mapping[str, Division]] = {
    "family": lambda table: _named(map(family, table.formula.tolist())),
    "chemistry": lambda table: _named(map(chemistry_class, table.formula.tolist())),
    "true_tc": _by_true_tc,
    "n_sites": _by_sites,
    "confidence": lambda table: _named(table.level.tolist(), LEVELS),
}
"""Ways to divide a table into named groups."""


def divided(table: PredictionTable, division: str, *, n_resamples: int = 500) -> dict[str, Figures]:
    """Errors and coverage of each group of a division that has at least :data:`MIN_GROUP` materials.

    Args:
        table: the materials.
        division: a key of :data:`DIVISIONS`.
        n_resamples: bootstrap resamples.

    Returns:
        By group: ``share`` of the materials, ``share_of_tc_error``, ``lambda_mae``, ``omega_log_mae_k``,
        ``tc_mae_k``, ``tc_bias_k`` (predicted minus calculated), ``mean_tc_k`` and ``coverage_95``, all at
        mu* 0.10.
    """
    groups = DIVISIONS[division](table)
    small = [name for name, inside in groups.items() if inside.sum() < MIN_GROUP]
    if small:
        rest = np.any([groups.pop(name) for name in small], axis=0)
        if rest.any():
            groups[f"fewer than {MIN_GROUP} each"] = rest
    weights = resamples(table.formula, n_resamples)
    return {name: _figures(table, inside, weights) for name, inside in groups.items()}


def _figures(table: PredictionTable, inside: BoolArray, weights: NDArray[np.float64]) -> Figures:
    """Figures of one group; resamples without any of its materials are passed over."""
    tc_true, tc = table.tc_true(), table.tc()
    error = np.abs(tc - tc_true)
    mask = inside.astype(np.float64)
    part = table.select(inside)
    drawn = weights[:, inside]
    drawn = drawn[drawn.sum(axis=1) > 0.0]
    of_all = bootstrap(
        {
            "share": average(mask),
            "share_of_tc_error": lambda w: np.asarray(w @ (mask * error) / (w @ error)),
        },
        weights,
    )
    true = tc_true[inside]
    return of_all | bootstrap(
        {
            "lambda_mae": mean_absolute_error(part.lambda_true, part.lambda_ep),
            "omega_log_mae_k": mean_absolute_error(part.omega_log_true, part.omega_log),
            "tc_mae_k": mean_absolute_error(true, tc[inside]),
            "tc_bias_k": average((tc - tc_true)[inside]),
            "mean_tc_k": average(true),
            "coverage_95": coverage(true, part.tc_lower_95, part.tc_upper_95),
        },
        drawn,
    )
