"""Taking over a data directory that an upgrade made beside the old one; a kill at any moment does no harm.

    postgres/data                    of the old version
    postgres/upgrade/postgres/data   of the new one, being filled
    postgres/upgrade/complete        written when the new one is whole, compared, stopped and on the disk

Until ``complete`` is there the old directory counts and ``upgrade`` is rubbish. From then on the new one
counts, and whoever opens the database next finishes what is left of the two renames.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Final

__all__ = ["announce", "finish", "folder_of_upgrade", "is_pending", "sync_folder"]

_COMPLETE: Final = "complete"


def folder_of_upgrade(root: Path) -> Path:
    """Where the new directory is made."""
    return root / "upgrade"


def is_pending(root: Path) -> bool:
    """Whether a new directory waits to be taken over."""
    return (folder_of_upgrade(root) / _COMPLETE).exists()


def announce(root: Path, made_by: int) -> Path:
    """Say that the new directory counts from now on.

    Returns:
        Where the old one will be kept: ``data.pg<made_by>``, with a number behind it where that is taken.
    """
    kept, number = root / f"data.pg{made_by}", 1
    while kept.exists():
        number += 1
        kept = root / f"data.pg{made_by}.{number}"
    folder = folder_of_upgrade(root)
    new = folder / "complete.new"
    with new.open("w") as sink:
        json.dump({"kept": kept.name}, sink)
        sink.flush()
        os.fsync(sink.fileno())
    sync_folder(folder)
    new.rename(folder / _COMPLETE)
    sync_folder(folder)
    return kept


def finish(root: Path) -> None:
    """Take a finished new directory over. The caller holds the lifecycle lock, and no server runs."""
    folder = folder_of_upgrade(root)
    try:
        kept = root / json.loads((folder / _COMPLETE).read_text())["kept"]
    except FileNotFoundError:
        return
    data, new = root / "data", folder / "postgres" / "data"
    if new.exists():
        if data.exists():
            data.rename(kept)
            sync_folder(root)
        new.rename(data)
        sync_folder(root)
    # First the word that the directory counts, then what is left of its folder.
    (folder / _COMPLETE).unlink()
    shutil.rmtree(folder, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
