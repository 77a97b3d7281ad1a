"""Crystals that were stored before, as a source for formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from htc.store.tables import bete_runs, htc_predictions

if TYPE_CHECKING:
    from htc.materials.sources import FoundStructure
    from htc.store.database import Database

__all__ = ["StoredStructures"]

_MOST: Final = 20
_SAME_PRESSURE: Final = 0.05
"""Relative difference of pressure up to which a crystal stands for another pressure."""


class StoredStructures:
    """Crystals that people gave, from the predictions made of them.

    Only crystals given as such are offered: one that came from a library or a provider is better asked for
    there. Those with the smallest distance to the hull come first, then the newest.

    Args:
        database: an open database.
    """

    name = "store"

    def __init__(self, database: Database) -> None:
        """Keep the database; nothing is asked yet."""
        self.database = database

    def find(self, reduced_formula: str, pressure_gpa: float = 0.0) -> list[FoundStructure]:
        """Crystals of a composition at about this pressure, best first.

        Raises:
            StoreError: the database does not answer.
        """
        from pymatgen.core.structure import Structure

        from htc.materials.sources import FoundStructure

        p = htc_predictions.c
        tolerance = _SAME_PRESSURE * pressure_gpa
        query = (
            sa.select(p.id, p.pressure_required_gpa, p.hull_distance_eV, bete_runs.c.structure_json)
            .join(bete_runs, bete_runs.c.id == p.bete_run_id)
            .where(
                bete_runs.c.structure_formula == reduced_formula,
                bete_runs.c.structure_json.is_not(None),
                p.structure_origin == "given",
                p.pressure_required_gpa.between(pressure_gpa - tolerance, pressure_gpa + tolerance),
            )
            .order_by(p.hull_distance_eV.asc().nulls_last(), p.created_at.desc(), p.id)
            .limit(_MOST)
        )
        with self.database.connect() as connection:
            rows = connection.execute(query).all()
        found: list[FoundStructure] = []
        for row in rows:
            structure = Structure.from_dict(row.structure_json)
            # One crystal predicted at several mu* or by several models is still one crystal.
            if all(structure != other.structure for other in found):
                found.append(
                    FoundStructure(
                        structure=structure,
                        origin=f"store: {row.id}",
                        pressure_gpa=row.pressure_required_gpa,
                        hull_distance_ev=row.hull_distance_eV,
                    )
                )
        return found
