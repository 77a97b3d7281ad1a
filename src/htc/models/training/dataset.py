"""Labelled materials from several sources, each row checked, with everything the tiers of the model see."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import InputError
from htc.models.network import TARGETS, GraphBatch
from htc.models.network.batch import size_of
from htc.models.network.evaluate import SOURCES
from htc.models.training.data import MIN_LAMBDA, Progress, fold_of
from htc.models.training.feature_cache import Arrays, FeatureKind, all_kept, compute_features
from htc.theory.empirical import allen_dynes_f1

__all__ = ["Dataset", "SourceFile", "concatenate", "read_dataset"]

FloatArray = NDArray[np.float64]

_ID_KEYS: Final = {"mat_id": "alexandria", "betenet_id": "betenet", "jid": "jarvis"}
_MAX_SOFT_LAMBDA: Final = 3.5
"""Stronger coupling in the JARVIS rows goes with a collapsing mode: a lattice about to change, no label."""
_TC_MU_STAR: Final = 0.10
_TC_STEP_K: Final = 0.005
"""Tc of the Alexandria rows is given to two decimals."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of labelled materials that was read."""

    name: str
    source: str
    sha256: str
    rows: int
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """n labelled materials."""

    files: tuple[SourceFile, ...]
    keys: NDArray[np.str_]
    """Identifier of each row at its source, shape ``(n,)``."""
    formulas: NDArray[np.str_]
    """Reduced formulas, shape ``(n,)``."""
    source: NDArray[np.int64]
    """Index into ``htc.models.network.evaluate.SOURCES``, shape ``(n,)``."""
    fold: NDArray[np.int64]
    """Fold of each, a function of its reduced formula alone, shape ``(n,)``."""
    lambda_ep: FloatArray
    omega_log_k: FloatArray
    omega_2_k: FloatArray
    """NaN where it is neither stated nor implied."""
    targets: NDArray[np.float32]
    """Shape ``(n, len(TARGETS))``, NaN where not stated."""
    trust: NDArray[np.float32]
    """How far each target is to be trusted, 0 to 1, shape ``(n, len(TARGETS))``."""
    weight: FloatArray
    """Of the row in training, shape ``(n,)``."""
    rows: FloatArray
    """Fast tabular features, shape ``(n, n_fast)``."""
    tight_binding: FloatArray
    """Tight-binding features, shape ``(n, n_tb)``; no columns where they were not asked for."""
    graphs: GraphBatch
    """All graphs end to end; ``sites`` holds tight-binding and, if asked for, embedding columns."""

    def __len__(self) -> int:
        """Number of materials."""
        return len(self.formulas)

    @property
    def numbers(self) -> list[NDArray[np.int64]]:
        """Atomic numbers in each material."""
        ends = np.cumsum(np.bincount(self.graphs.crystal, minlength=len(self)))[:-1]
        return [np.unique(z) for z in np.split(self.graphs.numbers, ends)]

    @property
    def tc_k(self) -> FloatArray:
        """Tc from the labels by f1 times the exponential at mu* 0.10, K."""
        return np.asarray(allen_dynes_f1(self.lambda_ep, self.omega_log_k, _TC_MU_STAR))

    def select(self, mask: NDArray[np.bool_]) -> Dataset:
        """The materials where ``mask`` is true."""
        which = np.flatnonzero(mask)
        arrays = {
            f.name: getattr(self, f.name)[which] for f in fields(self) if f.name not in ("files", "graphs")
        }
        return replace(self, graphs=self.graphs.select(which), **arrays)


def _source_of(record: Mapping[str, Any], where: str) -> tuple[str, str]:
    if "source" in record:
        if record["source"] not in SOURCES:
            raise InputError(
                f"unknown source {record['source']!r}", where=where, hint=f"one of {', '.join(SOURCES)}"
            )
        return str(record["source"]), str(next((record[k] for k in _ID_KEYS if k in record), ""))
    for key, source in _ID_KEYS.items():
        if key in record:
            return source, str(record[key])
    return SOURCES[0], ""


