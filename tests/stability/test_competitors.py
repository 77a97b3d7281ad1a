"""Where competing phases come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from htc.errors import HTCError, SourceUnavailableError
from htc.materials.sources import FoundStructure
from htc.materials.symmetry import primitive_standardised
from htc.stability.competitors import (
    CompetitorSource,
    DecoratedPrototypes,
    ElementCrystals,
    FileCompetitors,
    KnownPrototypes,
    LibraryCompounds,
    ServiceCompetitors,
    bundled,
    known_elements,
    subsystems,
)
from htc.stability.competitors.prototypes import DECORATED, prototype

# Space group and atoms of the primitive cell, from J. Donohue, The Structures of the Elements (Wiley, 1974).
CRYSTALS = {
    "B": (166, 12), "N": (205, 8), "O": (12, 2), "P": (64, 4), "I": (64, 4), "Mn": (217, 29), "As": (166, 2),
    "Se": (152, 3), "Mg": (194, 2), "Nb": (229, 1), "Sm": (166, 3), "U": (63, 2), "H": (194, 4),
}  # fmt: skip


@pytest.mark.parametrize("symbol", CRYSTALS)
def test_an_element_has_its_own_crystal(symbol: str) -> None:
    (crystal,) = ElementCrystals().find([symbol]).competitors
    standard = primitive_standardised(crystal.structure)
    assert (standard.spacegroup, len(standard.structure)) == CRYSTALS[symbol]
    assert crystal.reference
    assert not crystal.made_up


def test_polymorphs_of_an_element_compete() -> None:
    names = {c.name for c in ElementCrystals().find(["C", "Sn"]).competitors}
    assert names == {"C (diamond)", "C (graphite)", "Sn (beta-Sn)", "Sn (alpha)"}


def test_alpha_boron_has_the_bonds_of_its_icosahedra() -> None:
    """1.71 to 1.81 Å: Decker & Kasper, Acta Cryst. 12, 503 (1959), doi:10.1107/S0365110X59001529."""
    (crystal,) = ElementCrystals().find(["B"]).competitors
    distances = np.sort(
        np.concatenate([[n.nn_distance for n in s] for s in crystal.structure.get_all_neighbors(1.9)])
    )
    assert distances[0] == pytest.approx(1.71, abs=0.03)
    assert distances[-1] < 1.85


def test_an_element_nobody_has_a_crystal_of_is_not_invented() -> None:
    assert "At" not in known_elements()
    assert ElementCrystals().find(["At"]).competitors == ()


def test_compressed_elements_are_said_to_be_ambient_ones() -> None:
    (note,) = ElementCrystals().find(["Nb"], 30.0).notes
    assert "30 GPa" in note
    assert ElementCrystals().find(["Nb"], 0.0).notes == ()


def test_the_library_knows_compounds_at_their_pressure() -> None:
    assert [c.name for c in LibraryCompounds().find(["Mg", "B"]).competitors] == ["MgB2"]
    assert LibraryCompounds().find(["H", "S"]).competitors == ()
    assert [c.name for c in LibraryCompounds().find(["H", "S"], 155.0).competitors] == ["H3S"]


def test_prototypes_as_they_are_hold_the_tetraboride() -> None:
    (found,) = KnownPrototypes().find(["Mg", "B"]).competitors
    assert (found.name, len(found.structure), found.made_up) == ("MgB4", 20, False)


def test_made_up_crystals_have_sensible_bonds_and_come_once() -> None:
    found = DecoratedPrototypes().find(["Na", "Cl"]).competitors
    rocksalt = [c for c in found if c.origin.startswith("made up: NaCl as NaCl (AB_cF8_225_a_b: ")]
    assert len(rocksalt) == 1
    nearest = min(n.nn_distance for n in rocksalt[0].structure.get_neighbors(rocksalt[0].structure[0], 4.0))
    assert nearest == pytest.approx(2.82, rel=0.1)
    assert all(c.made_up for c in found)
    assert not any(c.reference for c in found)


def test_quaternaries_are_not_made_up_and_it_is_said() -> None:
    found = DecoratedPrototypes().find(["Y", "Ni", "B", "C"])
    assert {len(c.structure.composition.elements) for c in found.competitors} == {1, 2}
    assert found.notes == ("no crystals of more than 2 elements were made up",)


def test_every_decorated_prototype_is_in_the_collection() -> None:
    for number, entries in DECORATED.items():
        for entry in entries:
            label, formula = entry.split()
            template = prototype(label, formula)
            assert len(template.structure.composition.elements) == number
            assert len(primitive_standardised(template.structure).structure) <= 10


# -- the user's files ------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cscl = Structure(Lattice.cubic(4.1), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    cscl.to(filename=str(tmp_path / "CsCl.cif"))
    Structure(Lattice.cubic(6.1), ["Cs", "Cs"], [[0, 0, 0], [0.5, 0.5, 0.5]]).to(
        filename=str(tmp_path / "Cs.cif")
    )
    return tmp_path


def test_files_of_the_system_compete_and_elements_among_them_are_vouched_for(folder: Path) -> None:
    source = FileCompetitors([folder])
    found = source.find(["Cs", "Cl"]).competitors
    assert {(c.name, c.reference) for c in found} == {("CsCl", False), ("Cs", True)}
    assert [c.name for c in source.find(["Cs"]).competitors] == ["Cs"]


def test_a_competitor_that_cannot_be_read_is_an_error(folder: Path) -> None:
    (folder / "bad.cif").write_text("data_\n")
    with pytest.raises(HTCError) as raised:
        FileCompetitors([folder]).find(["Cs"])
    assert "bad.cif" in str(raised.value)


# -- the store and providers -----------------------------------------------------------------------------


class Provider:
    """Answers with as many crystals of a system as it is told."""

    name = "test"

    def __init__(self, count: int, hull: float | None = 0.0, *, fails: bool = False) -> None:
        self.count, self.hull, self.fails = count, hull, fails
        self.asked: list[tuple[str, ...]] = []

    def find_system(self, elements: Sequence[str], pressure_gpa: float = 0.0) -> list[FoundStructure]:
        self.asked.append(tuple(elements))
        if self.fails:
            raise SourceUnavailableError("no answer")
        cell = [
            Structure(Lattice.cubic(4.0 + 0.1 * n), elements, np.eye(3)[: len(elements)] / 2)
            for n in range(self.count)
        ]
        return [FoundStructure(s, f"test: {n}", 0.0, self.hull) for n, s in enumerate(cell)]


def test_every_subsystem_is_asked_for_and_the_number_is_limited() -> None:
    provider = Provider(20)
    found = ServiceCompetitors(provider, elements_are_references=True).find(["Mg", "B"])
    assert provider.asked == subsystems(["B", "Mg"]) == [("B",), ("Mg",), ("B", "Mg")]
    assert len(found.competitors) == 36
    assert sum(c.reference for c in found.competitors) == 2
    assert any("20 phases of B-Mg" in note for note in found.notes)


def test_phases_far_above_the_providers_hull_are_not_taken() -> None:
    assert ServiceCompetitors(Provider(3, 0.2), elements_are_references=True).find(["Mg"]).competitors == ()


def test_a_provider_that_does_not_answer_is_a_note() -> None:
    found = ServiceCompetitors(Provider(1, fails=True), elements_are_references=True).find(["Mg", "B"])
    assert found.competitors == ()
    assert "test could not be asked" in found.notes[0]


def test_all_follow_the_protocol() -> None:
    sources = [
        *bundled(),
        FileCompetitors([]),
        ServiceCompetitors(Provider(1), elements_are_references=False),
    ]
    assert all(isinstance(source, CompetitorSource) for source in sources)
    assert len(bundled(made_up=False)) == len(bundled()) - 1
