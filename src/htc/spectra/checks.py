"""What about a spectrum should make its reader careful, as flags; nothing is changed or hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from htc.spectra.spectrum import Spectrum

__all__ = ["CONVERGED_SPREAD", "Flag", "check", "clip_effect", "is_noise"]

NOISE: Final[float] = 1e-4
"""Relative change of lambda below which negative weight is rounding noise."""
MISMATCH: Final[float] = 0.02
"""Relative difference of recomputed and reported moments that is worth saying."""
CUT: Final[float] = 0.01
"""alpha2F at the last point over its maximum above which the spectrum is cut."""
SOFT_BELOW: Final[float] = 0.05
"""Modes below this fraction of the highest frequency with weight count as soft ..."""
SOFT_SHARE: Final[float] = 0.20
"""... and are worth saying where they carry more than this share of lambda."""
INSTABILITY_LAMBDA: Final[float] = 3.5
IMAGINARY_SHARE: Final[float] = 0.01
CONVERGED_SPREAD: Final[float] = 0.05
"""Spread of lambda and omega_log over neighbouring smearings up to which they are a plateau."""
DRIFT: Final[float] = 0.25
"""Range of lambda over all smearings of a run, relative to their mean, that is worth saying."""
SAME_SUM: Final[float] = 0.10
"""Relative difference of lambda interpolated between q points and summed over them on a fine mesh."""
PLAUSIBLE_MAX_MEV: Final[tuple[float, float]] = (2.0, 700.0)
"""Highest phonon frequencies of solids lie well within (H2 vibron: 550 meV)."""


_REPORTED_LAMBDAS: Final[dict[str, str]] = {
    "lambda_integral": "the code's own integral",
    "lambda_ep": "the lambda the code reported",
    "lambda_q_sum": "the weighted sum over the q points",
}


@dataclass(frozen=True, slots=True)
class Flag:
    """One remark about a spectrum.

    Args:
        code: stable name, see `check`.
        message: the remark in words, with its numbers.
        value: the number behind it, or None.
    """

    code: str
    message: str
    value: float | None = None

    def __str__(self) -> str:
        """``code: message``, as in JSON."""
        return f"{self.code}: {self.message}"


def check(spectrum: Spectrum) -> tuple[Flag, ...]:
    """All remarks about a spectrum, the gravest first.

    | code | meaning | value |
    |---|---|---|
    | ``surrogate`` | formed from moments, not calculated or measured | |
    | ``unconverged-smearing`` | the run's smearings agree only roughly with each other | their spread |
    | ``drifting-smearing`` | the plateau is flat, but far from other smearings of the run | range of lambda |
    | ``unseen-convergence`` | a checked run whose files tell nothing of its convergence | |
    | ``coarse-q-mesh`` | two ways of summing over q give different lambda | relative difference |
    | ``linewidths`` | the run's own linewidths are unsound | number of findings |
    | ``refused-columns`` | other columns of the file were refused | how many |
    | ``truncated`` | the file lacks its last lines | |
    | ``no-weight`` | lambda <= 0: no moments, no Tc | lambda |
    | ``lattice-instability`` | lambda > 3.5 carried by soft modes | lambda |
    | ``strong-coupling`` | lambda > 3.5: closed formulas are not made for it | lambda |
    | ``soft-modes`` | modes near zero frequency carry a large part of lambda | their share |
    | ``imaginary-modes`` | weight at w <= 0, dropped | its share |
    | ``negative-weight`` | alpha2F < 0 | change of lambda if clipped |
    | ``negative-clipped`` | alpha2F < 0 was set to zero | change of lambda |
    | ``normalisation`` | lambda is a simple multiple of the reported one | ratio |
    | ``lambda-mismatch`` | lambda differs from the reported one | relative difference |
    | ``omega-log-mismatch`` | so does omega_log | relative difference |
    | ``omega-order`` | omega_2 < omega_log, impossible without negative weight | omega_2/omega_log |
    | ``cut-at-end`` | alpha2F has not come back to zero at the last point | its size over the maximum |
    | ``frequency-range`` | no solid's phonons reach there: is the unit right? | meV |
    """
    return tuple(_flags(spectrum))


def clip_effect(spectrum: Spectrum) -> tuple[float, float]:
    """lambda as it is, and with negative weight set to zero."""
    positive = np.maximum(spectrum.alpha2f, 0.0)
    omega = spectrum.omega_mev
    return spectrum.lambda_ep, float(2.0 * np.trapezoid(positive / omega, omega))


def is_noise(before: float, after: float) -> bool:
    """Whether clipping changes lambda by no more than rounding does."""
    return abs(after - before) <= NOISE * abs(after)


def _flags(spectrum: Spectrum) -> Iterator[Flag]:
    yield from _about_the_run(spectrum)
    lambda_ep = spectrum.lambda_ep
    if lambda_ep <= 0.0:
        yield Flag("no-weight", f"lambda is {lambda_ep:.4g}: there are no moments and no Tc", lambda_ep)
    else:
        yield from _about_coupling(spectrum, lambda_ep)
    yield from _about_negative_weight(spectrum)
    if lambda_ep > 0.0:
        yield from _against_reported(spectrum, lambda_ep)
        ratio = spectrum.omega_2_mev / spectrum.omega_log_mev
        if ratio < 1.0 - 1e-6:
            yield Flag(
                "omega-order",
                f"omega_2 is {ratio:.3f} omega_log; without negative weight it is larger",
                ratio,
            )
    peak = float(np.max(np.abs(spectrum.alpha2f)))
    if peak > 0.0 and abs(spectrum.alpha2f[-1]) > CUT * peak:
        ratio = float(abs(spectrum.alpha2f[-1]) / peak)
        yield Flag(
            "cut-at-end",
            f"alpha2F is still {ratio:.1%} of its maximum at the last frequency, "
            f"{spectrum.max_omega_mev:.4g} meV: modes above it are missing",
            ratio,
        )
    low, high = PLAUSIBLE_MAX_MEV
    if not low <= spectrum.max_omega_mev <= high:
        yield Flag(
            "frequency-range",
            f"the grid ends at {spectrum.max_omega_mev:.4g} meV: is the unit right?",
            spectrum.max_omega_mev,
        )


def _about_the_run(spectrum: Spectrum) -> Iterator[Flag]:
    if spectrum.is_surrogate:
        yield Flag("surrogate", "its shape was formed from moments: only these are known, not alpha2F itself")
    spread = spectrum.provenance.get("smearing_spread", 0.0)
    if spread > CONVERGED_SPREAD:
        yield Flag(
            "unconverged-smearing",
            f"neighbouring smearings of the run agree to {spread:.0%} only: use denser k meshes",
            spread,
        )
    lambdas = spectrum.provenance.get("lambda_by_smearing", ())
    if len(lambdas) > 1 and max(lambdas) - min(lambdas) > DRIFT * sum(lambdas) / len(lambdas):
        yield Flag(
            "drifting-smearing",
            f"lambda runs from {min(lambdas):.3f} to {max(lambdas):.3f} over the run's smearings: broad ones "
            "agree with each other also where all of them are wrong; denser k meshes tell",
            max(lambdas) - min(lambdas),
        )
    if spectrum.provenance.get("convergence") == "unseen":
        yield Flag(
            "unseen-convergence",
            "one set of meshes and one electronic smearing: nothing here shows that lambda is converged",
        )
    summed = spectrum.provenance.get("lambda_summed_over_q")
    if summed is not None and summed > 0.0 and abs(spectrum.lambda_ep / summed - 1.0) > SAME_SUM:
        difference = spectrum.lambda_ep / summed - 1.0
        yield Flag(
            "coarse-q-mesh",
            f"lambda is {spectrum.lambda_ep:.4f} interpolated between q points and {summed:.4f} summed over "
            f"them ({difference:+.0%}): use a denser q mesh",
            difference,
        )
    findings = spectrum.provenance.get("run_findings", ())
    if findings:
        yield Flag("linewidths", "; ".join(findings), float(len(findings)))
    refused = spectrum.provenance.get("refused_columns", {})
    if refused:
        yield Flag("refused-columns", f"holding NaN: {', '.join(refused)}", float(len(refused)))
    if spectrum.provenance.get("truncated"):
        yield Flag("truncated", "the lines that should end the file are missing")
    share = spectrum.provenance.get("dropped_weight", 0.0)
    if share > IMAGINARY_SHARE:
        yield Flag("imaginary-modes", f"{share:.1%} of the weight lies at w <= 0 and was dropped", share)


def _about_coupling(spectrum: Spectrum, lambda_ep: float) -> Iterator[Flag]:
    weight = np.abs(spectrum.alpha2f)
    highest = spectrum.omega_mev[np.flatnonzero(weight > 1e-6 * weight.max())[-1]]
    cumulative = spectrum.cumulative_lambda()
    share = float(np.interp(SOFT_BELOW * highest, spectrum.omega_mev, cumulative, left=0.0)) / lambda_ep
    soft = share > SOFT_SHARE
    if soft:
        yield Flag(
            "soft-modes",
            f"{share:.0%} of lambda comes from below {SOFT_BELOW * highest:.3g} meV, "
            f"{SOFT_BELOW:.0%} of the highest frequency",
            share,
        )
    if lambda_ep > INSTABILITY_LAMBDA and soft:
        yield Flag(
            "lattice-instability",
            f"lambda {lambda_ep:.2f} carried by soft modes: a lattice near instability, not a record Tc",
            lambda_ep,
        )
    elif lambda_ep > INSTABILITY_LAMBDA:
        yield Flag(
            "strong-coupling",
            f"lambda {lambda_ep:.2f} > {INSTABILITY_LAMBDA}: the closed formulas are at the end of their "
            "range, and the lattice may be near instability",
            lambda_ep,
        )


def _about_negative_weight(spectrum: Spectrum) -> Iterator[Flag]:
    if spectrum.provenance.get("negative") == "clip":
        before = spectrum.provenance.get("lambda_ep_before_clipping")
        if before is not None and not is_noise(before, spectrum.lambda_ep):
            yield Flag(
                "negative-clipped",
                f"alpha2F < 0 was set to zero: lambda moved from {before:.4f} to {spectrum.lambda_ep:.4f}",
                spectrum.lambda_ep - before,
            )
        return
    count = int((spectrum.alpha2f < 0.0).sum())
    before, after = clip_effect(spectrum)
    if count and not is_noise(before, after):
        yield Flag(
            "negative-weight",
            f"alpha2F < 0 in {count} of {spectrum.alpha2f.size} points; clipped, lambda would be {after:.4f} "
            f"({(after - before) / abs(before) if before else float('inf'):+.1%})",
            after - before,
        )


def _against_reported(spectrum: Spectrum, lambda_ep: float) -> Iterator[Flag]:
    if spectrum.provenance.get("negative") == "clip":
        before = spectrum.provenance.get("lambda_ep_before_clipping")
        # What the code reported was computed from its own numbers.
        lambda_ep = lambda_ep if before is None else before
    reported = spectrum.provenance.get("reported", {})
    for key, origin in _REPORTED_LAMBDAS.items():
        expected = reported.get(key)
        if expected is None or not np.isfinite(expected) or expected <= 0.0:
            continue
        ratio = lambda_ep / expected
        factor = next((f for f in (2.0, 0.5, 4.0, 0.25) if abs(ratio / f - 1.0) < MISMATCH), None)
        if factor is not None:
            yield Flag(
                "normalisation",
                f"lambda is {lambda_ep:.4f}, {factor:g} times {origin}, {expected:.4f}: "
                "a factor of spin or of the density of states",
                ratio,
            )
            break
        if abs(ratio - 1.0) > MISMATCH:
            yield Flag(
                "lambda-mismatch",
                f"lambda is {lambda_ep:.4f}, {origin} {expected:.4f} ({ratio - 1.0:+.1%})",
                ratio - 1.0,
            )
            break
    omega_log = reported.get("omega_log_k")
    clipped = (
        spectrum.provenance.get("negative") == "clip" and "lambda_ep_before_clipping" in spectrum.provenance
    )
    if omega_log is not None and np.isfinite(omega_log) and omega_log > 0.0 and not clipped:
        difference = spectrum.omega_log_k / omega_log - 1.0
        if abs(difference) > MISMATCH:
            yield Flag(
                "omega-log-mismatch",
                f"omega_log is {spectrum.omega_log_k:.1f} K, the code reported {omega_log:.1f} K "
                f"({difference:+.1%})",
                difference,
            )
