"""Parity plots as SVG, written directly: a report needs no program to be read, and is the same every time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from htc.validation.summary import Point

__all__ = ["parity_plot"]

SIZE: Final = 440.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 12.0, 12.0, 48.0
_COLOURS: Final = ("#2563a8", "#c2410c", "#15803d", "#7c3aed", "#a16207", "#0e7490", "#be185d", "#525252")
_SHAPES: Final = ("circle", "diamond", "square", "triangle")
_MOST_GROUPS: Final = 7
_LEAST: Final = 1e-2
_FLOOR_OF_SPAN: Final = 10_000.0
"""A logarithmic axis shows at most so large a factor; what lies below is drawn at its edge."""


def parity_plot(view: Mapping[str, Any], points: Sequence[Point]) -> str:
    """Predicted against known, on logarithmic axes, with the diagonal and 95 % intervals.

    An empty text where everything known is zero: such a plot would tell nothing.

    Args:
        view: name, titles, unit, ``group``.
        points: of this view.
    """
    known = [p.known for p in points if p.known > 0.0]
    if not known:
        return ""
    top = max(max(known), max(p.predicted for p in points)) * 1.4
    low = min([*known, *(p.predicted for p in points if p.predicted > 0.0)])
    floor = max(low / 1.4, top / _FLOOR_OF_SPAN, min(_LEAST, top / 100.0))
    span = math.log(top / floor)
    plot, right, bottom = SIZE - _LEFT - _RIGHT, SIZE - _RIGHT, SIZE - _BOTTOM

    def x(value: float) -> float:
        return _LEFT + plot * min(max(math.log(max(value, floor) / floor) / span, 0.0), 1.0)

    def y(value: float) -> float:
        return (
            SIZE
            - _BOTTOM
            - (SIZE - _TOP - _BOTTOM) * min(max(math.log(max(value, floor) / floor) / span, 0.0), 1.0)
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE:g} {SIZE:g}" role="img" '
        f'aria-label="{escape(str(view["title"]))}, {len(points)} pairs" class="parity">',
        f'<rect x="{_LEFT:g}" y="{_TOP:g}" width="{plot:g}" height="{bottom - _TOP:g}" class="frame"/>',
        *(
            f'<path d="M{x(tick):.1f},{_TOP:g}V{bottom:g}" class="grid"/>'
            f'<path d="M{_LEFT:g},{y(tick):.1f}H{right:g}" class="grid"/>'
            f'<text x="{x(tick):.1f}" y="{bottom + 16:g}" text-anchor="middle">{tick:g}</text>'
            f'<text x="{_LEFT - 6:g}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>'
            for tick in _ticks(floor, top)
        ),
    ]
    parts.append(
        f'<line x1="{x(floor):.1f}" y1="{y(floor):.1f}" x2="{x(top):.1f}" y2="{y(top):.1f}" class="equal"/>'
    )
    key = view.get("group")
    names = _groups(points, key)
    for point in points:
        name = _name(point, key, names)
        n = names.index(name) if name in names else 0
        colour, shape = _COLOURS[n % len(_COLOURS)], _SHAPES[n % len(_SHAPES)]
        px, py = x(point.known), y(point.predicted)
        if point.lower_95 is not None and point.upper_95 is not None:
            parts.append(
                f'<path d="M{px:.1f},{y(point.lower_95):.1f}V{y(point.upper_95):.1f}" '
                f'stroke="{colour}" class="bar"/>'
            )
        said = f"{point.label}: known {point.known:.4g}, here {point.predicted:.4g}"
        parts.append(_mark(shape, px, py, colour, escape(said)))
    parts.append(
        f'<text x="{_LEFT + plot / 2:g}" y="{SIZE - 8:g}" text-anchor="middle">{escape(view["known"])}</text>'
        f'<text text-anchor="middle" transform="translate(14 {SIZE / 2 - 15:g}) rotate(-90)">'
        f"{escape(view['predicted'])}</text>"
    )
    for n, name in enumerate(names if len(names) > 1 else []):
        at = _TOP + 16 + 17 * n
        parts.append(_mark(_SHAPES[n % 4], _LEFT + 14, at - 4, _COLOURS[n % len(_COLOURS)], ""))
        parts.append(f'<text x="{_LEFT + 24:g}" y="{at:g}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])


def _groups(points: Sequence[Point], key: str | None) -> list[str]:
    """Names of the groups, the largest first; the smallest together where there are many."""
    if key is None:
        return [""]
    count: dict[str, int] = {}
    for point in points:
        name = point.groups.get(key, "not stated")
        count[name] = count.get(name, 0) + 1
    names = sorted(count, key=lambda name: (-count[name], name))
    return names if len(names) <= _MOST_GROUPS else [*names[: _MOST_GROUPS - 1], "others"]


def _name(point: Point, key: str | None, names: Sequence[str]) -> str:
    name = "" if key is None else point.groups.get(key, "not stated")
    return name if name in names else "others"


def _mark(shape: str, x: float, y: float, colour: str, said: str) -> str:
    r = 3.6
    match shape:
        case "circle":
            path = f"M{x - r:.1f},{y:.1f}a{r},{r} 0 1,0 {2 * r},0a{r},{r} 0 1,0 {-2 * r},0"
        case "square":
            path = f"M{x - r:.1f},{y - r:.1f}h{2 * r}v{2 * r}h{-2 * r}Z"
        case "diamond":
            w = f"{1.3 * r:.1f}"
            path = f"M{x:.1f},{y - 1.3 * r:.1f}l{w},{w}l-{w},{w}l-{w},-{w}Z"
        case _:
            path = f"M{x:.1f},{y - 1.2 * r:.1f}l{1.15 * r:.1f},{2.1 * r:.1f}h{-2.3 * r:.1f}Z"
    title = f"<title>{said}</title>" if said else ""
    return f'<path d="{path}" fill="{colour}" class="mark">{title}</path>'


def _ticks(low: float, high: float) -> list[float]:
    found = []
    heads = (1.0,) if high / low > 200.0 else (1.0, 2.0, 5.0)
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        for head in heads:
            value = head * 10.0**power
            if low <= value <= high:
                found.append(value)
    return found
