"""Crystals: each stored once, and offered as a source for formulas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from htc.store.jsontext import dumps
from htc.store.tables import htc_predictions, structures

if TYPE_CHECKING:
    from htc.materials.sources import FoundStructure
    from htc.prediction.record import Prediction
    from htc.store.database import Database

__all__ = ["StoredStructures", "describe_structures", "store_structures"]

UNREADABLE: Final = "?"
_DESCRIBED_AT_ONCE: Final = 100
_MOST: Final = 20
_SAME_PRESSURE: Final = 0.05
"""Relative difference of pressure up to which a crystal stands for another pressure."""


def store_structures(connection: sa.Connection, predictions: Mapping[str, Prediction]) -> dict[str, str]:
    """Store the crystals of predictions, each once.

    Args:
        connection: in a transaction.
        predictions: by any key; each has a structure.

    Returns:
        The structure's hash by the same keys.

    Raises:
        InputError: a structure that JSON cannot hold.
        StoreError: the database refused.
    """
    if not predictions:
        return {}
    documents = {key: dumps(prediction.structure) for key, prediction in predictions.items()}
    # The server's canonical text decides, so that every writer, old or new, gets the same hash.
    hashes = connection.execute(
        sa.text(
            "SELECT htc_document_hash(d)"
            " FROM jsonb_array_elements(CAST(:docs AS jsonb)) WITH ORDINALITY AS t(d, n) ORDER BY n"
        ),
        # One text: of an array the driver would search every element for what needs quoting.
        {"docs": f"[{','.join(documents.values())}]"},
    ).scalars()
    by_key = dict(zip(documents, hashes, strict=True))
    known = set(
        connection.execute(
            sa.select(structures.c.hash).where(structures.c.hash.in_(set(by_key.values())))
        ).scalars()
    )
    # One order for all writers, so that two with the same crystals wait for each other and never deadlock.
    new = {by_key[key]: predictions[key] for key in sorted(by_key, key=by_key.__getitem__)}
    rows = [_row(prediction) for found, prediction in new.items() if found not in known]
    if rows:
        connection.execute(insert(structures).on_conflict_do_nothing(index_elements=["hash"]), rows)
    return by_key


def describe_structures(database: Database) -> int:
    """Fill in what a migration cannot: anonymous formula and space group of crystals of an earlier version.

    In small transactions; killed, it goes on where it was. A document that pymatgen cannot read gets the
    anonymous formula ``"?"``, so that it is not tried for ever.

    Returns:
        How many were filled in.

    Raises:
        StoreError: the database refused.
    """
    done = 0
    undescribed = (
        sa.select(structures.c.hash, structures.c.structure)
        .where(structures.c.anonymous_formula.is_(None))
        .order_by(structures.c.hash)
        .limit(_DESCRIBED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    while True:
        with database.begin() as connection:
            rows = connection.execute(undescribed).all()
            if not rows:
                return done
            change = (
                sa.update(structures)
                .where(structures.c.hash == sa.bindparam("its_hash"))
                .values(
                    anonymous_formula=sa.bindparam("formula"), spacegroup_number=sa.bindparam("spacegroup")
                )
            )
            connection.execute(change, [{"its_hash": row.hash} | _description(row.structure) for row in rows])
            done += len(rows)


def _description(document: Mapping[str, Any]) -> dict[str, Any]:
    from pymatgen.core.structure import Structure

    from htc.materials.symmetry import primitive_standardised

    try:
        structure = Structure.from_dict(dict(document))
        formula = structure.composition.anonymized_formula
        group = primitive_standardised(structure).spacegroup if structure.is_ordered else None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError):
        # Whatever an earlier version called a structure.
        return {"formula": UNREADABLE, "spacegroup": None}
    return {"formula": formula, "spacegroup": group}


def _row(prediction: Prediction) -> dict[str, Any]:
    from pymatgen.core.composition import Composition

    composition = Composition(prediction.composition)
    document = prediction.structure or {}
    return {
        "structure": document,
        "reduced_formula": prediction.reduced_formula,
        "anonymous_formula": composition.anonymized_formula,
        "elements": sorted({element.symbol for element in composition.elements}),
        "nsites": len(document.get("sites", ())),
        "volume": document.get("lattice", {}).get("volume"),
        "spacegroup_number": prediction.provenance.get("spacegroup"),
    }


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
            sa.select(p.id, p.pressure_required_gpa, p.hull_distance_eV, structures.c.structure)
            .join(structures, structures.c.hash == p.structure_hash)
            .where(
                p.reduced_formula == reduced_formula,
                p.applicable,
                p.deleted_at.is_(None),
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
            structure = Structure.from_dict(row.structure)
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
