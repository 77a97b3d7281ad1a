"""Members of an ensemble: networks trained without a fold each, and on all folds, kept as each is done.

Those without a fold tell how good a network is for materials whose formula it had not seen, which mixing and
calibration are learned from. A recipe may ask for networks of all folds too, which have seen an eighth more:
they then speak instead of the others. The shipped tiers have none, two of them were no better than the eight.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
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

__all__ = ["Member", "fit_members", "members_wanted", "predict_out_of_fold", "speaking"]

_DATA: dict[str, Any] = {}
_VERSION: Final = 1
"""Raised when the training changes, so that no old member is taken for a new one."""


@dataclass(frozen=True, slots=True)
class Member:
    """What tells the networks of an ensemble apart."""

    without: int | None
    """The fold it was trained without; None for all training folds."""
    seed: int

    def as_dict(self) -> dict[str, int | None]:
        """As the card states it."""
        return {"trained_without_fold": self.without, "seed": self.seed}


def members_wanted(folds: NDArray[np.int64], seed: int, per_fold: int, of_all: int) -> list[Member]:
    """The members of an ensemble, each with a seed of its own.

    Args:
        folds: of the training materials.
        seed: the others follow from.
        per_fold: networks trained without each fold.
        of_all: networks trained on all of them.
    """
    outside = [Member(int(f), seed + int(f) + 100 * k) for k in range(per_fold) for f in np.unique(folds)]
    return outside + [Member(None, seed + 10_000 + k) for k in range(of_all)]


def speaking(members: dict[Member, Network]) -> dict[Member, Network]:
    """The members that predict new materials: those of all folds, or where there are none, all."""
    return {m: network for m, network in members.items() if m.without is None} or members


def _start(data: NetworkData, fold: NDArray[np.int64], weight: NDArray[np.float64]) -> None:
    _DATA.update(data=data, fold=fold, weight=weight)


def _train(member: Member, settings: NetworkSettings, path: Path) -> Path:
    from safetensors.numpy import save_file

    fold = _DATA["fold"]
    rows = np.arange(len(fold)) if member.without is None else np.flatnonzero(fold != member.without)
    network = fit_network(_DATA["data"], rows, _DATA["weight"], settings, member.seed)
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
    members: Sequence[Member],
    folder: Path,
    progress: Progress | None = None,
    workers: int | None = None,
) -> dict[Member, Network]:
    """Train the networks of an ensemble; those found in ``folder`` are not trained again.

    Args:
        tier: they belong to.
        data: training materials.
        settings: of the networks.
        members: which, see :func:`members_wanted`.
        folder: where each is kept when it is done.
        progress: told how many are done.
        workers: processes; default one a core.

    Raises:
        MissingExtraError: torch is not installed.
    """
    from safetensors.numpy import load_file

    folder.mkdir(parents=True, exist_ok=True)
    digest = _digest(data, settings)
    paths = {m: folder / f"{tier}-network-{digest}-{_seen_by(m)}-seed-{m.seed}.safetensors" for m in members}
    missing = [m for m in members if not paths[m].exists()]
    done = len(members) - len(missing)
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
            jobs = [pool.submit(_train, m, settings, paths[m]) for m in missing]
            for job in as_completed(jobs):
                job.result()
                done += 1
                if progress is not None:
                    progress(f"networks of the {tier} tier", done, len(members))
    shape = {
        "hidden": settings.hidden,
        "layers": settings.layers,
        "n_site": data.graphs.sites.shape[1],
        "n_cell": data.graphs.cell.shape[1],
    }
    return {m: Network.from_tensors(shape, load_file(path)) for m, path in paths.items()}


def _seen_by(member: Member) -> str:
    return "of-all" if member.without is None else f"without-{member.without}"


def predict_out_of_fold(members: dict[Member, Network], data: Dataset) -> NDArray[np.float64]:
    """Targets of every material by the networks trained without it, shape ``(n, len(TARGETS))``."""
    out = np.full((len(data), len(TARGETS)), np.nan)
    for fold in {member.without for member in members} - {None}:
        outside = [network for member, network in members.items() if member.without == fold]
        for index, source in enumerate(SOURCES):
            which = np.flatnonzero((data.fold == fold) & (data.source == index))
            if which.size:
                graphs = data.graphs.select(which)
                out[which] = np.mean([network.predict(graphs, source) for network in outside], axis=0)
    return out
