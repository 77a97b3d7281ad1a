"""Distance to the hull, from energies alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htc.errors import InputError
from htc.stability.hull import ON_HULL_EV, HullDistance, Phase, distinct, hull_distance

ENERGIES = st.floats(-5.0, 5.0, allow_nan=False)


def phase(name: str, energy: float, amounts: dict[str, float] | None = None, **more: Any) -> Phase:
    amounts = amounts or {name: 1.0}
    fields: dict[str, Any] = {
        "origin": f"test: {name}",
        "potential_id": "p@1",
        "reference": len(amounts) == 1,
        "spacegroup": sum(map(ord, name)) % 230 + 1,
        "volume_per_atom": 10.0,
    }
    return Phase(name=name, amounts=amounts, energy_ev=energy, **(fields | more))


MG, B = phase("Mg", -1.5), phase("B", -6.5)
MGB2 = phase("MgB2", -5.0, {"Mg": 1, "B": 2})
MGB4 = phase("MgB4", -5.65, {"Mg": 1, "B": 4})


def test_a_phase_on_the_hull_has_no_distance_and_a_margin() -> None:
    found = hull_distance(MGB2, [MG, B, MGB4])
    # By hand: MgB2 lies between MgB4 (5/6 of the atoms) and Mg (1/6).
    assert found.margin_ev == pytest.approx(-5.0 - (5 * -5.65 - 1.5) / 6)
    assert found.formation_ev == pytest.approx(-5.0 - (-1.5 + 2 * -6.5) / 3)
    assert (found.distance_ev, found.on_hull, found.n_competitors) == (0.0, True, 3)
    assert found.decomposition == pytest.approx({"MgB4": 5 / 6, "Mg": 1 / 6})
    assert found.says == "on the hull of 3 known phases"


def test_a_phase_above_the_hull_says_into_what_it_decays_and_of_how_many_it_knew() -> None:
    high = phase("MgB2", -4.8, {"Mg": 2, "B": 4})
    found = hull_distance(high, [MG, B, MGB4])
    expected = -4.8 - (5 * -5.65 - 1.5) / 6
    assert found.distance_ev == pytest.approx(expected)
    assert found.on_hull is False
    assert found.says == f"{expected:.3f} eV/atom above the hull of 3 known phases (decays into MgB4 + Mg)"


def test_another_crystal_of_the_composition_counts_for_the_distance_and_not_for_the_margin() -> None:
    other = phase("MgB2 (other)", -5.2, {"Mg": 1, "B": 2})
    found = hull_distance(MGB2, [MG, B, MGB4, other])
    assert found.distance_ev == pytest.approx(0.2)
    assert found.margin_ev == hull_distance(MGB2, [MG, B, MGB4]).margin_ev


def test_without_the_crystal_of_an_element_the_distance_is_not_known() -> None:
    guess = phase("B (as Cu, made up)", -3.0, {"B": 1}, reference=False, made_up=True)
    found = hull_distance(MGB2, [MG, guess, MGB4])
    assert (found.distance_ev, found.on_hull, found.margin_ev, found.formation_ev) == (None, None, None, None)
    assert found.missing_elements == ("B",)
    assert "not known" in found.says
    assert "B" in found.says


def test_made_up_phases_are_counted_apart() -> None:
    guess = phase("MgB (as NaCl, made up)", -3.9, {"Mg": 1, "B": 1}, reference=False, made_up=True)
    found = hull_distance(MGB2, [MG, B, guess])
    assert (found.n_competitors, found.n_made_up) == (3, 1)
    assert "2 known phases and 1 made up" in found.says


def test_an_element_is_measured_against_its_own_crystals() -> None:
    hcp, bcc = phase("Ti (hcp)", -7.9, {"Ti": 1}), phase("Ti (bcc)", -7.8, {"Ti": 1}, reference=False)
    assert hull_distance(bcc, [hcp]).distance_ev == pytest.approx(0.1)
    assert hull_distance(hcp, [hcp]).distance_ev == 0.0
    assert hull_distance(hcp, [hcp]).margin_ev is None


def test_the_crystal_itself_among_the_phases_is_no_competitor() -> None:
    same = phase("MgB2", -5.0004, {"Mg": 1, "B": 2}, origin="library: MgB2")
    found = hull_distance(MGB2, [MG, B, MGB4, same])
    assert found.n_competitors == 3
    assert found.distance_ev == 0.0


def test_phases_of_other_elements_are_passed_over() -> None:
    assert hull_distance(MGB2, [MG, B, phase("C", -9.0)]).n_competitors == 2


@pytest.mark.parametrize(
    "other",
    [
        phase("MgB4", -5.6, {"Mg": 1, "B": 4}, potential_id="q@2"),
        phase("MgB4", -5.6, {"Mg": 1, "B": 4}, pressure_gpa=10.0),
        phase("MgB4", float("nan"), {"Mg": 1, "B": 4}),
    ],
    ids=["another potential", "another pressure", "no number"],
)
def test_energies_that_do_not_belong_together_are_refused(other: Phase) -> None:
    with pytest.raises(InputError):
        hull_distance(MGB2, [MG, B, other])


def test_relaxed_doubles_count_once_and_a_known_crystal_stands_for_a_made_up_one() -> None:
    made_up = phase("MgB2", -5.0003, {"Mg": 2, "B": 4}, made_up=True, origin="made up")
    assert distinct([made_up, MGB2]) == (MGB2,)
    assert len(distinct([MGB2, phase("MgB2", -4.99, {"Mg": 1, "B": 2})])) == 2


@settings(max_examples=40, deadline=None)
@given(ENERGIES, ENERGIES, ENERGIES, ENERGIES)
def test_more_phases_never_bring_a_crystal_nearer_to_the_hull(
    mg: float, b: float, target: float, more: float
) -> None:
    refs = [phase("Mg", mg), phase("B", b)]
    crystal = phase("MgB2", target, {"Mg": 1, "B": 2})
    few = hull_distance(crystal, refs)
    many = hull_distance(crystal, [*refs, phase("MgB4", more, {"Mg": 1, "B": 4})])
    assert few.distance_ev is not None
    assert many.distance_ev is not None
    assert many.distance_ev >= few.distance_ev - 1e-9
    assert few.distance_ev == pytest.approx(max(0.0, target - (mg + 2 * b) / 3), abs=1e-9)
    assert few.on_hull is (few.distance_ev <= ON_HULL_EV)


@settings(max_examples=30, deadline=None)
@given(ENERGIES, ENERGIES, st.floats(0.1, 10.0))
def test_the_size_of_the_formula_does_not_matter(target: float, other: float, size: float) -> None:
    def found(n: float) -> HullDistance:
        crystal = phase("MgB2", target, {"Mg": n, "B": 2 * n})
        return hull_distance(crystal, [MG, B, phase("MgB4", other, {"Mg": n, "B": 4 * n})])

    assert found(size).distance_ev == pytest.approx(found(1.0).distance_ev, abs=1e-9)


def test_the_record_is_json() -> None:
    import json

    document = hull_distance(MGB2, [MG, B, MGB4]).as_dict()
    assert json.loads(json.dumps(document)) == document
    assert {c["name"] for c in document["competitors"]} == {"Mg", "B", "MgB4"}
