"""The space of a campaign: every candidate once, by number, the same everywhere."""

from __future__ import annotations

import itertools
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition

from htc.discovery.campaign import Campaign, parse_campaign
from htc.discovery.space import (
    Candidate,
    CandidateSpace,
    Rejected,
    SpaceSlice,
    duplicates,
    known_prototypes,
    open_space,
)
from htc.discovery.space.combinations import Combinations
from htc.discovery.space.permutation import Permutation
from htc.errors import ConflictError, InputError, NotFoundError, SettingsError
from htc.materials.library import structures_for
from htc.settings import Settings
from htc.store import Database, save


def substitution(prototype: str, slots: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"kind": "substitution", "prototypes": [prototype], "slots": slots, **more}


def campaign(*sources: dict[str, Any], **more: Any) -> Campaign:
    return Campaign.model_validate({"name": "test", "candidates": sources, **more})


def space_of(*sources: dict[str, Any], **more: Any) -> CandidateSpace:
    return open_space(campaign(*sources, **more))


def shown(one: Candidate | Rejected) -> tuple[Any, ...]:
    if isinstance(one, Rejected):
        return (one.number, one.label, one.rule, one.reason)
    return (one.number, one.label, one.formula, one.group, one.notes, str(one.structure))


# -- counting ------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_combination_once(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 4))
    pools = [
        sorted(data.draw(st.sets(st.sampled_from("ABCDEFGH"), min_size=1, max_size=5))) for _ in range(n)
    ]
    equal = data.draw(st.booleans())
    same = sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=2))) if n > 1 else []
    for slot in same:
        pools[slot] = pools[same[0]]
    ways = Combinations(pools, equal=equal, interchangeable=[same] if same else [])
    expected = set()
    for way in itertools.product(*pools):
        if equal or len(set(way)) == n:
            ordered = iter(sorted(way[i] for i in same))
            expected.add(tuple(next(ordered) if i in same else e for i, e in enumerate(way)))
    assert sorted(ways) == sorted(expected)
    assert len(ways) == len(expected)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 2**40))
def test_a_permutation_meets_every_number_once(n: int, seed: int) -> None:
    order = Permutation(n, seed)
    assert sorted(order[i] for i in range(n)) == list(range(n))


def test_the_order_is_for_ever() -> None:
    # Written down: a run begun on another machine must go on here with the same candidates.
    assert [Permutation(10**7, 1)[i] for i in range(4)] == [9412877, 1612356, 4641120, 3550291]
    space = space_of(substitution("A15", {"Cr": "4d 5d", "Si": "tetrels triels"}), limit=20, seed=3)
    assert [space[i].label.split(": ")[1] for i in range(3)] == [
        "Cr to Hf, Si to In",
        "Cr to Os, Si to Ga",
        "Cr to Ag, Si to Pb",
    ]


# -- prototypes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prototype", "slots", "count"),
    [
        ("A15", {"Cr": "Nb V Ta", "Si": "Al Ga"}, 6),
        ("A15", {"Cr": "Nb V", "Si": "Nb V"}, 2),
        # Rock salt with its two sublattices exchanged is rock salt.
        ("B1", {"Na": "Nb V Ta", "Cl": "Nb V Ta"}, 3),
        # In a Heusler compound the two sites of one atom each may be exchanged, the third may not.
        ("L2_1", {"Mn": "Ti Zr Hf", "Al": "Ti Zr Hf", "Cu": "Ti Zr Hf"}, 3),
        ("library:MgB2", {"Mg": "3d"}, 10),
    ],
)
def test_how_many_there_are(prototype: str, slots: dict[str, str], count: int) -> None:
    space = space_of(
        substitution(prototype, slots), plausibility={r: {"on": False} for r in ("size", "contact")}
    )
    assert len(space) == count
    made = list(space)
    assert all(isinstance(one, Candidate) for one in made)
    assert len({one.label for one in made}) == count
    assert duplicates(one for one in made if isinstance(one, Candidate)) == {}


