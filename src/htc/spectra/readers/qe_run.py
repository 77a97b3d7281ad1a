"""The files a Quantum ESPRESSO electron-phonon run leaves beside its spectrum, and what they tell of it.

``lambda.dat``, ``lambda.out``: lambda.x's table of lambda and <log w> by broadening.
``lambda``: matdyn.x's table of the same.
``lambda.in``: the q points' weights. ``elph_dir/elph.inp_lambda.N``: ph.x's linewidths at the N-th q point.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import SpectrumError
from htc.spectra.readers.source import SourceFile, to_float

__all__ = ["QPoint", "diagnose", "lambda_q_sum", "matdyn_summary", "q_points", "summary"]

FloatArray = NDArray[np.float64]

RERUN: Final[str] = (
    "rerun pw.x and ph.x in an empty outdir, with trans=.true. and without recover, so that dVscf is "
    "computed anew for every q; check that the linewidths in elph.inp_lambda.N are finite and vanish at "
    "Gamma; then q2r.x, matdyn.x and lambda.x"
)

_MAX_GAMMA_LINEWIDTH_GHZ: Final[float] = 100.0
"""Acoustic linewidths at q = 0 vanish; sound runs print below 1 GHz, unsound ones above 10^4."""
_MAX_MODE_LAMBDA: Final[float] = 10.0
_MIN_LINEWIDTH_GHZ: Final[float] = -1.0
_NUMBER: Final[str] = r"([-+.\dEeDd]+|NaN|\*+|[-+]?Infinity)"


@dataclass(frozen=True, slots=True)
class QPoint:
    """One ``elph.inp_lambda.N``.

    Args:
        name: file name.
        q: wave vector, 2 pi/alat, shape ``(3,)``.
        omega2_ry2: squared phonon frequencies, Ry^2, shape ``(modes,)``.
        degauss: Gaussian broadenings, Ry, shape ``(broadenings,)``.
        mode_lambda: lambda of every mode, shape ``(broadenings, modes)``.
        linewidth_ghz: linewidth of every mode, GHz, shape ``(broadenings, modes)``.
    """

    name: str
    q: FloatArray
    omega2_ry2: FloatArray
    degauss: FloatArray
    mode_lambda: FloatArray
    linewidth_ghz: FloatArray


def summary(folder: Path) -> list[dict[str, float]]:
    """Rows of ``lambda.dat``, else of ``lambda.out``: degauss, lambda_ep, lambda_integral, omega_log_k."""
    rows = []
    for line in _lines(folder / "lambda.dat"):
        values = _floats(line.split())
        if len(values) == 5:
            keys = ("degauss", "lambda_ep", "lambda_integral", "omega_log_k", "dos_ef")
            rows.append(dict(zip(keys, values, strict=True)))
    if rows:
        return rows
    pattern = re.compile(
        rf"lambda\s*=\s*{_NUMBER}\s*\(\s*{_NUMBER}\s*\)\s*<log w>=\s*{_NUMBER}\s*K\s*"
        rf"N\(Ef\)=\s*{_NUMBER}\s*at degauss=\s*{_NUMBER}"
    )
    for line in _lines(folder / "lambda.out"):
        match = pattern.search(line)
        if match:
            lam, integral, omega_log, dos, degauss = (to_float(group) for group in match.groups())
            rows.append(
                {
                    "degauss": degauss,
                    "lambda_ep": lam,
                    "lambda_integral": integral,
                    "omega_log_k": omega_log,
                    "dos_ef": dos,
                }
            )
    return rows


def matdyn_summary(folder: Path) -> list[dict[str, float]]:
    """Rows of matdyn.x's ``lambda``: degauss, lambda_ep, dos_ef and, where printed, omega_log_k."""
    pattern = re.compile(
        rf"Broadening\s+{_NUMBER}\s+lambda\s+{_NUMBER}\s+dos\(Ef\)\s*{_NUMBER}"
        rf"(?:\s+omega_ln \[K\]\s+{_NUMBER})?"
    )
    rows = []
    for line in _lines(folder / "lambda"):
        match = pattern.search(line)
        if match:
            keys = ("degauss", "lambda_ep", "dos_ef", "omega_log_k")
            rows.append({k: to_float(v) for k, v in zip(keys, match.groups(), strict=True) if v is not None})
    return rows


def q_points(folder: Path) -> list[QPoint]:
    """The ``elph_dir/elph.inp_lambda.N`` below ``folder``, by N; those that cannot be read are left out."""
    try:
        files = [p for p in (folder / "elph_dir").glob("elph.inp_lambda.*") if p.suffix[1:].isdigit()]
    except OSError:
        return []
    points = [_q_point(path) for path in sorted(files, key=lambda p: int(p.suffix[1:]))]
    return [point for point in points if point is not None]


def lambda_q_sum(folder: Path, points: Sequence[QPoint]) -> FloatArray | None:
    """lambda as the weighted sum over q by broadening, shape ``(broadenings,)``; None without weights."""
    lines = _lines(folder / "lambda.in")
    try:
        count = int(lines[1].split()[0])
        weights = np.array([to_float(line.split("!")[0].split()[3]) for line in lines[2 : 2 + count]])
    except (IndexError, ValueError):
        return None
    if count != len(points) or len({len(point.degauss) for point in points}) != 1 or weights.sum() <= 0.0:
        return None
    by_q = np.array([point.mode_lambda.sum(axis=1) for point in points])  # (q, broadenings)
    return np.asarray(weights @ by_q / weights.sum())


