"""Parsers of the structure formats, each from text to a raw pymatgen structure plus notes."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from htc.errors import FormulaError, StructureError
from htc.materials.checks import check_site_count
from htc.materials.formulas import ELEMENTS, parse_formula

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure
    from pymatgen.io.cif import CifParser

__all__ = ["FORMATS", "StructureFormat", "detect_format", "parse"]

StructureFormat = Literal["cif", "poscar", "json"]
FORMATS: Final[tuple[StructureFormat, ...]] = ("cif", "poscar", "json")

Parsed = tuple["Structure", list[str]]

_SYMBOLS: Final = frozenset(ELEMENTS) | {"D", "T"}
_MAX_OPERATIONS: Final = 192
"""Operations of the largest space group: an upper bound for the copies of one listed site."""
_MAX_LISTED_OPERATIONS: Final = 400
"""More than any group has: cells larger than the conventional one list translations too."""
_CHEAP_IMAGES: Final = 1000
"""Up to so many images of sites pymatgen may merge unwatched: its time grows with their square."""


def detect_format(text: str) -> StructureFormat | None:
    """Format of a structure file, from its content; None where no format fits."""
    head = text.lstrip("\ufeff \t\r\n")
    if head.startswith(("{", "[")):
        return "json"
    # Blanks within the line only: over line ends the search would start anew at each of them.
    if re.search(r"^[ \t]*data_", text, re.MULTILINE) and re.search(r"^[ \t]*_\w", text, re.MULTILINE):
        return "cif"
    if _looks_like_poscar(text.splitlines()[:8]):
        return "poscar"
    return None


def _numbers(line: str) -> list[float] | None:
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return None


def _looks_like_poscar(lines: list[str]) -> bool:
    """A title, one scale, then three lines that begin with three numbers."""
    if len(lines) < 5 or len(_numbers(lines[1]) or ()) not in {1, 3}:
        return False
    return all(len(_numbers(" ".join(line.split()[:3])) or ()) == 3 for line in lines[2:5])


def parse(text: str, fmt: StructureFormat, source: str, max_sites: int) -> Parsed:
    """Raw structure of a text in a known format.

    What pymatgen says in warnings comes back as notes.

    Raises:
        StructureError: the text cannot be read as ``fmt``.
    """
    readers: dict[str, Callable[[str, str, int], Parsed]] = {
        "cif": _cif,
        "poscar": _poscar,
        "json": _json,
    }
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            structure, notes = readers[fmt](text, source, max_sites)
        except StructureError as error:
            error.located(source)
            raise
        except RecursionError:
            raise StructureError("the file is nested too deep to be a structure", where=source) from None
        except Exception as error:  # parsers of other people's files fail in every way
            raise StructureError(
                f"not a readable {_NAMES[fmt]}: {_reason(error)}",
                where=source,
                hint="the file may be truncated or damaged",
            ) from error
    said = [str(w.message) for w in caught if not issubclass(w.category, DeprecationWarning)]
    return structure, notes + [_one_line(text) for text in said if not text.startswith(_UNINTERESTING)]


_NAMES: Final = {"cif": "CIF", "poscar": "POSCAR", "json": "structure JSON"}
_UNINTERESTING: Final = ("Issues encountered while parsing CIF",)
"""Warnings that only gather what other warnings have said."""


def _one_line(text: str, limit: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing" if error.args else "an entry is missing"
    if isinstance(error, IndexError):
        return "it ends too early"
    return _one_line(str(error), 160) or type(error).__name__


# -- CIF -----------------------------------------------------------------------------------------------

_SYMMETRY_KEYS: Final = (
    "_symmetry_equiv_pos_as_xyz",
    "_symmetry_equiv_pos_as_xyz_",
    "_space_group_symop_operation_xyz",
    "_space_group_symop_operation_xyz_",
    "_space_group_symop_magn_operation.xyz",
    "_symmetry_space_group_name_H-M",
    "_symmetry_space_group_name_H_M",
    "_symmetry_space_group_name_H_M_",
    "_symmetry_space_group_name_Hall",
    "_space_group_name_H-M_alt",
    "_space_group_name_Hall",
    "_symmetry_Int_Tables_number",
    "_symmetry_Int_Tables_number_",
    "_space_group_IT_number",
)
_OPERATION_KEYS: Final = _SYMMETRY_KEYS[:5]
_LONGEST_OPERATION: Final = 80
_LONG_NUMBER: Final = re.compile(r"[\d.]{13}")
_SAME_SITE: Final = 1e-4
"""Images of a site nearer than this, as fractions of the cell, are one: pymatgen's site tolerance."""
_COORDINATES: Final = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")


