"""Charts drawn with characters, for a look without leaving the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from htc.cli.console import out

if TYPE_CHECKING:
    from htc.spectra import Spectrum

__all__ = ["bar_chart", "spectrum_chart"]

_MOST_COLUMNS = 110
_ROWS = 16


def spectrum_chart(spectrum: Spectrum, title: str) -> str:
    """alpha2F and the running lambda over energy."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(min(out.width, _MOST_COLUMNS), _ROWS)
    omega = spectrum.omega_mev.tolist()
    plotext.plot(omega, spectrum.alpha2f.tolist(), label="alpha2F", marker="braille")
    plotext.plot(omega, spectrum.cumulative_lambda().tolist(), label="lambda up to omega", marker="dot")
    plotext.title(title)
    plotext.xlabel("omega (meV)")
    return _plain(plotext.build())


def bar_chart(names: Sequence[str], tc_k: Sequence[float]) -> str:
    """Bars of Tc, the first name on top."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(min(out.width, _MOST_COLUMNS), max(6, len(names) + 4))
    plotext.bar(list(reversed(names)), list(reversed(tc_k)), orientation="horizontal", width=0.4)
    plotext.xlabel("Tc (K)")
    return _plain(plotext.build())


def _plain(chart: str) -> str:
    import plotext

    return "\n".join(line.rstrip() for line in plotext.uncolorize(chart).splitlines())
