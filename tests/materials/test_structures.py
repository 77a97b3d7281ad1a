"""Structures: every format ends in the same crystal, every fault in a sentence with the file's name."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import ase.build
import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp.inputs import Poscar

from htc.errors import StructureError
from htc.materials import library
from htc.materials.structures import (
    as_structure,
    load_structure,
    parse_structure,
    primitive_standardised,
    read_structure,
    structure_from_text,
    structure_hash,
)


@pytest.fixture(scope="module")
def nb3sn() -> Structure:
    return Structure.from_spacegroup("Pm-3n", Lattice.cubic(5.29), ["Nb", "Sn"], [[0.25, 0, 0.5], [0, 0, 0]])


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def cif(structure: Structure) -> str:
    return str(CifWriter(structure))


def poscar(structure: Structure) -> str:
    return Poscar(structure).get_str()


# -- formats -------------------------------------------------------------------------------------------


def test_every_format_gives_the_same_crystal(nb3sn: Structure) -> None:
    texts = {
        "cif": cif(nb3sn),
        "poscar": poscar(nb3sn),
        "json": json.dumps(nb3sn.as_dict()),
    }
    hashes = {structure_hash(nb3sn)}
    for fmt, text in texts.items():
        loaded = parse_structure(text)
        assert loaded.format == fmt
        assert loaded.structure.composition.reduced_formula == "Nb3Sn"
        hashes.add(structure_hash(loaded.structure))
    assert len(hashes) == 1


def test_objects_in_memory(nb3sn: Structure) -> None:
    atoms = ase.build.bulk("Nb", "bcc", a=3.3004)
    assert as_structure(atoms).volume == pytest.approx(3.3004**3 / 2)
    assert as_structure(nb3sn) == nb3sn
    assert as_structure(nb3sn.as_dict()).matches(nb3sn)
    with pytest.raises(StructureError, match="a list is not a structure"):
        as_structure([1, 2])
    with pytest.raises(StructureError, match="not periodic"):
        as_structure(ase.build.molecule("H2O"))


CELL = """_cell_length_a 5.64(1)
_cell_length_b 5.64(1)
_cell_length_c 5.64(1)
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
"""
SITES = """loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 0 0 0 .
Cl1 0.5 0.5 0.5 ?
"""
CHARGED_CIF = f"""data_MgO
{CELL}_space_group_name_H-M_alt 'F m -3 m'
loop_
_atom_type_symbol
_atom_type_oxidation_number
Mg2+ 2
O2- -2
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Mg1 Mg2+ 0 0 0
O1 O2- 0.5 0.5 0.5
"""


def test_a_cif_with_symmetry_is_expanded() -> None:
    text = f"data_NaCl\n{CELL}_space_group_name_H-M_alt 'F m -3 m'\n{SITES}"
    assert structure_from_text(text).composition.formula == "Na4 Cl4"


def test_charges_and_moments_are_dropped_and_said(nb3sn: Structure) -> None:
    charged = nb3sn.copy()
    charged.add_oxidation_state_by_element({"Nb": 1, "Sn": -3})
    loaded = parse_structure(json.dumps(charged.as_dict()))
    assert {str(site.specie) for site in loaded.structure} == {"Nb", "Sn"}
    loaded = parse_structure(CHARGED_CIF)
    assert {str(site.specie) for site in loaded.structure} == {"Mg", "O"}
    assert any("oxidation" in note for note in loaded.notes)


def test_deuterium_is_hydrogen_and_said() -> None:
    deuteride = SITES.replace("Na1", "Pd1").replace("Cl1", "D1")
    loaded = parse_structure(f"data_PdD\n{CELL}_space_group_name_H-M_alt 'F m -3 m'\n{deuteride}")
    assert loaded.structure.composition.get_el_amt_dict() == {"Pd": 4, "H": 4}
    assert any("deuterium" in note for note in loaded.notes)


def test_two_structures_in_a_file_are_said(nb3sn: Structure) -> None:
    other = cif(nb3sn).replace("data_Nb3Sn", "data_second")
    loaded = parse_structure(cif(nb3sn) + "\n" + other)
    assert any("2 structures" in note for note in loaded.notes)


def test_json_never_builds_a_class_it_names(nb3sn: Structure, tmp_path: Path) -> None:
    value = nb3sn.as_dict()
    for site in value["sites"]:
        site["properties"] = {"x": {"@module": "pathlib", "@class": "Path", "@version": "1", "a": "b"}}
    structure = structure_from_text(json.dumps(value))
    assert not structure.site_properties


# -- faults --------------------------------------------------------------------------------------------


def one_atom(a: float, symbol: str = "Nb") -> Structure:
    return Structure(Lattice.cubic(a), [symbol], [[0, 0, 0]])


BAD_TEXTS: dict[str, tuple[str | bytes, str]] = {
    "empty": (b"", "file is empty"),
    "blank": (b"\n  \n", "file is empty"),
    "prose": ("Dear editor,\nplease find enclosed\n", "not a structure in a known format"),
    "binary": (bytes(range(256)) * 4, "binary, not text"),
    "high bytes": (b"\x93\xff\xfe\x81" * 50, "binary, not text"),
    "gzip": (b"\x1f\x8b\x08" + b"0" * 50, "compressed with gzip"),
    "json, cut": ('{"lattice": {"matrix": [[1,', "not valid JSON"),
    "json, other": ('{"a": 1}', "not a structure"),
    "json, deep": ("[" * 100_000, "nested too deep"),
    "json, no sites": ('{"lattice": {"matrix": [[3,0,0],[0,3,0],[0,0,3]]}, "sites": []}', "no atoms"),
    "json, nan": (
        '{"lattice": {"matrix": [[3,0,0],[0,3,0],[0,0,3]]}, "sites": [{"species":'
        ' [{"element": "Nb"}], "abc": [NaN, 0, 0]}]}',
        "not a finite number",
    ),
    "json, element": (
        '{"lattice": {"matrix": [[3,0,0],[0,3,0],[0,0,3]]}, "sites": [{"species":'
        ' [{"element": "Qq"}], "abc": [0, 0, 0]}]}',
        "'Qq' is not an element",
    ),
    "poscar, cut": (poscar(one_atom(3.3)).rsplit("\n", 3)[0], "before its coordinates"),
    "poscar, no symbols": ("x\n1.0\n3 0 0\n0 3 0\n0 0 3\n2\ndirect\n0 0 0\n.5 .5 .5\n", "does not name"),
    "poscar, many": ("x\n1.0\n3 0 0\n0 3 0\n0 0 3\nNb\n999999999\ndirect\n0 0 0\n", "999999999 sites"),
    "poscar, fewer": (
        "x\n1.0\n3 0 0\n0 3 0\n0 0 3\nNb\n4\ndirect\n0 0 0\n.5 .5 .5\n",
        "not a readable POSCAR",
    ),
    "poscar, flat": ("x\n1.0\n3 0 0\n0 3 0\n3 3 0\nNb\n1\ndirect\n0 0 0\n", "no volume"),
    "cif, no atoms": ("data_x\n_cell_length_a 3\n", "no atom sites"),
}


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_a_bad_file_is_named_with_its_fault(case: str, write: Callable[[str, str | bytes], Path]) -> None:
    content, what = BAD_TEXTS[case]
    path = write("input.dat", content)
    with pytest.raises(StructureError) as caught:
        read_structure(path)
    assert what in caught.value.what
    assert caught.value.where == str(path)


def test_a_cif_cut_anywhere_never_passes_for_the_whole(nb3sn: Structure) -> None:
    text = cif(nb3sn)
    first_atom = text.index("_atom_site_occupancy")
    last_value = len(text.rstrip()) - 1
    for end in range(0, last_value, 7 if last_value < first_atom else 3):
        try:
            structure = structure_from_text(text[:end])
        except StructureError:
            continue
        assert structure.matches(nb3sn), text[:end][-80:]


def test_a_cif_that_lists_only_some_atoms(nb3sn: Structure) -> None:
    text = "\n".join(line for line in cif(nb3sn).splitlines() if not line.strip().startswith("Sn  Sn"))
    with pytest.raises(StructureError, match="add up to Nb, but the file says Nb3Sn"):
        structure_from_text(text)


def test_a_cif_without_symmetry_is_not_guessed() -> None:
    with pytest.raises(StructureError, match="no space group"):
        structure_from_text(f"data_NaCl\n{CELL}{SITES}")
    whole = f"data_NaCl\n_chemical_formula_sum 'Na Cl'\n_cell_formula_units_Z 1\n{CELL}{SITES}"
    assert len(structure_from_text(whole)) == 2


def test_an_unknown_element_in_a_cif_is_not_dropped(nb3sn: Structure) -> None:
    with pytest.raises(StructureError, match="is not an element"):
        structure_from_text(cif(nb3sn).replace("  Sn  Sn", "  Xq  Xq"))


def test_partial_occupancy_is_refused() -> None:
    alloy = Structure(Lattice.cubic(3.3), [{"Nb": 0.5, "Ti": 0.5}, "Nb"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    for obj in (alloy, alloy.as_dict()):
        with pytest.raises(StructureError, match="disordered or partly occupied"):
            as_structure(obj)
    with pytest.raises(StructureError, match="disordered or partly occupied"):
        structure_from_text(cif(alloy))


def test_a_cell_of_500_atoms_gets_a_clear_answer() -> None:
    big = one_atom(3.3) * (10, 10, 5)
    for text in (cif(big), poscar(big), json.dumps(big.as_dict())):
        with pytest.raises(StructureError, match="500 sites, more than the limit of 200"):
            structure_from_text(text)
    assert len(as_structure(big, max_sites=500)) == 500


def test_overlapping_atoms() -> None:
    close = Structure(Lattice.cubic(4), ["Nb", "Nb"], [[0, 0, 0], [0, 0, 0.1]])
    with pytest.raises(StructureError, match=r"are 0\.40 Å apart"):
        as_structure(close)
    hydrogen = Structure(Lattice.cubic(3.5), ["H", "H"], [[0, 0, 0], [0, 0, 0.74 / 3.5]])
    assert len(as_structure(hydrogen)) == 2


def test_a_cell_overlapping_its_own_image() -> None:
    thin = Structure(Lattice.orthorhombic(0.4, 5, 5), ["Nb"], [[0, 0, 0]])
    with pytest.raises(StructureError, match="apart"):
        as_structure(thin)


@pytest.mark.parametrize(("a", "what"), [(0.9, "denser"), (12.0, "emptier")])
def test_densities_beyond_belief(a: float, what: str) -> None:
    with pytest.raises(StructureError, match=what):
        as_structure(one_atom(a))


def test_a_file_of_200_mb_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "CHGCAR"
    with path.open("wb") as stream:
        stream.truncate(200_000_000)
    with pytest.raises(StructureError, match=r"200\.0 MB, more than the limit of 5 MB"):
        load_structure(path)


def test_paths_that_cannot_be_read(tmp_path: Path, write: Callable[[str, str | bytes], Path]) -> None:
    with pytest.raises(StructureError, match="no such file"):
        load_structure(tmp_path / "missing.cif")
    with pytest.raises(StructureError, match="is a folder"):
        load_structure(tmp_path)
    os.mkfifo(tmp_path / "pipe.cif")
    with pytest.raises(StructureError, match="not a regular file"):
        load_structure(tmp_path / "pipe.cif")
    with pytest.raises(StructureError):
        load_structure("nul\x00.cif")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(write: Callable[[str, str | bytes], Path]) -> None:
    path = write("secret.cif", "data_x")
    path.chmod(stat.S_IWUSR)
    with pytest.raises(StructureError, match="no permission"):
        load_structure(path)


# -- which crystal it is -------------------------------------------------------------------------------


def rotated(structure: Structure, seed: int) -> Structure:
    """The same crystal: another supercell, origin, orientation and order of sites."""
    rng = np.random.default_rng(seed)
    shear = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 2]])
    cell = structure.copy()
    cell.make_supercell(shear)
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    frac = cell.frac_coords + rng.uniform(size=3)
    order = rng.permutation(len(cell))
    species = [cell[int(i)].specie for i in order]
    return Structure(Lattice(cell.lattice.matrix @ q), species, frac[order])


@pytest.mark.parametrize("seed", range(4))
def test_the_hash_names_the_crystal_not_its_description(nb3sn: Structure, seed: int) -> None:
    crystals = [
        nb3sn,
        library.structures_for("MgB2")[0].structure,
        library.structures_for("BaFe2As2")[0].structure,
    ]
    for crystal in crystals:
        assert structure_hash(rotated(crystal, seed)) == structure_hash(crystal)


def test_the_hash_tells_crystals_apart(nb3sn: Structure) -> None:
    strained = nb3sn.copy()
    strained.scale_lattice(nb3sn.volume * 1.01)
    swapped = nb3sn.copy()
    swapped.replace_species({"Nb": "Sn", "Sn": "Nb"})
    hashes = {structure_hash(s) for s in (nb3sn, strained, swapped)}
    assert len(hashes) == 3


def test_the_hash_is_the_same_in_every_process(nb3sn: Structure) -> None:
    nb = one_atom(3.3004) * (1, 1, 1)
    assert structure_hash(nb) == structure_hash(as_structure(nb.as_dict()))
    assert len(structure_hash(nb)) == 64


def test_the_primitive_standard_cell(nb3sn: Structure) -> None:
    conventional = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.47), ["Nb", "C"], [[0] * 3, [0.5] * 3])
    found = primitive_standardised(conventional)
    assert (len(found.structure), found.spacegroup, found.note) == (2, 225, None)
    assert found.structure.volume == pytest.approx(conventional.volume / 4)


def test_symmetry_survives_coordinates_of_two_decimals() -> None:
    exact = Structure(
        Lattice.hexagonal(3.086, 3.524), ["Mg", "B", "B"], [[0] * 3, [1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]]
    )
    rounded = Structure(exact.lattice, exact.species, np.round(exact.frac_coords, 2))
    assert primitive_standardised(rounded).spacegroup == 191
