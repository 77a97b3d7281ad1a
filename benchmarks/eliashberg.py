"""The Eliashberg engine: against ebmb's ``critical``, by itself, and how its cost grows.

    python -m benchmarks eliashberg [--ebmb FOLDER] [--images FOLDER]

runs this file in a process of its own, with one thread. It prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import resource
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.ebmb import Ebmb, Problem
from benchmarks.timing import median_within, seconds_of
from htc.examples import examples
from htc.spectra import MultibandSpectrum, Spectrum, read_spectra
from htc.theory import critical_temperature
from htc.theory.eliashberg.batch import transitions
from htc.theory.eliashberg.conventions import resolve
from htc.theory.eliashberg.coupling import Coupling
from htc.theory.eliashberg.gap_curve import gap
from htc.theory.eliashberg.multiband import multiband_critical_temperature
from htc.theory.eliashberg.transition import find_transition, transition

__all__ = ["main"]

TEN_MILLIKELVIN = 0.010
DEFAULT_START_K = 10.0
"""Where ebmb starts when nothing is said of Tc."""
BATCH = 10_000
BATCH_POINTS = 500
FOLLOWS_TO = 1_500
"""Frequencies times bands up to which ebmb is run: its matrix grows as their square, its time at least so."""
POINTS = (200, 1_000, 10_000, 100_000, 1_000_000)
EBMB_POINTS = 100_000
BANDS = range(1, 7)

PEERS: tuple[tuple[str, str, str | None, float], ...] = (
    ("Pb", "elk_Pb/ALPHA2F.OUT", None, 0.10),
    ("Nb", "elk_Nb/ALPHA2F.OUT", None, 0.10),
    ("MgB2", "elk_MgB2/ALPHA2F.OUT", None, 0.10),
    ("La-H", "miicck_la/a2f", "Ry", 0.10),
    ("Al", "elk_Al/ALPHA2F.OUT", None, 0.15),
)


@dataclass(frozen=True)
class Case:
    """A spectrum and its mu* at 10 omega_max."""

    name: str
    spectrum: Spectrum
    mu_star: float


@dataclass
class Curve:
    """Cost against something."""

    title: str
    abscissa: str
    x: list[float] = field(default_factory=list)
    ours_s: list[float] = field(default_factory=list)
    ebmb_s: list[float | None] = field(default_factory=list)

    def add(self, x: float, ours_s: float, ebmb_s: float | None) -> None:
        self.x.append(x)
        self.ours_s.append(ours_s)
        self.ebmb_s.append(ebmb_s)


def main() -> None:
    """Print everything measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks eliashberg", description=__doc__)
    parser.add_argument("--ebmb", type=Path, help="folder with the program `critical` of ebmb")
    parser.add_argument("--images", type=Path, help="folder for the plots; without it there are none")
    options = parser.parse_args()
    peer = Ebmb(options.ebmb) if options.ebmb else None
    at_import = _peak_memory()
    cases = list(_cases())
    _print_table(
        (
            "spectrum",
            "mu*",
            "N",
            "Tc (K)",
            "ebmb - ours",
            "`transition`",
            "search alone",
            "ebmb",
            "ratio",
            "ebmb from 10 K",
            "ratio",
        ),
        _against_ebmb(cases, peer),
    )
    curves = [_over_points(cases, peer), _over_temperature(cases[-2], peer), _over_bands(cases, peer)]
    _print_table(("", ""), _by_itself(cases, at_import))
    for curve in curves:
        _print_table((curve.abscissa, "ours", "ebmb"), _rows(curve))
    if options.images:
        _draw(curves, options.images / "eliashberg_cost.png")


def _cases() -> Iterator[Case]:
    """The spectra that come with HTC, or with HTC_DATA the peers'; the last superconducts at 10 mK."""
    given = os.environ.get("HTC_DATA")
    if given:
        folder = Path(given) / "spectra" / "peers"
        found = [Case(name, read_spectra(folder / file, unit=unit)[0], mu) for name, file, unit, mu in PEERS]
    else:
        with examples() as inputs:
            paths = {e.formula: e.path for e in inputs if e.kind == "spectrum"}
            found = [
                Case("MgB2", read_spectra(paths["MgB2"])[0], 0.10),
                Case("Al", read_spectra(paths["Al"])[4], 0.15),
            ]
    yield from found
    aluminium = found[-1]
    share = _share_for(aluminium, TEN_MILLIKELVIN)
    yield Case(f"{share:.3f} Al", _scaled(aluminium.spectrum, share), aluminium.mu_star)