def test_pools_that_overlap_reject_what_the_symmetry_repeats() -> None:
    made = list(space_of(substitution("B1", {"Na": "Nb V Ti", "Cl": "Nb V N"})))
    rejected = [one for one in made if isinstance(one, Rejected)]
    assert [one.rule for one in rejected] == ["symmetry"]
    assert "the same crystal as" in rejected[0].reason
    assert len(made) == 7


def test_volumes_are_near_those_of_known_crystals() -> None:
    space = space_of(substitution("A15", {"Cr": "Nb V", "Si": "Sn Si Ge Al"}))
    known = {"Nb3Sn", "V3Si", "Nb3Ge", "Nb3Al"}
    for one in space:
        if isinstance(one, Candidate) and one.formula in known and one.structure is not None:
            true = structures_for(one.formula)[0].structure
            assert one.structure.volume / len(one.structure) == pytest.approx(
                true.volume / len(true), rel=0.05
            )
            assert one.formula == one.structure.composition.reduced_formula
            known.remove(one.formula)
    assert not known


def test_a_wyckoff_position_may_be_a_slot() -> None:
    space = space_of(substitution("D0_3", {"F@b": "Al Ga", "F@c": "Fe Co", "Bi": "Mn"}))
    formulas = {one.formula for one in space if isinstance(one, Candidate)}
    # Both eightfold sites are of one kind: an ordered A2BC, the Heusler compound.
    assert formulas == {"MnAlFe2", "MnAlCo2", "MnGaFe2", "MnGaCo2"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (substitution("A51", {"Cr": "Nb"}), "there is no prototype 'A51'"),
        (substitution("A15", {"Nb": "Ta"}), "there is no Nb in A3B_cP8_223_c_a"),
        (substitution("alpha", {"Ga": "Al"}), "several prototypes are called 'alpha'"),
        (substitution("none.cif", {"Ga": "Al"}), "no such file"),
        ({"kind": "files", "paths": ["*.cif"]}, "no file fits the pattern"),
    ],
)
def test_what_there_is_not_is_refused(source: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_space(campaign(source), folder=tmp_path)
    assert "candidates[1]" in (caught.value.where or "")
    assert caught.value.hint or "file" in message


def test_formulas_are_pymatgens() -> None:
    from htc.discovery.space.parts import reduced_formula

    for prototype in known_prototypes():
        amounts = Composition("".join(prototype.crystal.symbols)).get_el_amt_dict()
        assert reduced_formula(amounts) == Composition(amounts).reduced_formula


# -- plausibility --------------------------------------------------------------------------------------


def test_rules_say_what_they_reject() -> None:
    def rules(space: CandidateSpace) -> dict[str, str]:
        return {one.label.split(" to ")[-1]: one.rule for one in space if isinstance(one, Rejected)}

    assert rules(space_of(substitution("C1", {"F": "O", "Ca": "Zr Na Cl"}))) == {
        "Na": "charge",
        "Cl": "charge",
    }
    # In pyrite's shape the anions are bound in pairs, and NaO2, a superoxide, is known.
    assert rules(space_of(substitution("C2", {"Fe": "Na Li", "S": "O"}))) == {}
    window = {"electrons": {"min_per_atom": 4.0, "max_per_atom": 5.0}}
    assert rules(space_of(substitution("A2", {"W": "Ti Nb Mo"}), plausibility=window)) == {"Mo": "electrons"}
    cramped = space_of(substitution("library:MgB2", {"Mg": "Ca Cs H"}))
    assert rules(cramped) == {"H": "contact"}
    off = {rule: {"on": False} for rule in ("charge", "size", "contact", "electrons")}
    assert rules(space_of(substitution("library:MgB2", {"Mg": "Ca Cs H"}), plausibility=off)) == {}
    # Hydrogen in the place of gold rattles in its cage.
    (loose,) = space_of(substitution("L1_2", {"Au": "H", "Cu": "La"}))
    assert isinstance(loose, Rejected)
    assert loose.rule == "size"
    assert loose.values["size_ratio"] > 1.3
    (helium,) = space_of(substitution("library:MgB2", {"Mg": "He"}), plausibility=off)
    assert isinstance(helium, Rejected)
    assert "no volume of He" in helium.reason


def test_metals_and_hydrides_pass() -> None:
    space = space_of(
        substitution("L1_2", {"Au": "Al Y La", "Cu": "Ni Pd Nb"}),
        substitution("B1", {"Na": "Pd Ti Nb", "Cl": "H C N B"}),
    )
    assert not [shown(one) for one in space if isinstance(one, Rejected)]


# -- slices --------------------------------------------------------------------------------------------

MIXED = [
    substitution("A15", {"Cr": "4d 5d", "Si": "tetrels triels pnictogens"}, limit=40),
    substitution("B1", {"Na": "3d 4d", "Cl": "C N B"}),
    {"kind": "formulas", "formulas": ["MgB2", "nonsense", "La1.85Sr0.15CuO4"]},
]


ELSEWHERE = """
import pickle, sys
for part in pickle.load(sys.stdin.buffer):
    for one in part:
        print(one.number, one.label, getattr(one, "rule", ""), str(getattr(one, "structure", "")).encode())
"""


def _shown_elsewhere(slices: list[SpaceSlice]) -> list[str]:
    """What another interpreter makes of pickled slices."""
    command = [sys.executable, "-W", "ignore", "-c", ELSEWHERE]
    done = subprocess.run(command, input=pickle.dumps(slices), capture_output=True, check=True, timeout=300)
    return done.stdout.decode().splitlines()


def _shown_here(one: Candidate | Rejected) -> str:
    structure = str(getattr(one, "structure", "")).encode()
    return f"{one.number} {one.label} {getattr(one, 'rule', '')} {structure!r}"


def test_slices_are_the_same_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "nb.cif").write_text(structures_for("Nb3Sn")[0].structure.to(fmt="cif"))
    wanted = campaign(*MIXED, {"kind": "files", "paths": ["*.cif"]}, limit=90, seed=11)
    space = open_space(wanted, folder=tmp_path)
    assert len(space) == 90
    # As a run keeps it: through JSON, after the file has gone.
    (tmp_path / "nb.cif").unlink()
    again = CandidateSpace.thawed(wanted, json.loads(json.dumps(list(space.frozen()))))
    everything = [shown(one) for one in space]
    assert [shown(again[i]) for i in reversed(range(90))][::-1] == everything
    numbers = [70, 3, 3, 89]
    slices = [space.slice(range(30, 60)), again.slice(numbers)]
    here = [_shown_here(space[i]) for i in [*range(30, 60), *numbers]]
    assert _shown_elsewhere(slices) == here
    with pytest.raises(IndexError):
        space[90]
    with pytest.raises(ConflictError, match="another version"):
        CandidateSpace.thawed(wanted, [{"space": "0", "sources": []}])


