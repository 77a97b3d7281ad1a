"""Whether a figure can be written, asked before the work that it would show."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from htc.errors import InputError, StorageError

__all__ = ["check_figure_path"]

_SUFFIXES: Final = (".png", ".pdf", ".svg")


def check_figure_path(path: Path | None) -> None:
    """Check the file of a ``--plot`` option; None is no figure.

    Raises:
        InputError: a kind of file that cannot be drawn.
        StorageError: the folder is not there.
    """
    if path is None:
        return
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(
            f"cannot draw a {path.suffix or 'suffixless'} file",
            where=str(path),
            hint=f"use {', '.join(_SUFFIXES)}",
        )
    if not path.absolute().parent.is_dir():
        raise StorageError("the folder for the figure does not exist", where=str(path.parent))
