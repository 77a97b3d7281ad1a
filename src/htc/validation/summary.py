"""What a suite's results say: metrics of every view and of the parts of it, and what has no pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from htc.validation.cases import Pair, Suite, View
from htc.validation.metrics import as_values, metrics_of

__all__ = ["SCHEMA", "Point", "points_of", "summarise"]

SCHEMA: Final = 2
"""Of the results; those of earlier versions name no schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One pair with the case it belongs to."""

    label: str
    formula: str
    view: str
    known: float
    predicted: float
    lower_95: float | None
    upper_95: float | None
    within: bool | None
    tolerance: float | None
    pressure_gpa: float
    groups: Mapping[str, str]
    source: str
    doi: str | None
    note: str | None
    prediction_id: str | None


def points_of(values: Mapping[str, Any], *, label: str, prediction_id: str | None = None) -> list[Point]:
    """The pairs of one judged case, from what is kept of it; none of an earlier version."""
    return [
        Point(
            label=label,
            formula=values["formula"],
            pressure_gpa=float(values["pressure_gpa"]),
            source=values["source"],
            doi=values.get("doi"),
            note=values.get("note"),
            prediction_id=prediction_id,
            **asdict(Pair.from_values(one)),
        )
        for one in values.get("pairs", ())
    ]


def summarise(
    suite: Suite,
    points: Sequence[Point],
    *,
    failed: int = 0,
    refused: Iterable[str] = (),
    conditions: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Metrics of a suite, JSON-ready.

    Args:
        suite: the suite.
        points: from :func:`points_of`.
        failed: cases that could not be judged.
        refused: labels of cases outside the theory.
        conditions: what the figures depend on: model, mu*, program.
    """
    return {
        "schema": SCHEMA,
        "suite": suite.name,
        "title": suite.title,
        "about": suite.about,
        "fingerprint": suite.fingerprint,
        "conditions": dict(conditions or {}),
        "views": [
            {**asdict(view), "parts": _parts(view, [p for p in points if p.view == view.name])}
            for view in suite.views
            if any(p.view == view.name for p in points)
        ],
        "cautions": list(suite.cautions),
        "excluded": dict(suite.excluded),
        "pairs": len(points),
        "failed": failed,
        "refused": sorted(refused),
    }


def _parts(view: View, points: Sequence[Point]) -> dict[str, dict[str, Any]]:
    # Where one case makes several pairs, figures of all of them together would say nothing.
    parts: dict[str, list[Point]] = {"all": list(points)} if view.headline_part == "all" else {}
    for key in dict.fromkeys(key for p in points for key in p.groups):
        for value in sorted({p.groups[key] for p in points if key in p.groups}):
            parts[f"{key}: {value}"] = [p for p in points if p.groups.get(key) == value]
    return {name: _metrics(view, some) for name, some in parts.items()}


def _metrics(view: View, points: Sequence[Point]) -> dict[str, Any]:
    return as_values(
        metrics_of(
            [p.known for p in points],
            [p.predicted for p in points],
            [None if p.lower_95 is None or p.upper_95 is None else (p.lower_95, p.upper_95) for p in points],
            within=[p.within for p in points],
            groups=[p.formula for p in points],
            mape_from=view.mape_from,
        )
    )
