"""Members of an ensemble: one network a fold, trained without it, kept as each is done.

So every material is predicted by a network that had not seen its formula, and the networks together see all.
"""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.models.coupling import Tier
from htc.models.network import TARGETS, Network
from htc.models.network.evaluate import SOURCES
from htc.models.training.data import Progress
from htc.models.training.dataset import Dataset
from htc.models.training.feature_cache import one_thread_each
from htc.models.training.network import NetworkData, NetworkSettings, fit_network

__all__ = ["fit_members", "predict_out_of_fold"]

_DATA: dict[str, Any] = {}
_VERSION: Final = 1
"""Raised when the training changes, so that no old member is taken for a new one."""


def _start(data: NetworkData, fold: NDArray[np.int64], weight: NDArray[np.float64]) -> None:
    _DATA.update(data=data, fold=fold, weight=weight)


def _train(fold: int, seed: int, settings: NetworkSettings, path: Path) -> Path:
    from safetensors.numpy import save_file

    rows = np.flatnonzero(_DATA["fold"] != fold)
    network = fit_network(_DATA["data"], rows, _DATA["weight"], settings, seed)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    save_file({k: np.ascontiguousarray(v) for k, v in network.tensors().items()}, partial)
    partial.replace(path)
    return path


def _digest(data: Dataset, settings: NetworkSettings) -> str:
    """Names everything a member depends on but its fold and seed."""
    state = hashlib.sha256(json.dumps([_VERSION, settings.as_dict()], sort_keys=True).encode())
    for array in (data.graphs.sites, data.graphs.cell, data.graphs.distance, data.targets, data.weight):
        state.update(np.ascontiguousarray(array).tobytes())
    return state.hexdigest()[:16]


def fit_members(
    tier: Tier,
    data: Dataset,
    settings: NetworkSettings,
    seed: int,
    folder: Path,
    progress: Progress | None = None,
    workers: int | None = None,
) -> dict[int, Network]:
    """Networks by the fold they were trained without; those found in ``folder`` are not trained again.

    Args:
        tier: they belong to.
        data: training materials.
        settings: of the networks.
        seed: of the first; the others follow.
        folder: where each is kept when it is done.
        progress: told how many are done.
        workers: processes; default one a core.

    Raises:
        MissingExtraError: torch is not installed.
    """
    from safetensors.numpy import load_file

    folder.mkdir(parents=True, exist_ok=True)
    digest = _digest(data, settings)
    folds = [int(f) for f in np.unique(data.fold)]
    paths = {f: folder / f"{tier}-network-{digest}-without-{f}-seed-{seed + f}.safetensors" for f in folds}
    missing = [f for f in folds if not paths[f].exists()]
    done = len(folds) - len(missing)
    if missing:
        arrays = NetworkData(data.graphs, data.targets, data.trust, data.source)
        # Not by fork: torch keeps threads, and a copy of a process with threads can hang.
        with (
            one_thread_each(),
            ProcessPoolExecutor(
                min(workers or os.cpu_count() or 1, len(missing)),
                mp_context=get_context("spawn"),
                initializer=_start,
                initargs=(arrays, data.fold, data.weight),
            ) as pool,
        ):
            jobs = [pool.submit(_train, f, seed + f, settings, paths[f]) for f in missing]
            for job in as_completed(jobs):
                job.result()
                done += 1
                if progress is not None:
                    progress(f"networks of the {tier} tier", done, len(folds))
    shape = {
        "hidden": settings.hidden,
        "layers": settings.layers,
        "n_site": data.graphs.sites.shape[1],
        "n_cell": data.graphs.cell.shape[1],
    }
    return {f: Network.from_tensors(shape, load_file(path)) for f, path in paths.items()}


def predict_out_of_fold(members: dict[int, Network], data: Dataset) -> NDArray[np.float64]:
    """Targets of every material from the network trained without it, shape ``(n, len(TARGETS))``."""
    out = np.full((len(data), len(TARGETS)), np.nan)
    for fold, network in members.items():
        for index, source in enumerate(SOURCES):
            which = np.flatnonzero((data.fold == fold) & (data.source == index))
            if which.size:
                out[which] = network.predict(data.graphs.select(which), source)
    return out