def _cif(text: str, source: str, max_sites: int) -> Parsed:
    from pymatgen.io.cif import CifFile

    try:
        file = CifFile.from_str(text)
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise StructureError(
            "a loop_ of the CIF breaks off in the middle of a row",
            where=source,
            hint="the file is truncated, or a value with spaces lacks its quotes",
        ) from error
    with_atoms = {name: block for name, block in file.data.items() if _COORDINATES[0] in block.data}
    if not with_atoms:
        raise StructureError(
            "the CIF has no atom sites (_atom_site_fract_x)", where=source, hint="the file may be truncated"
        )
    notes: list[str] = []
    name, block = next(iter(with_atoms.items()))
    if len(with_atoms) > 1:
        notes.append(f"the file holds {len(with_atoms)} structures; the first, data_{name}, is used")
    _check_cif_sites(block.data, source, max_sites)
    _check_cif_operations(block.data, source)
    parser = _parser_class().from_str(str(block), check_cif=False)
    _check_cif_images(parser, block, source, max_sites)

    structures = parser.parse_structures(primitive=False, on_error="raise")
    structure = structures[0]
    _check_cif_formula(block.data, structure, source)
    return structure, notes


@lru_cache(maxsize=1)
def _parser_class() -> type[CifParser]:
    """pymatgen's parser, which looks at every space group there is even where the operations are listed."""
    from pymatgen.core.operations import SymmOp
    from pymatgen.io.cif import CifParser

    class Parser(CifParser):
        def get_symops(self, data: Any) -> list[SymmOp]:
            for key in _OPERATION_KEYS[:4]:
                listed = data.data.get(key)
                if isinstance(listed, str):
                    break
                if listed:
                    try:
                        return [SymmOp.from_xyz_str(text) for text in listed]
                    except ValueError:
                        continue
            return super().get_symops(data)

    return Parser


def _check_cif_sites(data: dict[str, Any], source: str, max_sites: int) -> None:
    """Look at the site table before pymatgen does: it drops what it does not understand."""
    labels = data.get("_atom_site_label") or data.get("_atom_site_type_symbol")
    columns = [data.get(key) for key in _COORDINATES]
    if not isinstance(labels, list) or not all(isinstance(column, list) for column in columns):
        raise StructureError("the atom site table of the CIF lacks labels or coordinates", where=source)
    data.setdefault("_atom_site_label", labels)
    check_site_count(len(labels), max_sites, source)
    types = data.get("_atom_site_type_symbol") or labels
    occupancies = data.get("_atom_site_occupancy")
    for row, label in enumerate(labels):
        _cif_symbol(types[row], label, source)
        for column in columns:
            assert isinstance(column, list)  # noqa: S101  # checked above; tells mypy
            if column[row] in {".", "?"}:
                raise StructureError(f"site {label} has no coordinate ('{column[row]}')", where=source)
        if isinstance(occupancies, list) and occupancies[row] in {".", "?"}:
            # Not given means fully occupied (CIF core dictionary); pymatgen would read '.' as zero.
            occupancies[row] = "1"


def _check_cif_operations(data: dict[str, Any], source: str) -> None:
    """Look at the operations before pymatgen does: its patterns take ages over long runs of digits."""
    for key in _OPERATION_KEYS:
        given = data.get(key)
        listed = [given] if isinstance(given, str) else given if isinstance(given, list) else []
        if len(listed) > _MAX_LISTED_OPERATIONS:
            raise StructureError(
                f"the CIF lists {len(listed)} symmetry operations; no space group has more than"
                f" {_MAX_OPERATIONS}",
                where=source,
            )
        for text in listed:
            if len(text) > _LONGEST_OPERATION or _LONG_NUMBER.search(text):
                raise StructureError(
                    f"'{_one_line(text, 40)}' is not a symmetry operation",
                    where=source,
                    hint="one looks like '-x+1/2, y, z'",
                )