def _scaled(spectrum: Spectrum, share: float) -> Spectrum:
    return Spectrum(spectrum.omega_mev, share * spectrum.alpha2f)


def _share_for(case: Case, tc_k: float) -> float:
    """What share of a spectrum has this Tc."""
    low, high = 0.0, 1.0
    while high - low > 1e-4:
        middle = 0.5 * (low + high)
        if transition(_scaled(case.spectrum, middle), case.mu_star).tc_k > tc_k:
            high = middle
        else:
            low = middle
    return high


def _problem(case: Case) -> Problem:
    found = transition(case.spectrum, case.mu_star)
    if found.omega_c_mev is None:
        raise ValueError(f"{case.name} has no cutoff")
    return Problem(
        case.spectrum.omega_mev,
        case.spectrum.alpha2f[None, None, :],
        np.full((1, 1), case.mu_star),
        found.omega_c_mev,
        float(f"{found.tc_k:.2g}"),
    )


def _against_ebmb(cases: Sequence[Case], peer: Ebmb | None) -> Iterator[tuple[str, ...]]:
    for case in cases:
        coupling, cutoffs = Coupling.of(case.spectrum), resolve("asis", case.spectrum, case.mu_star)
        tc = transition(case.spectrum, case.mu_star).tc_k
        problem = _problem(case)
        theirs = unknowing = None
        difference = "-"
        if peer is not None and problem.frequencies <= FOLLOWS_TO:
            difference = f"{peer.critical_temperature(problem) / tc - 1.0:+.0e}"
            theirs = peer.seconds(problem)
            unknowing = peer.seconds(replace(problem, start_k=DEFAULT_START_K))
        whole = median_within(lambda case=case: transition(case.spectrum, case.mu_star))
        alone = median_within(lambda c=coupling, e=cutoffs: find_transition(c, e))
        yield (
            f"{case.name}, {case.spectrum.omega_mev.size} points",
            f"{case.mu_star:.2f}",
            f"{problem.frequencies:,}",
            f"{tc:.6g}",
            difference,
            _milliseconds(whole),
            _milliseconds(alone),
            _milliseconds(theirs),
            f"{theirs / whole:.1f}" if theirs else "-",
            _milliseconds(unknowing),
            f"{unknowing / whole:.1f}" if unknowing else "-",
        )


def _by_itself(cases: Sequence[Case], at_import: float) -> Iterator[tuple[str, ...]]:
    first = cases[0]
    whole = median_within(lambda: critical_temperature(first.spectrum, first.mu_star, "eliashberg"))
    yield f"`htc.critical_temperature`, {first.name}, with the flags of its spectrum", _milliseconds(whole)
    for case in cases[:-1]:
        seconds = median_within(lambda case=case: gap(case.spectrum, case.mu_star), least=3)
        yield f"gap at 20 temperatures with Pade, {case.name}", _milliseconds(seconds)
    spectra = _many(cases)
    for workers in (1, 2):
        seconds = seconds_of(lambda n=workers: list(transitions(spectra, 0.1, workers=n)))
        name = f"{BATCH:,} spectra of {BATCH_POINTS} points, {workers} process{'es' if workers > 1 else ''}"
        yield name, f"{BATCH / seconds:,.0f} Tc/s"
    yield "peak memory above that of the imports, of everything here", f"{_peak_memory() - at_import:.0f} MiB"


def _many(cases: Sequence[Case]) -> list[Spectrum]:
    """Stretched, bent and scaled copies on grids of one size."""
    generator = np.random.default_rng(0)
    spectra = []
    for k in range(BATCH):
        case = cases[k % (len(cases) - 1)].spectrum
        top = case.max_omega_mev * generator.uniform(0.7, 1.4)
        omega = np.linspace(top / BATCH_POINTS, top, BATCH_POINTS)
        bent = (omega / top) ** generator.uniform(0.8, 1.3)
        shape = np.interp(bent, case.omega_mev / case.max_omega_mev, case.alpha2f)
        one = Spectrum(omega, np.maximum(shape, 0.0))
        spectra.append(_scaled(one, generator.uniform(0.5, 2.0) / one.lambda_ep))
    return spectra


