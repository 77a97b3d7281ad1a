"""Stored crystals by chemical system: competitors for a hull."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from htc.store.tables import htc_predictions, structures

if TYPE_CHECKING:
    from htc.materials.sources import FoundStructure
    from htc.store.database import Database

__all__ = ["StoredSystems"]

_MOST: Final = 50
_SAME_PRESSURE: Final = 0.05
"""Relative difference of pressure up to which a crystal stands for another pressure."""


class StoredSystems:
    """Crystals of predictions, whether theory applies to them or not: any phase may be a competitor.

    Args:
        database: an open database.
    """

    name = "store"

    def __init__(self, database: Database) -> None:
        """Keep the database; nothing is asked yet."""
        self.database = database

    def find_system(self, elements: Sequence[str], pressure_gpa: float = 0.0) -> list[FoundStructure]:
        """Crystals of exactly these elements at about this pressure, each once, the newest fifty.

        Raises:
            StoreError: the database does not answer.
        """
        from pymatgen.core.structure import Structure

        from htc.materials.sources import FoundStructure

        p, s = htc_predictions.c, structures.c
        tolerance = _SAME_PRESSURE * pressure_gpa
        newest = (
            sa.select(p.id, p.pressure_required_gpa, p.created_at)
            .where(
                p.structure_hash == s.hash,
                p.deleted_at.is_(None),
                p.pressure_required_gpa.between(pressure_gpa - tolerance, pressure_gpa + tolerance),
            )
            .order_by(p.created_at.desc(), p.id)
            .limit(1)
            .lateral()
        )
        query = (
            sa.select(newest.c.id, newest.c.pressure_required_gpa, s.structure)
            .select_from(structures.join(newest, sa.true()))
            # Containment has an index, equality has none.
            .where(s.elements.contains(sorted(elements)), s.nelements == len(set(elements)))
            .order_by(newest.c.created_at.desc(), newest.c.id)
            .limit(_MOST)
        )
        with self.database.connect() as connection:
            rows = connection.execute(query).all()
        return [
            FoundStructure(
                structure=Structure.from_dict(row.structure),
                origin=f"store: {row.id}",
                pressure_gpa=row.pressure_required_gpa,
                # A distance to another hull, of another method, says nothing about this one.
                hull_distance_ev=None,
            )
            for row in rows
        ]
