"""Stored crystals."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

__all__ = ["StructureAnswer"]


class StructureAnswer(BaseModel):
    """A stored crystal: its primitive standard cell."""

    hash: str = Field(description="SHA-256 of the crystal's document.")
    reduced_formula: str = Field(description="Reduced formula.")
    anonymous_formula: str | None = Field(description="Formula with letters for elements, e.g. AB2.")
    elements: list[str] = Field(description="Symbols of its elements, in alphabetical order.")
    nelements: int = Field(description="Number of elements.")
    nsites: int = Field(description="Sites in the cell.")
    volume: float | None = Field(description="Volume of the cell, cubic angstrom.")
    spacegroup_number: int | None = Field(description="Number of the space group, 1 to 230.")
    created_at: datetime = Field(description="When it was stored, UTC.")
    structure: dict[str, Any] = Field(
        description="pymatgen's `Structure.as_dict()`: lattice in angstrom, sites with fractional and "
        "Cartesian coordinates."
    )
    cif: str | None = Field(
        description="The same as CIF text; null for a document of an earlier version that is no crystal."
    )
    prediction_ids: list[str] = Field(description="Its newest 100 predictions.")
