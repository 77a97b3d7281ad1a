"""Labelled materials: JSON lines with a structure, lambda and omega_log, checked row by row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from htc.errors import InputError
from htc.models.features import FEATURE_NAMES, element_table, features_of_structure

__all__ = ["N_FOLDS", "LabelledMaterials", "Progress", "fold_of", "read_formulas", "read_labelled"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

N_FOLDS = 10
MIN_LAMBDA = 0.02
"""Smaller and negative couplings are noise of the calculation: they are raised to this."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledMaterials:
    """Features and labels of n materials."""

    rows: NDArray[np.float64]
    """Shape ``(n, n_features)``."""
    numbers: list[NDArray[np.int64]]
    """Atomic numbers in each."""
    formulas: NDArray[np.str_]
    """Reduced formulas, shape ``(n,)``."""
    lambda_ep: NDArray[np.float64]
    omega_log_k: NDArray[np.float64]
    fold: NDArray[np.int64]
    """Fold of each, a function of its reduced formula alone."""
    source: Path
    sha256: str
    """Of the file they were read from."""
    skipped: tuple[str, ...]
    """Rows left out, each with its reason."""

    def __len__(self) -> int:
        """Number of materials."""
        return len(self.rows)

    def select(self, mask: NDArray[np.bool_]) -> LabelledMaterials:
        """The materials where ``mask`` is true."""
        return LabelledMaterials(
            rows=self.rows[mask],
            numbers=[n for n, keep in zip(self.numbers, mask, strict=True) if keep],
            formulas=self.formulas[mask],
            lambda_ep=self.lambda_ep[mask],
            omega_log_k=self.omega_log_k[mask],
            fold=self.fold[mask],
            source=self.source,
            sha256=self.sha256,
            skipped=self.skipped,
        )


def fold_of(reduced_formula: str) -> int:
    """Fold of a composition: SHA-256 of its reduced formula, modulo the number of folds."""
    return int(hashlib.sha256(reduced_formula.encode("utf-8")).hexdigest(), 16) % N_FOLDS


def read_formulas(path: Path) -> frozenset[str]:
    """Reduced formulas from a text file, one formula a line; ``#`` starts a comment.

    Raises:
        InputError: the file cannot be read.
        FormulaError: a line is no formula.
    """
    from htc.materials.formulas import parse_formula

    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the formulas cannot be read: {error}", where=str(path)) from error
    formulas = (line.split("#", 1)[0].strip() for line in lines)
    return frozenset(parse_formula(formula).reduced_formula for formula in formulas if formula)


def _row(line: str) -> tuple[str, NDArray[np.float64], NDArray[np.int64], float, float] | str:
    """Formula, features, elements and labels of one line, or why it is left out."""
    from htc.errors import HTCError
    from htc.materials.structures import structure_from_text

    try:
        record: dict[str, Any] = json.loads(line)
        lambda_ep, omega_log = float(record["lam"]), float(record["wlog_K"])
        text = record["poscar"]
    except (ValueError, KeyError, TypeError) as error:
        return f"not a labelled material: {error!r}"
    if not (np.isfinite(lambda_ep) and np.isfinite(omega_log) and omega_log > 0.0):
        return f"unusable labels: lambda {lambda_ep}, omega_log {omega_log} K"
    try:
        structure = structure_from_text(text, fmt="poscar")
    except HTCError as error:
        return str(error)
    features = features_of_structure(structure, element_table())
    numbers = np.unique([site.specie.Z for site in structure])
    formula = structure.composition.reduced_formula
    return formula, features, numbers, max(lambda_ep, MIN_LAMBDA), omega_log


def read_labelled(
    path: Path, *, exclude: Collection[str] = (), progress: Progress | None = None, workers: int | None = None
) -> LabelledMaterials:
    """Read labelled materials and compute their features over all cores.

    Each line is a JSON object with ``poscar`` (text), ``lam`` and ``wlog_K`` (K).

    Args:
        path: JSON lines file.
        exclude: reduced formulas to leave out.
        progress: told how far it is.
        workers: processes; default one a core.

    Raises:
        InputError: the file cannot be read or holds no usable material.
    """
    try:
        blob = path.read_bytes()
        lines = [line for line in blob.decode("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the labelled materials cannot be read: {error}",
            where=str(path),
            hint="HTC_DATA must name the folder that has epc/*.jsonl",
        ) from error
    good = []
    skipped = []
    # Not by fork: a copy of a process with threads can hang, and Python 3.12 and later warn of it.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for i, result in enumerate(pool.map(_row, lines, chunksize=50), start=1):
            if isinstance(result, str):
                skipped.append(f"line {i}: {result}")
            elif result[0] not in exclude:
                good.append(result)
            if progress is not None and (i % 50 == 0 or i == len(lines)):
                progress(f"features of {path.name}", i, len(lines))
    if not good:
        raise InputError(
            f"no usable material among {len(lines)} lines"
            + (f"; the first was left out because: {skipped[0]}" if skipped else ""),
            where=str(path),
        )
    formulas, rows, numbers, lambda_ep, omega_log = zip(*good, strict=True)
    table = np.array(rows)
    if table.shape[1] != len(FEATURE_NAMES):
        raise RuntimeError("feature names and feature values disagree")
    return LabelledMaterials(
        rows=table,
        numbers=list(numbers),
        formulas=np.array(formulas),
        lambda_ep=np.array(lambda_ep),
        omega_log_k=np.array(omega_log),
        fold=np.array([fold_of(formula) for formula in formulas]),
        source=path,
        sha256=hashlib.sha256(blob).hexdigest(),
        skipped=tuple(skipped),
    )