def _check_cif_images(parser: Any, block: Any, source: str, max_sites: int) -> None:
    """Count the sites of the cell, up to ``max_sites``, where pymatgen would take long to find them."""
    listed = len(block.data["_atom_site_label"])
    if listed * _MAX_OPERATIONS <= _CHEAP_IMAGES:
        return
    operations = np.array([operation.affine_matrix for operation in parser.get_symops(block)])
    if listed * len(operations) <= _CHEAP_IMAGES:
        return
    columns = [[_cif_number(text) for text in block.data[key]] for key in _COORDINATES]
    sites = np.array(columns).T  # (listed, 3)
    found = 0
    for site in sites:
        images = operations[:, :3, :3] @ site + operations[:, :3, 3]  # (operations, 3)
        kept = np.empty((0, 3))
        for image in images:
            apart = np.abs(kept - image)
            apart = np.abs(apart - np.round(apart))
            if not (apart < _SAME_SITE).all(axis=1).any():
                kept = np.vstack([kept, image])
                found += 1
        if found > max_sites:
            raise StructureError(
                f"the symmetry makes of {listed} listed sites more than the limit of {max_sites}",
                where=source,
                hint="give the primitive cell; the model knows cells of up to a dozen sites",
            )


def _cif_number(text: str) -> float:
    """A coordinate without the digits in parentheses that say how uncertain it is."""
    return float(text.partition("(")[0])


def _cif_symbol(text: str, label: str, source: str) -> str:
    """The element of a type symbol such as ``Cu2+`` or of a label such as ``Cu1``."""
    letters = re.match(r"[A-Za-z]+", text)
    word = letters[0].capitalize() if letters else ""
    for candidate in (word[:2], word[:1]):
        # 'Wat' and 'OH' stand for molecules: pymatgen would make up the hydrogens.
        if candidate in _SYMBOLS and word not in {"Wat", "Oh"}:
            return candidate
    raise StructureError(f"'{text}' of site {label} is not an element", where=source)


def _check_cif_formula(data: dict[str, Any], structure: Structure, source: str) -> None:
    """The atoms must add up to the formula the file states: else some are missing."""
    stated_text = data.get("_chemical_formula_sum")
    has_symmetry = any(data.get(key) for key in _SYMMETRY_KEYS)
    stated = None
    if isinstance(stated_text, str) and stated_text.strip(" ?."):
        try:
            stated = parse_formula(stated_text)
        except FormulaError:
            stated = None  # a fault of the label, not of the structure
    if stated is not None and structure.is_ordered:
        atoms = structure.composition.element_composition
        stated = _without_isotopes(stated)
        if not _same_ratios(stated, _without_isotopes(atoms)):
            raise StructureError(
                f"the atoms add up to {atoms.reduced_formula}, but the file says {stated.reduced_formula}",
                where=source,
                hint="the file is truncated, or lists only some of the atoms (often hydrogen is left out)",
            )
    if not has_symmetry:
        z = data.get("_cell_formula_units_Z")
        whole = (
            stated is not None
            and isinstance(z, str)
            and z.strip().isdigit()
            and abs(stated.num_atoms * int(z) - structure.composition.num_atoms) < 1e-6
        )
        if not whole:
            raise StructureError(
                "the CIF states no space group and no symmetry operations",
                where=source,
                hint="add _space_group_name_H-M_alt 'P 1' if every atom of the cell is listed",
            )


def _without_isotopes(composition: Any) -> Any:
    amounts: dict[str, float] = {}
    for element, n in composition.get_el_amt_dict().items():
        symbol = "H" if element in {"D", "T"} else element
        amounts[symbol] = amounts.get(symbol, 0.0) + n
    return type(composition)(amounts)


