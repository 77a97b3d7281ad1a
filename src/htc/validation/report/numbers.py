"""Numbers as reports show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["number", "share", "with_interval"]

NONE = "–"
_NEXT_TO_NOTHING = 1e-9


def number(value: float | None, digits: int = 3) -> str:
    """Three significant digits; small ones as powers of ten."""
    if value is None:
        return NONE
    size = abs(value)
    if 0.0 < size < _NEXT_TO_NOTHING:
        return "≈ 0"
    if size != 0.0 and not 1e-3 <= size < 1e5:
        return f"{value:.{max(digits - 2, 0)}e}"
    if size >= 10 ** (digits - 1):
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def share(value: float | None) -> str:
    """As percent; shares below a tenth of a percent keep their first digit."""
    if value is None:
        return NONE
    percent = 100.0 * value
    if 0.0 < percent < 0.1:
        return f"{percent:.0e} %"
    return f"{percent:.1f} %" if percent < 99.95 else f"{percent:.0f} %"


def with_interval(metrics: Mapping[str, Any], name: str) -> str:
    """A figure and, in brackets, its bootstrap interval."""
    ends = metrics["intervals"].get(name)
    shown = share if name in ("mape", "coverage", "within") else number
    told = shown(metrics[name])
    return told if ends is None or metrics[name] is None else f"{told} ({shown(ends[0])} – {shown(ends[1])})"
