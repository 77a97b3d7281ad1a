"""Numbers and formulas as pages write them. The module ``static/js/format.js`` writes them alike."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup, escape

__all__ = [
    "AXIS_TICKS_K",
    "ago",
    "axis",
    "formula",
    "hermann",
    "interval",
    "kelvin",
    "moment",
    "number",
    "pretty",
    "short_model",
    "symbols",
]

NONE: Final = "–"
"""Where there is no value."""

_COUNT = re.compile(r"(?<=[A-Za-z)\]])(\d+(?:\.\d+)?)")
_INVERSION = re.compile(r"-(\d)")
_SCREW = re.compile(r"_(\d)")
_QUANTITY = re.compile(r"\b(omega|lambda)_(max|log|2|ep)\b")
_GREEK: Final = {"omega": "ω", "lambda": "λ"}
_SPACE: Final = "\u202f"
"""Between a number and its unit: narrow, and never broken."""


_AXIS_K: Final = (0.3, 400.0)
AXIS_TICKS_K: Final = (1, 10, 100)
"""Ticks of the logarithmic axis of all interval bars, K."""


def axis(value: float) -> float:
    """Place of a temperature in K on the axis of the interval bars, per cent of its width."""
    low, high = _AXIS_K
    place = math.log(max(value, low) / low) / math.log(high / low)
    return round(100.0 * min(place, 1.0), 2)


def kelvin(value: float | None) -> str:
    """A temperature in K without its unit: one decimal from 1 K on, two below."""
    if value is None:
        return NONE
    if 0.0 < value < 0.01:
        return "<0.01"
    return f"{value:.1f}" if value >= 0.995 or value == 0.0 else f"{value:.2f}"


def number(value: float | None, decimals: int = 2) -> str:
    """A number with a fixed number of decimals and a true minus sign."""
    return NONE if value is None else f"{value:.{decimals}f}".replace("-", "−")


def interval(low: float | None, high: float | None) -> str:
    """Both ends of an interval of temperatures, K, without the unit."""
    return NONE if low is None or high is None else f"{kelvin(low)}{_SPACE}–{_SPACE}{kelvin(high)}"


def formula(text: str | None) -> Markup:
    """A chemical formula with its counts as subscripts."""
    if not text:
        return Markup("–")
    return Markup(_COUNT.sub(r"<sub>\1</sub>", str(escape(text.replace(" ", "")))))  # noqa: S704  # escaped


def hermann(text: str | None) -> Markup:
    """A space group symbol as it is printed: ``Pm-3n`` with a bar over the 3, ``P6_3/mmc`` with an index."""
    if not text:
        return Markup("–")
    marked = _INVERSION.sub(r'<span class="overbar">\1</span>', str(escape(text)))
    return Markup(_SCREW.sub(r"<sub>\1</sub>", marked))  # noqa: S704  # escaped


def moment(when: datetime | None) -> str:
    """A time in UTC, to the minute."""
    return NONE if when is None else f"{_in_utc(when):%Y-%m-%d %H:%M}"


def ago(when: datetime | None, now: datetime | None = None) -> str:
    """How long ago, in words."""
    if when is None:
        return NONE
    seconds = ((now or datetime.now(UTC)) - _in_utc(when)).total_seconds()
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def sym(letter: str, index: str = "") -> Markup:
    """The symbol of a quantity, with an index where it has one."""
    return Markup('<i class="sym">{}</i>').format(letter) + (
        Markup("<sub>{}</sub>").format(index) if index else Markup("")
    )


def symbols(text: str) -> Markup:
    """A phrase of the program with quantities as their symbols: ``omega_max`` as ω with an index."""
    marked = str(escape(text)).replace("mu*", f"{sym('μ')}*")
    return Markup(_QUANTITY.sub(lambda found: sym(_GREEK[found[1]], found[2]), marked))  # noqa: S704  # escaped


def pretty(value: object) -> str:
    """Any JSON, indented."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str, sort_keys=True)


def short_model(model_id: str | None) -> str:
    """The id of a model with the hash of its weights cut to eight characters."""
    if not model_id:
        return NONE
    return re.sub(r"([0-9a-f]{8})[0-9a-f]{8,}", r"\1", model_id)


def _in_utc(when: datetime) -> datetime:
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