def _over_points(cases: Sequence[Case], peer: Ebmb | None) -> Curve:
    curve = Curve("Points of the spectrum", "points")
    base = next(case for case in cases if case.name == "MgB2")
    top = base.spectrum.max_omega_mev
    for points in POINTS:
        omega = np.linspace(top / points, top, points)
        alpha2f = np.interp(omega, base.spectrum.omega_mev, base.spectrum.alpha2f)
        case = Case("", Spectrum(omega, alpha2f), base.mu_star)
        ours = median_within(lambda case=case: transition(case.spectrum, case.mu_star))
        follows = peer is not None and points <= EBMB_POINTS
        curve.add(points, ours, peer.seconds(_problem(case)) if peer and follows else None)
    return curve


def _over_temperature(base: Case, peer: Ebmb | None) -> Curve:
    curve = Curve("Temperature", "Tc / omega_log")
    for target in 10.0 ** np.arange(-1.25, -5.1, -0.25):
        # More than all of it is strong coupling, up to lambda of some ten.
        high = 16.0
        strong = Case("", _scaled(base.spectrum, high), 0.10)
        share = high * _share_for(strong, target * base.spectrum.omega_log_k)
        case = Case("", _scaled(base.spectrum, share), 0.10)
        ours = median_within(lambda case=case: transition(case.spectrum, case.mu_star))
        problem = _problem(case)
        follows = peer is not None and problem.frequencies <= FOLLOWS_TO
        curve.add(float(target), ours, peer.seconds(problem) if peer and follows else None)
    return curve


def _over_bands(cases: Sequence[Case], peer: Ebmb | None) -> Curve:
    """Bands that couple to each other as to themselves, each a little stronger than the one before."""
    curve = Curve("Bands", "bands")
    base = next(case for case in cases if case.name == "MgB2")
    for bands in BANDS:
        strength = 1.0 + 0.1 * np.arange(bands)
        shares = np.outer(strength, strength) / bands
        spectrum = MultibandSpectrum(base.spectrum.omega_mev, shares[:, :, None] * base.spectrum.alpha2f)
        mu_star = np.full((bands, bands), base.mu_star / bands)
        found = multiband_critical_temperature(spectrum, mu_star)
        ours = median_within(lambda s=spectrum, m=mu_star: multiband_critical_temperature(s, m))
        problem = Problem(
            spectrum.omega_mev, spectrum.alpha2f, mu_star, found.omega_c_mev, float(f"{found.tc_k:.2g}")
        )
        theirs = peer.seconds(problem) if peer and problem.frequencies * bands <= FOLLOWS_TO else None
        curve.add(bands, ours, theirs)
    return curve


def _rows(curve: Curve) -> Iterator[tuple[str, ...]]:
    for x, ours, theirs in zip(curve.x, curve.ours_s, curve.ebmb_s, strict=True):
        yield f"{x:,.0f}" if x >= 1.0 else f"{x:.1e}", _milliseconds(ours), _milliseconds(theirs)


def _draw(curves: Sequence[Curve], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, all_axes = plt.subplots(1, len(curves), figsize=(10.0, 3.2), sharey=True, layout="constrained")
    for axes, curve in zip(all_axes, curves, strict=True):
        axes.plot(curve.x, 1e3 * np.array(curve.ours_s), "o-", ms=4, label="htc")
        known = [(x, 1e3 * y) for x, y in zip(curve.x, curve.ebmb_s, strict=True) if y is not None]
        if known:
            axes.plot(*zip(*known, strict=True), "s--", ms=4, label="ebmb critical")
        axes.set_yscale("log")
        if curve.abscissa != "bands":
            axes.set_xscale("log")
        if curve.abscissa.startswith("Tc"):
            axes.invert_xaxis()
        axes.set_xlabel(curve.abscissa)
        axes.grid(visible=True, which="major", lw=0.4)
    all_axes[0].set_ylabel("time for Tc (ms)")
    all_axes[0].legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    print(f"drawn: {path}")


def _milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{1e3 * seconds:.2f} ms" if seconds < 0.01 else f"{1e3 * seconds:,.0f} ms"


def _print_table(heads: Sequence[str], rows: Iterator[tuple[str, ...]]) -> None:
    print("\n| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads), flush=True)
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def _peak_memory() -> float:
    """Largest resident set so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
