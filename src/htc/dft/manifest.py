"""``htc.json``: what a prepared folder is for, and from what it was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from htc.errors import InputError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["MANIFEST", "Manifest", "read_manifest", "write_manifest"]

MANIFEST: Final = "htc.json"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Provenance of a prepared calculation."""

    code: str
    """``qe``."""
    reduced_formula: str
    structure: dict[str, Any]
    """Primitive standard cell as prepared, pymatgen's ``Structure.as_dict()``."""
    structure_hash: str
    spacegroup: int | None
    source: str
    """Where the structure came from, as its giver named it."""
    prediction_id: str | None = None
    """The stored prediction that this calculation is to check."""
    run_id: str | None = None
    """The screening or optimisation that it came from."""
    pressure_gpa: float = 0.0
    mu_star: float = 0.10
    meshes: dict[str, list[int]] = field(default_factory=dict)
    cutoffs: dict[str, Any] = field(default_factory=dict)
    pseudopotentials: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    """SHA-256 of every input file as prepared."""
    htc_version: str = ""

    def crystal(self) -> Structure:
        """The structure as pymatgen's object."""
        from pymatgen.core.structure import Structure

        return Structure.from_dict(self.structure)


def digests(files: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 of texts by name."""
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(files.items())}


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write ``htc.json`` into a folder."""
    document = {"format": _FORMAT, **asdict(manifest)}
    (folder / MANIFEST).write_text(json.dumps(document, indent=2, sort_keys=False) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest | None:
    """Read ``htc.json``; None where there is none.

    Raises:
        InputError: it cannot be read, or is of another format.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("format") != _FORMAT:
            raise InputError("was written by another version", where=str(path))
        return Manifest(**document)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"cannot be read: {error}", where=str(path), hint="prepare the folder anew, or give --formula"
        ) from error