def _same_ratios(a: Any, b: Any, tolerance: float = 0.005) -> bool:
    symbols = set(a.get_el_amt_dict()) | set(b.get_el_amt_dict())
    return all(abs(a.get_atomic_fraction(s) - b.get_atomic_fraction(s)) < tolerance for s in symbols)


# -- POSCAR --------------------------------------------------------------------------------------------


def _poscar(text: str, source: str, max_sites: int) -> Parsed:
    from pymatgen.io.vasp.inputs import Poscar

    lines = text.splitlines()
    if len(lines) < 8:
        raise StructureError(
            f"the POSCAR ends after {len(lines)} lines, before its coordinates", where=source
        )
    counts = _poscar_counts(lines)
    if counts is not None:
        check_site_count(counts, max_sites, source)
    with warnings.catch_warnings():
        # Without symbols pymatgen makes them up (H, He, Li, ...) and only warns.
        warnings.filterwarnings("error", message=".*[Ff]alse names.*")
        try:
            structure = Poscar.from_str(text).structure
        except UserWarning as error:
            if "false names" not in str(error).lower():
                raise
            raise StructureError(
                "the POSCAR does not name its elements",
                where=source,
                hint="add a line with the element symbols before the line with the counts",
            ) from error
    return structure, []


def _poscar_counts(lines: list[str]) -> int | None:
    """Sum of the counts on the usual line, before pymatgen makes a list that long."""
    for line in lines[5:7]:
        words = line.split()
        if words and all(word.isascii() and word.isdigit() and len(word) < 12 for word in words):
            return sum(int(word) for word in words)
    return None


# -- JSON ----------------------------------------------------------------------------------------------


def _json(text: str, source: str, max_sites: int) -> Parsed:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise StructureError(
            f"not valid JSON: {error.msg} in line {error.lineno}",
            where=source,
            hint="the file may be truncated",
        ) from error
    return structure_from_dict(value, source, max_sites), []


def structure_from_dict(value: Any, source: str, max_sites: int) -> Structure:
    """Structure from the dictionary that ``Structure.as_dict`` writes.

    Only numbers and symbols are taken. pymatgen's own decoder would import and build whatever class a
    site property names, which an uploaded file must not be able to ask for.

    Raises:
        StructureError: not such a dictionary.
    """
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    if isinstance(value, dict) and "structure" in value and "lattice" not in value:
        value = value["structure"]
    if not isinstance(value, dict) or not {"lattice", "sites"} <= value.keys():
        raise StructureError(
            "the JSON is not a structure: it has no 'lattice' and 'sites'",
            where=source,
            hint="write it with pymatgen's Structure.as_dict() or Structure.to()",
        )
    sites = value["sites"]
    if not isinstance(sites, list):
        raise StructureError("'sites' is not a list", where=source)
    check_site_count(len(sites), max_sites, source)
    try:
        matrix = np.array(value["lattice"]["matrix"], dtype=float).reshape(3, 3)
        species = [_json_species(site["species"]) for site in sites]
        # xyz repeats abc; abc is what Structure itself reads.
        frac = np.array([site["abc"] for site in sites], dtype=float).reshape(-1, 3)
    except (KeyError, TypeError, ValueError) as error:
        raise StructureError(f"the structure JSON is incomplete: {_reason(error)}", where=source) from error
    if abs(np.linalg.det(matrix)) < 1e-6 or not np.isfinite(matrix).all():
        raise StructureError("the cell has no volume", where=source, hint="check the lattice vectors")
    return Structure(Lattice(matrix), species, frac)


def _json_species(entries: Any) -> dict[str, float]:
    if not isinstance(entries, list) or not entries:
        raise ValueError("a site without species")
    occupancy: dict[str, float] = {}
    for entry in entries:
        symbol = str(entry["element"])
        if symbol not in _SYMBOLS:
            raise ValueError(f"'{symbol[:20]}' is not an element")
        occupancy[symbol] = occupancy.get(symbol, 0.0) + float(entry.get("occu", 1.0))
    return occupancy
