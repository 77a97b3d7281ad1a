"""Features of labelled materials, computed once in chunks over all cores and kept in a folder.

A run that is killed goes on with the chunk it was at; a second training on the same file computes nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from htc.errors import HTCError, InputError
from htc.materials.symmetry import Standardised
from htc.models.training.data import Progress

__all__ = ["Arrays", "FeatureKind", "all_kept", "compute_features", "one_thread_each"]

FeatureKind = Literal["fast", "tight-binding", "embedding"]
Arrays = dict[str, NDArray[Any]]

CHUNK: Final = 128
_VERSION: Final[dict[FeatureKind, str]] = {"fast": "3", "tight-binding": "3", "embedding": "sevennet-l3i5-1"}
"""Raised when a feature changes its meaning, so that no old chunk is taken for a new one."""


def _crystals(texts: Sequence[str]) -> list[Standardised | str]:
    """Standard cells of POSCAR texts, or why there is none."""
    from htc.materials.structures import structure_from_text
    from htc.materials.symmetry import primitive_standardised

    out: list[Standardised | str] = []
    for text in texts:
        try:
            out.append(primitive_standardised(structure_from_text(text, fmt="poscar")))
        except HTCError as error:
            out.append(str(error))
    return out


def _fast(crystals: Sequence[Standardised | str]) -> Arrays:
    """Reduced formula, tabular features, and graph of every crystal."""
    from htc.models.features import FEATURE_NAMES, element_table, features_of_structure
    from htc.models.features.graph import crystal_graph

    table = element_table()
    rows = np.full((len(crystals), len(FEATURE_NAMES)), np.nan)
    problems, formulas = [], []
    nodes: list[Arrays] = []
    edges: list[Arrays] = []
    scalars = np.full((len(crystals), 1), np.nan)
    for i, crystal in enumerate(crystals):
        problems.append(crystal if isinstance(crystal, str) else "")
        if isinstance(crystal, str):
            formulas.append("")
            nodes.append({"numbers": np.empty(0, np.int64), "multiplicity": np.empty(0)})
            edges.append({k: np.empty(0) for k in ("centre", "neighbour", "distance", "count")})
            continue
        formulas.append(crystal.structure.composition.reduced_formula)
        rows[i] = features_of_structure(crystal.structure, table, crystal)
        graph = crystal_graph(crystal)
        nodes.append({"numbers": graph.numbers, "multiplicity": graph.multiplicity})
        edges.append({k: getattr(graph, k) for k in ("centre", "neighbour", "distance", "count")})
        scalars[i] = graph.volume_per_atom
    return {
        "rows": rows,
        "formulas": np.array(formulas),
        "problems": np.array(problems),
        "volume_per_atom": scalars[:, 0],
        "n_nodes": np.array([len(n["numbers"]) for n in nodes]),
        "n_edges": np.array([len(e["distance"]) for e in edges]),
        **{k: np.concatenate([n[k] for n in nodes]) for k in ("numbers", "multiplicity")},
        **{
            k: np.concatenate([e[k] for e in edges]).astype(
                np.int64 if k in ("centre", "neighbour") else float
            )
            for k in ("centre", "neighbour", "distance", "count")
        },
    }


def _tight_binding(crystals: Sequence[Standardised | str]) -> Arrays:
    from htc.models.features.tight_binding import (
        SITE_TIGHT_BINDING_FEATURES,
        TIGHT_BINDING_FEATURES,
        tight_binding,
    )

    rows = np.full((len(crystals), len(TIGHT_BINDING_FEATURES)), np.nan)
    sites: list[NDArray[np.float64]] = []
    for i, crystal in enumerate(crystals):
        if isinstance(crystal, str):
            sites.append(np.empty((0, len(SITE_TIGHT_BINDING_FEATURES))))
            continue
        found = tight_binding(crystal)
        rows[i] = found.cell
        sites.append(found.orbits)
    return {"rows": rows, "sites": np.concatenate(sites)}


def _embedding(crystals: Sequence[Standardised | str]) -> Arrays:
    from htc.models.features.embedding import N_EMBEDDING, load_embedder

    good = [c for c in crystals if not isinstance(c, str)]
    found = iter(load_embedder().embed(good))
    parts = []
    for crystal in crystals:
        if isinstance(crystal, str):
            continue
        one = next(found)
        n = max(crystal.orbits) + 1
        parts.append(np.full((n, N_EMBEDDING), np.nan, np.float32) if one is None else one)
    return {"sites": np.concatenate(parts) if parts else np.empty((0, N_EMBEDDING), np.float32)}


_COMPUTE: Final = {"fast": _fast, "tight-binding": _tight_binding, "embedding": _embedding}


def _chunk(job: tuple[FeatureKind, list[str], Path]) -> Path:
    kind, texts, path = job
    if kind == "embedding":
        import torch

        torch.set_num_threads(1)
    arrays = _COMPUTE[kind](_crystals(texts))
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    with partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    partial.replace(path)
    return path


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes started here use one thread for linear algebra: the matrices are too small to share."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _paths(kind: FeatureKind, texts: Sequence[str], folder: Path) -> list[tuple[list[str], Path]]:
    """Chunks of the texts, each with the file that its features are kept in."""
    chunks = [list(texts[i : i + CHUNK]) for i in range(0, len(texts), CHUNK)]
    digests = [hashlib.sha256("\0".join(chunk).encode("utf-8")).hexdigest()[:20] for chunk in chunks]
    return [
        (chunk, folder / f"{kind}-{_VERSION[kind]}-{digest}.npz")
        for chunk, digest in zip(chunks, digests, strict=True)
    ]


def all_kept(kind: FeatureKind, texts: Sequence[str], folder: Path) -> bool:
    """Whether the features of POSCAR texts in this order were computed before."""
    return all(path.exists() for _, path in _paths(kind, texts, folder))


def compute_features(
    kind: FeatureKind,
    texts: Sequence[str],
    folder: Path,
    *,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Arrays:
    """Features of POSCAR texts, in order; arrays per material, per site and per edge one after the other.

    Args:
        kind: which features.
        texts: structures.
        folder: where chunks are kept.
        progress: told how far it is.
        workers: processes; default one a core.

    Raises:
        InputError: the folder cannot be written.
        MissingExtraError: ``embedding`` without the extra ``[mlip]``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder for features cannot be made: {error}", where=str(folder)) from error
    paths = _paths(kind, texts, folder)
    jobs = [(kind, chunk, path) for chunk, path in paths if not path.exists()]
    if kind == "embedding" and jobs:
        from htc.models.features.embedding import load_embedder

        load_embedder()  # says at once, in this process, when the extra is missing
    done = len(paths) - len(jobs)
    if jobs:
        # Not by fork: a copy of a process with threads can hang, and Python 3.12 and later warn of it.
        with one_thread_each(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for _ in pool.map(_chunk, jobs):
                done += 1
                if progress is not None:
                    progress(f"{kind} features", min(done * CHUNK, len(texts)), len(texts))
    loaded = []
    for _, path in paths:
        with np.load(path) as arrays:
            loaded.append(dict(arrays))
    return {name: np.concatenate([arrays[name] for arrays in loaded]) for name in loaded[0]}
