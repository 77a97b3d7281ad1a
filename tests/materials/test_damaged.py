"""Structures that were damaged, or made to harm: a crystal or a StructureError, and nothing else.

The texts by name were found by mutating real files for hours: some were read for minutes, or for ever. The
drawn ones go on looking.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from htc.errors import StructureError
from htc.materials.structures import parse_structure

STRUCTURES = Path(__file__).parents[2] / "src/htc/examples/structures"
FILES = {path.name: path.read_bytes() for path in sorted(STRUCTURES.iterdir()) if path.suffix != ".toml"}

CELL = """data_x
_cell_length_a 50
_cell_length_b 50
_cell_length_c 50
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
"""
SITES = "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
CUBIC = "_space_group_name_H-M_alt 'Fm-3m'\n"
OPERATIONS = "loop_\n_space_group_symop_operation_xyz\n"

FOUND = {
    "a number without end in an operation": CELL
    + OPERATIONS
    + f"'x, y, z+1/{'1' * 400}'\n"
    + SITES
    + "C 0 0 0\n",
    "an operation without end": CELL + OPERATIONS + f"'x{'+y' * 5000}, y, z'\n" + SITES + "C 0 0 0\n",
    "more operations than any group has": CELL + OPERATIONS + "'x, y, z'\n" * 5000 + SITES + "C 0 0 0\n",
    "few sites, many images": CELL
    + CUBIC
    + SITES
    + "".join(f"C 0.{n}1 0.{n}3 0.{n}7\n" for n in range(10, 210)),
    "operations that are no group": CELL
    + OPERATIONS
    + "".join(f"'x+0.00{n:03d}, y, z'\n" for n in range(399))
    + SITES
    + "".join(f"C 0 0.{n}3 0.{n}7\n" for n in range(10, 190)),
    "line ends without end": "\n" * 300_000 + "x",
    "line ends of another kind": "data_x\n" + "\x0b" * 300_000 + "_x 1",
    "a division by nothing": CELL + OPERATIONS + "'x+1/0, y, z'\n" + SITES + "C 0 0 0\n",
    "no coordinate": CELL + CUBIC + SITES + "C * 1_0 ١\n",
    "nested without end": '{"lattice":' * 100_000,
    "numbers beyond numbers": "x\n1e308\n1e308 0 0\n0 1e308 0\n0 0 1e308\nC\n1\nDirect\n0 0 0\n",
    "more sites than can be counted": "x\n1\n5 0 0\n0 5 0\n0 0 5\nC\n99999999999999999999\nDirect\n0 0 0\n",
    "a negative number of sites": "x\n1\n5 0 0\n0 5 0\n0 0 5\nC\n-1\nDirect\n0 0 0\n",
}


@pytest.mark.parametrize("name", FOUND)
def test_found_by_fuzzing(name: str) -> None:
    with pytest.raises(StructureError):
        parse_structure(FOUND[name])


def test_listed_images_of_one_site_are_one_site() -> None:
    """The count of images agrees with what pymatgen makes of a file of real symmetry."""
    loaded = parse_structure(FILES["NbC.cif"], max_sites=8)
    assert len(loaded.structure) == 8
    with pytest.raises(StructureError, match="limit of 7"):
        parse_structure(FILES["NbC.cif"], max_sites=7)


DamagedCopies = Callable[[list[bytes], tuple[str, ...]], st.SearchStrategy[bytes]]

TOKENS = (
    "loop_", "data_", ";", "\n;\n", "'", '"', "#", "_cell_length_a", "_symmetry_equiv_pos_as_xyz",
    "x,y,z", "x+1/0,y,z", "{", "}", "[", "null", "\x00", "\ufeff", "\r", "\x0c", "<script>", "\u202e",
    "Direct", "Xx", "D", "Og", "Fe2+", " " * 300, "A" * 300, "[" * 300, "0", "-1", "nan", "inf",
    "1e308", "1e-308", "9" * 30, "1_0", "1/3", "1.0(5)", "?", ".", "***", "201", "1d5", "\u0661",
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_files_are_read_or_refused(data: st.DataObject, damaged_copies: DamagedCopies) -> None:
    content = data.draw(damaged_copies(list(FILES.values()), TOKENS))
    try:
        loaded = parse_structure(content)
    except StructureError:
        pass
    else:
        assert 0 < len(loaded.structure) <= 200