def diagnose(points: Sequence[QPoint]) -> tuple[str, ...]:
    """What is wrong with the linewidths of a run, in sentences; empty where they look sound."""
    findings = []
    broken = [point for point in points if not np.isfinite(point.linewidth_ghz).all()]
    for point in broken:
        rows = ~np.isfinite(point.linewidth_ghz).all(axis=1)
        extent = "every broadening" if rows.all() else f"{int(rows.sum())} of {rows.size} broadenings"
        findings.append(f"linewidths are NaN at q = {_vector(point.q)} for {extent} ({point.name})")
    for point in points:
        if not point.q.any():
            worst = float(np.nanmax(np.abs(point.linewidth_ghz[:, :3]), initial=0.0))
            if worst > _MAX_GAMMA_LINEWIDTH_GHZ:
                findings.append(
                    f"acoustic linewidths at Gamma reach {worst:.0f} GHz, which must vanish ({point.name})"
                )
    finite = [point for point in points if point.q.any() and np.isfinite(point.mode_lambda).all()]
    strongest = max(finite, key=lambda p: float(p.mode_lambda.max()), default=None)
    if strongest is not None and strongest.mode_lambda.max() > _MAX_MODE_LAMBDA:
        row, mode = np.unravel_index(int(strongest.mode_lambda.argmax()), strongest.mode_lambda.shape)
        findings.append(
            f"lambda of one mode reaches {strongest.mode_lambda.max():.1f} at q = {_vector(strongest.q)}, "
            f"mode {mode + 1}, degauss {strongest.degauss[row]:g} Ry ({strongest.name})"
        )
    split = next((text for text in map(_unequal_degenerate, finite) if text), None)
    if split:
        findings.append(split)
    lowest = min(finite, key=lambda p: float(p.linewidth_ghz.min()), default=None)
    if lowest is not None and lowest.linewidth_ghz.min() < _MIN_LINEWIDTH_GHZ:
        findings.append(
            f"a linewidth is negative, {lowest.linewidth_ghz.min():.1f} GHz at q = {_vector(lowest.q)}, "
            f"though it is a sum of squares ({lowest.name})"
        )
    if findings and all((point.omega2_ry2 > -1e-9).all() for point in points):
        findings.append(
            "the phonon frequencies themselves are real, so it is the electron-phonon matrix elements "
            "(the dVscf that ph.x read back), not the phonons, that are wrong"
        )
    return tuple(findings)


def _unequal_degenerate(point: QPoint) -> str | None:
    """Degenerate modes related by symmetry have equal linewidths; the sentence to say where they have not."""
    for i in range(point.omega2_ry2.size - 1):
        first, second = point.omega2_ry2[i : i + 2]
        if abs(first - second) > 1e-5 * abs(second):
            continue
        low, high = np.sort(point.mode_lambda[:, i : i + 2], axis=1).T
        bad = (high > 1.0) & (high > 3.0 * np.abs(low))
        if bad.any():
            row = int(np.argmax(np.where(bad, high, 0.0)))
            return (
                f"degenerate modes have lambda {high[row]:.1f} and {low[row]:.1f} at q = {_vector(point.q)}, "
                f"which the symmetry of the crystal forbids ({point.name})"
            )
    return None


def _q_point(path: Path) -> QPoint | None:
    lines = _lines(path)
    try:
        head = lines[0].split()
        q = np.array([to_float(token) for token in head[:3]])
        broadenings, modes = int(head[3]), int(head[4])
        omega2: list[float] = []
        cursor = 1
        while len(omega2) < modes:
            omega2 += [to_float(token) for token in lines[cursor].split()]
            cursor += 1
        text = "\n".join(lines[cursor:])
        degauss = [to_float(v) for v in re.findall(rf"Gaussian Broadening:\s*{_NUMBER}\s*Ry", text)]
        pairs = re.findall(rf"lambda\(\s*\d+\)=\s*{_NUMBER}\s*gamma=\s*{_NUMBER}\s*GHz", text)
        values = np.array([[to_float(a), to_float(b)] for a, b in pairs]).reshape(broadenings, modes, 2)
    except (IndexError, ValueError):
        return None
    if len(degauss) != broadenings:
        return None
    return QPoint(path.name, q, np.array(omega2), np.array(degauss), values[..., 0], values[..., 1])


def _lines(path: Path) -> list[str]:
    """Lines of a neighbour; none where it is absent or unreadable, for it only adds to the spectrum."""
    try:
        return SourceFile(path).lines
    except SpectrumError:
        return []


def _floats(tokens: list[str]) -> list[float]:
    try:
        return [to_float(token) for token in tokens]
    except ValueError:
        return []


def _vector(q: FloatArray) -> str:
    return "(" + ", ".join(f"{x + 0.0:g}" for x in q) + ")"