def implied_omega_2(lambda_ep: float, omega_log_k: float, tc_k: float) -> tuple[float, float]:
    """omega_2/omega_log that a full Allen-Dynes Tc at mu* 0.10 implies, and how precisely.

    Tc/(f1 exp) is f2, which depends on the ratio alone (Allen and Dynes, Phys. Rev. B 12, 905 (1975),
    doi:10.1103/PhysRevB.12.905). NaN where the rounding of Tc leaves nothing to tell.

    Returns:
        The ratio and one standard deviation of it from the rounding of Tc.
    """
    plain = float(allen_dynes_f1(lambda_ep, omega_log_k, _TC_MU_STAR))
    if plain < 0.2 or tc_k <= 0.0:
        return math.nan, math.nan

    def ratio(f2: float) -> float:
        # f2 - 1 = (r - 1) lambda^2 / (lambda^2 + (c r)^2), a quadratic in r
        excess, c, square = f2 - 1.0, 1.82 * (1.0 + 6.3 * _TC_MU_STAR), lambda_ep**2
        a, b, d = excess * c**2, -square, square * (1.0 + excess)
        root = b * b - 4.0 * a * d
        if root < 0.0:
            return math.nan
        return (-b - math.sqrt(root)) / (2.0 * a) if abs(a) > 1e-12 else -d / b

    value = ratio(tc_k / plain)
    spread = 0.5 * abs(ratio((tc_k + _TC_STEP_K) / plain) - ratio((tc_k - _TC_STEP_K) / plain))
    if not (math.isfinite(value) and math.isfinite(spread) and 1.0 <= value <= 4.0 and spread < 0.3 * value):
        return math.nan, math.nan
    return value, spread


@dataclass(slots=True)
class _Row:
    key: str
    source: str
    poscar: str
    lambda_ep: float
    omega_log_k: float
    omega_2_k: float
    omega_2_trust: float
    debye_k: float
    dos_ef: float
    weight: float


def _parse(line: str, where: str) -> _Row | str:
    try:
        record: dict[str, Any] = json.loads(line)
        lambda_ep, omega_log = float(record["lam"]), float(record["wlog_K"])
        poscar = str(record["poscar"])
    except (ValueError, KeyError, TypeError) as error:
        return f"not a labelled material: {error!r}"
    source, key = _source_of(record, where)
    if not (math.isfinite(lambda_ep) and math.isfinite(omega_log) and omega_log > 0.0):
        return f"unusable labels: lambda {lambda_ep}, omega_log {omega_log} K"
    if source == "jarvis" and not 0.0 < lambda_ep < _MAX_SOFT_LAMBDA:
        return f"lambda {lambda_ep:.3g} of a lattice that is not stable"
    lambda_ep = max(lambda_ep, MIN_LAMBDA)
    omega_2, trust = math.nan, 0.0
    if record.get("w2_K") is not None:
        omega_2, trust = float(record["w2_K"]), 1.0
    elif source == "alexandria" and record.get("Tc_K") is not None:
        ratio, spread = implied_omega_2(lambda_ep, omega_log, float(record["Tc_K"]))
        if math.isfinite(ratio):
            omega_2, trust = ratio * omega_log, 1.0 / (1.0 + (spread / ratio / 0.1) ** 2)
    unsure = record.get("match", "exact") != "exact"
    return _Row(
        key=key,
        source=source,
        poscar=poscar,
        lambda_ep=lambda_ep,
        omega_log_k=omega_log,
        omega_2_k=omega_2,
        omega_2_trust=trust,
        debye_k=float(record.get("debye_K") or math.nan),
        dos_ef=float(record.get("dos_ef") or math.nan),
        weight=(0.5 if unsure else 1.0) * (0.5 if source == "jarvis" else 1.0),
    )


def _poscar_of(line: str) -> str:
    """The structure in a line, empty where there is none."""
    try:
        record = json.loads(line)
    except ValueError:
        return ""
    text = record.get("poscar") if isinstance(record, dict) else None
    return text if isinstance(text, str) else ""


