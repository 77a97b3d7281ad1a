"""Draw the figures of the documentation, from our own spectra.

    python scripts/figures.py

writes ``mu-star.png``, ``cutoff.png`` and ``eliashberg.png`` into docs/images and prints the figures that the
pages quote. The spectra are the bundled ones: aluminium from Quantum ESPRESSO, MgB2 from EPW.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from htc.examples import examples
from htc.spectra import Spectrum, read_spectra
from htc.theory import critical_temperature
from htc.theory.eliashberg.conventions import CONVENTIONS, Convention, Edge, highest_phonon
from htc.theory.eliashberg.transition import transition

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
CHOSEN = {"Al": "degauss 0.03 Ry", "MgB2": "phonon smearing 0.5 meV"}
MU_STAR = {"Al": 0.10, "MgB2": 0.16}
STYLES = {"asis": "-", "epw": "--", "ebmb": "-.", "elk": "-", "isome": ":"}


def our_spectra() -> dict[str, Spectrum]:
    """One bundled spectrum of each material."""
    found = {}
    with examples() as inputs:
        for example in inputs:
            if example.kind == "spectrum":
                label = CHOSEN[example.formula]
                found[example.formula] = next(s for s in read_spectra(example.path) if s.label == label)
    return found


def at_multiple(multiple: float, *, rescaled: bool) -> Convention:
    """A cutoff of so many omega_max, with mu* as given there or as given at omega_max and rescaled."""
    return replace(
        CONVENTIONS["asis"],
        name="rescaled" if rescaled else "given at the cutoff",
        phonon_cutoff=(multiple, "omega_max"),
        coulomb_cutoff=(multiple, "omega_max"),
        mu_star_at="omega_max" if rescaled else None,
    )


def tc_over(
    spectrum: Spectrum, mu_star: float, multiples: np.ndarray, *, rescaled: bool, edge: Edge = "step"
) -> np.ndarray:
    """Tc, K, for each cutoff in units of omega_max."""
    return np.array(
        [
            transition(spectrum, mu_star, at_multiple(x, rescaled=rescaled), edge=edge).tc_k
            for x in multiples.tolist()
        ]
    )


def draw_mu_star(figure: Figure, spectra: dict[str, Spectrum]) -> None:
    """Tc against mu* under the five conventions."""
    for axes, (formula, spectrum) in zip(figure.subplots(1, 2), spectra.items(), strict=True):
        for name in CONVENTIONS:
            grid = _defined(spectrum, name, np.linspace(0.0, 0.25, 51))
            tc = [transition(spectrum, mu, name).tc_k for mu in grid.tolist()]
            axes.plot(grid, tc, ls=STYLES[name], lw=1.2, label=name)
        grid = np.linspace(0.0, 0.25, 51)
        tc = [critical_temperature(spectrum, mu, "allen_dynes").tc_k for mu in grid.tolist()]
        axes.plot(grid, tc, color="0.55", lw=0.9, label="Allen-Dynes")
        axes.set(xlabel="μ*", ylabel="Tc (K)", xlim=(0.0, 0.25), title=_title(formula, spectrum))
        axes.set_ylim(bottom=0.0)
        if formula == "Al":
            axes.set_yscale("log")
            axes.set_ylim(0.01, 20.0)
        axes.grid(alpha=0.25, lw=0.5)
    figure.axes[0].legend(loc="lower left")


def draw_cutoff(figure: Figure, spectra: dict[str, Spectrum]) -> None:
    """Tc against the cutoff, with mu* as given there and rescaled, and the steps of a sharp edge."""
    wide, near = figure.subplots(1, 2)
    multiples = np.geomspace(1.5, 300.0, 40)
    for k, (formula, spectrum) in enumerate(spectra.items()):
        mu = MU_STAR[formula]
        at_omega_max = transition(spectrum, mu, at_multiple(300.0, rescaled=True)).tc_k
        for rescaled, style in ((False, "--"), (True, "-")):
            tc = tc_over(spectrum, mu, multiples, rescaled=rescaled, edge="smooth") / at_omega_max
            kind = "rescaled from ω_max" if rescaled else "as given at each cutoff"
            wide.plot(multiples, tc, color=f"C{k}", ls=style, lw=1.2, label=f"{formula}, μ* {mu:g} {kind}")
    wide.set(xscale="log", xlabel="cutoff/ω_max", ylabel="Tc over its limit", title="cutoff of the sums")
    wide.legend(loc="upper left")
    wide.grid(alpha=0.25, lw=0.5)
    _steps(near, spectra["MgB2"])


def _steps(axes: Axes, spectrum: Spectrum) -> None:
    multiples = np.linspace(8.0, 12.0, 201)
    middle = transition(spectrum, MU_STAR["MgB2"], "asis", edge="smooth").tc_k
    for edge, style in (("step", "-"), ("smooth", "--")):
        tc = tc_over(spectrum, MU_STAR["MgB2"], multiples, rescaled=False, edge=edge)
        axes.plot(multiples, 100.0 * (tc / middle - 1.0), ls=style, lw=1.0, label=f"{edge} edge")
    axes.set(xlabel="cutoff/ω_max", ylabel="change of Tc (%)", title="MgB2, μ* 0.16 as given: the edge")
    axes.legend(loc="upper left")
    axes.grid(alpha=0.25, lw=0.5)


def quoted(spectra: dict[str, Spectrum]) -> None:
    """Print what the pages say in numbers."""
    for formula, spectrum in spectra.items():
        top = highest_phonon(spectrum)
        _say(
            f"{formula} {spectrum.label}: lambda {spectrum.lambda_ep:.4f}, omega_max {top:.2f} meV, omega_2 "
            f"{spectrum.omega_2_mev:.2f} meV"
        )
        for mu in (0.10, 0.15):
            for name in CONVENTIONS:
                found = transition(spectrum, mu, name)
                _say(
                    f"  mu* {mu:.2f} {name:6} Tc {found.tc_k:8.4f} K, mu* at cutoff "
                    f"{found.mu_star_at_cutoff:.4f}, cutoff {found.omega_c_mev:.1f} meV, d ln Tc/d ln cutoff "
                    f"{found.cutoff_sensitivity:.4f}"
                )
            tc = critical_temperature(spectrum, mu, "allen_dynes").tc_k
            _say(f"  mu* {mu:.2f} Allen-Dynes {tc:.4f} K")
        mu = MU_STAR[formula]
        truncated = transition(spectrum, mu, "epw").tc_k / transition(spectrum, mu, "asis").tc_k - 1.0
        _say(f"  mu* {mu:.2f}: Z truncated at 10 omega_max moves Tc by {100 * truncated:+.2f} %")
        multiples = np.array([5.0, 10.0, 20.0, 100.0, 300.0])
        for rescaled in (False, True):
            tc = tc_over(spectrum, mu, multiples, rescaled=rescaled, edge="smooth")
            _say(f"  mu* {mu:.2f} rescaled={rescaled}: Tc at 5, 10, 20, 100, 300 omega_max {np.round(tc, 4)}")
        fine = np.linspace(9.0, 11.0, 101)
        steps, smooth = (tc_over(spectrum, mu, fine, rescaled=False, edge=e) for e in ("step", "smooth"))
        _say(f"  step against smooth edge: up to {100.0 * np.abs(steps / smooth - 1.0).max():.3f} %")


def _defined(spectrum: Spectrum, name: str, grid: np.ndarray) -> np.ndarray:
    """The part of the grid at which a rescaled mu* exists and something superconducts above 10 mK."""
    row = CONVENTIONS[name]
    if row.mu_star_at is not None:
        at = highest_phonon(spectrum) if row.mu_star_at == "omega_max" else spectrum.omega_2_mev
        factor, scale = row.coulomb_cutoff
        cutoff = factor if scale == "mev" else factor * spectrum.omega_2_mev
        grid = grid[grid * np.log(cutoff / at) < 0.99]
    kept = [mu for mu in grid.tolist() if transition(spectrum, mu, name).tc_k > 0.005]
    return np.array(kept)


def _title(formula: str, spectrum: Spectrum) -> str:
    code = {"Al": "Quantum ESPRESSO", "MgB2": "EPW"}[formula]
    return f"{formula}, {code}: λ {spectrum.lambda_ep:.3f}, ω_log {spectrum.omega_log_k:.0f} K"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def save(figure: Figure, name: str) -> None:
    """Write a PNG of at most 256 colours: line drawings need no more, and half the bytes."""
    import PIL.Image

    path = IMAGES / name
    figure.savefig(path, dpi=150)
    _shrink(PIL.Image.open(path), path)


def _shrink(image: Image, path: Path) -> None:
    image.convert("RGB").quantize(256).save(path, optimize=True)
    _say(f"written: {path} ({path.stat().st_size / 1000:.0f} kB)")


def main() -> int:
    """Draw all."""
    import matplotlib as mpl
    import PIL.Image
    from matplotlib.figure import Figure

    from htc.theory.eliashberg.account import account
    from htc.theory.eliashberg.plot import plot_accounts

    mpl.use("Agg")
    IMAGES.mkdir(parents=True, exist_ok=True)
    spectra = our_spectra()
    with mpl.rc_context({"font.size": 8, "axes.titlesize": 8, "legend.frameon": False, "legend.fontsize": 7}):
        for name, draw in (("mu-star.png", draw_mu_star), ("cutoff.png", draw_cutoff)):
            figure = Figure(figsize=(8.0, 3.2), layout="constrained")
            draw(figure, spectra)
            save(figure, name)
    mgb2 = spectra["MgB2"]
    path = IMAGES / "eliashberg.png"
    plot_accounts([(mgb2, account(mgb2, 0.16, "epw", cutoff_mev=500.0, real_axis=True))], path)
    drawn = PIL.Image.open(path).convert("RGB")
    _shrink(drawn.resize((drawn.width // 2, drawn.height // 2), PIL.Image.Resampling.LANCZOS), path)
    quoted(spectra)
    return 0


if __name__ == "__main__":
    sys.exit(main())
