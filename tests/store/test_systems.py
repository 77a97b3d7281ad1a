"""Stored crystals as competitors of a chemical system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from htc.prediction import Prediction
from htc.stability.competitors import ServiceCompetitors, SystemSource
from htc.store import Database, save
from htc.store.systems import StoredSystems


def test_crystals_of_a_system_come_once_at_their_pressure(
    database: Database, make_prediction: Callable[..., Prediction]
) -> None:
    from pymatgen.core import Lattice, Structure

    def crystal(a: float, second: str = "Cl") -> dict[str, Any]:
        return Structure(Lattice.cubic(a), ["Cs", second], [[0, 0, 0], [0.5, 0.5, 0.5]]).as_dict()

    common = {"reduced_formula": "CsCl", "composition": "Cs1 Cl1"}
    save(
        database,
        [
            make_prediction(1, structure=crystal(4.1), **common),
            make_prediction(2, structure=crystal(4.1), mu_star=0.2, **common),
            make_prediction(3, structure=crystal(3.5), pressure_gpa=100.0, **common),
            make_prediction(4, structure=crystal(4.2), structure_origin="library: CsCl", **common),
            make_prediction(5, structure=crystal(4.4, "Br"), reduced_formula="CsBr", composition="Cs1 Br1"),
        ],
    )
    source = StoredSystems(database)
    assert isinstance(source, SystemSource)
    assert sorted(f.structure.lattice.a for f in source.find_system(["Cs", "Cl"])) == [4.1, 4.2]
    assert [f.structure.lattice.a for f in source.find_system(["Cl", "Cs"], 98.0)] == [3.5]
    assert source.find_system(["Cs"]) == []
    found = ServiceCompetitors(source, elements_are_references=False).find(["Cs", "Cl"])
    assert {c.name for c in found.competitors} == {"CsCl"}
    assert not any(c.reference for c in found.competitors)
