"""What a folder remembers of finished assessments: by crystal, potential, and settings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from htc.materials.symmetry import structure_hash
from htc.stability.caching import read_json, write_json

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["StabilityCache"]

Kind = Literal["assessment", "energy", "static", "glance"]

_RECIPE: Final = 1
"""Raised whenever equal arguments would no longer give an equal result."""
_MOST_HASHES: Final = 2000


class StabilityCache:
    """A folder of JSON files, one a result, each complete or absent.

    Crystals are known by ``structure_hash``, so that another choice of cell, or another file, finds the same
    result. Deleting the folder loses nothing but time.

    Args:
        folder: where to keep the files; made when first written.
    """

    def __init__(self, folder: Path) -> None:
        """Keep the path; nothing is made yet."""
        self.folder = folder
        self._hashes: dict[int, tuple[Structure, str]] = {}

    def get(self, kind: Kind, structure: Structure, **settings: Any) -> dict[str, Any] | None:
        """A result, or None where there is none, or none of this version of the program.

        Args:
            kind: what sort of result.
            structure: the crystal.
            settings: whatever else it follows from; JSON values.
        """
        document = read_json(self._file(kind, structure, settings))
        if not isinstance(document, dict) or document.get("recipe") != _RECIPE:
            return None
        value = document.get("value")
        return value if isinstance(value, dict) else None

    def put(self, kind: Kind, structure: Structure, value: dict[str, Any], **settings: Any) -> None:
        """Keep a result.

        Raises:
            StorageError: the folder cannot be written.
        """
        document = {"recipe": _RECIPE, "settings": settings, "value": value}
        write_json(self._file(kind, structure, settings), document)

    def _file(self, kind: str, structure: Structure, settings: dict[str, Any]) -> Path:
        content = json.dumps([_RECIPE, self._hash(structure), settings], sort_keys=True)
        key = hashlib.sha256(content.encode()).hexdigest()
        return self.folder / kind / key[:2] / f"{key}.json"

    def _hash(self, structure: Structure) -> str:
        """The hash of a structure, computed once for each object."""
        known = self._hashes.get(id(structure))
        if known is None:
            if len(self._hashes) > _MOST_HASHES:
                self._hashes.clear()
            # The structure is kept with it: an id is that of another object once this one is gone.
            known = self._hashes[id(structure)] = structure, structure_hash(structure)
        return known[1]
