"""A figure of what the Eliashberg equations say: spectrum, gap, density of states, and what makes Tc."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from htc.errors import InputError, StorageError
from htc.spectra import Spectrum
from htc.theory.eliashberg.account import Account

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_accounts"]

MOST: Final[int] = 8
"""Rows that fit on one figure."""

SUFFIXES: Final[tuple[str, ...]] = (".png", ".pdf", ".svg")


def plot_accounts(accounts: Sequence[tuple[Spectrum, Account]], path: Path) -> None:
    """Draw a row of four panels for every spectrum.

    They show alpha2F with running lambda, the gap over T, the density of states, and d Tc/d alpha2F.

    Args:
        accounts: spectra with what was found of them.
        path: file to write; its suffix, one of .png, .pdf, .svg, decides the format.

    Raises:
        InputError: nothing to draw, too many rows, or another suffix.
        StorageError: the file cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"cannot draw a {path.suffix or 'suffixless'} file", where=str(path))
    if not 1 <= len(accounts) <= MOST:
        raise InputError(
            f"{len(accounts)} spectra to draw; 1 to {MOST} fit",
            where=str(path),
            hint="draw fewer files, smearings or conventions at a time",
        )

    # matplotlib takes most of a second to import.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.size": 8, "axes.linewidth": 0.7, "legend.frameon": False}):
        figure = Figure(figsize=(11.0, 2.5 * len(accounts) + 0.3), layout="constrained")
        axes = figure.subplots(len(accounts), 4, squeeze=False)
        for row, (spectrum, account) in zip(axes, accounts, strict=True):
            _spectrum(row[0], spectrum, account)
            _gap(row[1], account)
            _density_of_states(row[2], account)
            _response(row[3], spectrum, account)
        try:
            figure.savefig(path, dpi=300)
        except OSError as error:
            raise StorageError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def _spectrum(axes: Axes, spectrum: Spectrum, account: Account) -> None:
    omega = spectrum.omega_mev
    axes.plot(omega, spectrum.alpha2f, color="C0", lw=1.0)
    axes.fill_between(omega, spectrum.alpha2f, color="C0", alpha=0.15, lw=0)
    running = axes.twinx()
    running.plot(omega, spectrum.cumulative_lambda(), color="C3", lw=1.0, ls="--")
    axes.set(xlim=(0.0, omega[-1]), xlabel="ω (meV)", ylabel="α²F(ω)")
    axes.set_ylim(bottom=min(0.0, float(spectrum.alpha2f.min())))
    running.set_ylim(bottom=0.0)
    running.set_ylabel("λ(ω), dashed", color="C3")
    found = account.transition
    name = Path(str(spectrum.provenance.get("source", ""))).name
    axes.set_title(f"{name} {spectrum.label}\nλ {found.lambda_ep:.3f}", fontsize=8)


def _gap(axes: Axes, account: Account) -> None:
    found, gap = account.transition, account.gap
    cutoff = f", {found.omega_c_mev:.4g} meV" if found.omega_c_mev is not None else ""
    axes.set_title(f"Tc {found.tc_k:.4g} K\nμ* {found.mu_star:g} ({found.convention}{cutoff})", fontsize=8)
    axes.set(xlabel="T (K)", ylabel="gap (meV)")
    if gap is None or not np.any(gap.delta0_mev > 0.0):
        _absent(axes, "no superconductivity" if gap is not None else "not asked for")
        return
    kelvin = np.append(gap.temperature_k[gap.temperature_k < found.tc_k], found.tc_k)
    delta = np.append(gap.delta0_mev[gap.temperature_k < found.tc_k], 0.0)
    axes.plot(kelvin, delta, color="C0", lw=1.0, marker="o", ms=2.5, label="Δ(iω₀)")
    if np.isfinite(gap.edge_mev).any():
        axes.plot(gap.temperature_k, gap.edge_mev, color="C1", lw=1.0, marker="s", ms=2.0, label="gap edge")
    axes.set_xlim(left=0.0)
    axes.set_ylim(bottom=0.0)
    axes.legend(loc="lower left")
    if gap.ratio_2delta_ktc is not None:
        axes.text(
            0.97,
            0.95,
            f"2Δ₀/kTc = {gap.ratio_2delta_ktc:.3f}",
            transform=axes.transAxes,
            ha="right",
            va="top",
        )


def _density_of_states(axes: Axes, account: Account) -> None:
    axes.set(xlabel="ω (meV)", ylabel="N(ω)/N(0)")
    found = account.real_axis
    if found is None:
        _absent(axes, "no real axis asked for\n(--real-axis)")
        axes.set_title("density of states", fontsize=8)
        return
    believed = found.exact if found.exact.trustworthy or not found.pade.trustworthy else found.pade
    edge = believed.edges_mev[0]
    axes.plot(found.dos.omega_mev, found.dos.total, color="C0", lw=1.0)
    axes.axhline(1.0, color="0.6", lw=0.6, ls=":")
    right = 8.0 * edge if edge else float(found.dos.omega_mev[-1])
    axes.set(xlim=(0.0, right), ylim=(0.0, 4.0))
    doubt = "" if believed.trustworthy else f", trusted to {believed.trusted_to_mev:.3g} meV"
    axes.set_title(f"density of states at {found.temperature_k:.3g} K\n{believed.method}{doubt}", fontsize=8)


def _response(axes: Axes, spectrum: Spectrum, account: Account) -> None:
    axes.set(xlabel="ω (meV)", ylabel="δTc/δα²F (K/meV)")
    found = account.response
    if found is None:
        _absent(axes, "no Tc to change")
        return
    axes.plot(found.omega_mev, found.dtc_da2f_k_per_mev, color="C2", lw=1.0)
    share = axes.twinx()
    share.plot(found.omega_mev, found.tc_share / found.tc_share[-1], color="0.5", lw=0.9, ls="--")
    share.set_ylim(0.0, 1.05)
    share.set_ylabel("share of coupling's effect, dashed", color="0.5")
    axes.set_xlim(0.0, spectrum.omega_mev[-1])
    axes.set_ylim(bottom=0.0)
    axes.set_title(f"which phonons make Tc\nisotope α {found.isotope_coefficient:.3f}", fontsize=8)


def _absent(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="0.5")
    axes.set_xticks([])
    axes.set_yticks([])
