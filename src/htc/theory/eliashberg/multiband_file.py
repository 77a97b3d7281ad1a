"""From a file of alpha2F_ij to Tc and gaps: what the command line calls."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isqrt
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike, NDArray

from htc.errors import InputError
from htc.spectra import MultibandSpectrum, read_multiband
from htc.theory.eliashberg.conventions import Convention, Edge
from htc.theory.eliashberg.multiband import (
    MultibandGap,
    MultibandTransition,
    multiband_critical_temperature,
    multiband_gap,
)
from htc.theory.eliashberg.pseudopotential import Rescaling

__all__ = ["MultibandResult", "parse_mu_matrix", "solve_multiband_file"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MultibandResult:
    """What a file of alpha2F_ij gives."""

    spectrum: MultibandSpectrum
    transition: MultibandTransition
    gap: MultibandGap | None
    """None where no temperatures were asked for."""


def solve_multiband_file(
    path: str | PathLike[str],
    mu_star: str | ArrayLike,
    *,
    bands: int | None = None,
    unit: str | None = None,
    temperatures_k: ArrayLike | None = None,
    convention: str | Convention = "asis",
    cutoff_mev: float | None = None,
    edge: Edge = "step",
    rescaling: Rescaling = "matrix",
) -> MultibandResult:
    """Read a file of alpha2F_ij and solve it.

    Args:
        path: the file, see `htc.spectra.read_multiband`.
        mu_star: mu*_ij, or a text for `parse_mu_matrix`.
        bands: number of bands, checked against the file; None takes the file's.
        unit: energy unit of its frequencies where it states none.
        temperatures_k: where to find the gaps, K; None for Tc alone.
        convention: what mu* means and where the sums end.
        cutoff_mev: cutoff of the phonon sum, meV.
        edge: how the sums end.
        rescaling: of mu*_ij.

    Raises:
        InputError: the file or an argument is not usable.
        ConvergenceError: the search for Tc or a gap did not settle.
    """
    matrix = parse_mu_matrix(mu_star) if isinstance(mu_star, str) else mu_star
    spectrum = read_multiband(path, unit, bands)
    if temperatures_k is None:
        transition = multiband_critical_temperature(
            spectrum, matrix, convention, cutoff_mev=cutoff_mev, edge=edge, rescaling=rescaling
        )
        return MultibandResult(spectrum, transition, None)
    gap = multiband_gap(
        spectrum, matrix, temperatures_k, convention, cutoff_mev=cutoff_mev, edge=edge, rescaling=rescaling
    )
    return MultibandResult(spectrum, gap.transition, gap)


def parse_mu_matrix(text: str) -> FloatArray:
    """mu*_ij from text: rows ended by semicolons, ``0.21,0.095;0.069,0.172``, or flattened as for ebmb.

    Returns:
        The matrix, shape ``(b, b)``.

    Raises:
        InputError: it is not a square matrix of numbers.
    """
    hint = 'rows end with a semicolon, e.g. "0.21,0.095;0.069,0.172"; row i is what band i feels'
    try:
        rows = [
            [float(x) for x in re.split(r"\s*,\s*|\s+", row.strip())] for row in text.strip(" ;").split(";")
        ]
    except ValueError:
        raise InputError(f"{text!r} is not a matrix of numbers", where="mu_star", hint=hint) from None
    if len(rows) == 1:
        size = isqrt(len(rows[0]))
        rows = [rows[0][i * size : (i + 1) * size] for i in range(size)] if size**2 == len(rows[0]) else rows
    if any(len(row) != len(rows) for row in rows):
        raise InputError(f"{text!r} is not a square matrix", where="mu_star", hint=hint)
    return np.array(rows)
