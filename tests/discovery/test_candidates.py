"""Candidates: made by number, the same every time, each with its own error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from htc.discovery import (
    CandidateRequest,
    Candidates,
    Objective,
    OptimizeRequest,
    ScreenRequest,
    StoredSelection,
    Substitution,
    resolve,
)
from htc.discovery.substitution import Prototype
from htc.errors import InputError, NotFoundError, StructureError
from htc.materials.library import structures_for
from htc.store import Database, save

CIF_LIKE = """Nb
1.0
3.3 0 0
0 3.3 0
0 0 3.3
Nb
2
direct
0 0 0
0.5 0.5 0.5
"""


def substitution(prototype: str = "Nb3Sn", **replace: list[str]) -> Substitution:
    return Substitution(prototype=prototype, replace=replace)


def test_by_number(database: Database) -> None:
    request = CandidateRequest.model_validate(
        {
            "formulas": ["MgB2", "nonsense"],
            "structures": [{"text": CIF_LIKE, "label": "mine"}, {"text": "rubbish"}],
            "structure_ids": ["unknown-id"],
            "substitutions": [
                {"prototype": "Nb3Sn", "replace": {"Nb": ["V", "Ta"], "Sn": ["Al", "Ge", "Ge"]}}
            ],
        }
    )
    candidates = Candidates(request, database)
    assert len(candidates) == request.count == 9
    items = [candidates[i] for i in range(9)]
    assert [item.kind for item in items] == ["formula", "error", "structure", "error", "error"] + [
        "structure"
    ] * 4
    assert [item.source for item in items[5:]] == [
        "Nb3Sn: Nb to V, Sn to Al",
        "Nb3Sn: Nb to V, Sn to Ge",
        "Nb3Sn: Nb to Ta, Sn to Al",
        "Nb3Sn: Nb to Ta, Sn to Ge",
    ]
    assert items[2].source == "mine"
    assert isinstance(items[4].error, NotFoundError)
    assert candidates[7].structure == items[7].structure
    with pytest.raises(IndexError):
        candidates[9]


def test_substituted_volumes() -> None:
    prototype = Prototype("Nb3Sn", structures_for("Nb3Sn")[0].structure)
    for formula, choice in (("V3Si", {"Nb": "V", "Sn": "Si"}), ("Nb3Ge", {"Sn": "Ge"})):
        made, notes = prototype.with_elements(choice)
        known = structures_for(formula)[0].structure
        assert made.composition.reduced_formula == formula
        assert made.volume == pytest.approx(known.volume, rel=0.1)
        assert "nothing was relaxed" in notes[0]
    same, notes = prototype.with_elements({"Sn": "Sn"})
    assert same == prototype.structure
    assert notes == ()
    with pytest.raises(StructureError, match="become the same"):
        prototype.with_elements({"Sn": "Nb"})
    with pytest.raises(StructureError, match="no element 'Xx'"):
        prototype.with_elements({"Sn": "Xx"})
    with pytest.raises(StructureError, match="no volume of Ne"):
        prototype.with_elements({"Sn": "Ne"})


@pytest.mark.parametrize(
    ("prototype", "replace", "message"),
    [
        ("NoSuch", {"Sn": ["Al"]}, "no crystal of the library is called 'NoSuch'"),
        ("Nb3Sn", {"Mg": ["Al"]}, "there is no Mg in Nb3Sn"),
    ],
)
def test_what_cannot_be_a_prototype_is_refused_at_once(
    database: Database, prototype: str, replace: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        resolve(database, CandidateRequest(substitutions=[substitution(prototype, **replace)]))
    assert caught.value.where is not None


def test_a_stored_selection_is_chosen_once(database: Database, make_prediction: Callable[..., Any]) -> None:
    structure = structures_for("Nb3Sn")[0].structure.as_dict()
    (saved,) = save(
        database,
        [make_prediction(1, structure=structure, reduced_formula="Nb3Sn", composition="Nb6 Sn2")],
    )
    request = CandidateRequest(stored=StoredSelection(elements=["Nb"]))
    chosen = resolve(database, request)
    assert chosen.stored is None
    assert len(chosen.structure_ids) == 1
    (item,) = [Candidates(chosen, database)[0]]
    assert item.structure is not None
    assert item.structure.composition.reduced_formula == "Nb3Sn"
    # By the id of a prediction, too, also as a prototype.
    by_id = CandidateRequest.model_validate(
        {
            "structure_ids": [saved.id],
            "substitutions": [{"structure_id": saved.id, "replace": {"Sn": ["Ge"]}}],
        }
    )
    candidates = Candidates(resolve(database, by_id), database)
    assert [candidates[i].composition.reduced_formula for i in range(2)] == ["Nb3Sn", "Nb3Ge"]  # type: ignore[union-attr]  # both are crystals
    with pytest.raises(InputError, match="no stored crystal"):
        resolve(database, CandidateRequest(stored=StoredSelection(elements=["Hg"])))


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": {}},
        {"candidates": {"formulas": ["MgB2"]}, "pressures_gpa": []},
        {"candidates": {"formulas": ["MgB2"]}, "pressures_gpa": [-1.0]},
        {"candidates": {"formulas": ["MgB2"]}, "surprise": 1},
        {"candidates": {"substitutions": [{"replace": {"Nb": ["V"]}}]}},
        {"candidates": {"substitutions": [{"prototype": "Nb3Sn", "replace": {"Nb": ["vanadium"]}}]}},
        {"candidates": {"formulas": ["MgB2"] * 10_000}, "pressures_gpa": list(range(20))},
    ],
)
def test_requests_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ScreenRequest.model_validate(wrong)


def test_objectives() -> None:
    request = OptimizeRequest(candidates=CandidateRequest(formulas=["MgB2"]))
    assert [(one.column, one.wanted) for one in request.objectives] == [
        ("tc_predicted", "max"),
        ("pressure_required_gpa", "min"),
        ("hull_distance_eV", "min"),
    ]
    with pytest.raises(ValidationError, match="a reference is needed"):
        Objective(column="tc_predicted", direction="min")
    with pytest.raises(ValidationError, match="given twice"):
        OptimizeRequest(
            candidates=CandidateRequest(formulas=["MgB2"]),
            objectives=[Objective(column="lambda_ep"), Objective(column="lambda_ep")],
        )