def test_large_spaces_cost_nothing() -> None:
    pool = "all -noble_gases -radioactive"
    space = space_of(
        substitution("ABCD_tP8_129_c_b_a_c", dict.fromkeys(("Zr", "Cu", "Si", "As"), pool)), limit=10**7
    )
    assert len(space) == 10**7
    assert len({space[i].label for i in range(0, 10**7, 10**5)}) == 100
    assert len(pickle.dumps(space.slice(range(5_000_000, 5_000_500)))) < 10_000


def test_the_estimate_is_what_comes() -> None:
    space = space_of(
        *MIXED, substitution("C1", {"F": "O N F", "Ca": "all -noble_gases"}), pressures_gpa=[0, 10]
    )
    estimate = space.estimate(60)
    assert [one.taken for one in estimate.sources] == [40, 60, 3, 255]
    plausible = sum(isinstance(one, Candidate) for one in space)
    assert estimate.plausible_lower <= plausible <= estimate.plausible_upper
    assert estimate.predictions == 2 * estimate.plausible
    formulas = estimate.sources[2]
    assert (formulas.share, formulas.rejected) == (2 / 3, {"unreadable": 1})
    json.dumps(estimate.as_dict())


# -- duplicates ----------------------------------------------------------------------------------------


def test_duplicates_across_sources() -> None:
    slots = {"Cr": "Nb V", "Si": "Sn Ge"}
    space = space_of(
        substitution("A15", slots),
        substitution("library:Nb3Sn", {"Nb": "V Nb", "Sn": "Ge Al"}),
        substitution("L1_2", {"Cu": "Nb", "Au": "Ge"}),
        {"kind": "formulas", "formulas": ["NbN", "Nb2N2"]},
    )
    made = [one for one in space if isinstance(one, Candidate)]
    assert len(made) == 4 + 4 + 1 + 2
    pairs = {(made[a].label, made[b].formula) for a, b in duplicates(made).items()}
    assert pairs == {
        ("Nb3Sn: Nb to V, Sn to Ge", "V3Ge"),
        ("Nb3Sn: Nb to Nb, Sn to Ge", "Nb3Ge"),
        ("Nb2N2", "NbN"),
    }


