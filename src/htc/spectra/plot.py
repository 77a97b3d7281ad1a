"""Pictures of spectra: for print with matplotlib, and in one line of text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from htc.errors import InputError, StorageError
from htc.spectra.spectrum import Spectrum

__all__ = ["plot_spectra", "sparkline"]

_BLOCKS: Final[str] = "▁▂▃▄▅▆▇█"
SUFFIXES: Final[tuple[str, ...]] = (".png", ".pdf", ".svg")
MAX_PANELS: Final[int] = 24


def sparkline(spectrum: Spectrum, width: int = 16) -> str:
    """The shape of alpha2F from 0 to its highest frequency as ``width`` blocks; a blank where it is zero."""
    edges = np.linspace(0.0, spectrum.max_omega_mev, width + 1)
    inside = [
        spectrum.alpha2f[(spectrum.omega_mev > a) & (spectrum.omega_mev <= b)] for a, b in pairwise(edges)
    ]
    heights = np.array([max(float(part.max()), 0.0) if part.size else 0.0 for part in inside])
    if not heights.max() > 0.0:
        return " " * width
    scaled = heights / heights.max()
    return "".join(" " if h < 0.01 else _BLOCKS[min(int(h * len(_BLOCKS)), len(_BLOCKS) - 1)] for h in scaled)


def plot_spectra(spectra: Sequence[Spectrum], path: Path) -> None:
    """Write a picture of alpha2F and the running lambda, a panel for every source file.

    Args:
        spectra: what to draw; spectra with the same ``source`` share a panel.
        path: file to write; its suffix, one of .png, .pdf, .svg, decides the format.

    Raises:
        InputError: nothing to draw, too many files, or another suffix.
        StorageError: the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"cannot draw a {path.suffix or 'suffixless'} file",
            where=str(path),
            hint=f"use {', '.join(sorted(SUFFIXES))}",
        )
    panels: dict[str, list[Spectrum]] = {}
    for spectrum in spectra:
        panels.setdefault(str(spectrum.provenance.get("source", "")), []).append(spectrum)
    if not 1 <= len(panels) <= MAX_PANELS:
        raise InputError(f"{len(panels)} files to draw; 1 to {MAX_PANELS} fit", where=str(path))

    # matplotlib takes most of a second to import.
    from matplotlib.figure import Figure

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.6 * columns + 0.8, 2.7 * rows), layout="constrained")
    for index, (source, members) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, index + 1)
        running = axes.twinx()
        for i, spectrum in enumerate(members):
            alone = len(members) == 1
            shade = 0.15 + 0.7 * i / max(len(members) - 1, 1)
            colour = "C0" if alone else _viridis(shade)
            label = spectrum.label if len(members) <= 4 or i in (0, len(members) - 1) else None
            axes.plot(spectrum.omega_mev, spectrum.alpha2f, color=colour, lw=1.0, label=label)
            if alone:
                axes.fill_between(spectrum.omega_mev, spectrum.alpha2f, color=colour, alpha=0.15, lw=0)
            running.plot(
                spectrum.omega_mev,
                spectrum.cumulative_lambda(),
                color="C3" if alone else colour,
                lw=1.0,
                ls="--",
            )
        axes.set_xlim(0.0, max(s.max_omega_mev for s in members))
        axes.set_ylim(bottom=min(0.0, *(float(s.alpha2f.min()) for s in members)))
        running.set_ylim(bottom=min(0.0, *(float(s.cumulative_lambda().min()) for s in members)))
        axes.set_xlabel("ω (meV)")
        axes.set_ylabel("α²F(ω)")
        running.set_ylabel("λ(ω), dashed")
        kind = ["surrogate"] if any(s.is_surrogate for s in members) else []
        axes.set_title(" ".join(["/".join(Path(source).parts[-2:]), *kind]).strip(), fontsize=9)
        if len(members) > 1:
            axes.legend(fontsize=7, frameon=False)
    try:
        figure.savefig(path, dpi=300)
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def _viridis(fraction: float) -> tuple[float, float, float, float]:
    from matplotlib import colormaps

    red, green, blue, alpha = colormaps["viridis"](fraction)
    return red, green, blue, alpha
