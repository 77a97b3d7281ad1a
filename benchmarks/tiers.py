"""What a structure costs in each tier of the model, on one core, and where the time goes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Figures = list[tuple[str, str]]


def crystals(archive: Path, most: int) -> list[Any]:
    """Every n-th readable structure of an archive, at most ``most``."""
    from htc.materials.inputs import iter_inputs

    found = [item.structure for item in iter_inputs([archive]) if item.structure is not None]
    return found[:: max(1, len(found) // most)][:most]


def _each(what: Sequence[Any], do: Callable[[Any], object]) -> tuple[list[Any], np.ndarray]:
    out, times = [], []
    for one in what:
        start = time.process_time()
        out.append(do(one))
        times.append(time.process_time() - start)
    return out, np.array(times) * 1e3


def _row(name: str, ms: np.ndarray) -> tuple[str, str]:
    return name, f"{ms.mean():.1f} ms mean, {np.median(ms):.1f} median, {ms.max():.0f} worst"


def tiers(archive: Path, most: int = 200) -> Figures:
    """CPU time of a structure, read already, to its coupling; torch and linear algebra on one thread."""
    import importlib.util

    from htc.materials.symmetry import primitive_standardised
    from htc.models import load_model
    from htc.models.features import element_table, features_of_structure
    from htc.models.features.graph import crystal_graph
    from htc.models.features.tight_binding import tight_binding

    if os.environ.get("OMP_NUM_THREADS") != "1":
        return [("not measured", "set OMP_NUM_THREADS=1: figures are per core")]
    structures = crystals(archive, most)
    table = element_table()
    tight_binding(primitive_standardised(structures[0]))
    cells, symmetry = _each(structures, primitive_standardised)
    figures = [
        (
            archive.name,
            f"{len(structures)} structures, {np.mean([len(c.structure) for c in cells]):.1f} sites",
        ),
        _row("symmetry", symmetry),
        _row("tabular features", _each(cells, lambda c: features_of_structure(c.structure, table, c))[1]),
        _row("tight binding", _each(cells, tight_binding)[1]),
        _row("graph", _each(cells, crystal_graph)[1]),
    ]
    known = ["fast", "default"]
    if importlib.util.find_spec("sevenn") is not None:
        import torch

        torch.set_num_threads(1)
        known.append("best")
        from htc.models.features.embedding import load_embedder

        embedder = load_embedder()
        figures.append(_row("SevenNet-l3i5 states", _each(cells, lambda c: embedder.embed([c]))[1]))
    for tier in known:
        model = load_model(tier=tier)  # type: ignore[arg-type]  # names of tiers
        model.predict_structures(structures[:2])
        start = time.process_time()
        model.predict_structures(structures)
        spent = (time.process_time() - start) / len(structures)
        figures.append((f"{tier} tier", f"{1.0 / spent:.1f} structures/s/core ({spent * 1e3:.1f} ms)"))
    return figures
