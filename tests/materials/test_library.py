"""The library: every entry is the crystal it says it is."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from pymatgen.core import Composition, Element

from htc.materials import library
from htc.materials.families import recognise
from htc.materials.library import LibraryEntry, entries_of, library_entries, structures_for
from htc.materials.structures import as_structure, primitive_standardised, structure_hash

ENTRIES = library_entries()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: f"{e.name}-{e.prototype}")
def test_an_entry_is_the_crystal_it_says(entry: LibraryEntry) -> None:
    structure = as_structure(entry.structure, source=entry.name)
    assert structure.composition.reduced_composition == Composition(entry.formula).reduced_composition
    assert primitive_standardised(structure, symprec=1e-3).spacegroup == entry.spacegroup

    # Atomic volumes add up within wide limits; hydrogen under pressure takes 1-3 Å^3.
    per_atom = structure.volume / len(structure)
    assert (1.5 if entry.pressure_gpa else 5.0) < per_atom < 80.0

    i, j, _, distances = structure.get_neighbor_list(5.0)
    shortest = int(distances.argmin())
    a, b = structure[int(i[shortest])].specie, structure[int(j[shortest])].specie
    radii = COVALENT[a.symbol] + COVALENT[b.symbol]
    # Hydrogen in a metal is held apart by far more than its molecule.
    longest = 2.0 if a.symbol == b.symbol == "H" else 1.35
    assert 0.7 * radii < distances[shortest] < longest * radii, (a, b, distances[shortest])


# Single-bond radii, Å: Cordero et al., Dalton Trans. 2008, 2832, doi:10.1039/b801115j.
COVALENT = {
    "H": 0.31, "Li": 1.28, "Be": 0.96, "B": 0.84, "C": 0.76, "N": 0.71, "O": 0.66, "Na": 1.66,
    "Mg": 1.41, "Al": 1.21, "Si": 1.11, "P": 1.07, "S": 1.05, "Cl": 1.02, "K": 2.03, "Ca": 1.76,
    "Sc": 1.70, "Ti": 1.60, "V": 1.53, "Cr": 1.39, "Fe": 1.32, "Co": 1.26, "Ni": 1.24, "Cu": 1.32,
    "Zn": 1.22, "Ga": 1.22, "Ge": 1.20, "As": 1.19, "Se": 1.20, "Sr": 1.95, "Y": 1.90, "Zr": 1.75,
    "Nb": 1.64, "Mo": 1.54, "Tc": 1.47, "Ru": 1.46, "Rh": 1.42, "Pd": 1.39, "Ag": 1.45, "Cd": 1.44,
    "In": 1.42, "Sn": 1.39, "Sb": 1.39, "Cs": 2.44, "Ba": 2.15, "La": 2.07, "Ce": 2.04, "Yb": 1.87,
    "Lu": 1.87, "Hf": 1.75, "Ta": 1.70, "W": 1.62, "Re": 1.51, "Os": 1.44, "Ir": 1.41, "Pt": 1.36,
    "Au": 1.36, "Hg": 1.32, "Tl": 1.45, "Pb": 1.46, "Bi": 1.48, "Th": 2.06, "U": 1.96,
}  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: f"{e.name}-{e.prototype}")
def test_every_number_has_a_source(entry: LibraryEntry) -> None:
    assert entry.sources
    for source in entry.sources:
        assert re.search(r"\(.*\d{4}\)", source)
        assert "doi:" not in source or re.search(r"doi:10\.\d{4,5}/\S+$", source)
    assert (entry.tc_measured_k is None) == ("tc_source" not in entry.data)


def test_size_and_breadth() -> None:
    assert len(ENTRIES) >= 80
    assert {Element(s).symbol for s in ("Al", "Pb", "Nb")} <= {entry.formula for entry in ENTRIES}
    assert len({(e.name, e.spacegroup, e.pressure_gpa) for e in ENTRIES}) == len(ENTRIES)


def test_what_is_refused_is_what_is_kept_for_it() -> None:
    families = {
        e.name: recognise(Composition(e.formula), e.structure, pressure_gpa=e.pressure_gpa) for e in ENTRIES
    }
    refused = {name for name, family in families.items() if not family.applicable}
    assert refused == {
        "YBa2Cu3O7", "HgBa2CuO4", "BaFe2As2", "FeSe", "LaFeAsO", "CeCu2Si2", "CeCoIn5", "UPt3", "Sr2RuO4",
        "LaNiO2", "Fe", "NaCl", "MgO", "Si", "diamond",
    }  # fmt: skip


@pytest.mark.parametrize("formula", ["Nb3Sn", "SnNb3", "Nb6Sn2", "Nb0.75Sn0.25", "Nb₃Sn"])
def test_a_formula_is_found_however_it_is_written(formula: str) -> None:
    (entry,) = structures_for(formula)
    assert (entry.formula, entry.tc_measured_k) == ("Nb3Sn", 18.05)


def test_pressure_belongs_to_the_crystal() -> None:
    assert structures_for("H3S") == []
    assert [e.pressure_gpa for e in structures_for("H3S", 150.0)] == [155.0]
    assert [e.pressure_gpa for e in entries_of("H3S")] == [155.0]
    assert structures_for("Nb3Sn", 50.0) == []
    assert structures_for("Nb4Sn3") == []


def test_forms_of_one_element_are_all_given() -> None:
    assert [e.name for e in structures_for("La")] == ["La", "beta-La"]


def test_a_structure_handed_out_is_a_copy() -> None:
    entry = structures_for("Nb")[0]
    before = structure_hash(entry.structure)
    entry.structure.scale_lattice(100)
    assert structure_hash(entry.structure) == before


def test_the_index_costs_no_structures() -> None:
    code = "import sys; from htc.materials.library import structures_for; structures_for('Nb'); assert 'pymatgen.core' not in sys.modules"  # noqa: E501
    subprocess.run([sys.executable, "-c", code], check=True)
    assert library.library_entries() is library.library_entries()