def _sites(arrays: Arrays, counts: NDArray[np.int64], keep: NDArray[np.bool_]) -> FloatArray:
    return np.asarray(arrays["sites"][np.repeat(keep, counts)])


def read_dataset(
    path: Path,
    folder: Path,
    *,
    kinds: Sequence[FeatureKind] = ("fast", "tight-binding"),
    exclude: Collection[str] = (),
    fold: int | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Dataset:
    """Read labelled materials and compute, or take from ``folder``, the features asked for.

    Each line is a JSON object with ``poscar`` (text), ``lam`` and ``wlog_K`` (K), and optionally ``w2_K``,
    ``debye_K``, ``dos_ef`` (states/eV/cell), ``match`` and the source: ``source`` or the source's own
    identifier (``mat_id``, ``betenet_id``, ``jid``).

    Args:
        path: JSON lines file.
        folder: where computed features are kept.
        kinds: features to compute; ``fast`` always.
        exclude: reduced formulas to leave out.
        fold: only the materials of this fold; the features of others are not computed.
        progress: told how far it is.
        workers: processes; default one a core.

    Raises:
        InputError: the file cannot be read or holds no usable material.
        MissingExtraError: ``embedding`` was asked for without the extra ``[mlip]``.
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
    parsed = [_parse(line, f"{path}:{i}") for i, line in enumerate(lines, start=1)]
    # Of every line, usable or not: what is kept in the folder then does not depend on the labels.
    texts = [_poscar_of(line) for line in lines]
    fast = compute_features("fast", texts, folder, progress=progress, workers=workers)
    problems = [
        p if isinstance(p, str) else q for p, q in zip(parsed, fast["problems"].tolist(), strict=True)
    ]
    skipped = [f"line {i}: {problem}" for i, problem in enumerate(problems, start=1) if problem]
    keep = np.array([not problem for problem in problems]) & ~np.isin(fast["formulas"], list(exclude))
    if fold is not None:
        keep &= np.array([fold_of(formula) == fold for formula in fast["formulas"].tolist()])
    records = [row for row, k in zip(parsed, keep.tolist(), strict=True) if k and isinstance(row, _Row)]
    if not records:
        raise InputError(
            f"no usable material among {len(lines)} lines"
            + ("" if fold is None else f" belongs to fold {fold}")
            + (f"; the first was left out because: {skipped[0]}" if skipped else ""),
            where=str(path),
        )
    sites = [np.empty((int(fast["n_nodes"][keep].sum()), 0))]
    tight_binding = np.empty((len(records), 0))
    for kind in kinds:
        if kind == "fast":
            continue
        if fold is not None and not all_kept(kind, texts, folder):
            wanted = [text for text, k in zip(texts, keep.tolist(), strict=True) if k]
            arrays = compute_features(kind, wanted, folder, progress=progress, workers=workers)
        else:
            arrays = compute_features(kind, texts, folder, progress=progress, workers=workers)
            arrays = {
                name: _sites(arrays, fast["n_nodes"], keep) if name == "sites" else array[keep]
                for name, array in arrays.items()
            }
        sites.append(arrays["sites"])
        if kind == "tight-binding":
            tight_binding = arrays["rows"]
    formulas = fast["formulas"][keep]
    targets, trust = _targets(records, fast["volume_per_atom"][keep])
    return Dataset(
        files=(
            SourceFile(
                path.stem, records[0].source, hashlib.sha256(blob).hexdigest(), len(records), tuple(skipped)
            ),
        ),
        keys=np.array([r.key for r in records]),
        formulas=formulas,
        source=np.array([SOURCES.index(r.source) for r in records]),
        fold=np.array([fold_of(f) for f in formulas.tolist()]),
        lambda_ep=np.array([r.lambda_ep for r in records]),
        omega_log_k=np.array([r.omega_log_k for r in records]),
        omega_2_k=np.array([r.omega_2_k for r in records]),
        targets=targets,
        trust=trust,
        weight=np.array([r.weight for r in records]),
        rows=fast["rows"][keep],
        tight_binding=tight_binding,
        graphs=_graphs(
            fast, keep, np.concatenate(sites, axis=1), np.column_stack([fast["rows"][keep], tight_binding])
        ),
    )


def _targets(
    records: list[_Row], volume_per_atom: FloatArray
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Training targets and how far to trust each."""
    sites = np.array([_sites_of_poscar(r.poscar) for r in records], dtype=np.float64)
    lambda_ep = np.array([r.lambda_ep for r in records])
    omega_log = np.array([r.omega_log_k for r in records])
    ratio = np.array([r.omega_2_k for r in records]) / omega_log
    debye = np.array([r.debye_k for r in records])
    dos = np.array([r.dos_ef for r in records])
    dos = np.where(dos > 0.0, dos, np.nan) / sites
    targets = np.log(
        np.column_stack(
            [
                lambda_ep,
                omega_log,
                np.maximum(ratio, 1.0),
                np.maximum(debye, 20.0),
                np.maximum(dos, 0.02),
                np.maximum(dos / volume_per_atom, 1e-3),
            ]
        )
    )
    trust = np.ones_like(targets)
    trust[:, TARGETS.index("ln_omega_2_ratio")] = [r.omega_2_trust for r in records]
    return targets.astype(np.float32), trust.astype(np.float32)


def _sites_of_poscar(text: str) -> int:
    """Sites of a POSCAR: the sum of its sixth or seventh line."""
    lines = text.splitlines()
    counts = lines[6].split() if not lines[5].split()[0].isdigit() else lines[5].split()
    return sum(int(n) for n in counts)


def _graphs(fast: Arrays, keep: NDArray[np.bool_], sites: FloatArray, cell: FloatArray) -> GraphBatch:
    node_keep, edge_keep = np.repeat(keep, fast["n_nodes"]), np.repeat(keep, fast["n_edges"])
    n_nodes, n_edges = fast["n_nodes"][keep], fast["n_edges"][keep]
    first = np.repeat(np.cumsum(n_nodes) - n_nodes, n_edges)
    crystal = np.repeat(np.arange(len(n_nodes)), n_nodes)
    multiplicity = fast["multiplicity"][node_keep]
    n_sites = np.bincount(crystal, multiplicity).astype(int)
    return GraphBatch(
        numbers=fast["numbers"][node_keep],
        multiplicity=multiplicity.astype(np.float32),
        crystal=crystal,
        sites=sites.astype(np.float32),
        centre=fast["centre"][edge_keep] + first,
        neighbour=fast["neighbour"][edge_keep] + first,
        distance=fast["distance"][edge_keep].astype(np.float32),
        count=fast["count"][edge_keep].astype(np.float32),
        cell=cell.astype(np.float32),
        size=np.array(
            [
                size_of(v, n)
                for v, n in zip(fast["volume_per_atom"][keep].tolist(), n_sites.tolist(), strict=True)
            ],
            dtype=np.float32,
        ),
    )


def concatenate(parts: Sequence[Dataset]) -> Dataset:
    """Materials of several files, one after the other."""
    graphs = [part.graphs for part in parts]
    first_node = np.cumsum([0, *(len(g.numbers) for g in graphs)])
    first_crystal = np.cumsum([0, *(len(g) for g in graphs)])
    joined: dict[str, Any] = {}
    for f in fields(GraphBatch):
        shift = {"crystal": first_crystal, "centre": first_node, "neighbour": first_node}.get(f.name)
        arrays = [getattr(g, f.name) for g in graphs]
        if shift is not None:
            arrays = [a + s for a, s in zip(arrays, shift, strict=False)]
        joined[f.name] = np.concatenate(arrays)
    plain = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(Dataset)
        if f.name not in ("files", "graphs")
    }
    return Dataset(files=tuple(f for part in parts for f in part.files), graphs=GraphBatch(**joined), **plain)
