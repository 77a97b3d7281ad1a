"""Crystals that lend their shape: found by name, cut into slots, with the symmetry between their slots.

Names are AFLOW labels, Strukturbericht symbols and minerals of the AFLOW library of prototypes (Mehl et al.,
Comput. Mater. Sci. 136, S1 (2017), doi:10.1016/j.commatsci.2017.01.017) that comes with pymatgen, crystals of
the bundled library, or files.
"""

from __future__ import annotations

import difflib
import gzip
import importlib.util
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from htc.discovery.space.crystals import Crystal
from htc.errors import InputError, ModelError
from htc.materials.volumes import PairSums, pair_sums

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["KnownPrototype", "Shape", "find_prototype", "known_prototypes"]

_MOST_PERMUTED: Final = 5
"""Up to so many slots every permutation of them is tried, beyond only exchanges of two."""
_TIGHT: Final = {"ltol": 0.005, "stol": 0.02, "angle_tol": 0.5}
"""Tolerances within which two fillings of a shape are the same crystal by symmetry, not by likeness."""


@dataclass(frozen=True, slots=True)
class KnownPrototype:
    """A prototype that has a name."""

    label: str
    """AFLOW label, or name in the bundled library."""
    names: tuple[str, ...]
    """All names it is found by."""
    formula: str
    """Of the compound that it is the prototype of."""
    crystal: Crystal


@lru_cache(maxsize=1)
def known_prototypes() -> tuple[KnownPrototype, ...]:
    """The AFLOW library, one entry a label; of several with one label the first.

    Raises:
        ModelError: pymatgen's file of prototypes is not where it was.
    """
    from pymatgen.core.composition import Composition

    out: dict[str, KnownPrototype] = {}
    for row in json.loads(gzip.decompress(_aflow_file().read_bytes())):
        tags, written = row["tags"], row["snl"]
        crystal = Crystal(
            tuple(tuple(map(float, v)) for v in written["lattice"]["matrix"]),  # type: ignore[misc]  # three each
            tuple(site["species"][0]["element"] for site in written["sites"]),
            tuple(tuple(map(float, site["abc"])) for site in written["sites"]),  # type: ignore[misc]  # three each
        )
        label = tags["aflow"]
        names = [label, tags.get("strukturbericht"), *str(tags.get("mineral") or "").split(", ")]
        clean = [str(name).strip().replace("\\'", "'") for name in names if name and str(name) != "None"]
        formula = Composition("".join(crystal.symbols)).reduced_formula
        key = label if label not in out else f"{label}:{formula}"
        if key not in out:
            out[key] = KnownPrototype(key, tuple(dict.fromkeys(clean)), formula, crystal)
    return tuple(out.values())


def _aflow_file() -> Path:
    spec = importlib.util.find_spec("pymatgen.analysis")
    for folder in () if spec is None else spec.submodule_search_locations or ():
        for place in ("prototypes/aflow_prototypes.json.gz", "aflow_prototypes.json.gz"):
            if (Path(folder) / place).is_file():
                return Path(folder) / place
    raise ModelError(
        "pymatgen's library of AFLOW prototypes is not there", hint="pip install --upgrade pymatgen"
    )


def find_prototype(name: str, folder: Path) -> tuple[str, Structure]:
    """Name and crystal of a prototype.

    Args:
        name: as the campaign has it.
        folder: where relative paths begin.

    Raises:
        InputError: there is none, or several have this name.
        StructureError: a file that cannot be read.
    """
    from htc.materials.inputs import looks_like_path
    from htc.materials.reading import load_structure

    kind, _, rest = name.partition(":")
    if kind not in {"aflow", "library", "file"} or not rest:
        kind, rest = "", name
    if kind == "file" or (not kind and looks_like_path(rest)):
        path = folder / Path(rest).expanduser()
        return path.stem, load_structure(path).structure
    found: dict[str, Structure | KnownPrototype] = {}
    if kind in {"", "aflow"}:
        found |= {p.label: p for p in _named(rest)}
    if kind == "library" or not found:
        found |= _in_library(rest)
    if not found:
        raise InputError(f"there is no prototype {name!r}", hint=_near(rest))
    if len(found) > 1:
        several = ", ".join(f"{label} ({p.formula})" for label, p in found.items() if not _is_structure(p))
        raise InputError(
            f"several prototypes are called {name!r}", hint=f"one of {several or ', '.join(found)}"
        )
    ((label, prototype),) = found.items()
    if isinstance(prototype, KnownPrototype):
        return label, prototype.crystal.structure()
    return label, prototype


def _is_structure(one: object) -> bool:
    return not isinstance(one, KnownPrototype)


def _named(name: str) -> list[KnownPrototype]:
    known = known_prototypes()
    exact = [p for p in known if p.label == name]
    if exact:
        return exact
    return [p for p in known if name.casefold() in {n.casefold() for n in p.names}]


def _in_library(name: str) -> dict[str, Structure]:
    from htc.materials.library import library_entries

    named = [e for e in library_entries() if name == e.name] or [
        e for e in library_entries() if name == e.formula
    ]
    return {e.name: e.structure for e in named[:1]}


