"""The figure of a pack: alpha2F and the coupling that builds up, as SVG, the same bytes every time.

Written directly: a page of the service shows it too, and matplotlib takes seconds and a hundred megabytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from jinja2 import Template
    from numpy.typing import NDArray

    from htc.spectra import Spectrum

__all__ = ["draw", "figure_title", "ticks"]

WIDTH: Final = 640.0
HEIGHT: Final = 360.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 66.0, 34.0, 50.0
_MOST_POINTS: Final = 3000


def draw(spectrum: Spectrum, title: str, *, styled: bool = True) -> str:
    """The figure as SVG: light, or dark where the reader's screen is.

    Args:
        spectrum: alpha2F.
        title: one line above it.
        styled: with its colours; False where the page has them, under the class ``alpha2f``.
    """
    keep = _kept(spectrum.alpha2f)
    omega, alpha2f = spectrum.omega_mev[keep], spectrum.alpha2f[keep]
    coupling = spectrum.cumulative_lambda()[keep]
    x = ticks(0.0, spectrum.max_omega_mev)
    left = ticks(min(0.0, float(alpha2f.min())), float(alpha2f.max()))
    right = ticks(min(0.0, float(coupling.min())), float(coupling.max()))
    span_x = (0.0, spectrum.max_omega_mev)
    span_left, span_right = _span(left, alpha2f), _span(right, coupling)

    def across(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return _LEFT + (values - span_x[0]) / (span_x[1] - span_x[0]) * (WIDTH - _LEFT - _RIGHT)

    def up(values: NDArray[np.float64], span: tuple[float, float]) -> NDArray[np.float64]:
        return HEIGHT - _BOTTOM - (values - span[0]) / (span[1] - span[0]) * (HEIGHT - _TOP - _BOTTOM)

    px, py, pl = across(omega), up(alpha2f, span_left), up(coupling, span_right)
    zero = float(up(np.zeros(1), span_left)[0])
    line = _points(px, py)
    return _template().render(
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        top=_TOP,
        bottom=HEIGHT - _BOTTOM,
        title=title,
        styled=styled,
        line=line,
        area=f"{px[0]:.1f},{zero:.1f} {line} {px[-1]:.1f},{zero:.1f}",
        running=_points(px, pl),
        x_ticks=_placed(x, across(np.array(x))),
        left_ticks=_placed(left, up(np.array(left), span_left)),
        right_ticks=_placed(right, up(np.array(right), span_right)),
        lambda_ep=f"{spectrum.lambda_ep:.4g}",
    )


def figure_title(record: Mapping[str, Any]) -> str:
    """What stands above the figure of a prediction."""
    kind = "surrogate α²F" if record.get("spectrum_origin") == "surrogate" else "α²F"
    return f"{record['reduced_formula']}: {kind}"


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers between two ends, both included where they are round, two at least."""
    if not high > low:
        high = low + 1.0
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1.0, 2.0, 2.5, 5.0, 10.0) if power * m >= rough * (1.0 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last <= first:
        return [low, high]
    return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]


def _span(marks: list[float], values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = min(marks[0], float(values.min()), 0.0), max(marks[-1], float(values.max()))
    return low, high + 0.04 * (high - low)


def _placed(marks: list[float], at: NDArray[np.float64]) -> list[tuple[str, str]]:
    return [(f"{mark:g}", f"{place:.1f}") for mark, place in zip(marks, at.tolist(), strict=True)]


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _kept(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of the points to draw: of a fine grid the lowest and the highest of each stretch."""
    n = len(values)
    if n <= _MOST_POINTS:
        return np.arange(n)
    edges = np.linspace(0, n, _MOST_POINTS // 2 + 1).astype(np.int64)
    stretches = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    kept = {0, n - 1}
    for a, b in stretches:
        kept |= {a + int(values[a:b].argmin()), a + int(values[a:b].argmax())}
    return np.array(sorted(kept))


@lru_cache(maxsize=1)
def _template() -> Template:
    from htc.evidence.rendering import templates

    return templates().get_template("alpha2f.svg.j2")
