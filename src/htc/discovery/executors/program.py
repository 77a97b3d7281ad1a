"""What program a process runs, in so far as results depend on it."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from htc.discovery.funnel.tasks import StageKind

__all__ = ["Program", "differences", "this_program"]

Program = Mapping[str, str]
"""Names and versions; ``""`` stands for what is not there."""

_ROOMS: Final = (
    "units.py",
    "spectra",
    "theory",
    "materials",
    "models",
    "stability",
    "prediction",
    "discovery",
)
"""Where results come from; pages and commands may differ."""
_ALWAYS: Final = ("numpy", "scipy", "pymatgen", "moyopy", "spglib")
_POTENTIALS: Final = ("torch", "sevenn", "ase", "phonopy")
_NEED_POTENTIALS: Final = frozenset({"relax", "phonons", "hull"})


@lru_cache(maxsize=4)
def this_program(model: str | None = None) -> Program:
    """Versions, hashes and arithmetic of this process.

    Args:
        model: folder of the electron-phonon model; None for the one shipped.
    """
    import htc
    from htc.version import __version__

    folder = Path(htc.__file__).parent
    found = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "htc": __version__,
        "htc source": _hash_of(path for room in _ROOMS for path in _sources(folder / room)),
        "model": _hash_of(
            (folder / "models" / "weights" if model is None else Path(model)).rglob("card.json")
        ),
    }
    for name in (*_ALWAYS, *_POTENTIALS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    found["threads"] = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or "all"
    found["arithmetic"] = _arithmetic()
    return found


def differences(
    worker: Program, wanted: Program, kind: StageKind | None = None, arithmetic: str | None = None
) -> list[str]:
    """Why the results of a worker would not be those wanted, one phrase each; none: they are the same.

    Args:
        worker: of the process that is to work.
        wanted: of the coordinator.
        kind: of the stage; None for what all stages need.
        arithmetic: of the other workers: two kinds of processors differ in the last bits. None where it is
            the first.
    """
    names = ["python", "htc", "htc source", "model", *_ALWAYS]
    if kind in _NEED_POTENTIALS:
        names += _POTENTIALS
    found = [
        f"{name} is {_shown(worker.get(name, ''))} there and {_shown(wanted[name])} here"
        for name in names
        if worker.get(name, "") != wanted[name]
    ]
    if worker.get("threads") != "1":
        found.append("its linear algebra runs on several threads (start it with OMP_NUM_THREADS=1)")
    if arithmetic is not None and worker.get("arithmetic") != arithmetic:
        found.append(
            "its processor rounds otherwise than those of the workers before (start workers on one kind of"
            " processor, or all with OPENBLAS_CORETYPE=Haswell and NPY_DISABLE_CPU_FEATURES set alike)"
        )
    return found


def _shown(text: str) -> str:
    return text[:16] or "missing"


def _sources(room: Path) -> Iterable[Path]:
    return room.rglob("*.py") if room.is_dir() else [room]


def _hash_of(files: Iterable[Path]) -> str:
    """SHA-256 over names and contents of files; empty where there are none."""
    digest, any_file = hashlib.sha256(), False
    for path in sorted(files):
        any_file = True
        digest.update(f"{path.parent.name}/{path.name}".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest() if any_file else ""


def _arithmetic() -> str:
    """Bits of what differs between kinds of processors: products, sums, functions, eigenvalues."""
    import numpy as np

    x = np.sin(np.arange(1.0, 31.0 * 24.0 + 1.0)).reshape(31, 24)
    w = np.cos(np.arange(24.0 * 64.0)).reshape(24, 64)
    single = x.astype(np.float32) @ w.astype(np.float32)
    square = x[:24] + x[:24].T + 1j * (x[:24] - x[:24].T)
    parts = [
        x @ w,
        single,
        np.tanh(single),
        np.exp(x),
        np.log(np.abs(x)),
        x.sum(),
        np.linalg.eigvalsh(square),
    ]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