# -- files and the store -------------------------------------------------------------------------------


def test_files_of_every_kind(tmp_path: Path) -> None:
    crystal = structures_for("NbN")[0].structure
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "b.cif").write_text(crystal.to(fmt="cif"))
    (tmp_path / "seeds" / "a.vasp").write_text(crystal.to(fmt="poscar"))
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.writestr("c.cif", crystal.to(fmt="cif"))
        archive.writestr("broken.cif", "data_x\n_cell_length_a 1\n")
    space = open_space(
        campaign(
            {"kind": "files", "paths": ["seeds/*", "more.zip"]},
            substitution("seeds/b.cif", {"Nb": "Ti"}),
        ),
        folder=tmp_path,
    )
    made = list(space)
    assert [one.label.rsplit("/", 1)[-1] for one in made] == [
        "a.vasp",
        "b.cif",
        "broken.cif",
        "c.cif",
        "b: Nb to Ti",
    ]
    assert [getattr(one, "rule", None) for one in made] == [None, None, "unreadable", None, None]


def test_frames_of_extended_xyz(tmp_path: Path) -> None:
    ase = pytest.importorskip("ase", reason="extended XYZ files are read with ASE, which is not installed")
    from ase.build import bulk
    from ase.io import write

    assert ase
    write(tmp_path / "two.extxyz", [bulk("Nb"), bulk("Al")], format="extxyz")
    made = list(open_space(campaign({"kind": "files", "paths": ["two.extxyz"]}), folder=tmp_path))
    assert [one.formula for one in made if isinstance(one, Candidate)] == ["Nb", "Al"]


@pytest.fixture
def stored(database: Database, make_prediction: Callable[..., Any]) -> tuple[Database, list[str]]:
    rows = []
    for number, formula in enumerate(("Nb3Sn", "V3Si", "NbN")):
        structure = structures_for(formula)[0].structure
        rows.append(
            make_prediction(
                number,
                structure=structure.as_dict(),
                reduced_formula=formula,
                composition=structure.composition.formula,
            )
        )
    return database, [one.id for one in save(database, rows)]


def test_stored_crystals(stored: tuple[Database, list[str]]) -> None:
    database, ids = stored
    niobium = campaign({"kind": "store", "elements": ["Nb"]}, {"kind": "store", "ids": [ids[1]]})
    space = open_space(niobium, database=lambda: database)
    assert {one.formula for one in space if isinstance(one, Candidate)} == {"Nb3Sn", "NbN", "V3Si"}
    for wrong, error in (
        ({"kind": "store", "elements": ["Hg"]}, InputError),
        ({"kind": "store", "ids": ["unknown"]}, NotFoundError),
    ):
        with pytest.raises(error):
            open_space(campaign(wrong), database=database)
    with pytest.raises(InputError, match="no database"):
        open_space(niobium)


def test_the_materials_project_wants_a_key(tmp_path: Path) -> None:
    wanted = campaign({"kind": "materials_project", "chemsys": "Nb-N"})
    with pytest.raises(SettingsError, match="asked with a key"):
        open_space(wanted, settings=Settings(home=tmp_path))


def test_example_of_the_guide_opens() -> None:
    text = """
name = "guide"
[[candidates]]
kind = "substitution"
prototypes = ["A15", "library:Nb3Ge"]
slots = { Cr = "Nb" }
"""
    with pytest.raises(InputError, match="there is no Cr in Nb3Ge"):
        open_space(parse_campaign(text))