def _near(name: str) -> str:
    from htc.materials.library import library_entries

    names = [n for p in known_prototypes() for n in p.names] + [e.name for e in library_entries()]
    near = difflib.get_close_matches(name, names, 3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "`htc prototypes` lists them; a file needs its suffix"


# -- slots ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shape:
    """A prototype with its sites sorted into kinds: slots first, then elements that stay."""

    name: str
    crystal: Crystal
    """Primitive standard cell, with the prototype's own elements."""
    spacegroup: int | None
    slots: tuple[str, ...]
    """Names of the slots, as the campaign has them."""
    kinds: tuple[int, ...]
    """For each site its kind: a slot, or beyond the slots an element that stays."""
    elements: tuple[str, ...]
    """For each kind the element it has in the prototype."""
    counts: tuple[int, ...]
    """For each kind how many sites it has."""
    sums: PairSums
    same: tuple[tuple[int, ...], ...]
    """Permutations of the slots, without the identity: fillings permuted so give the same crystal."""

    @classmethod
    def of(cls, name: str, structure: Structure, slots: Sequence[str]) -> Shape:
        """Cut a crystal into slots.

        Args:
            name: for labels.
            structure: the prototype.
            slots: elements of it, or ``Fe@a`` for those on Wyckoff position a.

        Raises:
            InputError: a slot without sites.
        """
        from htc.materials.symmetry import primitive_standardised

        standard = primitive_standardised(structure)
        primitive = standard.structure
        letters = _wyckoff_letters(primitive, standard.symprec)
        symbols = [site.specie.symbol for site in primitive]
        kind_of: dict[int, int] = {}
        # The narrower name first: `Fe` is what `Fe@a` leaves.
        for slot in sorted(slots, key=lambda s: "@" not in s):
            symbol, _, letter = slot.partition("@")
            sites = [
                i
                for i, own in enumerate(symbols)
                if own == symbol and (not letter or letters[i] in letter) and i not in kind_of
            ]
            if not sites:
                raise InputError(f"there is no {slot} in {name}", hint=_what_there_is(symbols, letters))
            kind_of |= dict.fromkeys(sites, list(slots).index(slot))
        stays = sorted({symbols[i] for i in range(len(symbols)) if i not in kind_of})
        kinds = tuple(
            kind_of[i] if i in kind_of else len(slots) + stays.index(symbols[i]) for i in range(len(symbols))
        )
        elements = (*(slot.partition("@")[0] for slot in slots), *stays)
        return cls(
            name=name,
            crystal=Crystal.of(primitive),
            spacegroup=standard.spacegroup,
            slots=tuple(slots),
            kinds=kinds,
            elements=elements,
            counts=tuple(kinds.count(kind) for kind in range(len(elements))),
            sums=pair_sums(primitive, kinds),
            same=_symmetry_of_slots(primitive, kinds, len(slots)),
        )

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Shape:
        """The shape of :meth:`as_json`."""
        return cls(
            name=kept["name"],
            crystal=Crystal.from_json(kept["crystal"]),
            spacegroup=kept["spacegroup"],
            slots=tuple(kept["slots"]),
            kinds=tuple(kept["kinds"]),
            elements=tuple(kept["elements"]),
            counts=tuple(kept["counts"]),
            sums=tuple(tuple(one) for one in kept["sums"]),
            same=tuple(tuple(one) for one in kept["same"]),
        )

    def as_json(self) -> dict[str, Any]:
        """JSON that gives exactly this shape back."""
        out = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return out | {"crystal": self.crystal.as_json()}


def _wyckoff_letters(structure: Structure, symprec: float | None) -> list[str]:
    """Letter of every site; empty texts where no symmetry was found."""
    import moyopy

    if symprec is None:
        return [""] * len(structure)
    cell = moyopy.Cell(
        structure.lattice.matrix.tolist(),
        structure.frac_coords.tolist(),
        [int(z) for z in structure.atomic_numbers],
    )
    return list(moyopy.MoyoDataset(cell, symprec=symprec).wyckoffs)


def _what_there_is(symbols: Sequence[str], letters: Sequence[str]) -> str:
    found = sorted(set(zip(symbols, letters, strict=True)))
    return "there are: " + ", ".join(f"{s}@{letter}" if letter else s for s, letter in found)


def _symmetry_of_slots(
    structure: Structure, kinds: Sequence[int], n_slots: int
) -> tuple[tuple[int, ...], ...]:
    """Permutations of the slots that an isometry of the crystal undoes, e.g. the two of rock salt."""
    from pymatgen.analysis.structure_matcher import StructureMatcher
    from pymatgen.core.periodic_table import Element

    counts = [list(kinds).count(k) for k in range(n_slots)]
    if n_slots < 2 or len(set(counts)) == n_slots:
        return ()
    matcher = StructureMatcher(primitive_cell=False, scale=False, **_TIGHT)  # type: ignore[arg-type]  # floats
    names = [Element.from_Z(3 + kind).symbol for kind in range(max(kinds) + 1)]

    def filled(order: Sequence[int]) -> Structure:
        from htc.discovery.space.crystals import made

        full = (*order, *range(n_slots, len(names)))
        return made(
            np.array(structure.lattice.matrix),
            [names[full[k]] for k in kinds],
            np.array(structure.frac_coords),
        )

    own = tuple(range(n_slots))
    reference = filled(own)
    tried = (
        itertools.permutations(own)
        if n_slots <= _MOST_PERMUTED
        else (_swapped(own, i, j) for i, j in itertools.combinations(own, 2))
    )
    return tuple(
        order
        for order in tried
        if order != own
        and all(counts[k] == counts[order[k]] for k in own)
        and matcher.fit(reference, filled(order))
    )


def _swapped(order: Sequence[int], i: int, j: int) -> tuple[int, ...]:
    out = list(order)
    out[i], out[j] = out[j], out[i]
    return tuple(out)
