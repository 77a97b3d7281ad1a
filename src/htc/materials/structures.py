"""Crystal structures: everything the other rooms need, in one place.

Reading (``load_structure``, ``parse_structure``, ``as_structure``, ``iter_inputs``) ends in a checked
pymatgen ``Structure``; ``primitive_standardised`` and ``structure_hash`` say which crystal it is.
"""

from __future__ import annotations

from htc.materials.checks import DEFAULT_MAX_SITES, MIN_DISTANCE, VOLUME_PER_ATOM
from htc.materials.formats import FORMATS, StructureFormat, detect_format
from htc.materials.inputs import InputItem, Limits, iter_inputs
from htc.materials.reading import (
    DEFAULT_MAX_BYTES,
    LoadedStructure,
    as_structure,
    load_structure,
    parse_structure,
    read_structure,
    structure_from_text,
)
from htc.materials.symmetry import Standardised, primitive_standardised, structure_hash, structure_symprec

__all__ = [
    "DEFAULT_MAX_BYTES",
    "DEFAULT_MAX_SITES",
    "FORMATS",
    "MIN_DISTANCE",
    "VOLUME_PER_ATOM",
    "InputItem",
    "Limits",
    "LoadedStructure",
    "Standardised",
    "StructureFormat",
    "as_structure",
    "detect_format",
    "iter_inputs",
    "load_structure",
    "parse_structure",
    "primitive_standardised",
    "read_structure",
    "structure_from_text",
    "structure_hash",
    "structure_symprec",
]
