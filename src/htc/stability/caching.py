"""Files that hold finished parts of a calculation, so that a killed one goes on where it stopped.

A file appears under its name complete or not at all; one that cannot be read is as good as none.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from htc.errors import StorageError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["cell_key", "read_array", "read_json", "write_array", "write_json"]

_DIGITS: Final = 8
"""Decimals of Å and of fractional coordinates in a key: finer is rounding of the arithmetic."""


def cell_key(structure: Structure, **settings: Any) -> str:
    """SHA-256 over a cell as it is written and whatever else the result follows from.

    Not ``structure_hash``, which names the crystal: displacements belong to one choice of axes.

    Args:
        structure: the cell, n sites.
        settings: JSON values.
    """
    content = {
        "lattice": np.round(structure.lattice.matrix, _DIGITS).tolist(),
        "positions": np.round(structure.frac_coords, _DIGITS).tolist(),
        "elements": [site.specie.symbol for site in structure],
        "settings": settings,
    }
    # -0.0 and 0.0 are the same place and different texts.
    text = json.dumps(content, sort_keys=True).replace("-0.0,", "0.0,").replace("-0.0]", "0.0]")
    return hashlib.sha256(text.encode()).hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, complete or not at all.

    Raises:
        StorageError: the folder cannot be written.
    """
    _write(path, json.dumps(value).encode())


def read_json(path: Path) -> Any:
    """What a JSON file holds, or None where it is absent or damaged."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def write_array(path: Path, array: NDArray[np.float64]) -> None:
    """Write an array as ``.npy``, complete or not at all.

    Raises:
        StorageError: the folder cannot be written.
    """
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    _write(path, buffer.getvalue())


def read_array(path: Path, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """The array in a ``.npy`` file, or None where it is absent, damaged or of another shape."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if array.shape != shape or array.dtype != np.float64 or not np.isfinite(array).all():
        return None
    return np.asarray(array, dtype=np.float64)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageError(
            f"a result cannot be kept: {error.strerror or error}",
            where=str(path.parent),
            hint="make room or give a folder that can be written",
        ) from error
